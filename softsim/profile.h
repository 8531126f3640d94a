/* SPDX-License-Identifier: Apache-2.0 */
/* Cards differ; a profile says how. Every difference is one named dimension with
 * a value, and a profile is a list of NAME=VALUE settings over the defaults, so
 * that any combination can also be made by hand (--set NAME=VALUE). */
#ifndef SOFTSIM_PROFILE_H
#define SOFTSIM_PROFILE_H

#include <stdio.h>

#include "iotsafe_defs.h"
#include "util.h"

/** Dimensions whose value is a small number or one of a few words. */
enum dim {
    DIM_APPLET,
    DIM_CLA,
    DIM_GETRESP_CLA,
    DIM_GETRESP_IDLE,
    DIM_GETRESP_LE00,
    DIM_CHANNELS,
    DIM_SELECT_ANSWER,
    DIM_SELECT_PREFIX,
    DIM_ANSWER_MODE,
    DIM_ANSWER_N,
    DIM_WAIT_SW,
    DIM_T0,
    DIM_LE_POLICY,
    DIM_STRAY_BYTES,
    DIM_LIST_FORM,
    DIM_LIST_PAGE,
    DIM_LIST_ORDER,
    DIM_SINGLE_FORM,
    DIM_INFO_FILE_TAGS,
    DIM_APP_TAGS,
    DIM_APP_HASH_LEN,
    DIM_APP_ID_LEN_BUG,
    DIM_TAG92_BUG,
    DIM_FILE_SIZE_ORDER,
    DIM_FILE_USAGE_TAG,
    DIM_SIG_LEN,
    DIM_SIG_VALUE,
    DIM_LEN_GE_128,
    DIM_PUBKEY_FORM,
    DIM_GEN_ANSWER,
    DIM_SESSION_MIN,
    DIM_SESSION_MAX,
    DIM_SESSION_COUNT,
    DIM_SESSION_NUMBER,
    DIM_SESSION_SPACE,
    DIM_SESSION_SCOPE,
    DIM_SESSION_AUTO_CLOSE,
    DIM_SESSION_SURVIVES,
    DIM_REOPEN_RULE,
    DIM_CLOSE_IDLE,
    DIM_LAST_FLAG,
    DIM_UNKNOWN_KEY,
    DIM_MALFORMED_SW,
    DIM_BOTH_NAMES,
    DIM_KEYGEN_CHECK,
    DIM_PUT_CLOSE_NEEDED,
    DIM_FILE_CHUNK,
    DIM_FILE_END,
    DIM_FILE_PADDING,
    DIM_ENFORCE_ATTRIBUTES,
    DIM_ENFORCE_USAGE,
    DIM_ID_POLICY,
    DIM_NAMESPACE,
    DIM_PAIR_IDS,
    DIM_ID_STYLE,
    DIM_CERT_FORMAT,
    DIM_MODES,
    DIM_HASH_ALGS,
    DIM_SIG_ALGS,
    DIM_DERIVATION_ALGS,
    DIM_KEY_USAGE,
    DIM_GETDATA,
    DIM_RANDOM,
    DIM_VERIFY,
    DIM_DH,
    DIM_PRF,
    DIM_HKDF,
    DIM_VERSION_CMD,
    DIM_CMAC,
    DIM_RANDOM_SW,
    DIM_VOLATILE_RESET,
    DIM_DETERMINISTIC,
    DIM_REMOTE_ADMIN,
    DIM_PROACTIVE,
    DIM_SPONTANEOUS_RESET,
    DIM_SEED,
    DIM_COUNT
};

/* Values, in the order of the words in profile.c. */
enum { APPLET_PRESENT, APPLET_ABSENT };
enum { CLA_8N, CLA_0N, CLA_BOTH };
enum { GETRESP_0N, GETRESP_SAME, GETRESP_BOTH };
enum { IDLE_6985, IDLE_6F00, IDLE_9000 };
enum { LE00_ACCEPT, LE00_CORRECT };
enum { CHANNELS_3, CHANNELS_19, CHANNELS_FIXED_1 };
enum { SELECT_9000, SELECT_FCI, SELECT_61, SELECT_91 };
enum { ANSWER_DIRECT, ANSWER_61, ANSWER_61_ABOVE, ANSWER_DATA_61, ANSWER_6C, ANSWER_RANDOM };
enum { WAIT_61, WAIT_9F };
enum { LE_OPTIONAL, LE_REQUIRED, LE_FORBIDDEN };
enum { STRAY_REFUSE, STRAY_IGNORE, STRAY_LAST_IS_LE };
enum { LIST_PER_OBJECT, LIST_PER_KIND, LIST_FLAT };
enum { ORDER_PRIV_PUB_FILE_SECRET, ORDER_PRIV_PUB_SECRET_FILE };
enum { SINGLE_WRAPPED, SINGLE_FLAT, SINGLE_MINIMAL };
enum { INFO_BY_FILE, INFO_BY_SECRET, INFO_BY_BOTH };
enum { APP_TAGS_61_6F, APP_TAGS_90_93 };
enum { BYTE_ORDER_BIG, BYTE_ORDER_LITTLE };
enum { SIG_RAW, SIG_DER };
enum { PUBKEY_NESTED, PUBKEY_BARE };
enum { GEN_IDS_KEY, GEN_KEY_ONLY, GEN_NEW_IDS };
enum { NUMBER_CHECKED, NUMBER_IGNORED };
enum { SPACE_SHARED, SPACE_COMMAND };
enum { SCOPE_CHANNEL, SCOPE_CARD };
enum { SURVIVES_NO, SURVIVES_YES };
enum { REOPEN_6985, REOPEN_6A86, REOPEN_RESTART };
enum { CLOSE_6985, CLOSE_9000 };
enum { LAST_80, LAST_TOP_BIT };
enum { UNKNOWN_6A80, UNKNOWN_6A82 };
enum { MALFORMED_6A80, MALFORMED_6985 };
enum { NAMES_REFUSE, NAMES_ACCEPT };
enum { FILE_END_6A86, FILE_END_6981, FILE_END_EMPTY, FILE_END_EMPTY_6A86, FILE_END_ZEROS };
enum { PADDING_NONE, PADDING_ZEROS };
enum { USAGE_OFF, USAGE_TLS };
enum { ID_ANY, ID_2_BYTES, ID_ASCII };
enum { NAMESPACE_SPLIT, NAMESPACE_SINGLE };
enum { PAIR_EQUAL, PAIR_DIFFERENT };
enum { ID_STYLE_BYTE, ID_STYLE_ASCII3, ID_STYLE_BE2, ID_STYLE_LE2 };
enum { CERT_DER, CERT_PEM };
enum { MODES_ALL, MODES_HASH_ONLY };
enum { RANDOM_9000, RANDOM_6300, RANDOM_ALTERNATE };
enum { VOLATILE_LOSE, VOLATILE_KEEP };
enum { OFF, ON };
enum { GETDATA_NO_LIST = 2 };

struct octets {
    uint8_t b[33];
    size_t len;
};

#define PROFILE_AIDS_MAX 4
#define PROFILE_NAME_MAX 24

struct profile {
    char name[PROFILE_NAME_MAX];
    int v[DIM_COUNT];
    struct octets aid[PROFILE_AIDS_MAX];
    size_t n_aids;
    struct octets atr;
    struct octets app_id; /* value of tag 11 */
};

#define PROFILE_DEFAULT "gsma-strict"

/** Defaults plus the settings of the profile called `name`; false if there is no such profile. */
bool profile_init(struct profile *p, const char *name, struct err *err);

/** Apply one "NAME=VALUE"; a refused setting changes nothing. */
bool profile_set(struct profile *p, const char *setting, struct err *err);

/** Settings of a profile in text ("" for the strict one); NULL past the end. For listings. */
const char *profile_row(size_t i, const char **ret_settings);

/** Print every dimension with its values and default. */
void profile_print_dimensions(FILE *out);

/** Print name and value of every dimension that differs from the strict default. */
void profile_print_differences(const struct profile *p, FILE *out);

/** True for a dimension that is read when the card is personalised only. */
bool profile_at_init_only(const char *setting);

#endif
