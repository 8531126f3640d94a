/* SPDX-License-Identifier: Apache-2.0 */
/* The IoT SAFE applet of a SIM, seen as cards, objects and operations.
 *
 * This is the only header that provider/ and tools/ see of applet_io. It knows
 * no OpenSSL type and shows nothing of the wire - no tag, no status word, no
 * reader -, but for those who ask what a card does (iotsafe_probe()). Documents and editions:
 * docs/references.md.
 *
 * Threads and processes: every function may be called from any thread. A card
 * is shared by all threads and, through a lock beside the device, by all
 * processes that use this library; a call holds both locks only while it runs.
 * After fork() a child goes on with the cards of its parent: it opens
 * connections of its own at the first use.
 *
 * Deadline: each call that takes a card ends at the deadline of its operation
 * (struct iotsafe_op) or, where none is set, after the card's `timeout-ms`; waiting
 * for others is included. One exchange that has begun may end later, at most by the
 * time that one exchange is given. Faults that pass - a reset, a lost channel, a device that comes
 * back, an applet busy with remote administration - are repaired inside the call until then.
 *
 * Outputs (`ret_...`) are written on IOTSAFE_OK only, unless said otherwise.
 *
 * Errors: each function lists its own. Two groups are named only, since every function
 * has them that reaches a card:
 *   way     IOTSAFE_ERR_MEMORY, _TIMEOUT, _LOCK, _NO_SERVICE, _NO_READER, _NO_CARD,
 *           _NO_CHANNEL, _NO_APPLET, _TRANSPORT, _CHANNEL_LOST: the card was not reached;
 *           _DAMAGED: its response was damaged in transit each time
 *   applet  IOTSAFE_ERR_ACCESS, _CONDITIONS, _BUSY, _CHANGED, _DATA, _UNSUPPORTED,
 *           _LENGTH, _CLASS, _CARD: what its status word means, see docs/references.md;
 *           _PROTOCOL, _SPACE: its response makes no sense, or is too long;
 *           _SIGNATURE, which none but iotsafe_verify() makes sense of
 * and one, "name", every function that takes the name of an object:
 *   name    IOTSAFE_ERR_NOT_FOUND, _AMBIGUOUS: no object of the kind, or several, have
 *           that name; the op lists what there is
 */
#ifndef IOTSAFE_H
#define IOTSAFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iotsafe_defs.h"

#define IOTSAFE_NODISCARD __attribute__((warn_unused_result))

/* ------------------------------------------------------------------ errors */

/** What can go wrong, coarsely; struct iotsafe_op tells the rest. Values are
 *  stable: the provider uses them as OpenSSL reason numbers. */
enum iotsafe_err {
    IOTSAFE_OK = 0,
    IOTSAFE_ERR_ARGUMENT = 1, /* the caller's mistake */
    IOTSAFE_ERR_MEMORY = 2,
    IOTSAFE_ERR_CONFIG = 3,     /* a bad value in configuration or environment */
    IOTSAFE_ERR_URI = 4,        /* a malformed object URI */
    IOTSAFE_ERR_TIMEOUT = 5,    /* the deadline passed */
    IOTSAFE_ERR_LOCK = 6,       /* the device lock cannot be had at all */
    IOTSAFE_ERR_NO_SERVICE = 7, /* no pcscd, nobody at the socket, no such device */
    IOTSAFE_ERR_NO_READER = 8,
    IOTSAFE_ERR_NO_CARD = 9,
    IOTSAFE_ERR_NO_CHANNEL = 10, /* no logical channel to be had */
    IOTSAFE_ERR_NO_APPLET = 11,
    IOTSAFE_ERR_TRANSPORT = 12,    /* the device failed in an exchange */
    IOTSAFE_ERR_PROTOCOL = 13,     /* the answer makes no sense */
    IOTSAFE_ERR_SPACE = 14,        /* an answer larger than allowed */
    IOTSAFE_ERR_NOT_FOUND = 15,    /* no such object */
    IOTSAFE_ERR_AMBIGUOUS = 16,    /* several objects fit the name */
    IOTSAFE_ERR_ACCESS = 17,       /* security status not satisfied */
    IOTSAFE_ERR_CONDITIONS = 18,   /* conditions of use not satisfied */
    IOTSAFE_ERR_BUSY = 19,         /* remote administration at work */
    IOTSAFE_ERR_CHANGED = 20,      /* remote administration changed the object */
    IOTSAFE_ERR_DATA = 21,         /* the applet refused the command data */
    IOTSAFE_ERR_UNSUPPORTED = 22,  /* not offered by this applet */
    IOTSAFE_ERR_LENGTH = 23,       /* wrong length (Lc, Le) */
    IOTSAFE_ERR_CLASS = 24,        /* class byte not supported */
    IOTSAFE_ERR_CHANNEL_LOST = 25, /* the card no longer knows our channel */
    IOTSAFE_ERR_SIGNATURE = 26,    /* a signature does not match */
    IOTSAFE_ERR_CARD = 27,         /* any other status word */
    IOTSAFE_ERR_KEY = 28,          /* a key or point that must not be used */
    IOTSAFE_ERR_CERTIFICATE = 29,  /* a file that holds no certificate */
    IOTSAFE_ERR_DIGEST = 30,       /* a digest that the applet does not sign */
    IOTSAFE_ERR_REFERENCE = 31,    /* a damaged key-reference file */
    IOTSAFE_ERR_OUTCOME = 32,      /* a key may have been generated: the answer was lost */
    IOTSAFE_ERR_DAMAGED = 33, /* a response was damaged in transit, each time it was requested */
    IOTSAFE_ERR_NOT_REACHED = 34, /* card or modem refused on the way to the applet */
    IOTSAFE_ERR_MAX
};

/** Short text for an error, without the particulars. Static storage. */
const char *iotsafe_strerror(enum iotsafe_err err);

/** True unless the Unicode character acts on a terminal or deceives the reader of a
 *  line: controls of C0 and C1, writing direction, what is invisible. */
bool iotsafe_char_is_harmless(uint32_t point);

/** Replaces other characters of a text, and bytes that are no UTF-8, by question
 *  marks. Labels of a card get into messages, and those to a terminal. */
void iotsafe_text_clean(char *text);

/**
 * Was the applet reached, and just gave nothing of use under that name? Then another
 * name, another object or another way may still do. False for IOTSAFE_OK, and for
 * failures after which no other question is worth asking: of the way to the card, of
 * the deadline, of memory or settings, and for an object in the hands of remote
 * administration.
 */
bool iotsafe_err_is_refusal(enum iotsafe_err err);

/**
 * One operation of the caller - a load, a signature, a derivation -, however many
 * calls of this library it takes: until when it may last, and why it failed. Owned
 * by the caller; every function that takes one accepts NULL.
 */
struct iotsafe_op {
    /** For people: which object, command, status word, transport, and what to do.
     *  Written on failure; never holds anything secret. NUL-terminated UTF-8,
     *  control characters replaced. */
    char text[512];
    /** When to give up: milliseconds on CLOCK_MONOTONIC; 0: each call has the card's
     *  `timeout-ms` for itself. See iotsafe_op_begin(). */
    int64_t deadline_ms;
};

/** The start of a quiet attempt inside an operation: no text yet, the same deadline. */
static inline struct iotsafe_op iotsafe_op_within(const struct iotsafe_op *op)
{
    struct iotsafe_op part = { "", op != NULL ? op->deadline_ms : 0 };

    return part;
}

/* ----------------------------------------------------------- configuration */

struct iotsafe_config;
struct iotsafe_uri;

/** Gives the value of a configuration key ("transport", "sim.NAME", ...) or
 *  NULL. The text must stay valid as long as the configuration. */
typedef const char *iotsafe_lookup_fn(void *arg, const char *key);

/**
 * Read the configuration: environment before `lookup` before the defaults.
 * The environment is read here, once (secure_getenv); `lookup` is kept, since
 * the names of further SIMs show only when a URI uses them.
 *
 * A bad value is remembered, not refused: every iotsafe_card_new() on this
 * configuration then fails with IOTSAFE_ERR_CONFIG and names it.
 *
 * @param lookup  borrowed as long as the configuration lives; may be NULL
 * @return NULL when out of memory
 */
struct iotsafe_config *iotsafe_config_new(iotsafe_lookup_fn *lookup, void *arg);

/** The same environment as then, all else looked up again: for settings that came later. */
struct iotsafe_config *iotsafe_config_look_again(const struct iotsafe_config *earlier);
void iotsafe_config_free(struct iotsafe_config *cfg);

/** The names of the settings, one after the other: a key of openssl.cnf, and in `ret_env`
 *  its environment variable or NULL. NULL behind the last. Static storage. */
const char *iotsafe_config_setting(size_t n, const char **ret_env);

/**
 * The text that was given for the n-th of these settings, good or bad.
 *
 * @param ret_from_env  whether the environment gave it; openssl.cnf did otherwise
 * @return borrowed from the configuration; NULL: none was given, the default counts
 */
const char *iotsafe_config_given(const struct iotsafe_config *cfg, size_t n, bool *ret_from_env);

/** Begin an operation now: it may last for the configuration's `timeout-ms`, all its
 *  calls together. */
struct iotsafe_op iotsafe_op_begin(const struct iotsafe_config *cfg);

/** Write an error that the caller reports to the trace, for programs that do not show it.
 *  @param op  NULL, or an empty text: the text of `err` alone */
void iotsafe_trace_error(const struct iotsafe_config *cfg, enum iotsafe_err err,
                         const struct iotsafe_op *op);

/** Settings of the layers above; defaults where the value was bad. */
bool iotsafe_config_verify_signature(const struct iotsafe_config *cfg);
bool iotsafe_config_key_references(const struct iotsafe_config *cfg);
bool iotsafe_config_card_verify(const struct iotsafe_config *cfg);
bool iotsafe_config_assume_fips(const struct iotsafe_config *cfg);

/** URIs of containers: for the peer's point in a key agreement, and for the
 *  ephemeral keys of TLS. NULL where none is set; valid as long as `cfg`. */
const struct iotsafe_uri *iotsafe_config_peer_key(const struct iotsafe_config *cfg);
const struct iotsafe_uri *iotsafe_config_ephemeral_key(const struct iotsafe_config *cfg);

/* --------------------------------------------------------- names and URIs */

/** How an object is called: by identifier, by label, or by both. */
struct iotsafe_name {
    uint8_t id[IOTSAFE_ID_MAX];
    size_t id_len;                     /* bytes; 0: not given */
    char label[IOTSAFE_LABEL_MAX + 1]; /* NUL-terminated; bytes from the card may be any UTF-8 */
    size_t label_len;                  /* bytes; 0: not given */
};

/** True if neither part is given. */
bool iotsafe_name_is_empty(const struct iotsafe_name *name);

/** True if both have a label, or both an identifier, and it is the same. */
bool iotsafe_name_same_label(const struct iotsafe_name *a, const struct iotsafe_name *b);
bool iotsafe_name_same_id(const struct iotsafe_name *a, const struct iotsafe_name *b);

/** True if `want` names `have`: every part given in `want` is equal. */
bool iotsafe_name_matches(const struct iotsafe_name *want, const struct iotsafe_name *have);

enum iotsafe_uri_type {
    IOTSAFE_URI_ANY = 0,
    IOTSAFE_URI_PRIVATE,
    IOTSAFE_URI_PUBLIC,
    IOTSAFE_URI_CERT
};

#define IOTSAFE_SIM_NAME_MAX 32 /* characters: letters, digits, '-', '_', '.' */

struct iotsafe_uri {
    struct iotsafe_name name; /* both parts empty: all objects of the type */
    enum iotsafe_uri_type type;
    char sim[IOTSAFE_SIM_NAME_MAX + 1]; /* empty: the default SIM */
};

/** The scheme test alone: "iotsafe:" at the start, in any case. */
bool iotsafe_uri_is_ours(const char *text);

/**
 * Parse `iotsafe:` or `iotsafe://` and its attributes (docs/iotsafe-uri.7).
 * @retval IOTSAFE_ERR_URI  the op names the attribute that is wrong; the only error
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_uri_parse(const char *text, struct iotsafe_uri *ret_uri,
                                                     struct iotsafe_op *op);

#define IOTSAFE_URI_MAX 320 /* bytes with the NUL; the longest that format writes fits */

/** Write the URI in its one canonical form, `iotsafe://`, attributes in the
 *  order id, label, type, sim. The result always fits. */
void iotsafe_uri_format(const struct iotsafe_uri *uri, char ret_text[static IOTSAFE_URI_MAX]);

/* ------------------------------------------------------------------- cards */

struct iotsafe_card;

/**
 * A reference to a SIM. No I/O: the device is reached at the first use. Two
 * references with equal settings share one connection in this process.
 *
 * @param cfg  borrowed for the call
 * @param sim  the name of a SIM in the configuration; NULL or "" is the default one
 * @retval IOTSAFE_ERR_CONFIG  unknown SIM name, bad transport, any bad setting
 * @retval IOTSAFE_ERR_MEMORY
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_card_new(const struct iotsafe_config *cfg,
                                                    const char *sim, struct iotsafe_card **ret_card,
                                                    struct iotsafe_op *op);

/**
 * In place of the card that iotsafe_card_new() refused with IOTSAFE_ERR_CONFIG: every use
 * fails with that error. For callers that can do without the SIM until then.
 *
 * @param why  what iotsafe_card_new() said
 * @return NULL when out of memory
 */
struct iotsafe_card *iotsafe_card_new_unusable(const struct iotsafe_config *cfg,
                                               const struct iotsafe_op *why);
struct iotsafe_card *iotsafe_card_ref(struct iotsafe_card *card);
void iotsafe_card_free(struct iotsafe_card *card); /* NULL accepted */

/** The transport as configured, for messages; lives as long as the card. */
const char *iotsafe_card_transport(const struct iotsafe_card *card);

/** Forget what was read from the card (objects, files, public keys), because
 *  something no longer fits. The next call reads afresh. */
void iotsafe_card_forget(struct iotsafe_card *card);

/** How many commands this process has sent to cards so far, MANAGE CHANNEL, SELECT and
 *  GET RESPONSE included. */
unsigned long iotsafe_exchanges(void);

/* ------------------------------------------------------------- information */

/** GET DATA - application (IoT.05 2.12). A value that the applet does not tell
 *  is 0; `known` is false when the applet has no such command. */
struct iotsafe_info {
    bool known;
    uint8_t version; /* 0x10 is 1.0 */
    uint8_t applet_id[32];
    size_t applet_id_len;
    uint8_t max_files, max_private_keys, max_public_keys, max_secrets, max_sessions;
    uint8_t functions;            /* IOTSAFE_FUNCTION_..., a bit each */
    uint16_t hashes;              /* IOTSAFE_HASH_... */
    uint8_t signature_algs;       /* IOTSAFE_SIG_... */
    uint8_t agreement;            /* IOTSAFE_AGREEMENT_... */
    uint8_t derivation;           /* IOTSAFE_DERIVATION_... */
    uint8_t aid[IOTSAFE_AID_MAX]; /* the AID that selected the applet */
    size_t aid_len;
    char device[128]; /* reader, socket or modem that was reached */
    char channel[40]; /* logical channel or the modem's session, as text */
};

/** What the applet tells of itself; where it has no such command, how it was reached.
 *  @return way, applet */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_card_info(struct iotsafe_card *card,
                                                     struct iotsafe_info *ret_info,
                                                     struct iotsafe_op *op);

/* ----------------------------------------------------------------- objects */

enum iotsafe_kind { IOTSAFE_PRIVATE_KEY = 1, IOTSAFE_PUBLIC_KEY, IOTSAFE_FILE, IOTSAFE_SECRET };

/** Word for messages: "private key", "public key", "file", "secret". */
const char *iotsafe_kind_name(enum iotsafe_kind kind);

/** Attributes as the applet's object list tells them (IoT.05 2.14.4): hints,
 *  not law. A value that was not told is 0 and its bit in `told` is clear. */
struct iotsafe_object {
    enum iotsafe_kind kind;
    struct iotsafe_name name;
    uint16_t told; /* IOTSAFE_TOLD_... */
    uint8_t access, state, key_type, key_usage, functions;
    uint8_t signature_algs, agreement, derivation;
    uint16_t hashes;
    uint8_t file_usage;
    uint16_t file_size; /* bytes of the container */
};
#define IOTSAFE_TOLD_ACCESS 0x0001
#define IOTSAFE_TOLD_STATE 0x0002
#define IOTSAFE_TOLD_KEY_TYPE 0x0004
#define IOTSAFE_TOLD_KEY_USAGE 0x0008
#define IOTSAFE_TOLD_FUNCTIONS 0x0010
#define IOTSAFE_TOLD_SIGNATURE_ALGS 0x0020
#define IOTSAFE_TOLD_AGREEMENT 0x0040
#define IOTSAFE_TOLD_DERIVATION 0x0080
#define IOTSAFE_TOLD_HASHES 0x0100
#define IOTSAFE_TOLD_FILE_USAGE 0x0200
#define IOTSAFE_TOLD_FILE_SIZE 0x0400

/** Can this device put another key in the place of a public key? */
enum iotsafe_replaceable {
    IOTSAFE_REPLACEABLE_NO = 0,
    IOTSAFE_REPLACEABLE_UNKNOWN, /* the object list does not tell enough */
    IOTSAFE_REPLACEABLE_YES
};

/**
 * The rule for keys that are to protect from the device itself: writing a key and
 * generating a pair both put another one in its place, so that the list must deny both.
 *
 * @param key      kind IOTSAFE_PUBLIC_KEY, from the list
 * @param ret_why  behind "the key": "has update access", for one; "" for
 *                 IOTSAFE_REPLACEABLE_NO. Static storage; NULL accepted
 */
enum iotsafe_replaceable iotsafe_key_replaceable(const struct iotsafe_object *key,
                                                 const char **ret_why);

#define IOTSAFE_OBJECTS_MAX 256

/**
 * All objects of the applet, in the applet's order.
 *
 * @param ret_objects  allocated; free() it
 * @param ret_n        0 to IOTSAFE_OBJECTS_MAX
 * @retval IOTSAFE_ERR_UNSUPPORTED  the applet has no object list
 * @return otherwise way, applet
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_list(struct iotsafe_card *card,
                                                struct iotsafe_object **ret_objects, size_t *ret_n,
                                                struct iotsafe_op *op);

/**
 * The one object of a kind that a name stands for, from the object list, or, where the
 * applet has none, as it tells of that object alone.
 *
 * @retval IOTSAFE_ERR_NOT_FOUND  none; the op says what there is
 * @retval IOTSAFE_ERR_AMBIGUOUS  several; the op lists them
 * @return otherwise as iotsafe_list()
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_find(struct iotsafe_card *card, enum iotsafe_kind kind,
                                                const struct iotsafe_name *name,
                                                struct iotsafe_object *ret_object,
                                                struct iotsafe_op *op);

#define IOTSAFE_POINT_SIZE 65 /* uncompressed point of a 256-bit curve: 04 X Y */

#define IOTSAFE_RSA_MODULUS_MAX 256 /* bytes: RSA-2048 */
#define IOTSAFE_RSA_EXPONENT_MAX 8

struct iotsafe_rsa_key {
    uint8_t modulus[IOTSAFE_RSA_MODULUS_MAX]; /* big-endian, no leading zeros */
    size_t modulus_len;
    uint8_t exponent[IOTSAFE_RSA_EXPONENT_MAX];
    size_t exponent_len;
};

/** A public key as the card tells it. */
struct iotsafe_public_key {
    enum { IOTSAFE_EC = 1, IOTSAFE_RSA } algorithm;
    union {
        uint8_t point[IOTSAFE_POINT_SIZE]; /* IOTSAFE_EC */
        struct iotsafe_rsa_key rsa;        /* IOTSAFE_RSA */
    };
};

/**
 * READ PUBLIC KEY. A point has the right form, but the caller checks that it lies on
 * a curve; an RSA key has a modulus and an exponent, and the caller checks that they
 * are of use.
 *
 * @param name  of the public key object; addressed by identifier if it has one, else
 *              by label, and the other way if that is refused
 * @retval IOTSAFE_ERR_PROTOCOL  the response holds neither kind of key
 * @return otherwise way, applet, name
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_read_public_key(struct iotsafe_card *card,
                                                           const struct iotsafe_name *name,
                                                           struct iotsafe_public_key *ret_key,
                                                           struct iotsafe_op *op);

/** How much of a file object to read. */
enum iotsafe_extent {
    IOTSAFE_CERTIFICATES, /* the DER certificates that it begins with, one after
                             another, without the padding behind them; a file that
                             begins otherwise (PEM, say) whole */
    IOTSAFE_WHOLE         /* all bytes of the container */
};

/**
 * READ FILE (IoT.05 2.21), piece by piece, to the end that the size, the
 * content or the card tells. What the list says of the size is a hint only.
 *
 * @param size_hint  size of the container if known from the list, else 0
 * @param ret_data   allocated; free() it; not NULL even for an empty file
 * @param ret_len    0 to IOTSAFE_FILE_MAX + 1
 * @retval IOTSAFE_ERR_MEMORY  also for a size_hint over IOTSAFE_FILE_MAX
 * @return otherwise way, applet, name
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_read_file(struct iotsafe_card *card,
                                                     const struct iotsafe_name *name,
                                                     enum iotsafe_extent extent, size_t size_hint,
                                                     uint8_t **ret_data, size_t *ret_len,
                                                     struct iotsafe_op *op);

/* -------------------------------------------------------------- operations */

#define IOTSAFE_SIGNATURE_MAX 256 /* bytes: ECDSA 64 raw or 72 DER; RSA-2048 256 */
#define IOTSAFE_TEXT_MAX 65535    /* bytes of text that go to an applet which hashes itself */

enum iotsafe_scheme { IOTSAFE_ECDSA = 1, IOTSAFE_RSA_PKCS1, IOTSAFE_RSA_PSS };

/**
 * What is to be signed, in the forms that the caller has. All applets seen take
 * the finished digest (pad-and-sign mode); for one that refuses it, the state of
 * a hash over all but the last block, or the text itself, is tried.
 *
 * Legal combinations: `hash` always; then at least one form, each whole or absent:
 *   digest   alone, as iotsafe_input_from_digest() makes it
 *   state    with hashed_len, last_block and last_block_len; hashed_len is 0 for a text
 *            of less than a block, and the state then the initial hash value
 *   text     with text_len, which may be 0
 * All forms that are there are of the same text. iotsafe_verify() takes the digest only.
 */
struct iotsafe_input {
    uint16_t hash;         /* IOTSAFE_HASH_..., one bit */
    const uint8_t *digest; /* 32, 48 or 64 bytes as the hash says */
    const uint8_t *state;  /* 32 or (SHA-384 too) 64 bytes, big-endian words; NULL: none */
    uint32_t hashed_len;   /* bytes in the state: a multiple of the block size */
    const uint8_t
        *last_block; /* what follows; at most 128 bytes, not empty if anything was hashed */
    size_t last_block_len;
    const uint8_t *text; /* all of it; NULL: not at hand */
    size_t text_len;     /* at most IOTSAFE_TEXT_MAX */
};

/** Bytes of a digest; 0 for what is not one bit of IOTSAFE_HASH_... */
size_t iotsafe_hash_size(uint16_t hash);
/** The hash whose digests have so many bytes, IOTSAFE_HASH_...; 0: none. */
uint16_t iotsafe_hash_of_size(size_t digest_len);

/** Input from a finished digest of 32, 48 or 64 bytes (borrowed).
 *  @retval IOTSAFE_ERR_DIGEST  another length: no applet signs it */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_input_from_digest(const uint8_t *digest,
                                                             size_t digest_len,
                                                             struct iotsafe_input *ret_input,
                                                             struct iotsafe_op *op);

/**
 * COMPUTE SIGNATURE (IoT.05 2.10). Two exchanges on an open card, one more where
 * answers must be fetched or sessions closed. What the applet refuses - a hash,
 * a mode - is tried once and remembered.
 *
 * @param name     of the private key
 * @param ret_sig  ECDSA: r || s of 32 bytes each, or a DER ECDSA-Sig-Value: some
 *                 applets answer so. NOT checked against a public key here
 * @retval IOTSAFE_ERR_DIGEST    the applet wants a form that `input` lacks
 * @retval IOTSAFE_ERR_PROTOCOL  the response is no signature of that scheme
 * @return otherwise way, applet, name; IOTSAFE_ERR_DATA, _CONDITIONS, _UNSUPPORTED and
 *         _LENGTH after every form that `input` has was refused: the first refusal
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_sign(struct iotsafe_card *card,
                                                const struct iotsafe_name *name,
                                                enum iotsafe_scheme scheme,
                                                const struct iotsafe_input *input,
                                                uint8_t ret_sig[static IOTSAFE_SIGNATURE_MAX],
                                                size_t *ret_sig_len, struct iotsafe_op *op);

/**
 * VERIFY SIGNATURE with a public key of the card (IoT.05 2.13).
 *
 * @param sig        r || s, 64 bytes
 * @param ret_valid  what the applet says
 * @return way, applet, name; that the signature is wrong is no error
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_verify(struct iotsafe_card *card,
                                                  const struct iotsafe_name *name,
                                                  const struct iotsafe_input *input,
                                                  const uint8_t sig[static 64], bool *ret_valid,
                                                  struct iotsafe_op *op);

/** What GENERATE KEY PAIR made. The names are those valid from now on. */
struct iotsafe_generated {
    struct iotsafe_name private_key;
    struct iotsafe_name public_key; /* empty when the applet did not tell */
    uint8_t point[IOTSAFE_POINT_SIZE];
};

/**
 * GENERATE KEY PAIR (IoT.05 2.11), and the new public key in the same step. Sent once
 * only, on a channel on which the applet has just answered.
 *
 * @param name  of the private key's container
 * @retval IOTSAFE_ERR_OUTCOME  the container may hold a new key
 * @retval IOTSAFE_ERR_KEY      it holds one, but its public key cannot be had
 * @return otherwise way, applet, name
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_generate(struct iotsafe_card *card,
                                                    const struct iotsafe_name *name,
                                                    struct iotsafe_generated *ret_generated,
                                                    struct iotsafe_op *op);

/** PUT PUBLIC KEY. The caller has checked that the point is on the curve.
 *  @param name  of the public key's container
 *  @return way, applet, name */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_put_public_key(
    struct iotsafe_card *card, const struct iotsafe_name *name,
    const uint8_t point[static IOTSAFE_POINT_SIZE], struct iotsafe_op *op);

#define IOTSAFE_SHARED_SECRET_SIZE 32

/** What is combined with what, and what proves that it was. All borrowed. */
struct iotsafe_agreement {
    const struct iotsafe_name *private_key;
    const struct iotsafe_name *container; /* a public key that may be updated, of the same curve */
    const uint8_t *peer;                  /* point of the peer; the caller has checked that it is
                                             on the curve */
    const uint8_t *own;                   /* point that belongs to the private key as the caller
                                             holds it; NULL: not known, nothing is compared */
    const struct iotsafe_name *own_name;  /* of the public-key object on the card that holds it;
                                             NULL or empty: looked for in the list */
};

/**
 * Put the peer's point into a container and COMPUTE DH with it, as one step: nobody else's
 * point comes in between. In the same step the card's public key of the pair is compared
 * with `own`, since a pair that was generated anew, or another SIM, would give a secret
 * that nothing shows to be wrong. The caller wipes the secret.
 *
 * @param ret_secret   the abscissa of the result; never all zeros
 * @retval IOTSAFE_ERR_KEY       the pair on the card is not the one that the caller holds
 * @retval IOTSAFE_ERR_CHANGED   on a server that keeps no turns, others used the container
 *                               all the time
 * @retval IOTSAFE_ERR_PROTOCOL  the response is no such secret
 * @return otherwise way, applet, name
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_agree(
    struct iotsafe_card *card, const struct iotsafe_agreement *agreement,
    uint8_t ret_secret[static IOTSAFE_SHARED_SECRET_SIZE], struct iotsafe_op *op);

/**
 * COMPUTE HKDF: the extract step of RFC 5869 with a secret of the card as input
 * keying material. The caller wipes the result.
 *
 * @param salt     0 to 127 bytes; none counts as zeros
 * @param hash     IOTSAFE_HASH_...
 * @param ret_prk  32, 48 or 64 bytes as the hash says
 * @retval IOTSAFE_ERR_DIGEST    another hash
 * @retval IOTSAFE_ERR_SPACE, IOTSAFE_ERR_ARGUMENT  the salt is too long for one command
 * @return otherwise way, applet, name
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_hkdf_extract(struct iotsafe_card *card,
                                                        const struct iotsafe_name *secret,
                                                        const uint8_t *salt, size_t salt_len,
                                                        uint16_t hash, uint8_t ret_prk[static 64],
                                                        struct iotsafe_op *op);

/**
 * COMPUTE PRF: that of TLS 1.2 with SHA-256 (RFC 5246 clause 5) and a secret of
 * the card. The caller wipes the result.
 *
 * @param label_seed  label and seed, one after the other, at most 127 bytes
 * @param ret_bytes   n bytes, 1 to 255
 * @retval IOTSAFE_ERR_ARGUMENT  another n, or label and seed are too long
 * @retval IOTSAFE_ERR_SPACE     label and seed are too long
 * @return otherwise way, applet, name
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_prf(struct iotsafe_card *card,
                                               const struct iotsafe_name *secret,
                                               const uint8_t *label_seed, size_t label_seed_len,
                                               uint8_t *ret_bytes, size_t n, struct iotsafe_op *op);

/** GET RANDOM until `n` bytes are there. The caller wipes them.
 *  @return way, applet */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_random(struct iotsafe_card *card, uint8_t *ret_bytes,
                                                  size_t n, struct iotsafe_op *op);

/* ----------------------------------------------------------------- probing */

/* For programs that find out what a card does (iotsafe conformance). Commands as raw as can be
 * sent without harm: they reach our applet only, on a channel on which it has just answered, and
 * such as change what it keeps are refused unless the caller may. */

/** A card in the hands of a probe_fn. */
struct iotsafe_probe;

enum iotsafe_probe_class { IOTSAFE_CLASS_LEARNED = 0, IOTSAFE_CLASS_8N, IOTSAFE_CLASS_0N };
enum iotsafe_probe_le {
    IOTSAFE_LE_LEARNED = 0,
    IOTSAFE_LE_NOT_BEHIND_DATA,
    IOTSAFE_LE_BEHIND_DATA
};

struct iotsafe_probe_command {
    uint8_t ins, p1, p2;
    const uint8_t *data; /* borrowed */
    size_t data_len;     /* 0 to 255 */
    size_t ne;           /* most bytes of response data, 1 to 256; 0: none expected */
    enum iotsafe_probe_class cls;
    enum iotsafe_probe_le le;
    const uint8_t *stray; /* bytes behind the command, borrowed; NULL: none */
    size_t stray_len;
    bool whole; /* follow 61xx, 6Cxx and the like as every operation does; the form is then
                   the one that was learned */
};

#define IOTSAFE_PROBE_RESPONSE_MAX 16384

struct iotsafe_probe_response {
    uint8_t data[IOTSAFE_PROBE_RESPONSE_MAX];
    size_t len;
    uint16_t sw; /* never 0 after IOTSAFE_OK */
};

/** Asks what belongs together. It may run several times, from the start, when something
 *  passes that the card or the line did. */
typedef enum iotsafe_err iotsafe_probe_fn(struct iotsafe_probe *probe, void *arg);

/**
 * Run `fn` with the card held for it alone.
 *
 * @param may_write  commands that change what the applet keeps (GENERATE KEY PAIR,
 *                   PUT PUBLIC KEY) are sent as well
 * @return way, applet; else what `fn` returns
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_probe(struct iotsafe_card *card, bool may_write,
                                                 iotsafe_probe_fn *fn, void *arg,
                                                 struct iotsafe_op *op);

/** What stands between `fn` and the card. */
struct iotsafe_probe_way {
    bool device_opens_channels; /* a modem: iotsafe_probe_select() and _channels() cannot ask */
    bool no_le_behind_data;     /* T=0: `le` makes no difference */
    bool bytes_as_given;        /* stray bytes reach the card */
};
struct iotsafe_probe_way iotsafe_probe_way(const struct iotsafe_probe *probe);

/**
 * One command to the applet, of the instructions of IoT.05 and GET RESPONSE.
 *
 * @param ret_rsp  written on IOTSAFE_OK, whatever the status word is; it may hold secrets,
 *                 which the caller wipes
 * @retval IOTSAFE_ERR_ARGUMENT      not sent: another instruction; one that changes
 *                                   something; or one of a PIN elsewhere, or that changes
 *                                   something, in a form that was not learned
 * @retval IOTSAFE_ERR_UNSUPPORTED   not sent: stray bytes on this way
 * @retval IOTSAFE_ERR_CHANNEL_LOST  6881: return it, and `fn` begins anew
 * @return otherwise way
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_probe_send(struct iotsafe_probe *probe,
                                                      const struct iotsafe_probe_command *cmd,
                                                      struct iotsafe_probe_response *ret_rsp);

/**
 * SELECT by an AID or a part of one: on a channel opened for this and closed again, or, where
 * the card gives no other, on our own if this process selected the applet there.
 *
 * @param aid  a part of the AID that iotsafe_card_info() tells, 5 to 16 bytes; nothing
 *             else, so that no other application is selected
 * @retval IOTSAFE_ERR_ARGUMENT     another AID
 * @retval IOTSAFE_ERR_UNSUPPORTED  no channel to do it on
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_probe_select(struct iotsafe_probe *probe,
                                                        const uint8_t *aid, size_t aid_len,
                                                        struct iotsafe_probe_response *ret_rsp);

#define IOTSAFE_PROBE_CHANNELS_MAX 4

/**
 * Open up to so many channels at once, and close them all. For a moment other programs may
 * find none.
 *
 * @param ret_highest  the highest number that was given; 0: none
 * @param ret_sw       what the last MANAGE CHANNEL was answered
 * @retval IOTSAFE_ERR_UNSUPPORTED  the device opens channels
 */
IOTSAFE_NODISCARD enum iotsafe_err iotsafe_probe_channels(struct iotsafe_probe *probe,
                                                          unsigned *ret_highest, uint16_t *ret_sw);

#endif
