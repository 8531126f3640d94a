/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe report: what a stranger needs to know to help, and nothing that tells whose SIM it
 * is. Each member is made of what is known to be harmless; nothing is masked afterwards. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cert.h"
#include "conformance.h"
#include "masked_trace.h"
#include "object.h"
#include "outfile.h"
#include "output.h"
#include "report.h"
#include "words.h"

enum { OPTION_OUT, OPTION_WITH_LABELS, OPTION_NO_SIGN, OPTION_SIM };

static const struct command_option options[] = {
    [OPTION_OUT] = { "out", "FILE", "write it there instead of standard output" },
    [OPTION_WITH_LABELS] = { "with-labels", NULL, "with labels and identifiers of objects" },
    [OPTION_NO_SIGN] = { "no-sign", NULL, "sign nothing" },
    [OPTION_SIM] = COMMAND_OPTION_SIM,
    { .name = NULL },
};

struct report {
    struct tool *tool;
    const char *sim;
    bool with_labels, may_sign;
};

/* ---- versions ---- */

/* The name of the distribution, from the file that os-release(5) describes. */
static json_t *distribution(void)
{
    FILE *file = fopen("/etc/os-release", "re");
    char line[256];
    json_t *name = NULL;

    while (file != NULL && name == NULL && fgets(line, sizeof(line), file) != NULL) {
        char *end = strpbrk(line, "\"\n");

        if (strncmp(line, "PRETTY_NAME=", 12) != 0)
            continue;
        if (end != NULL && *end == '"') {
            name = json_stringn(end + 1, strcspn(end + 1, "\"\n"));
        } else {
            line[strcspn(line, "\n")] = '\0';
            name = json_string(line + 12);
        }
    }
    if (file != NULL)
        (void)fclose(file);
    return name != NULL ? name : json_null();
}

static json_t *versions(void)
{
    struct utsname system = { .sysname = "" };

    (void)uname(&system); /* not its node name */
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "iotsafe", IOTSAFE_VERSION, "openssl",
                     OpenSSL_version(OPENSSL_VERSION), "kernel", system.release, "machine",
                     system.machine, "distribution", distribution());
}

/* ---- settings ---- */

static bool consists_of(const char *text, const char *characters)
{
    return text[0] != '\0' && strlen(text) <= 300 && strspn(text, characters) == strlen(text);
}

static json_t *show_if(bool harmless, const char *value)
{
    return json_string(harmless ? value : "not as it should be");
}

static json_t *show_yes_no(const char *value)
{
    return show_if(strcmp(value, "yes") == 0 || strcmp(value, "no") == 0, value);
}

static json_t *show_number(const char *value)
{
    return show_if(strlen(value) <= 7 && consists_of(value, "0123456789"), value);
}

/* Identifiers of applications begin with A, D or F (ISO/IEC 7816-4); those of a subscriber
 * consist of decimal digits. */
static json_t *show_aids(const char *value)
{
    bool good = consists_of(value, "0123456789abcdefABCDEF,");

    for (const char *item = value; good && item != NULL; item = strchr(item, ',')) {
        item += *item == ',';
        good = *item != '\0' && strchr("ADFadf", *item) != NULL;
    }
    return show_if(good, value);
}

/* What stands in front of the first colon, if it is one of these. */
static json_t *show_scheme(const char *value, const char *const *schemes)
{
    const size_t len = strcspn(value, ":");

    for (; *schemes != NULL; schemes++)
        if (strlen(*schemes) == len && strncmp(value, *schemes, len) == 0)
            return json_string(*schemes);
    return json_string("not as it should be");
}

static json_t *show_transport(const char *value)
{
    static const char *const schemes[] = { "pcsc", "at", "socket", NULL };

    return show_scheme(value, schemes);
}

static json_t *show_trace(const char *value)
{
    static const char *const schemes[] = { "stderr", "file", "pcap", NULL };

    return show_scheme(value, schemes);
}

/* Words that provider-iotsafe(7) lists, each with a value of a few characters. */
static json_t *show_quirks(const char *value)
{
    static const char *const words[] = { "cla=", "session=", "le=", "close=" };

    for (const char *item = value;;) {
        const size_t len = strcspn(item, ",");
        bool known = false;

        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            known = known || strncmp(item, words[i], strlen(words[i])) == 0;
        if (!known || len > strlen("close=always"))
            return show_if(false, value);
        if (item[len] == '\0')
            return json_string(value);
        item += len + 1;
    }
}

/* Paths and names of containers are the user's own. */
static json_t *show_given(const char *value)
{
    (void)value;
    return json_string("given");
}

static const struct {
    const char *name;
    json_t *(*show)(const char *value);
} shown[] = {
    { "transport", show_transport },   { "aid", show_aids },
    { "timeout-ms", show_number },     { "quirks", show_quirks },
    { "trace", show_trace },           { "verify-signature", show_yes_no },
    { "key-references", show_yes_no }, { "card-verify", show_yes_no },
    { "assume-fips", show_yes_no },    { "lock-dir", show_given },
    { "peer-key", show_given },        { "ephemeral-key", show_given },
};

static json_t *show(const char *name, const char *value)
{
    for (size_t i = 0; i < ARRAY_LEN(shown); i++)
        if (strcmp(shown[i].name, name) == 0)
            return shown[i].show(value);
    return show_given(value);
}

/* Those that were given; the others have their defaults. */
static json_t *settings(const struct report *r)
{
    json_t *object = json_object();
    const char *name, *env, *value;
    bool from_env;

    for (size_t i = 0; (name = iotsafe_config_setting(i, &env)) != NULL; i++) {
        value = iotsafe_config_given(tool_config(r->tool), i, &from_env);
        if (value != NULL)
            json_object_set_new(object, name,
                                json_pack("{s:o, s:s}", "value", show(name, value), "from",
                                          from_env ? "environment" : "openssl.cnf"));
    }
    return object;
}

static json_t *last_trace(const struct report *r, json_t *root)
{
    const char *name, *env, *value,
        *why = "none is configured: set IOTSAFE_TRACE=file:PATH, repeat "
               "what fails, then run this command";
    bool from_env;
    json_t *lines;

    for (size_t i = 0; (name = iotsafe_config_setting(i, &env)) != NULL; i++) {
        value = iotsafe_config_given(tool_config(r->tool), i, &from_env);
        if (strcmp(name, "trace") != 0 || value == NULL)
            continue;
        why = "the trace is not one in a text file (file:PATH)";
        if (strncmp(value, "file:", 5) == 0 && (lines = masked_trace(value + 5, &why)) != NULL)
            return lines;
    }
    json_object_set_new(root, "no_trace", json_string(why));
    return json_null();
}

/* ---- doctor ---- */

/* A process of its own, as the steps of it may crash or become another user. */
static FILE *start_doctor(const struct report *r, pid_t *ret_pid)
{
    char *argv[] = { (char[]){ "iotsafe" }, (char[]){ "--json" }, (char[]){ "doctor" },
                     r->may_sign ? NULL : (char[]){ "--no-sign" }, NULL };
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0)
        return NULL;
    *ret_pid = fork();
    if (*ret_pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)execv("/proc/self/exe", argv);
        _exit(127);
    }
    (void)close(fds[1]);
    if (*ret_pid > 0)
        return fdopen(fds[0], "r");
    (void)close(fds[0]);
    return NULL;
}

/* Step, status and the finding's identifier; causes have names and paths in them. */
static json_t *doctor(const struct report *r)
{
    pid_t pid = -1;
    FILE *output = start_doctor(r, &pid);
    json_t *all = output != NULL ? json_loadf(output, 0, NULL) : NULL;
    json_t *masked = json_is_array(all) ? json_array() : json_null();
    json_t *line;
    size_t i;

    for (i = 0; i < json_array_size(all); i++) {
        line = json_array_get(all, i);
        json_array_append_new(
            masked, json_pack("{s:O, s:O, s:O}", "step", json_object_get(line, "step"), "status",
                              json_object_get(line, "status"), "id", json_object_get(line, "id")));
    }
    json_decref(all);
    if (output != NULL)
        (void)fclose(output);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return masked;
}

/* ---- the applet and its objects ---- */

static json_t *applet(const struct iotsafe_info *info)
{
    char aid[HEX_SIZE(sizeof(info->aid))], version[16];
    json_t *object;

    text_hex(info->aid, info->aid_len, aid);
    object = json_pack("{s:s, s:b}", "aid", aid, "described", info->known);
    if (!info->known)
        return object;
    snprintf(version, sizeof(version), "%d.%d", info->version >> 4, info->version & 0x0f);
    json_object_set_new(object, "version", json_string(version));
    json_object_set_new(object, "applet_id_bytes", json_integer((json_int_t)info->applet_id_len));
    words_add_capabilities(object, info);
    return object;
}

static json_t *certificates(const struct report *r, struct iotsafe_card *card,
                            const struct iotsafe_object *object)
{
    struct iotsafe_op op = tool_op_begin(r->tool);
    const time_t now = time(NULL);
    STACK_OF(X509) *certs = NULL;
    uint8_t *data;
    size_t len;
    json_t *all = json_array();
    enum iotsafe_err err = iotsafe_read_file(card, &object->name, IOTSAFE_CERTIFICATES,
                                             object->file_size, &data, &len, &op);

    if (err == IOTSAFE_OK) {
        certs = isprov_certs_parse(r->tool->libctx, data, len);
        free(data);
    }
    for (int i = 0; i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);
        const EVP_PKEY *key = X509_get0_pubkey(cert);
        const char *type = key != NULL ? EVP_PKEY_get0_type_name(key) : NULL;

        json_array_append_new(
            all,
            json_pack("{s:s, s:i, s:i, s:b, s:b}", "key", type != NULL ? type : "unknown", "bits",
                      key != NULL ? EVP_PKEY_get_bits(key) : 0, "bytes", i2d_X509(cert, NULL),
                      "begun", ASN1_TIME_cmp_time_t(X509_get0_notBefore(cert), now) < 0, "expired",
                      ASN1_TIME_cmp_time_t(X509_get0_notAfter(cert), now) < 0));
    }
    sk_X509_pop_free(certs, X509_free);
    return all;
}

/* The names alone are somebody's: of these, the lengths. */
static void add_name(json_t *json, const char *key, const uint8_t *bytes, size_t len, bool text)
{
    char hex[HEX_SIZE(IOTSAFE_LABEL_MAX)];
    char *safe;

    json_object_set_new(json, key, json_integer((json_int_t)len));
    if (!text || len == 0 || len > IOTSAFE_LABEL_MAX)
        return;
    text_hex(bytes, len, hex);
    safe = strcmp(key, "id_bytes") == 0 ? NULL : text_escape((const char *)bytes, len);
    json_object_set_new(json, strcmp(key, "id_bytes") == 0 ? "id" : "label",
                        json_string(safe != NULL ? safe : hex));
    free(safe);
}

static json_t *masked_object(const struct report *r, struct iotsafe_card *card,
                             const struct iotsafe_object *o)
{
    json_t *json = json_pack("{s:s}", "kind", iotsafe_kind_name(o->kind));

    add_name(json, "id_bytes", o->name.id, o->name.id_len, r->with_labels);
    add_name(json, "label_bytes", (const uint8_t *)o->name.label, o->name.label_len,
             r->with_labels);
    if ((o->told & IOTSAFE_TOLD_ACCESS) != 0)
        json_object_set_new(json, "access", words_bits_json(&words_access, o->access));
    if ((o->told & IOTSAFE_TOLD_STATE) != 0)
        json_object_set_new(json, "state", words_value_json(&words_state, o->state));
    if ((o->told & IOTSAFE_TOLD_KEY_TYPE) != 0)
        json_object_set_new(json, "key_type", words_value_json(&words_key_type, o->key_type));
    if ((o->told & IOTSAFE_TOLD_KEY_USAGE) != 0)
        json_object_set_new(json, "key_usage", words_value_json(&words_key_usage, o->key_usage));
    if ((o->told & IOTSAFE_TOLD_FUNCTIONS) != 0)
        json_object_set_new(json, "functions",
                            words_bits_json(o->kind == IOTSAFE_PUBLIC_KEY ? &words_public_function
                                                                          : &words_function,
                                            o->functions));
    if ((o->told & IOTSAFE_TOLD_FILE_USAGE) != 0)
        json_object_set_new(json, "file_usage", words_value_json(&words_file_usage, o->file_usage));
    if ((o->told & IOTSAFE_TOLD_FILE_SIZE) != 0)
        json_object_set_new(json, "file_size", json_integer(o->file_size));
    if (object_is_certificate(o))
        json_object_set_new(json, "certificates", certificates(r, card, o));
    return json;
}

static json_t *objects(const struct report *r, struct iotsafe_card *card)
{
    struct iotsafe_op op = tool_op_begin(r->tool);
    struct iotsafe_object *list = NULL;
    size_t n = 0;
    json_t *all;

    if (iotsafe_list(card, &list, &n, &op) != IOTSAFE_OK)
        return json_null();
    all = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(all, masked_object(r, card, &list[i]));
    free(list);
    return all;
}

static json_t *conformance(const struct report *r, struct iotsafe_card *card)
{
    const struct rule *rules[RULES_MAX];
    struct finding findings[RULES_MAX] = { { .asked = false } };
    struct inquiry *q = OPENSSL_zalloc(sizeof(*q));
    json_t *all = json_null();
    size_t n;

    if (q == NULL)
        return all;
    q->card = card;
    q->may_sign = r->may_sign;
    q->op = tool_op_begin(r->tool);
    q->op.deadline_ms = 0; /* each rule has the time of an operation */
    q->settings = json_object();
    if (conformance_ask(q, rules, findings, &n))
        all = conformance_json(rules, findings, n);
    conformance_clear(q);
    OPENSSL_free(q);
    return all;
}

/* What was not reached is null, and why it was not is said: a report is wanted most then. */
static void add_card(const struct report *r, json_t *root)
{
    struct iotsafe_op op = tool_op_begin(r->tool);
    struct iotsafe_info info;
    struct iotsafe_card *card = NULL;
    enum iotsafe_err err = tool_card_new(r->tool, r->sim, &card, &op);

    if (err == IOTSAFE_OK)
        err = iotsafe_card_info(card, &info, &op);
    json_object_set_new(root, "applet", err == IOTSAFE_OK ? applet(&info) : json_null());
    json_object_set_new(root, "objects", err == IOTSAFE_OK ? objects(r, card) : json_null());
    json_object_set_new(root, "conformance", card != NULL ? conformance(r, card) : json_null());
    if (err != IOTSAFE_OK)
        json_object_set_new(root, "error", json_string(iotsafe_strerror(err)));
    iotsafe_card_free(card);
}

/* ---- */

static enum tool_status report_run(struct tool *tool, const struct args *args)
{
    const struct report r = { .tool = tool,
                              .sim = args->option[OPTION_SIM],
                              .with_labels = args->option[OPTION_WITH_LABELS] != NULL,
                              .may_sign = args->option[OPTION_NO_SIGN] == NULL };
    const char *path = args->option[OPTION_OUT];
    json_t *root, *trace;
    bool ok;

    if (path != NULL && !outfile_is_possible(path))
        return TOOL_FAILED;
    root = json_pack("{s:s, s:o, s:o}", "format", "iotsafe-report-1", "versions", versions(),
                     "settings", settings(&r));
    trace = last_trace(&r, root); /* before this command adds to it */
    add_card(&r, root);
    json_object_set_new(root, "doctor", doctor(&r));
    json_object_set_new(root, "trace", trace);
    if (path == NULL)
        return output_json(root) ? TOOL_OK : TOOL_FAILED;
    ok = outfile_write_json(path, root);
    if (ok)
        report_note("the report is in %s; review it before you send it", path);
    return ok ? TOOL_OK : TOOL_FAILED;
}

const struct command command_report = {
    .name = "report",
    .summary = "write all that a bug report needs, masked",
    .details = "Writes one JSON value: versions, settings, what the applet and its objects are,\n"
               "'iotsafe conformance', the findings of 'iotsafe doctor', and the end of the trace\n"
               "if one is configured (IOTSAFE_TRACE=file:PATH). It holds no key, no contents, no\n"
               "subject or serial number, no name of an object, reader or device, and nothing of\n"
               "the subscriber. It is written as well where the SIM cannot be reached.",
    .options = options,
    .run = report_run,
};
