/* SPDX-License-Identifier: Apache-2.0 */
/* Dimensions, their words and defaults, and the profiles, all as tables.
 * What a value does is decided where it is read; here it is only a name. */
#include "profile.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A row is either a set of words (value = index) or a number with bounds. */
struct dimension {
    const char *name;
    const char *preset; /* strict default */
    const char *words;  /* separated by '|'; NULL for a number */
    int min, max;
    bool init_only;
};

static const struct dimension dims[DIM_COUNT] = {
    [DIM_APPLET] = { .name = "applet", .preset = "present", .words = "present|absent" },
    [DIM_CLA] = { .name = "cla", .preset = "8n", .words = "8n|0n|both" },
    [DIM_GETRESP_CLA] = { .name = "getresp_cla", .preset = "both", .words = "0n|same|both" },
    [DIM_GETRESP_IDLE] = { .name = "getresp_idle", .preset = "6985", .words = "6985|6f00|9000" },
    [DIM_GETRESP_LE00] = { .name = "getresp_le00", .preset = "accept", .words = "accept|6c" },
    [DIM_CHANNELS] = { .name = "channels", .preset = "0-3", .words = "0-3|0-19|fixed-1" },
    [DIM_SELECT_ANSWER] = { .name = "select_answer", .preset = "9000", .words = "9000|fci|61|91" },
    [DIM_SELECT_PREFIX] = { .name = "select_prefix", .preset = "on", .words = "off|on" },
    [DIM_ANSWER_MODE] = { .name = "answer_mode",
                          .preset = "direct",
                          .words = "direct|61|61-above|data-61|6c|random" },
    [DIM_ANSWER_N] = { .name = "answer_n", .preset = "128", .min = 1, .max = 256 },
    [DIM_WAIT_SW] = { .name = "wait_sw", .preset = "61", .words = "61|9f" },
    [DIM_T0] = { .name = "t0", .preset = "off", .words = "off|on" },
    [DIM_LE_POLICY] = { .name = "le_policy",
                        .preset = "optional",
                        .words = "optional|required|forbidden" },
    [DIM_STRAY_BYTES] = { .name = "stray_bytes",
                          .preset = "6700",
                          .words = "6700|ignore|last-is-le" },
    [DIM_LIST_FORM] = { .name = "list_form",
                        .preset = "per-object",
                        .words = "per-object|per-kind|flat" },
    [DIM_LIST_PAGE] = { .name = "list_page", .preset = "250", .min = 0, .max = 256 },
    [DIM_LIST_ORDER] = { .name = "list_order",
                         .preset = "private-public-file-secret",
                         .words = "private-public-file-secret|private-public-secret-file" },
    [DIM_SINGLE_FORM] = { .name = "single_form",
                          .preset = "wrapped",
                          .words = "wrapped|flat|minimal" },
    [DIM_INFO_FILE_TAGS] = { .name = "info_file_tags",
                             .preset = "73+83",
                             .words = "73+83|76+86|both" },
    [DIM_APP_TAGS] = { .name = "app_tags", .preset = "61+6f", .words = "61+6f|90+93" },
    [DIM_APP_HASH_LEN] = { .name = "app_hash_len", .preset = "2", .min = 1, .max = 2 },
    [DIM_APP_ID_LEN_BUG] = { .name = "app_id_len_bug", .preset = "off", .words = "off|on" },
    [DIM_TAG92_BUG] = { .name = "tag92_bug", .preset = "off", .words = "off|on" },
    [DIM_FILE_SIZE_ORDER] = { .name = "file_size_order", .preset = "big", .words = "big|little" },
    [DIM_FILE_USAGE_TAG] = { .name = "file_usage_tag",
                             .preset = "present",
                             .words = "absent|present" },
    [DIM_SIG_LEN] = { .name = "sig_len", .preset = "2", .min = 1, .max = 2 },
    [DIM_SIG_VALUE] = { .name = "sig_value", .preset = "raw", .words = "raw|der" },
    [DIM_LEN_GE_128] = { .name = "len_ge_128", .preset = "raw", .words = "raw|ber" },
    [DIM_PUBKEY_FORM] = { .name = "pubkey_form", .preset = "nested", .words = "nested|bare" },
    [DIM_GEN_ANSWER] = { .name = "gen_answer",
                         .preset = "ids+key",
                         .words = "ids+key|key|new-ids" },
    [DIM_SESSION_MIN] = { .name = "session_min", .preset = "0", .min = 0, .max = 255 },
    [DIM_SESSION_MAX] = { .name = "session_max", .preset = "7", .min = 0, .max = 255 },
    [DIM_SESSION_COUNT] = { .name = "session_count", .preset = "1", .min = 1, .max = 8 },
    [DIM_SESSION_NUMBER] = { .name = "session_number",
                             .preset = "checked",
                             .words = "checked|ignored" },
    [DIM_SESSION_SPACE] = { .name = "session_space",
                            .preset = "shared",
                            .words = "shared|command" },
    [DIM_SESSION_SCOPE] = { .name = "session_scope", .preset = "channel", .words = "channel|card" },
    [DIM_SESSION_AUTO_CLOSE] = { .name = "session_auto_close", .preset = "off", .words = "off|on" },
    [DIM_SESSION_SURVIVES] = { .name = "session_survives", .preset = "off", .words = "off|on" },
    [DIM_REOPEN_RULE] = { .name = "reopen_rule", .preset = "6985", .words = "6985|6a86|restart" },
    [DIM_CLOSE_IDLE] = { .name = "close_idle", .preset = "6985", .words = "6985|9000" },
    [DIM_LAST_FLAG] = { .name = "last_flag", .preset = "80", .words = "80|top-bit" },
    [DIM_UNKNOWN_KEY] = { .name = "unknown_key", .preset = "6a80", .words = "6a80|6a82" },
    [DIM_MALFORMED_SW] = { .name = "malformed_sw", .preset = "6a80", .words = "6a80|6985" },
    [DIM_BOTH_NAMES] = { .name = "both_names", .preset = "6a80", .words = "6a80|accept" },
    [DIM_KEYGEN_CHECK] = { .name = "keygen_check", .preset = "on", .words = "off|on" },
    [DIM_PUT_CLOSE_NEEDED] = { .name = "put_close_needed", .preset = "off", .words = "off|on" },
    [DIM_FILE_CHUNK] = { .name = "file_chunk", .preset = "256", .min = 1, .max = 256 },
    [DIM_FILE_END] = { .name = "file_end",
                       .preset = "6a86",
                       .words = "6a86|6981|empty|empty-then-6a86|zeros" },
    [DIM_FILE_PADDING] = { .name = "file_padding", .preset = "none", .words = "none|zeros" },
    [DIM_ENFORCE_ATTRIBUTES] = { .name = "enforce_attributes", .preset = "on", .words = "off|on" },
    [DIM_ENFORCE_USAGE] = { .name = "enforce_usage", .preset = "off", .words = "off|tls" },
    [DIM_ID_POLICY] = { .name = "id_policy", .preset = "any", .words = "any|2-bytes|ascii" },
    [DIM_NAMESPACE] = { .name = "namespace", .preset = "split", .words = "split|single" },
    [DIM_PAIR_IDS] = { .name = "pair_ids",
                       .preset = "equal",
                       .words = "equal|different",
                       .init_only = true },
    [DIM_ID_STYLE] = { .name = "id_style",
                       .preset = "byte",
                       .words = "byte|ascii3|be2|le2",
                       .init_only = true },
    [DIM_CERT_FORMAT] = { .name = "cert_format",
                          .preset = "der",
                          .words = "der|pem",
                          .init_only = true },
    [DIM_MODES] = { .name = "modes", .preset = "all", .words = "all|hash-only" },
    [DIM_HASH_ALGS] = { .name = "hash_algs", .preset = "7", .min = 1, .max = 7 },
    [DIM_SIG_ALGS] = { .name = "sig_algs", .preset = "4", .min = 1, .max = 15 },
    [DIM_DERIVATION_ALGS] = { .name = "derivation_algs", .preset = "3", .min = 0, .max = 3 },
    [DIM_KEY_USAGE] = { .name = "key_usage", .preset = "1", .min = 1, .max = 3, .init_only = true },
    [DIM_GETDATA] = { .name = "getdata", .preset = "on", .words = "off|on|no-list" },
    [DIM_RANDOM] = { .name = "random", .preset = "on", .words = "off|on" },
    [DIM_VERIFY] = { .name = "verify", .preset = "on", .words = "off|on" },
    [DIM_DH] = { .name = "dh", .preset = "on", .words = "off|on" },
    [DIM_PRF] = { .name = "prf", .preset = "on", .words = "off|on" },
    [DIM_HKDF] = { .name = "hkdf", .preset = "on", .words = "off|on" },
    [DIM_VERSION_CMD] = { .name = "version_cmd", .preset = "off", .words = "off|on" },
    [DIM_CMAC] = { .name = "cmac", .preset = "off", .words = "off|on" },
    [DIM_RANDOM_SW] = { .name = "random_sw", .preset = "9000", .words = "9000|6300|alternate" },
    [DIM_VOLATILE_RESET] = { .name = "volatile_reset", .preset = "lose", .words = "lose|keep" },
    [DIM_DETERMINISTIC] = { .name = "deterministic", .preset = "off", .words = "off|on" },
    [DIM_REMOTE_ADMIN] = { .name = "remote_admin", .preset = "0", .min = 0, .max = 100 },
    [DIM_PROACTIVE] = { .name = "proactive", .preset = "0", .min = 0, .max = 100 },
    [DIM_SPONTANEOUS_RESET] = { .name = "spontaneous_reset", .preset = "0", .min = 0, .max = 100 },
    [DIM_SEED] = { .name = "seed", .preset = "1", .min = 1, .max = INT_MAX },
};

#define AID_GSMA "A0000005590010"
#define AID_THALES "A00000003053F12401770101495341"
#define AID_NTT "A0000001157000000000000049534102"
#define AID_CIRA "A0000002480400"

/* Settings whose value is bytes; several AIDs are separated by '|'. */
static const struct {
    const char *name;
    const char *preset;
} byte_settings[] = {
    { "aid", AID_GSMA },
    { "atr", "3B9F96801FC78031A073BE21136743200718000001A5" },
    { "app_id", "1122334455667788112233445566778811223344556677881122334455667788" },
};

static const struct {
    const char *name;
    const char *settings;
} profiles[] = {
    { "gsma-strict", "" },
    { "orange", "cla=both;app_tags=90+93;app_hash_len=1;app_id_len_bug=on;"
                "app_id=494F54534146452D44454D4F31;answer_mode=61-above;answer_n=255;list_page=0;"
                "list_order=private-public-secret-file;file_usage_tag=absent;sig_len=1;"
                "stray_bytes=last-is-le" },
    { "thales-mvp", "aid=" AID_THALES ";cla=both;single_form=flat;sig_len=1;session_auto_close=on;"
                    "file_chunk=255;random_sw=alternate;both_names=accept" },
    { "thales-p11", "aid=" AID_THALES ";cla=0n;list_form=per-kind;session_auto_close=on;"
                    "key_usage=3;cmac=on;sig_algs=15" },
    { "zariot", "id_style=ascii3;id_policy=ascii;pair_ids=different;answer_mode=61;"
                "getresp_cla=same;session_count=2;malformed_sw=6985" },
    { "cira", "aid=" AID_CIRA ";cla=0n;t0=on;session_auto_close=on;sig_len=1;"
              "reopen_rule=6a86;session_survives=on;session_scope=card;last_flag=top-bit;"
              "file_end=zeros;file_chunk=255" },
    { "quantag-1.4", "aid=" AID_THALES ";id_style=be2;list_form=flat;tag92_bug=on;"
                     "single_form=flat;sig_len=1;version_cmd=on;list_page=0;key_usage=3;"
                     "keygen_check=off" },
    { "ntt", "aid=" AID_NTT ";cla=0n;answer_mode=61;sig_len=1;cert_format=pem" },
    { "m33mu", "channels=fixed-1;getresp_cla=same;getresp_idle=9000;select_prefix=off;"
               "le_policy=forbidden;id_style=le2;id_policy=2-bytes;namespace=single;file_chunk=240;"
               "file_end=empty-then-6a86;single_form=minimal;gen_answer=key;modes=hash-only;"
               "session_number=ignored;session_space=command;session_count=3;"
               "session_auto_close=on;session_max=255;reopen_rule=restart;close_idle=9000" },
    { "kigen", "info_file_tags=both" },
    { "wolfssl", "channels=fixed-1" },
    { "hostile", "answer_mode=random;remote_admin=5;proactive=10;spontaneous_reset=2" },
    { "no-applet", "applet=absent" },
};

/* Index of a word in "a|b|c"; -1 if it is none of them. */
static int word_index(const char *words, const char *word, size_t len)
{
    for (int i = 0;; i++) {
        size_t n = strcspn(words, "|");

        if (n == len && strncmp(words, word, len) == 0)
            return i;
        if (words[n] == '\0')
            return -1;
        words += n + 1;
    }
}

static bool parse_value(const struct dimension *d, const char *value, int *ret)
{
    long number;

    if (d->words != NULL) {
        *ret = word_index(d->words, value, strlen(value));
        return *ret >= 0;
    }
    if (!number_parse(value, d->min, d->max, &number))
        return false;
    *ret = (int)number;
    return true;
}

static bool parse_octets(const char *value, size_t min, size_t max, struct octets *ret)
{
    return softsim_hex_decode(value, ret->b, max, &ret->len) && ret->len >= min;
}

static bool parse_aids(struct profile *p, const char *value)
{
    struct octets aid[PROFILE_AIDS_MAX];
    size_t n = 0;
    char text[2 * IOTSAFE_AID_MAX + 1];

    for (;; value++) {
        size_t len = strcspn(value, "|");

        if (n == PROFILE_AIDS_MAX || len >= sizeof(text))
            return false;
        memcpy(text, value, len);
        text[len] = '\0';
        if (!parse_octets(text, IOTSAFE_AID_MIN, IOTSAFE_AID_MAX, &aid[n++]))
            return false;
        value += len;
        if (*value == '\0')
            break;
    }
    memcpy(p->aid, aid, sizeof(aid));
    p->n_aids = n;
    return true;
}

/* -1: no such byte setting */
static int set_bytes(struct profile *p, const char *name, const char *value)
{
    struct octets o = { .len = 0 };

    if (strcmp(name, "aid") == 0)
        return parse_aids(p, value);
    if (strcmp(name, "atr") == 0) {
        if (!parse_octets(value, 2, 33, &o))
            return 0;
        p->atr = o;
        return 1;
    }
    if (strcmp(name, "app_id") == 0) {
        if (!parse_octets(value, 1, 32, &o))
            return 0;
        p->app_id = o;
        return 1;
    }
    return -1;
}

static const struct dimension *find_dimension(const char *name, size_t len)
{
    for (size_t i = 0; i < DIM_COUNT; i++)
        if (strlen(dims[i].name) == len && strncmp(dims[i].name, name, len) == 0)
            return &dims[i];
    return NULL;
}

static bool bad_value(const struct dimension *d, const char *value, struct err *err)
{
    if (d->words != NULL)
        return err_set(err, "%s=%s: the value is one of %s", d->name, value, d->words);
    return err_set(err, "%s=%s: the value is a number from %d to %d", d->name, value, d->min,
                   d->max);
}

bool profile_set(struct profile *p, const char *setting, struct err *err)
{
    char name[32];
    size_t len = strcspn(setting, "=");
    const struct dimension *d;
    int v, done;

    if (setting[len] != '=' || len >= sizeof(name))
        return err_set(err, "%s: not of the form NAME=VALUE", setting);
    memcpy(name, setting, len);
    name[len] = '\0';
    done = set_bytes(p, name, setting + len + 1);
    if (done == 1)
        return true;
    if (done == 0)
        return err_set(err, "%s: bad hexadecimal value, or of a wrong length", setting);
    d = find_dimension(setting, len);
    if (d == NULL)
        return err_set(err, "%s: no such setting (see --help-settings)", name);
    if (!parse_value(d, setting + len + 1, &v))
        return bad_value(d, setting + len + 1, err);
    p->v[d - dims] = v;
    return true;
}

static bool apply_settings(struct profile *p, const char *settings, struct err *err)
{
    char one[128];

    while (*settings != '\0') {
        size_t len = strcspn(settings, ";");

        if (len >= sizeof(one))
            return err_set(err, "setting too long");
        memcpy(one, settings, len);
        one[len] = '\0';
        if (!profile_set(p, one, err))
            return false;
        settings += len;
        settings += *settings == ';';
    }
    return true;
}

static bool apply_defaults(struct profile *p, struct err *err)
{
    char setting[128];

    for (size_t i = 0; i < ARRAY_LEN(byte_settings); i++) {
        snprintf(setting, sizeof(setting), "%s=%s", byte_settings[i].name, byte_settings[i].preset);
        if (!profile_set(p, setting, err))
            return false;
    }
    for (size_t i = 0; i < DIM_COUNT; i++)
        if (!parse_value(&dims[i], dims[i].preset, &p->v[i]))
            return bad_value(&dims[i], dims[i].preset, err);
    return true;
}

bool profile_init(struct profile *p, const char *name, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        if (strcmp(profiles[i].name, name) != 0)
            continue;
        *p = (struct profile){ .n_aids = 0 };
        snprintf(p->name, sizeof(p->name), "%s", name);
        return apply_defaults(p, err) && apply_settings(p, profiles[i].settings, err);
    }
    return err_set(err, "%s: no such profile (see --help-settings)", name);
}

const char *profile_row(size_t i, const char **ret_settings)
{
    if (i >= ARRAY_LEN(profiles))
        return NULL;
    *ret_settings = profiles[i].settings;
    return profiles[i].name;
}

bool profile_at_init_only(const char *setting)
{
    const struct dimension *d = find_dimension(setting, strcspn(setting, "="));

    return d != NULL && d->init_only;
}

void profile_print_dimensions(FILE *out)
{
    for (size_t i = 0; i < ARRAY_LEN(byte_settings); i++)
        fprintf(out, "  %-20s hexadecimal [%s]\n", byte_settings[i].name, byte_settings[i].preset);
    for (size_t i = 0; i < DIM_COUNT; i++) {
        if (dims[i].words != NULL)
            fprintf(out, "  %-20s %s [%s]%s\n", dims[i].name, dims[i].words, dims[i].preset,
                    dims[i].init_only ? " (init only)" : "");
        else
            fprintf(out, "  %-20s %d to %d [%s]%s\n", dims[i].name, dims[i].min, dims[i].max,
                    dims[i].preset, dims[i].init_only ? " (init only)" : "");
    }
}

static void print_value(const struct dimension *d, int v, FILE *out)
{
    const char *word = d->words;

    if (word == NULL) {
        fprintf(out, "  %s=%d\n", d->name, v);
        return;
    }
    for (; v > 0; v--)
        word += strcspn(word, "|") + 1;
    fprintf(out, "  %s=%.*s\n", d->name, (int)strcspn(word, "|"), word);
}

static void print_octets(const char *name, const struct octets *o, FILE *out)
{
    char text[2 * sizeof(o->b) + 1];

    softsim_hex_encode(o->b, o->len, text);
    fprintf(out, "  %s=%s\n", name, text);
}

void profile_print_differences(const struct profile *p, FILE *out)
{
    for (size_t i = 0; i < p->n_aids; i++)
        print_octets("aid", &p->aid[i], out);
    for (size_t i = 0; i < DIM_COUNT; i++) {
        int preset;

        if (parse_value(&dims[i], dims[i].preset, &preset) && preset != p->v[i])
            print_value(&dims[i], p->v[i], out);
    }
}
