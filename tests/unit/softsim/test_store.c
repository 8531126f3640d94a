/* SPDX-License-Identifier: Apache-2.0 */
/* The store on disk: what survives, who may read it, and what a crash leaves behind. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "fixture.h"

static char dir[] = "/tmp/softsim-store-XXXXXX";
static struct store *s;
static struct err err;

static void path_in(const char *name, char path[static 256])
{
    snprintf(path, 256, "%s/%s", dir, name);
}

static unsigned mode_of(const char *name)
{
    char path[256];
    struct stat st;

    path_in(name, path);
    cr_assert_eq(lstat(path, &st), 0, "%s", path);
    return st.st_mode & 0777;
}

static void begin(void)
{
    cr_assert_not_null(mkdtemp(dir));
}

static void end(void)
{
    char cmd[300];

    store_free(s);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    cr_expect_eq(system(cmd), 0);
}

TestSuite(softsim_store, .init = begin, .fini = end);

static void make(const char *profile, const char *setting)
{
    struct personalisation how = { .cn = "a device",
                                   .san = PERSONALISE_SAN,
                                   .client_key_type = IOTSAFE_KEY_P256 };
    struct profile p;

    s = store_new(dir, profile);
    if (setting != NULL)
        cr_assert(store_add_setting(s, setting));
    cr_assert(store_profile(s, &p, &err), "%s", err.text);
    cr_assert(personalise(s, &p, &how, &err), "%s", err.text);
    cr_assert(store_save(s, &err), "%s", err.text);
}

static void reload(void)
{
    store_free(s);
    s = store_load(dir, &err);
    cr_assert_not_null(s, "%s", err.text);
}

static struct object *object(enum kind kind, const char *label)
{
    return store_by_label(s, kind, label, strlen(label));
}

Test(softsim_store, wolfssl_peer_key_verifies_and_agrees)
{
    const struct object *o;

    make("wolfssl", NULL);
    o = store_by_label(s, KIND_PUBLIC, "peer-key", 8);
    cr_assert_not_null(o);
    cr_expect_eq(o->functions, 5);
    cr_expect_eq(o->sig_algs, 4);
    cr_expect_eq(o->hash_algs, 7);
    cr_expect_eq(o->agreement, 1);
}

Test(softsim_store, files_are_private_whatever_the_umask)
{
    umask(0);
    make(PROFILE_DEFAULT, NULL);
    cr_assert(store_lock(s, &err));
    cr_expect_eq(mode_of("sim.json"), 0600);
    cr_expect_eq(mode_of("ca.key"), 0600);
    cr_expect_eq(mode_of("lock"), 0600);
    cr_expect_eq(mode_of("ca.pem"), 0644);
    umask(0777);
    cr_expect(store_save(s, &err), "%s", err.text);
    cr_expect_eq(mode_of("sim.json"), 0600);
}

Test(softsim_store, default_objects_have_their_labels_and_numbers)
{
    static const struct {
        enum kind kind;
        const char *label;
        uint8_t id;
        bool filled;
    } want[] = {
        { KIND_PRIVATE, "client-key", 1, true },  { KIND_PUBLIC, "client-key", 1, true },
        { KIND_FILE, "client-cert", 2, true },    { KIND_FILE, "ca-cert", 3, true },
        { KIND_PRIVATE, "eph-key", 4, false },    { KIND_PUBLIC, "eph-key", 4, false },
        { KIND_PUBLIC, "peer-key", 5, false },    { KIND_SECRET, "psk", 6, true },
        { KIND_FILE, "notes", 7, true },          { KIND_PRIVATE, "spare-1", 0x0a, false },
        { KIND_PRIVATE, "spare-2", 0x0c, false }, { KIND_PUBLIC, "verify-key", 0x0e, false },
    };

    make(PROFILE_DEFAULT, NULL);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct object *o = object(want[i].kind, want[i].label);

        cr_assert_not_null(o, "%s", want[i].label);
        cr_expect_eq(o->id_len, 1);
        cr_expect_eq(o->id[0], want[i].id, "%s", want[i].label);
        cr_expect_eq(object_has_content(o), want[i].filled, "%s", want[i].label);
        cr_expect_eq(o->state, want[i].filled, "%s", want[i].label);
    }
}

static struct profile_row {
    char profile[16];
    char priv[8], pub[8], cert[8];
} profile_rows[] = {
    { "gsma-strict", "01", "01", "02" },       { "zariot", "303036", "303037", "303032" },
    { "quantag-1.4", "0002", "0002", "0001" }, { "ntt", "01", "01", "02" },
    { "m33mu", "0100", "0100", "0200" },
};

ParameterizedTestParameters(softsim_store, profiles_number_their_objects)
{
    return cr_make_param_array(struct profile_row, profile_rows, ARRAY_LEN(profile_rows));
}

static void expect_id(const struct object *o, const char *hex)
{
    char text[2 * IOTSAFE_ID_MAX + 1];

    softsim_hex_encode(o->id, o->id_len, text);
    cr_expect_str_eq(text, hex);
}

ParameterizedTest(struct profile_row *row, softsim_store, profiles_number_their_objects)
{
    make(row->profile, NULL);
    expect_id(object(KIND_PRIVATE, "client-key"), row->priv);
    expect_id(object(KIND_PUBLIC, "client-key"), row->pub);
    expect_id(object(KIND_FILE, "client-cert"), row->cert);
}

Test(softsim_store, everything_survives_a_restart_but_volatile_keys)
{
    EVP_PKEY *before, *pair;
    struct object *o;

    make("cira", "file_chunk=100");
    before = object(KIND_PRIVATE, "client-key")->key;
    EVP_PKEY_up_ref(before);
    pair = crypto_generate(IOTSAFE_KEY_P256_VOLATILE);
    object_set_key(object(KIND_PUBLIC, "eph-key"), crypto_public_half(pair));
    object_set_key(object(KIND_PRIVATE, "eph-key"), pair);
    cr_assert(store_save(s, &err));
    reload();
    cr_expect_str_eq(s->profile, "cira");
    cr_expect_eq(s->n_settings, 1);
    cr_expect_eq(EVP_PKEY_eq(before, object(KIND_PRIVATE, "client-key")->key), 1);
    o = object(KIND_PRIVATE, "eph-key");
    cr_expect_null(o->key);
    cr_expect_eq(o->state, IOTSAFE_STATE_DEACTIVATED);
    EVP_PKEY_free(before);
}

Test(softsim_store, certificate_fits_key_and_ca)
{
    struct object *file;
    const uint8_t *p;
    X509 *cert, *ca;
    FILE *f;
    char path[256];

    make(PROFILE_DEFAULT, NULL);
    file = object(KIND_FILE, "client-cert");
    p = file->content.data;
    cert = d2i_X509(NULL, &p, (long)file->content.len);
    cr_assert_not_null(cert);
    path_in("ca.pem", path);
    f = fopen(path, "r");
    ca = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    cr_expect_eq(X509_verify(cert, X509_get0_pubkey(ca)), 1);
    cr_expect_eq(EVP_PKEY_eq(X509_get0_pubkey(cert), object(KIND_PUBLIC, "client-key")->key), 1);
    cr_expect_eq(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    cr_expect_eq(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    cr_expect_eq(X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0), 1);
    cr_expect_eq(X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0), 1);
    cr_expect_eq(X509_check_ca(ca), 1);
    X509_free(cert);
    X509_free(ca);
}

Test(softsim_store, second_user_of_the_folder_is_refused)
{
    struct store *other;

    make(PROFILE_DEFAULT, NULL);
    cr_assert(store_lock(s, &err));
    other = store_load(dir, &err);
    cr_expect_not(store_lock(other, &err));
    cr_expect_not_null(strstr(err.text, "in use"));
    store_free(other);
}

/* A write that fails leaves the old file, whole, and nothing beside it. */
Test(softsim_store, failed_write_leaves_the_old_state)
{
    char path[256], aside[256];

    make(PROFILE_DEFAULT, NULL);
    path_in("sim.json.new", path);
    cr_assert_eq(mkdir(path, 0700), 0); /* in the way of the new file */
    store_remove(s, object(KIND_FILE, "notes"));
    cr_expect_not(store_save(s, &err));
    cr_assert_eq(rmdir(path), 0);
    reload();
    cr_expect_not_null(object(KIND_FILE, "notes"));
    /* and a leftover of a process that died is no obstacle */
    close(open(path, O_CREAT | O_WRONLY, 0666));
    path_in("elsewhere", aside);
    cr_expect(store_save(s, &err), "%s", err.text);
    cr_expect_eq(access(path, F_OK), -1);
    cr_expect_eq(mode_of("sim.json"), 0600);
}

Test(softsim_store, symbolic_link_is_not_followed)
{
    char path[256], target[256];

    make(PROFILE_DEFAULT, NULL);
    path_in("sim.json.new", path);
    path_in("victim", target);
    cr_assert_eq(symlink(target, path), 0);
    cr_expect_not(store_save(s, &err));
    cr_expect_eq(access(target, F_OK), -1);
}

static void write_text(const char *text, size_t len)
{
    char path[256];
    FILE *f;

    path_in("sim.json", path);
    f = fopen(path, "w");
    cr_assert_eq(fwrite(text, 1, len, f), len);
    fclose(f);
}

Test(softsim_store, damaged_file_is_an_error_at_every_length)
{
    char path[256], *text = NULL;
    size_t len = 0;
    FILE *f;

    make(PROFILE_DEFAULT, NULL);
    path_in("sim.json", path);
    f = fopen(path, "r");
    cr_assert_gt(getdelim(&text, &len, '\0', f), 0);
    fclose(f);
    for (size_t cut = 0; cut + 2 < strlen(text); cut += 97) {
        write_text(text, cut);
        cr_expect_null(store_load(dir, &err), "cut at %zu", cut);
    }
    free(text);
}

static struct bad_row {
    char text[200];
} bad_rows[] = {
    { "[]" },
    { "{\"format\":\"other\",\"profile\":\"cira\"}" },
    { "{\"format\":\"iotsafe-softsim-1\"}" },
    { "{\"format\":\"iotsafe-softsim-1\",\"profile\":\"cira\",\"settings\":[1]}" },
    { "{\"format\":\"iotsafe-softsim-1\",\"profile\":\"cira\",\"objects\":[1]}" },
    { "{\"format\":\"iotsafe-softsim-1\",\"profile\":\"cira\",\"objects\":[{\"kind\":\"x\"}]}" },
    { "{\"format\":\"iotsafe-softsim-1\",\"profile\":\"cira\",\"objects\":[{\"kind\":\"file\","
      "\"label\":\"a\",\"id\":\"0\"}]}" },
    { "{\"format\":\"iotsafe-softsim-1\",\"profile\":\"cira\",\"objects\":[{\"kind\":\"file\","
      "\"label\":\"a\",\"id\":\"01\",\"size\":70000}]}" },
    { "{\"format\":\"iotsafe-softsim-1\",\"profile\":\"cira\",\"objects\":[{\"kind\":\"file\","
      "\"label\":\"a\",\"id\":\"01\",\"content\":\"00\"}]}" },
    { "{\"format\":\"iotsafe-softsim-1\",\"profile\":\"cira\",\"objects\":[{\"kind\":\"public\","
      "\"label\":\"a\",\"id\":\"01\",\"key_type\":19,\"key\":\"00\"}]}" },
};

ParameterizedTestParameters(softsim_store, senseless_file_is_an_error)
{
    return cr_make_param_array(struct bad_row, bad_rows, ARRAY_LEN(bad_rows));
}

ParameterizedTest(struct bad_row *row, softsim_store, senseless_file_is_an_error)
{
    write_text(row->text, strlen(row->text));
    cr_expect_null(store_load(dir, &err), "%s", row->text);
}

Test(softsim_store, names_are_unique_within_a_kind)
{
    static const uint8_t id[] = { 9, 8 };
    struct object *o = object_new(KIND_FILE, "x", id, 1);

    s = store_new(NULL, PROFILE_DEFAULT);
    cr_assert(store_add(s, o));
    o = object_new(KIND_FILE, "y", id, 1);
    cr_expect_not(store_add(s, o), "same identifier");
    object_free(o);
    o = object_new(KIND_FILE, "x", id, 2);
    cr_expect_not(store_add(s, o), "same label");
    object_free(o);
    o = object_new(KIND_SECRET, "x", id, 1);
    cr_expect(store_add(s, o), "another kind");
    cr_expect_null(object_new(KIND_FILE, "x", id, 0));
    cr_expect_null(object_new(
        KIND_FILE, "0123456789012345678901234567890123456789012345678901234567890", id, 1));
}

Test(softsim_store, imported_key_is_used)
{
    struct personalisation how = { .cn = "a device",
                                   .san = PERSONALISE_SAN,
                                   .client_key_type = IOTSAFE_KEY_P256 };
    EVP_PKEY *pair = crypto_generate(IOTSAFE_KEY_P256);
    char pem[256];
    struct profile p;
    FILE *f;

    path_in("my.key", pem);
    f = fopen(pem, "w");
    cr_assert_eq(PEM_write_PrivateKey(f, pair, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    how.imports[0].label = "client-key";
    how.imports[0].pem_file = pem;
    how.n_imports = 1;
    s = store_new(dir, PROFILE_DEFAULT);
    cr_assert(store_profile(s, &p, &err));
    cr_assert(personalise(s, &p, &how, &err), "%s", err.text);
    cr_expect_eq(EVP_PKEY_eq(pair, object(KIND_PRIVATE, "client-key")->key), 1);
    EVP_PKEY_free(pair);
}
