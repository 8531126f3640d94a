/* SPDX-License-Identifier: Apache-2.0 */
/* What a card does: a rule is a row with a name, what is known of IoT.05, and a question.
 * Answers are text that two cards of the same behaviour give alike, and settings that make
 * a software SIM behave so. Nothing that tells one card from another of its kind is in either. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <jansson.h>

#include "tool.h"

#define RULES_MAX 64

/** What came of one rule. */
struct finding {
    char seen[200];
    bool asked;
    bool copes; /* our programs work with a card that does so */
    unsigned ms;
};

/** What the rules know of the card: what earlier ones found out is there for later ones. */
struct inquiry {
    struct iotsafe_card *card;
    struct iotsafe_op op;
    bool may_sign, may_write;
    const struct iotsafe_name *write_pair, *write_public; /* containers; NULL: not named */
    json_t *settings;                                     /* of the software SIM: name -> text */

    struct iotsafe_info info;
    struct iotsafe_object *objects; /* NULL: the applet has no list */
    size_t n_objects;
    struct iotsafe_name key;      /* a private key that signs; empty: none is known */
    struct iotsafe_name verifier; /* a public key that can be read */
    struct iotsafe_object file;   /* the largest; kind 0: none */
    unsigned session;             /* a number that INIT accepts */
    bool no_le;                   /* no Le may stand behind data */
    bool told_sessions;           /* the applet told how many there may be */
    bool one_session;             /* at a time, as was tried */

    struct iotsafe_probe *probe; /* while a rule runs */
    struct finding *finding;
    struct iotsafe_probe_response rsp; /* to the last command */
};

typedef enum iotsafe_err rule_fn(struct inquiry *q);

struct rule {
    const char *name, *expected;
    rule_fn *ask;
    enum { NEEDS_CARD, NEEDS_KEY, NEEDS_VERIFIER, NEEDS_FILE, NEEDS_PAIR, NEEDS_PUBLIC } needs;
};

extern const struct rule rules_way[], rules_objects[], rules_keys[]; /* end with a NULL name */

/** What a card does; the rule is asked. */
void found(struct inquiry *q, bool copes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The rule cannot be asked here, and why. */
void not_asked(struct inquiry *q, const char *why);

/** A setting of the software SIM. */
void setting(struct inquiry *q, const char *name, const char *value);
void setting_number(struct inquiry *q, const char *name, unsigned value);

/** One command; the response is in q->rsp. */
IOTSAFE_NODISCARD enum iotsafe_err ask(struct inquiry *q, const struct iotsafe_probe_command *cmd);

/** The status word stands for success, with remarks perhaps. */
bool sw_is_success(uint16_t sw);

/** Data of commands: an object with a tag, behind the others. */
struct tlv_data {
    uint8_t bytes[255];
    size_t len;
};
void data_put(struct tlv_data *data, uint8_t tag, const void *value, size_t len);
/** The name as the applet knows it: identifier, else label. */
void data_put_name(struct tlv_data *data, enum iotsafe_kind kind, const struct iotsafe_name *name);

/** INIT of a signature or verification. */
struct algorithm {
    uint8_t mode, hash, sig;
};
IOTSAFE_NODISCARD enum iotsafe_err ask_init(struct inquiry *q, uint8_t ins, unsigned session,
                                            const struct algorithm *a);
/** The session is closed, if it is open, whatever the card says. */
IOTSAFE_NODISCARD enum iotsafe_err ask_close(struct inquiry *q, uint8_t ins, unsigned session);

/** The value of the first object with that tag in bytes of the card, and its length; NULL: none.
 *  Lengths are taken as one byte, or as BER if those bytes say so. */
const uint8_t *tlv_value(const uint8_t *bytes, size_t len, uint8_t tag, size_t *ret_len);

/** Ask all rules; one finding each, in `ret_findings`.
 *  @param ret_rules  the rules, RULES_MAX at most
 *  @return false if the card could not be asked: q->op says why */
bool conformance_ask(struct inquiry *q, const struct rule **ret_rules, struct finding *ret_findings,
                     size_t *ret_n);
void conformance_clear(struct inquiry *q);

/** An array with an object for each rule, as iotsafe(1) promises; NULL when out of memory. */
json_t *conformance_json(const struct rule *const *rules, const struct finding *findings, size_t n);

#endif
