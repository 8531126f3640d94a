/* SPDX-License-Identifier: Apache-2.0 */
/* see iotsafe.h and config.h */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "trace.h"

#define DEFAULT_AIDS \
    "A0000005590010,A00000003053F12401770101495341,A0000001157000000000000049534102"

/* ---------------------------------------------------------------- setters */

/* Each returns NULL or what is wanted instead. */

static const char *set_text(struct iotsafe_config *cfg, char **field, const char *value)
{
    char *copy = strdup(value);

    if (copy == NULL) {
        cfg->no_memory = true; /* another value in its place could name another SIM */
        return "more memory";
    }
    free(*field);
    *field = copy;
    return NULL;
}

static const char *set_transport(struct iotsafe_config *cfg, const char *value)
{
    struct iotsafe_op op = { .text = "" };
    const enum iotsafe_err err = transport_check(value, &op);

    if (err != IOTSAFE_OK) {
        cfg->no_memory = cfg->no_memory || err == IOTSAFE_ERR_MEMORY;
        (void)set_text(cfg, &cfg->transport, value); /* for messages */
        if (cfg->error.text[0] == '\0')
            cfg->error = op;
        return "a transport";
    }
    return set_text(cfg, &cfg->transport, value);
}

static const char *set_aid(struct iotsafe_config *cfg, const char *value)
{
    struct aid aids[AID_LIST_MAX];
    size_t n_aids = 0;

    for (;;) {
        size_t len = strcspn(value, ",");
        int n = n_aids < AID_LIST_MAX ? hex_decode(value, len, aids[n_aids].bytes, IOTSAFE_AID_MAX)
                                      : -1;

        if (n < IOTSAFE_AID_MIN)
            return "up to 8 AIDs of 5 to 16 bytes in hex digits, separated by commas";
        aids[n_aids++].len = (size_t)n;
        if (value[len] == '\0')
            break;
        value += len + 1;
    }
    memcpy(cfg->aids, aids, sizeof(aids[0]) * n_aids);
    cfg->n_aids = n_aids;
    return NULL;
}

static const char *set_timeout(struct iotsafe_config *cfg, const char *value)
{
    char *end;
    long ms = strtol(value, &end, 10);

    if (*value < '0' || *value > '9' || *end != '\0' || ms < 1 || ms > 3600000)
        return "milliseconds, 1 to 3600000";
    cfg->timeout_ms = (int)ms;
    return NULL;
}

static const char *set_quirks(struct iotsafe_config *cfg, const char *value)
{
    const char *bad;

    return traits_from_quirks(value, &cfg->traits, &bad)
               ? NULL
               : "cla=0|8, session=0..255, le=none|always, close=always, separated by commas";
}

static const char *set_trace(struct iotsafe_config *cfg, const char *value)
{
    if (!trace_setting_valid(value))
        return TRACE_FORMS;
    return set_text(cfg, &cfg->trace, value);
}

static const char *set_lock_dir(struct iotsafe_config *cfg, const char *value)
{
    return value[0] == '/' ? set_text(cfg, &cfg->lock_dir, value) : "an absolute path";
}

static const char *set_bool(bool *field, const char *value)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return "yes or no";
    *field = value[0] == 'y';
    return NULL;
}

#if !defined(HAVE_CARD_VERIFY) || !defined(HAVE_FIPS) || !defined(HAVE_GENERATE)
/* Of a part that this build is without. */
static const char *set_left_out(struct iotsafe_config *cfg, const char *value)
{
    (void)cfg;
    return strcmp(value, "no") == 0 ? NULL : "no, as this build is without it";
}
#endif

static const char *set_verify_signature(struct iotsafe_config *cfg, const char *value)
{
    return set_bool(&cfg->verify_signature, value);
}

static const char *set_key_references(struct iotsafe_config *cfg, const char *value)
{
    return set_bool(&cfg->key_references, value);
}

#ifdef HAVE_CARD_VERIFY
static const char *set_card_verify(struct iotsafe_config *cfg, const char *value)
{
    return set_bool(&cfg->card_verify, value);
}
#else
#define set_card_verify set_left_out
#endif

#ifdef HAVE_FIPS
static const char *set_assume_fips(struct iotsafe_config *cfg, const char *value)
{
    return set_bool(&cfg->assume_fips, value);
}
#else
#define set_assume_fips set_left_out
#endif

/* The URI of one container. */
static const char *set_container(struct iotsafe_uri *field, bool *given, const char *value)
{
    struct iotsafe_uri uri;

    if (iotsafe_uri_parse(value, &uri, NULL) != IOTSAFE_OK
        || (uri.name.id_len == 0 && uri.name.label_len == 0))
        return "an iotsafe: URI with an id or a label";
    *field = uri;
    *given = true;
    return NULL;
}

static const char *set_peer_key(struct iotsafe_config *cfg, const char *value)
{
    return set_container(&cfg->peer_key, &cfg->has_peer_key, value);
}

#ifdef HAVE_GENERATE
static const char *set_ephemeral_key(struct iotsafe_config *cfg, const char *value)
{
    return set_container(&cfg->ephemeral_key, &cfg->has_ephemeral_key, value);
}
#else
#define set_ephemeral_key set_left_out
#endif

static const struct setting {
    const char *key;
    const char *env; /* NULL: openssl.cnf only */
    const char *fallback;
    const char *(*set)(struct iotsafe_config *, const char *);
} settings[] = {
#ifdef HAVE_PCSC
    { "transport", "IOTSAFE_TRANSPORT", "pcsc", set_transport },
#else
    { "transport", "IOTSAFE_TRANSPORT", NULL, set_transport },
#endif
    { "aid", "IOTSAFE_AID", DEFAULT_AIDS, set_aid },
    { "timeout-ms", "IOTSAFE_TIMEOUT_MS", "30000", set_timeout },
    { "quirks", "IOTSAFE_QUIRKS", "", set_quirks },
    { "trace", "IOTSAFE_TRACE", "", set_trace },
    { "verify-signature", "IOTSAFE_VERIFY_SIGNATURE", "yes", set_verify_signature },
    { "key-references", NULL, "yes", set_key_references },
    { "card-verify", NULL, "no", set_card_verify },
    { "assume-fips", NULL, "no", set_assume_fips },
    { "lock-dir", "IOTSAFE_LOCK_DIR", "/run/iotsafe", set_lock_dir },
    { "peer-key", NULL, NULL, set_peer_key },
    { "ephemeral-key", NULL, NULL, set_ephemeral_key },
};

_Static_assert(ARRAY_LEN(settings) == CONFIG_SETTINGS_MAX, "a place for each setting");

const char *iotsafe_config_setting(size_t n, const char **ret_env)
{
    if (n >= ARRAY_LEN(settings))
        return NULL;
    *ret_env = settings[n].env;
    return settings[n].key;
}

const char *iotsafe_config_given(const struct iotsafe_config *cfg, size_t n, bool *ret_from_env)
{
    *ret_from_env = cfg->environment[n] != NULL;
    if (*ret_from_env)
        return cfg->environment[n];
    return cfg->lookup != NULL ? cfg->lookup(cfg->lookup_arg, settings[n].key) : NULL;
}

static void apply_setting(struct iotsafe_config *cfg, const struct setting *s, const char *env)
{
    const char *conf = cfg->lookup != NULL ? cfg->lookup(cfg->lookup_arg, s->key) : NULL;
    const char *value = env != NULL ? env : conf;
    const char *wanted = NULL;

    if (s->fallback != NULL)
        wanted = s->set(cfg, s->fallback);
    if (value == NULL || wanted != NULL)
        return;
    wanted = s->set(cfg, value);
    if (wanted != NULL && cfg->error.text[0] == '\0')
        op_set(&cfg->error, "%s \"%.100s\" in %s: want %s", s->key, value,
               value == env ? s->env : "openssl.cnf", wanted);
}

/* An empty variable is as good as none. */
static const char *from_environment(const struct setting *s)
{
    const char *value = s->env != NULL ? secure_getenv(s->env) : NULL;

    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* With what the environment said to an earlier configuration, if there is one. */
static struct iotsafe_config *config_new(iotsafe_lookup_fn *lookup, void *arg,
                                         const struct iotsafe_config *earlier)
{
    struct iotsafe_config *cfg = calloc(1, sizeof(*cfg));

    if (cfg == NULL)
        return NULL;
    cfg->lookup = lookup;
    cfg->lookup_arg = arg;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const char *env = earlier != NULL ? earlier->environment[i]
                                          : from_environment(&settings[i]);

        if (env != NULL && set_text(cfg, &cfg->environment[i], env) != NULL) {
            iotsafe_config_free(cfg);
            return NULL;
        }
        apply_setting(cfg, &settings[i], env != NULL ? cfg->environment[i] : NULL);
    }
    if (!cfg->no_memory)
        return cfg;
    iotsafe_config_free(cfg);
    return NULL;
}

struct iotsafe_config *iotsafe_config_new(iotsafe_lookup_fn *lookup, void *arg)
{
    return config_new(lookup, arg, NULL);
}

struct iotsafe_config *iotsafe_config_look_again(const struct iotsafe_config *earlier)
{
    return config_new(earlier->lookup, earlier->lookup_arg, earlier);
}

void iotsafe_config_free(struct iotsafe_config *cfg)
{
    if (cfg == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        free(cfg->environment[i]);
    free(cfg->transport);
    free(cfg->trace);
    free(cfg->lock_dir);
    free(cfg);
}

struct iotsafe_op iotsafe_op_begin(const struct iotsafe_config *cfg)
{
    struct iotsafe_op op = { "", deadline_in(cfg->timeout_ms) };

    return op;
}

void iotsafe_trace_error(const struct iotsafe_config *cfg, enum iotsafe_err err,
                         const struct iotsafe_op *op)
{
    const bool has_text = op != NULL && op->text[0] != '\0';

    trace_note(cfg->trace, "error", "%s%s%s", iotsafe_strerror(err), has_text ? ": " : "",
               has_text ? op->text : "");
}

bool iotsafe_config_verify_signature(const struct iotsafe_config *cfg)
{
    return cfg->verify_signature;
}

bool iotsafe_config_key_references(const struct iotsafe_config *cfg)
{
    return cfg->key_references;
}

bool iotsafe_config_card_verify(const struct iotsafe_config *cfg)
{
    return cfg->card_verify;
}

bool iotsafe_config_assume_fips(const struct iotsafe_config *cfg)
{
    return cfg->assume_fips;
}

const struct iotsafe_uri *iotsafe_config_peer_key(const struct iotsafe_config *cfg)
{
    return cfg->has_peer_key ? &cfg->peer_key : NULL;
}

const struct iotsafe_uri *iotsafe_config_ephemeral_key(const struct iotsafe_config *cfg)
{
    return cfg->has_ephemeral_key ? &cfg->ephemeral_key : NULL;
}

const char *config_sim_transport(const struct iotsafe_config *cfg, const char *sim)
{
    char key[8 + IOTSAFE_SIM_NAME_MAX];

    if (sim == NULL || sim[0] == '\0')
        return cfg->transport;
    (void)snprintf(key, sizeof(key), "sim.%s", sim);
    return cfg->lookup != NULL ? cfg->lookup(cfg->lookup_arg, key) : NULL;
}
