/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe-softsim init and info. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "personalise.h"
#include "profile_file.h"

struct init_options {
    const char *dir;
    const char *profile;
    const char *profile_file; /* NULL: the profile is one of ours */
    const char *settings[STORE_SETTINGS_MAX];
    size_t n_settings;
    struct personalisation how;
    bool force;
};

static const struct {
    const char *name;
    uint8_t type;
} key_types[] = {
    { "p256", IOTSAFE_KEY_P256 },
    { "brainpool", IOTSAFE_KEY_BP256 },
    { "rsa2048", IOTSAFE_KEY_RSA2048 },
};

static bool set_key_type(struct init_options *o, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
        if (strcmp(key_types[i].name, name) == 0) {
            o->how.client_key_type = key_types[i].type;
            return true;
        }
    }
    return false;
}

static bool add_import(struct init_options *o, char *arg)
{
    char *equals = strchr(arg, '=');

    if (equals == NULL || o->how.n_imports == IMPORTS_MAX)
        return false;
    *equals = '\0';
    o->how.imports[o->how.n_imports].label = arg;
    o->how.imports[o->how.n_imports].pem_file = equals + 1;
    o->how.n_imports++;
    return true;
}

static bool add_part(struct init_options *o, const char *name)
{
    if (strcmp(name, "rsa") == 0)
        o->how.with_rsa = true;
    else if (strcmp(name, "brainpool") == 0)
        o->how.with_brainpool = true;
    else
        return false;
    return true;
}

static bool add_only(struct init_options *o, const char *label)
{
    if (o->how.n_only == ONLY_MAX)
        return false;
    o->how.only[o->how.n_only++] = label;
    return true;
}

static bool take_option(struct init_options *o, int c)
{
    switch (c) {
    case 's':
        o->dir = optarg;
        return true;
    case 'p':
        o->profile = optarg;
        return true;
    case 'S':
        if (o->n_settings == STORE_SETTINGS_MAX)
            return false;
        o->settings[o->n_settings++] = optarg;
        return true;
    case 'c':
        o->how.cn = optarg;
        return true;
    case 'n':
        o->how.san = optarg;
        return true;
    case 'k':
        return set_key_type(o, optarg);
    case 'w':
        return add_part(o, optarg);
    case 'i':
        return add_import(o, optarg);
    case 'o':
        return add_only(o, optarg);
    case 'f':
        o->force = true;
        return true;
    default:
        return false;
    }
}

static bool parse_init(int argc, char **argv, struct init_options *ret)
{
    static const struct option options[] = {
        { "store", required_argument, NULL, 's' },
        { "profile", required_argument, NULL, 'p' },
        { "set", required_argument, NULL, 'S' },
        { "cn", required_argument, NULL, 'c' },
        { "san", required_argument, NULL, 'n' },
        { "key-type", required_argument, NULL, 'k' },
        { "with", required_argument, NULL, 'w' },
        { "import-key", required_argument, NULL, 'i' },
        { "only", required_argument, NULL, 'o' },
        { "force", no_argument, NULL, 'f' },
        { NULL, 0, NULL, 0 },
    };
    struct init_options o = {
        .profile = PROFILE_DEFAULT,
        .how = { .cn = PERSONALISE_CN,
                 .san = PERSONALISE_SAN,
                 .client_key_type = IOTSAFE_KEY_P256 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!take_option(&o, c))
            return false;
    *ret = o;
    return optind == argc && o.dir != NULL;
}

/* What an init that failed half-way leaves behind does not count. */
static bool is_ours(const char *name)
{
    static const char *const names[] = { ".", "..", "lock", "ca.pem", "ca.key", "client-cert.pem" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool dir_holds_no_others_files(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    bool ours = d != NULL;

    while (ours && (e = readdir(d)) != NULL)
        ours = is_ours(e->d_name);
    if (d != NULL)
        closedir(d);
    return ours;
}

/* A folder that holds other things is left alone: it may be anyone's. */
static bool prepare_dir(const struct init_options *o, struct err *err)
{
    char path[4096];
    struct stat st;

    if (mkdir(o->dir, 0700) == 0)
        return chmod(o->dir, 0700) == 0 || err_set(err, "%s: %s", o->dir, strerror(errno));
    if (errno != EEXIST)
        return err_set(err, "%s: %s", o->dir, strerror(errno));
    if ((size_t)snprintf(path, sizeof(path), "%s/" STORE_FILE, o->dir) >= sizeof(path))
        return err_set(err, "%s: path too long", o->dir);
    if (lstat(path, &st) == 0) {
        if (!o->force)
            return err_set(err, "%s: already contains a SIM (--force replaces it)", o->dir);
    } else if (!dir_holds_no_others_files(o->dir)) {
        return err_set(err, "%s: not a folder, or contains other files", o->dir);
    }
    return chmod(o->dir, 0700) == 0 || err_set(err, "%s: %s", o->dir, strerror(errno));
}

/* A name of ours goes before a file of that name in the current folder. */
static bool find_profile(struct init_options *o, struct err *err)
{
    struct profile unused;

    if (profile_init(&unused, o->profile, err))
        return true;
    if (access(o->profile, F_OK) != 0)
        return err_set(err, "%s: no such profile (see --help-settings), and no such file",
                       o->profile);
    o->profile_file = o->profile;
    o->profile = PROFILE_DEFAULT;
    return true;
}

/* RSA is switched on in the applet when there is an RSA key to use. */
static bool add_settings(struct store *s, const struct init_options *o, bool rsa, struct err *err)
{
    if (o->profile_file != NULL && !profile_file_add(s, o->profile_file, err))
        return false;
    if (rsa && !store_add_setting(s, "sig_algs=7"))
        return err_set(err, "too many settings");
    for (size_t i = 0; i < o->n_settings; i++)
        if (!store_add_setting(s, o->settings[i]))
            return err_set(err, "too many settings");
    return true;
}

static bool announces_rsa(const struct profile *p)
{
    return (p->v[DIM_SIG_ALGS] & (IOTSAFE_SIG_RSA_PKCS1 | IOTSAFE_SIG_RSA_PSS)) != 0;
}

static bool make_sim(struct store *s, struct init_options *o, struct err *err)
{
    struct profile profile;
    bool rsa = o->how.with_rsa || o->how.client_key_type == IOTSAFE_KEY_RSA2048;

    if (!add_settings(s, o, rsa && strcmp(o->profile, "thales-p11") != 0, err)
        || !store_profile(s, &profile, err))
        return false;
    /* this vendor's applet is known for its RSA keys */
    o->how.with_rsa = o->how.with_rsa || strcmp(o->profile, "thales-p11") == 0
                      || (o->profile_file != NULL && announces_rsa(&profile));
    return personalise(s, &profile, &o->how, err) && store_save(s, err);
}

int cli_init(int argc, char **argv)
{
    struct init_options o;
    struct err err = { "out of memory" };
    struct store *s;
    bool ok;

    if (!parse_init(argc, argv, &o))
        return cli_usage("init");
    if (!find_profile(&o, &err) || !prepare_dir(&o, &err))
        return cli_fail(&err);
    s = store_new(o.dir, o.profile);
    ok = s != NULL && store_lock(s, &err) && make_sim(s, &o, &err);
    store_free(s);
    if (!ok)
        return cli_fail(&err);
    printf("iotsafe-softsim: made a SIM in %s, profile %s; test CA in %s/ca.pem. "
           "Not for production.\n",
           o.dir, o.profile_file != NULL ? o.profile_file : o.profile, o.dir);
    return CLI_OK;
}

static void print_object(const struct object *o)
{
    char id[2 * IOTSAFE_ID_MAX + 1];

    softsim_hex_encode(o->id, o->id_len, id);
    printf("  %-8s %-8s %-16s %s", kind_tags[o->kind].name, id, o->label,
           o->state == IOTSAFE_STATE_ACTIVATED ? "active" : "deactivated");
    if (o->kind == KIND_FILE)
        printf(", %zu bytes\n", o->content.len);
    else
        printf(", type %02X\n", o->key_type);
}

int cli_info(int argc, char **argv)
{
    static const struct option options[] = { { "store", required_argument, NULL, 's' },
                                             { NULL, 0, NULL, 0 } };
    struct err err;
    struct profile profile;
    const char *dir = NULL;
    struct store *s;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c != 's')
            return cli_usage("info");
        dir = optarg;
    }
    if (dir == NULL || optind != argc)
        return cli_usage("info");
    s = store_load(dir, &err);
    if (s == NULL || !store_profile(s, &profile, &err)) {
        store_free(s);
        return cli_fail(&err);
    }
    printf("iotsafe-softsim %s: software SIM in %s\n", IOTSAFE_VERSION, dir);
    printf("NOT FOR PRODUCTION: keys are stored in the clear, nothing protects them but file "
           "permissions.\n");
    printf("profile: %s\n", s->profile);
    profile_print_differences(&profile, stdout);
    printf("objects:\n");
    for (size_t i = 0; i < s->n_objects; i++)
        print_object(s->objects[i]);
    store_free(s);
    return CLI_OK;
}
