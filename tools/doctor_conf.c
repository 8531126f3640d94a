/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe doctor: openssl.cnf, the settings in it, and the module that it loads. */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/store.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "doctor.h"

extern char **environ;

/* ---- misspelt names ---- */

#define NAME_MAX_COMPARED 32

/* Levenshtein's, with two rows of his table. */
unsigned doctor_distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_COMPARED + 1], above, here;
    const size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > NAME_MAX_COMPARED || b_len > NAME_MAX_COMPARED)
        return NAME_MAX_COMPARED;
    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        above = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            here = above + (a[i - 1] != b[j - 1]);
            above = row[j];
            if (row[j] + 1 < here)
                here = row[j] + 1;
            if (row[j - 1] + 1 < here)
                here = row[j - 1] + 1;
            row[j] = here;
        }
    }
    return row[b_len];
}

/* What libcrypto itself reads in a provider's section. */
static const char *const core_settings[] = { "activate", "identity", "module", "soft_load" };

/* The n-th name that is known: of the environment, or else of openssl.cnf. "" where a
 * setting has none there; NULL behind the last. */
static const char *known_name(size_t n, bool environment)
{
    const char *env = NULL, *key;
    size_t n_settings = 0;

    while ((key = iotsafe_config_setting(n_settings, &env)) != NULL && n_settings < n)
        n_settings++;
    if (key != NULL)
        return !environment ? key : env != NULL ? env : "";
    n -= n_settings;
    return !environment && n < ARRAY_LEN(core_settings) ? core_settings[n] : NULL;
}

static void check_name(struct doctor *d, const char *name, bool environment)
{
    const char *known, *nearest = "";
    unsigned least = NAME_MAX_COMPARED;

    for (size_t i = 0; (known = known_name(i, environment)) != NULL; i++) {
        if (strcmp(known, name) == 0)
            return;
        if (known[0] != '\0' && doctor_distance(known, name) < least) {
            least = doctor_distance(known, name);
            nearest = known;
        }
    }
    if (least > strlen(name) / 2)
        nearest = "";
    doctor_find(d, FINDING_SETTING_UNKNOWN, "there is no setting \"%.60s\"%s%s%s%s", name,
                environment ? " in the environment" : " in openssl.cnf",
                nearest[0] != '\0' ? "; is \"" : "", nearest,
                nearest[0] != '\0' ? "\" meant?" : "");
}

static void check_environment(struct doctor *d)
{
    for (char **variable = environ; *variable != NULL; variable++) {
        char name[64];

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(*variable, "="), *variable);
        if (strncmp(name, "IOTSAFE_", 8) == 0)
            check_name(d, name, true);
    }
}

/* ---- sections ---- */

/* As libcrypto reads a name in a list of providers or engines. */
static const char *behind_dot(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot != NULL ? dot + 1 : name;
}

static const char *value_in(const struct doctor *d, const char *section, const char *name)
{
    const char *value = NCONF_get_string(d->conf, section, name);

    ERR_clear_error();
    return value;
}

/* The section that `name` in `from` names; NULL after a finding or if there is no such
 * line. */
static const char *follow(struct doctor *d, const char *from, const char *name)
{
    const char *section = value_in(d, from, name);

    if (section == NULL || NCONF_get_section(d->conf, section) != NULL)
        return section;
    doctor_find(d, FINDING_CONF_NO_SECTION, "%s says %s = %.60s, but has no section [%.60s]",
                d->conf_path, name, section, section);
    return NULL;
}

struct listed {
    const char *section; /* NULL: not listed, or its section is not there */
    int place;           /* in the list, from 1; 0: not listed */
    bool active;
};

static bool is_yes(const char *value)
{
    return strcmp(value, "0") != 0 && strcasecmp(value, "no") != 0 && strcasecmp(value, "off") != 0
           && strcasecmp(value, "false") != 0;
}

/* A provider in the list, by its own name or by `identity` in its section. */
static struct listed find_provider(const struct doctor *d, STACK_OF(CONF_VALUE) *list,
                                   const char *wanted)
{
    struct listed found = { .place = 0 };

    for (int i = 0; i < sk_CONF_VALUE_num(list); i++) {
        const CONF_VALUE *entry = sk_CONF_VALUE_value(list, i);
        const char *identity = value_in(d, entry->value, "identity");
        const char *activate = value_in(d, entry->value, "activate");

        if (strcmp(identity != NULL ? identity : behind_dot(entry->name), wanted) != 0)
            continue;
        found.place = i + 1;
        found.section = entry->value;
        found.active = activate != NULL && is_yes(activate);
    }
    return found;
}

static bool any_is_active(const struct doctor *d, STACK_OF(CONF_VALUE) *list)
{
    bool any = false;

    for (int i = 0; i < sk_CONF_VALUE_num(list); i++) {
        const char *activate = value_in(d, sk_CONF_VALUE_value(list, i)->value, "activate");

        any = any || (activate != NULL && is_yes(activate));
    }
    return any;
}

static void check_settings(struct doctor *d)
{
    STACK_OF(CONF_VALUE) *values = NCONF_get_section(d->conf, d->iotsafe_values);

    for (int i = 0; i < sk_CONF_VALUE_num(values); i++) {
        const CONF_VALUE *value = sk_CONF_VALUE_value(values, i);

        if (strncmp(value->name, "sim.", 4) != 0)
            check_name(d, value->name, false);
        if (NCONF_get_section(d->conf, value->value) != NULL)
            doctor_find(d, FINDING_VALUE_IS_SECTION,
                        "%s = %.60s is not read as a value, since there is a section [%.60s]",
                        value->name, value->value, value->value);
    }
}

static bool check_listed(struct doctor *d, const char *list_name, const struct listed *iotsafe)
{
    if (iotsafe->place == 0)
        doctor_find(d, FINDING_NOT_LISTED, "iotsafe is not among the providers in [%s] of %s",
                    list_name, d->conf_path);
    else if (NCONF_get_section(d->conf, iotsafe->section) == NULL)
        doctor_find(d, FINDING_CONF_NO_SECTION,
                    "iotsafe = %.60s, but there is no section [%.60s] in %s", iotsafe->section,
                    iotsafe->section, d->conf_path);
    else if (!iotsafe->active)
        doctor_find(d, FINDING_NOT_ACTIVATED, "[%s] of %s does not activate iotsafe",
                    iotsafe->section, d->conf_path);
    else
        return true;
    return false;
}

static void check_providers(struct doctor *d, const char *list_name)
{
    STACK_OF(CONF_VALUE) *list = NCONF_get_section(d->conf, list_name);
    const struct listed iotsafe = find_provider(d, list, "iotsafe");
    const struct listed base = find_provider(d, list, "default");
    const struct listed fips = find_provider(d, list, "fips");

    d->listed = check_listed(d, list_name, &iotsafe);
    if (iotsafe.place != 0 && NCONF_get_section(d->conf, iotsafe.section) != NULL) {
        d->iotsafe_values = iotsafe.section;
        check_settings(d);
    }
    ERR_clear_error();
    /* as long as none is activated, OpenSSL does so with its own */
    if (!base.active && !fips.active && (iotsafe.place != 0 || any_is_active(d, list)))
        doctor_find(d, FINDING_NO_DEFAULT,
                    "%s does not activate OpenSSL's own provider, default: beside another one, "
                    "programs have no hashes, ciphers and certificates",
                    d->conf_path);
    else if (d->listed && base.active && iotsafe.place < base.place)
        doctor_find(d, FINDING_ORDER,
                    "iotsafe is listed before default: what needs no SIM may go through it too");
}

static void check_engines(struct doctor *d, const char *init)
{
    const char *list_name = value_in(d, init, "engines");
    STACK_OF(CONF_VALUE) *list = list_name != NULL ? NCONF_get_section(d->conf, list_name) : NULL;

    for (int i = 0; i < sk_CONF_VALUE_num(list); i++) {
        const CONF_VALUE *entry = sk_CONF_VALUE_value(list, i);
        const char *id = value_in(d, entry->value, "engine_id");

        if (strcmp(id != NULL ? id : behind_dot(entry->name), "pkcs11") == 0)
            doctor_find(d, FINDING_ENGINE_PKCS11, "%s loads the engine pkcs11 in [%s]",
                        d->conf_path, list_name);
    }
    ERR_clear_error();
}

/* ---- the property query ---- */

static bool demands_fips(const struct doctor *d, const char *section)
{
    const char *mode = value_in(d, section, "fips_mode");

    return (mode != NULL && is_yes(mode))
           || (d->query != NULL && strstr(d->query, "fips=yes") != NULL
               && strstr(d->query, "?fips=yes") == NULL);
}

static void check_query(struct doctor *d, const char *init)
{
    const char *section = follow(d, init, "alg_section");
    const char *assume = d->iotsafe_values != NULL ? value_in(d, d->iotsafe_values, "assume-fips")
                                                   : NULL;

    if (section == NULL)
        return;
    d->query = value_in(d, section, "default_properties");
    if (demands_fips(d, section) && (assume == NULL || !is_yes(assume)))
        doctor_find(d, FINDING_QUERY_FIPS,
                    "[%s] of %s demands fips=yes, which keys on a SIM do not have", section,
                    d->conf_path);
    else if (d->query != NULL && strstr(d->query, "?provider=iotsafe") != NULL)
        doctor_find(d, FINDING_QUERY_PREFERS, "default_properties = %.80s in [%s] prefers iotsafe",
                    d->query, section);
}

/* ---- the file ---- */

static bool find_file(struct doctor *d)
{
    const bool named = getenv("OPENSSL_CONF") != NULL;
    char why[256];

    d->conf_path = CONF_get1_default_config_file();
    if (d->conf_path != NULL && access(d->conf_path, R_OK) == 0)
        return true;
    if (d->conf_path == NULL || d->conf_path[0] == '\0') {
        doctor_find(d, FINDING_CONF_ABSENT, "OPENSSL_CONF is empty, so no file is read");
    } else if (errno == EACCES) {
        doctor_explain_closed(d->conf_path, why, sizeof(why));
        doctor_find(d, FINDING_CONF_CLOSED, "%s cannot be read: %s", d->conf_path, why);
    } else {
        doctor_find(d, FINDING_CONF_ABSENT, "%s%s: %s", named ? "OPENSSL_CONF names " : "",
                    d->conf_path, strerror(errno));
    }
    return false;
}

static bool read_file(struct doctor *d)
{
    struct queue_summary why;
    long line = 0;

    d->conf = NCONF_new_ex(d->own.libctx, NULL);
    if (d->conf != NULL && NCONF_load(d->conf, d->conf_path, &line) > 0)
        return true;
    report_drain_queue("it cannot be read", &why);
    if (line > 0)
        doctor_find(d, FINDING_CONF_SYNTAX, "%s, line %ld: %s", d->conf_path, line, why.text);
    else
        doctor_find(d, FINDING_CONF_SYNTAX, "%s: %s", d->conf_path, why.text);
    NCONF_free(d->conf);
    d->conf = NULL;
    return false;
}

static void check_contents(struct doctor *d)
{
    const size_t before = d->n_lines;
    const char *init = follow(d, NULL, "openssl_conf");
    const char *providers = init != NULL ? follow(d, init, "providers") : NULL;

    if (providers != NULL)
        check_providers(d, providers);
    else if (d->n_lines == before)
        doctor_find(d, FINDING_CONF_NO_PROVIDERS, "%s has no %s, so it activates no provider",
                    d->conf_path, init == NULL ? "line openssl_conf =" : "line providers =");
    if (init == NULL)
        return;
    check_query(d, init);
    check_engines(d, init);
}

static void check_values(struct doctor *d)
{
    struct iotsafe_card *card = NULL;
    struct iotsafe_op op = { .text = "" };

    d->settings_bad = iotsafe_card_new(tool_config(&d->own), NULL, &card, &op)
                      == IOTSAFE_ERR_CONFIG;
    if (d->settings_bad)
        doctor_find(d, FINDING_SETTING_BAD, "%s", op.text);
    iotsafe_card_free(card);
}

/* Without the provider's section nothing here knows where the SIM is, except from the
 * environment. */
bool doctor_configuration(struct doctor *d)
{
    const char *transport = secure_getenv("IOTSAFE_TRANSPORT");

    if (find_file(d) && read_file(d))
        check_contents(d);
    check_environment(d);
    check_values(d);
    d->conf_failed = doctor_has_failed(d);
    doctor_ok(d, "%s activates default and iotsafe", d->conf_path);
    return !d->settings_bad && (d->listed || (transport != NULL && transport[0] != '\0'));
}

/* ---- the module ---- */

static const char *modules_folder(void)
{
    const char *folder = secure_getenv("OPENSSL_MODULES");

    return folder != NULL ? folder : OPENSSL_info(OPENSSL_INFO_MODULES_DIR);
}

/* Where libcrypto looks for it; allocated, NULL when out of memory. */
static char *module_path(const struct doctor *d)
{
    const char *name = d->iotsafe_values != NULL ? value_in(d, d->iotsafe_values, "module") : NULL;
    char *path = NULL;

    if (name != NULL && strchr(name, '/') != NULL)
        return strdup(name);
    if (asprintf(&path, "%s/%s%s", modules_folder(), name != NULL ? name : "iotsafe",
                 name != NULL && strstr(name, ".so") != NULL ? "" : ".so")
        < 0)
        return NULL;
    return path;
}

static bool module_is_readable(struct doctor *d, const char *path)
{
    char usual[512], why[256];

    if (access(path, R_OK) == 0)
        return true;
    snprintf(usual, sizeof(usual), "%s/iotsafe.so", OPENSSL_info(OPENSSL_INFO_MODULES_DIR));
    if (errno == EACCES) {
        doctor_explain_closed(path, why, sizeof(why));
        doctor_find(d, FINDING_MODULE_CLOSED, "%s cannot be read: %s", path, why);
    } else if (secure_getenv("OPENSSL_MODULES") != NULL && access(usual, R_OK) == 0) {
        doctor_find(d, FINDING_MODULE_HIDDEN,
                    "OPENSSL_MODULES makes programs look for %s, and the module is %s", path,
                    usual);
    } else {
        doctor_find(d, FINDING_MODULE_ABSENT, "the module is not at %s: %s", path, strerror(errno));
    }
    return false;
}

/* The part of an ELF header that is the same for 32 and 64 bits. */
struct elf_start {
    unsigned char ident[EI_NIDENT];
    uint16_t type, machine;
};

static bool read_elf(const char *path, struct elf_start *ret)
{
    FILE *file = fopen(path, "rbe");
    const bool read = file != NULL && fread(ret, sizeof(*ret), 1, file) == 1;

    if (file != NULL)
        fclose(file);
    return read && memcmp(ret->ident, ELFMAG, SELFMAG) == 0;
}

static bool module_is_for_us(struct doctor *d, const char *path)
{
    struct elf_start module, own;

    if (!read_elf(path, &module)) {
        doctor_find(d, FINDING_MODULE_BROKEN, "%s is no shared library", path);
        return false;
    }
    if (!read_elf("/proc/self/exe", &own)
        || (module.machine == own.machine
            && memcmp(module.ident, own.ident, EI_VERSION) == 0)) /* bits and byte order */
        return true;
    doctor_find(
        d, FINDING_MODULE_MACHINE,
        "%s was built for another machine: %d bits, ELF machine %u; this one is %d bits, %u", path,
        module.ident[EI_CLASS] == ELFCLASS64 ? 64 : 32, module.machine,
        own.ident[EI_CLASS] == ELFCLASS64 ? 64 : 32, own.machine);
    return false;
}

static bool module_links(struct doctor *d, const char *path)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *why = module == NULL ? dlerror() : NULL;
    const bool fits = module != NULL && dlsym(module, "OSSL_provider_init") != NULL;

    if (module == NULL)
        doctor_find(d, FINDING_MODULE_OPENSSL, "%s does not fit %s: %s", path,
                    OpenSSL_version(OPENSSL_VERSION), why != NULL ? why : "it cannot be linked");
    else if (!fits)
        doctor_find(d, FINDING_MODULE_BROKEN, "%s is no provider of OpenSSL", path);
    if (module != NULL)
        dlclose(module);
    return fits;
}

/* As libcrypto loads openssl.cnf for every program. */
#define PROGRAM_FLAGS                                              \
    (CONF_MFLAGS_DEFAULT_SECTION | CONF_MFLAGS_IGNORE_MISSING_FILE \
     | CONF_MFLAGS_IGNORE_RETURN_CODES)

/* True if keys on the SIM can be used there. Without openssl.cnf both providers are loaded by
 * name, as `openssl -provider` does. */
static bool open_program(struct doctor *d)
{
    struct tool *program = &d->program;

    program->libctx = OSSL_LIB_CTX_new();
    if (program->libctx == NULL)
        return false;
    if (d->conf_path != NULL)
        (void)CONF_modules_load_file_ex(program->libctx, d->conf_path, NULL, PROGRAM_FLAGS);
    if (!d->listed) {
        program->base = OSSL_PROVIDER_load(program->libctx, "default");
        program->iotsafe = OSSL_PROVIDER_load(program->libctx, "iotsafe");
    }
    ERR_clear_error();
    return OSSL_PROVIDER_available(program->libctx, "iotsafe");
}

static bool finds_both(const struct doctor *d)
{
    OSSL_STORE_LOADER *loader = OSSL_STORE_LOADER_fetch(d->program.libctx, "iotsafe", NULL);
    EVP_MD *md = EVP_MD_fetch(d->program.libctx, "SHA256", NULL);
    const bool both = loader != NULL && md != NULL;

    OSSL_STORE_LOADER_free(loader);
    EVP_MD_free(md);
    ERR_clear_error();
    return both;
}

/* The steps to come have this tool's own context, without what openssl.cnf demands. */
static void forget_program(struct doctor *d)
{
    (void)EVP_set_default_properties(d->own.libctx, NULL);
    tool_close(&d->program);
    memset(&d->program, 0, sizeof(d->program));
}

static void check_in_program(struct doctor *d, const char *path)
{
    const bool loaded = open_program(d), useful = loaded && finds_both(d);

    if (!loaded && d->conf_failed)
        doctor_ok(d, "%s fits %s, which openssl.cnf keeps from loading it", path,
                  OpenSSL_version(OPENSSL_VERSION));
    else if (!loaded)
        doctor_find(d, FINDING_MODULE_BROKEN, "OpenSSL does not load %s", path);
    else if (!useful && d->query != NULL && strstr(d->query, "fips=yes") == NULL)
        doctor_find(d, FINDING_QUERY_HIDES,
                    "default_properties = %.80s hides iotsafe or what programs need besides",
                    d->query);
    if (!useful)
        forget_program(d);
}

bool doctor_module(struct doctor *d)
{
    char *path = module_path(d);

    if (path == NULL) {
        d->no_memory = true;
        return false;
    }
    doctor_ok(d, "%s is loaded by %s", path, OpenSSL_version(OPENSSL_VERSION));
    if (module_is_readable(d, path) && module_is_for_us(d, path) && module_links(d, path))
        check_in_program(d, path);
    else
        forget_program(d);
    free(path);
    return true;
}
