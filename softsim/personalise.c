/* SPDX-License-Identifier: Apache-2.0 */
/* The default objects as a table, numbered as the profile's cards number them. */
#include "personalise.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "ca.h"
#include "crypto.h"

#define KEY_TYPE_CMAC 0xb0
#define NOTES "This is an iotsafe-softsim: a software SIM, not for production.\n"

enum what { PAIR, PUBLIC, FILE_CERT, FILE_CA, FILE_NOTES, SECRET };
enum when { ALWAYS, WITH_RSA, WITH_BRAINPOOL, WITH_CMAC, FOR_KIGEN };

static const struct row {
    const char *label;
    enum what what;
    enum when when;
    uint8_t number;
    uint8_t key_type;
    uint8_t functions;
    uint8_t access;        /* of a public half or container */
    bool filled;           /* else the container is empty */
    const char *certified; /* of a certificate file: the key */
} rows[] = {
    { "client-key", PAIR, ALWAYS, 0x01, IOTSAFE_KEY_P256, IOTSAFE_FUNCTION_SIGN,
      IOTSAFE_ACCESS_READ, true, NULL },
    { "client-cert", FILE_CERT, ALWAYS, 0x02, 0, 0, IOTSAFE_ACCESS_READ, true, "client-key" },
    { "ca-cert", FILE_CA, ALWAYS, 0x03, 0, 0, IOTSAFE_ACCESS_READ, true, NULL },
    { "eph-key", PAIR, ALWAYS, 0x04, IOTSAFE_KEY_P256_VOLATILE,
      IOTSAFE_FUNCTION_GENERATE | IOTSAFE_FUNCTION_AGREE, IOTSAFE_ACCESS_READ, false, NULL },
    { "peer-key", PUBLIC, ALWAYS, 0x05, IOTSAFE_KEY_P256, IOTSAFE_FUNCTION_AGREE,
      IOTSAFE_ACCESS_UPDATE, false, NULL },
    { "psk", SECRET, ALWAYS, 0x06, IOTSAFE_KEY_HMAC, IOTSAFE_FUNCTION_DERIVE, 0, true, NULL },
    { "notes", FILE_NOTES, ALWAYS, 0x07, 0, 0, IOTSAFE_ACCESS_READ, true, NULL },
    { "spare-1", PAIR, ALWAYS, 0x0a, IOTSAFE_KEY_P256,
      IOTSAFE_FUNCTION_SIGN | IOTSAFE_FUNCTION_GENERATE | IOTSAFE_FUNCTION_AGREE,
      IOTSAFE_ACCESS_READ, false, NULL },
    { "spare-2", PAIR, ALWAYS, 0x0c, IOTSAFE_KEY_P256,
      IOTSAFE_FUNCTION_SIGN | IOTSAFE_FUNCTION_GENERATE | IOTSAFE_FUNCTION_AGREE,
      IOTSAFE_ACCESS_READ, false, NULL },
    { "verify-key", PUBLIC, ALWAYS, 0x0e, IOTSAFE_KEY_P256, IOTSAFE_FUNCTION_SIGN,
      IOTSAFE_ACCESS_READ | IOTSAFE_ACCESS_UPDATE, false, NULL },
    { "rsa-key", PAIR, WITH_RSA, 0x10, IOTSAFE_KEY_RSA2048,
      IOTSAFE_FUNCTION_SIGN | IOTSAFE_FUNCTION_GENERATE, IOTSAFE_ACCESS_READ, true, NULL },
    { "rsa-cert", FILE_CERT, WITH_RSA, 0x12, 0, 0, IOTSAFE_ACCESS_READ, true, "rsa-key" },
    { "bp-key", PAIR, WITH_BRAINPOOL, 0x14, IOTSAFE_KEY_BP256,
      IOTSAFE_FUNCTION_SIGN | IOTSAFE_FUNCTION_GENERATE | IOTSAFE_FUNCTION_AGREE,
      IOTSAFE_ACCESS_READ, true, NULL },
    { "cmac-key", SECRET, WITH_CMAC, 0x16, KEY_TYPE_CMAC, IOTSAFE_FUNCTION_SIGN, 0, true, NULL },
    /* what this operator's client asks for by name */
    { "BootstrapKey_1", PAIR, FOR_KIGEN, 0x30, IOTSAFE_KEY_P256, IOTSAFE_FUNCTION_SIGN,
      IOTSAFE_ACCESS_READ, true, NULL },
    { "BootstrapCert_1", FILE_CERT, FOR_KIGEN, 0x31, 0, 0, IOTSAFE_ACCESS_READ, true,
      "BootstrapKey_1" },
    { "operationalKeyLabel_1", PAIR, FOR_KIGEN, 0x32, IOTSAFE_KEY_P256,
      IOTSAFE_FUNCTION_SIGN | IOTSAFE_FUNCTION_GENERATE, IOTSAFE_ACCESS_READ, false, NULL },
    { "operationalKeyLabel_2", PAIR, FOR_KIGEN, 0x33, IOTSAFE_KEY_P256,
      IOTSAFE_FUNCTION_SIGN | IOTSAFE_FUNCTION_GENERATE, IOTSAFE_ACCESS_READ, false, NULL },
    { "serverCertificate", FILE_CA, FOR_KIGEN, 0x34, 0, 0, IOTSAFE_ACCESS_READ, true, NULL },
    { "clientsessionKey", PAIR, FOR_KIGEN, 0x35, IOTSAFE_KEY_P256_VOLATILE,
      IOTSAFE_FUNCTION_GENERATE | IOTSAFE_FUNCTION_AGREE, IOTSAFE_ACCESS_READ, false, NULL },
    { "serversessionKey", PUBLIC, FOR_KIGEN, 0x36, IOTSAFE_KEY_P256, IOTSAFE_FUNCTION_AGREE,
      IOTSAFE_ACCESS_UPDATE, false, NULL },
    { "secretkeyLabel", SECRET, FOR_KIGEN, 0x37, IOTSAFE_KEY_HMAC, IOTSAFE_FUNCTION_DERIVE, 0, true,
      NULL },
};

/* Numbers that differ on the cards of a profile. */
static const struct {
    const char *profile;
    const char *label;
    uint8_t number;
} renumbered[] = {
    { "zariot", "client-key", 6 },       { "zariot", "spare-1", 1 },
    { "quantag-1.4", "client-key", 2 },  { "quantag-1.4", "peer-key", 3 },
    { "quantag-1.4", "client-cert", 1 }, { "quantag-1.4", "psk", 4 },
};

/* Objects that have more functions or another type on the cards of a profile. */
static const struct {
    const char *profile;
    const char *label;
    uint8_t functions; /* in addition */
    uint8_t key_type;  /* 0: the same */
} altered[] = {
    { "wolfssl", "peer-key", IOTSAFE_FUNCTION_SIGN, 0 },        /* and verifies */
    { "thales-p11", "peer-key", 0, IOTSAFE_KEY_P256_VOLATILE }, /* its client crashes on 13 */
};

struct job {
    struct store *store;
    const struct profile *profile;
    const struct personalisation *how;
    struct ca ca;
    struct err *err;
};

static unsigned number_of(const struct job *j, const struct row *r)
{
    for (size_t i = 0; i < ARRAY_LEN(renumbered); i++)
        if (strcmp(renumbered[i].profile, j->profile->name) == 0
            && strcmp(renumbered[i].label, r->label) == 0)
            return renumbered[i].number;
    /* the public key of eph-key has that number then */
    if (j->profile->v[DIM_PAIR_IDS] == PAIR_DIFFERENT && strcmp(r->label, "peer-key") == 0)
        return 8;
    return r->number;
}

static size_t make_id(const struct profile *p, unsigned number, uint8_t id[static 4])
{
    switch (p->v[DIM_ID_STYLE]) {
    case ID_STYLE_ASCII3:
        return (size_t)snprintf((char *)id, 4, "%03u", number % 1000);
    case ID_STYLE_BE2:
        id[0] = 0;
        id[1] = (uint8_t)number;
        return 2;
    case ID_STYLE_LE2:
        id[0] = (uint8_t)number;
        id[1] = 0;
        return 2;
    default:
        id[0] = (uint8_t)number;
        return 1;
    }
}

static bool is_altered(const struct job *j, const struct row *r, size_t i)
{
    return strcmp(altered[i].profile, j->profile->name) == 0
           && strcmp(altered[i].label, r->label) == 0;
}

static uint8_t functions_of(const struct job *j, const struct row *r)
{
    for (size_t i = 0; i < ARRAY_LEN(altered); i++)
        if (is_altered(j, r, i))
            return (uint8_t)(r->functions | altered[i].functions);
    return r->functions;
}

static struct object *add(struct job *j, const struct row *r, enum kind kind, unsigned number)
{
    uint8_t id[4];
    size_t len = make_id(j->profile, number, id);
    struct object *o = object_new(kind, r->label, id, len);

    if (o == NULL || !store_add(j->store, o)) {
        object_free(o);
        err_set(j->err, "cannot add the object \"%s\"", r->label);
        return NULL;
    }
    o->key_type = r->key_type;
    o->functions = functions_of(j, r);
    return o;
}

static uint8_t type_of(const struct job *j, const struct row *r)
{
    if (strcmp(r->label, "client-key") == 0)
        return j->how->client_key_type;
    for (size_t i = 0; i < ARRAY_LEN(altered); i++)
        if (is_altered(j, r, i) && altered[i].key_type != 0)
            return altered[i].key_type;
    return r->key_type;
}

static void set_key_attributes(const struct job *j, const struct row *r, struct object *o)
{
    bool rsa = crypto_type_is_rsa(type_of(j, r));

    o->key_type = type_of(j, r);
    o->usage = IOTSAFE_USAGE_GENERAL;
    if ((o->functions & IOTSAFE_FUNCTION_SIGN) != 0) {
        o->usage = (uint8_t)j->profile->v[DIM_KEY_USAGE];
        o->sig_algs = rsa ? IOTSAFE_SIG_RSA_PKCS1 | IOTSAFE_SIG_RSA_PSS : IOTSAFE_SIG_ECDSA;
        o->hash_algs = (uint16_t)j->profile->v[DIM_HASH_ALGS];
    }
    if ((r->functions & IOTSAFE_FUNCTION_AGREE) != 0)
        o->agreement = IOTSAFE_AGREEMENT_ECKA;
}

EVP_PKEY *personalise_read_key(const char *pem_file, struct err *err)
{
    FILE *f = fopen(pem_file, "re");
    EVP_PKEY *key = NULL;

    if (f == NULL) {
        err_set(err, "%s: %s", pem_file, strerror(errno));
        return NULL;
    }
    key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    if (key == NULL) {
        ERR_clear_error();
        err_set(err, "%s: no private key in PEM", pem_file);
    }
    return key;
}

static EVP_PKEY *key_for(struct job *j, const struct row *r)
{
    for (size_t i = 0; i < j->how->n_imports; i++)
        if (strcmp(j->how->imports[i].label, r->label) == 0)
            return personalise_read_key(j->how->imports[i].pem_file, j->err);
    return r->filled ? crypto_generate(type_of(j, r)) : NULL;
}

static bool is_imported(const struct job *j, const struct row *r)
{
    for (size_t i = 0; i < j->how->n_imports; i++)
        if (strcmp(j->how->imports[i].label, r->label) == 0)
            return true;
    return false;
}

static bool fill_pair(struct job *j, const struct row *r, struct object *priv, struct object *pub)
{
    EVP_PKEY *key;

    if (!r->filled && !is_imported(j, r))
        return true;
    err_set(j->err, "cannot make the key \"%s\"", r->label);
    key = key_for(j, r);
    if (key == NULL)
        return false;
    if (!crypto_key_has_type(key, priv->key_type)) {
        EVP_PKEY_free(key);
        return err_set(j->err, "the key for \"%s\" is not of the container's type %02X", r->label,
                       priv->key_type);
    }
    object_set_key(pub, crypto_public_half(key));
    object_set_key(priv, key);
    return pub->key != NULL;
}

static bool add_pair(struct job *j, const struct row *r)
{
    unsigned number = number_of(j, r);
    unsigned step = j->profile->v[DIM_PAIR_IDS] == PAIR_DIFFERENT ? 1 : 0;
    struct object *priv = add(j, r, KIND_PRIVATE, number);
    struct object *pub = priv == NULL ? NULL : add(j, r, KIND_PUBLIC, number + step);

    if (pub == NULL)
        return false;
    set_key_attributes(j, r, priv);
    set_key_attributes(j, r, pub);
    pub->access = r->access;
    return fill_pair(j, r, priv, pub);
}

static bool add_public(struct job *j, const struct row *r)
{
    struct object *o = add(j, r, KIND_PUBLIC, number_of(j, r));

    if (o == NULL)
        return false;
    set_key_attributes(j, r, o);
    o->access = r->access;
    return true;
}

static bool add_secret(struct job *j, const struct row *r)
{
    struct object *o = add(j, r, KIND_SECRET, number_of(j, r));
    uint8_t bytes[32];
    size_t len = r->key_type == KEY_TYPE_CMAC ? 16 : sizeof(bytes);

    if (o == NULL || RAND_bytes(bytes, (int)len) != 1 || !object_set_content(o, bytes, len))
        return false;
    OPENSSL_cleanse(bytes, sizeof(bytes));
    o->size = 0;
    if (r->key_type == KEY_TYPE_CMAC)
        o->sig_algs = 0x08;
    else
        o->derivation = (uint8_t)j->profile->v[DIM_DERIVATION_ALGS];
    return true;
}

static bool cert_bytes(const struct job *j, X509 *cert, struct buf *out)
{
    return j->profile->v[DIM_CERT_FORMAT] == CERT_PEM ? ca_cert_pem(cert, out)
                                                      : ca_cert_der(cert, out);
}

/* Client certificate of the first key is also given to the user as a file. */
static bool write_pem(const struct job *j, const char *name, X509 *cert)
{
    struct buf pem = { 0 };
    bool ok = ca_cert_pem(cert, &pem)
              && (j->store->dir == NULL
                  || store_write_file(j->store->dir, name, pem.data, pem.len, 0644, j->err));

    buf_clear(&pem);
    return ok;
}

static bool issue(struct job *j, const struct row *r, struct buf *out)
{
    struct object *key = store_by_label(j->store, KIND_PUBLIC, r->certified, strlen(r->certified));
    X509 *cert = NULL;
    bool ok;

    if (key != NULL && key->key != NULL)
        cert = ca_issue(&j->ca, key->key, j->how->cn, j->how->san, j->err);
    ok = cert != NULL && cert_bytes(j, cert, out);
    if (ok && strcmp(r->label, "client-cert") == 0)
        ok = write_pem(j, "client-cert.pem", cert);
    X509_free(cert);
    return ok;
}

static bool file_bytes(struct job *j, const struct row *r, struct buf *out)
{
    switch (r->what) {
    case FILE_CERT:
        return issue(j, r, out);
    case FILE_CA:
        return cert_bytes(j, j->ca.cert, out);
    default:
        buf_put(out, NOTES, strlen(NOTES));
        return !out->failed;
    }
}

static bool add_file(struct job *j, const struct row *r)
{
    struct object *o = add(j, r, KIND_FILE, number_of(j, r));
    struct buf bytes = { 0 };
    bool ok = o != NULL && file_bytes(j, r, &bytes) && object_set_content(o, bytes.data, bytes.len);

    buf_clear(&bytes);
    if (!ok)
        return false;
    o->access = r->access;
    o->file_usage = r->what == FILE_NOTES ? IOTSAFE_FILE_GENERAL : IOTSAFE_FILE_CERTIFICATE;
    /* a container with room to spare where the profile pads */
    if (j->profile->v[DIM_FILE_PADDING] == PADDING_ZEROS)
        o->size = (o->content.len + 1023) / 1024 * 1024;
    return true;
}

static bool add_row(struct job *j, const struct row *r)
{
    err_set(j->err, "cannot make \"%s\"", r->label);
    switch (r->what) {
    case PAIR:
        return add_pair(j, r);
    case PUBLIC:
        return add_public(j, r);
    case SECRET:
        return add_secret(j, r);
    default:
        return add_file(j, r);
    }
}

static bool is_one_of_only(const struct personalisation *how, const char *label)
{
    for (size_t i = 0; i < how->n_only; i++)
        if (strcmp(how->only[i], label) == 0)
            return true;
    return how->n_only == 0;
}

static bool wanted(const struct job *j, const struct row *r)
{
    if (!is_one_of_only(j->how, r->label))
        return false;
    switch (r->when) {
    case WITH_RSA:
        return j->how->with_rsa;
    case WITH_BRAINPOOL:
        return j->how->with_brainpool;
    case WITH_CMAC:
        return j->profile->v[DIM_CMAC] == ON;
    case FOR_KIGEN:
        return strcmp(j->profile->name, "kigen") == 0;
    default:
        return true;
    }
}

/* A label that no object has is a mistake, not a wish for less. */
static bool check_only(const struct store *s, const struct personalisation *how, struct err *err)
{
    for (size_t i = 0; i < how->n_only; i++) {
        bool found = false;

        for (size_t k = 0; !found && k < s->n_objects; k++)
            found = strcmp(s->objects[k]->label, how->only[i]) == 0;
        if (!found)
            return err_set(err, "--only %s: a SIM of this profile has no such object",
                           how->only[i]);
    }
    return true;
}

static bool write_ca(const struct job *j)
{
    struct buf key = { 0 };
    bool ok = write_pem(j, "ca.pem", j->ca.cert) && ca_key_pem(j->ca.key, &key)
              && (j->store->dir == NULL
                  || store_write_file(j->store->dir, "ca.key", key.data, key.len, 0600, j->err));

    buf_clear(&key);
    return ok;
}

bool personalise(struct store *s, const struct profile *profile, const struct personalisation *how,
                 struct err *err)
{
    struct job j = { .store = s, .profile = profile, .how = how, .err = err };
    bool ok = ca_create(&j.ca, err) && write_ca(&j);

    for (size_t i = 0; ok && i < ARRAY_LEN(rows); i++)
        ok = !wanted(&j, &rows[i]) || add_row(&j, &rows[i]);
    ca_clear(&j.ca);
    return ok && check_only(s, how, err);
}
