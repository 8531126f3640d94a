/* SPDX-License-Identifier: Apache-2.0 */
/* The issuer's hand on the objects. */
#include "operator.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto.h"

static struct object *find(const struct store *s, enum kind kind, const char *name)
{
    struct object *o = store_by_label(s, kind, name, strlen(name));
    uint8_t id[IOTSAFE_ID_MAX];
    size_t len;

    if (o == NULL && softsim_hex_decode(name, id, sizeof(id), &len) && len != 0)
        o = store_by_id(s, kind, id, len);
    return o;
}

static void changed(struct object *o)
{
    o->generation++;
}

/* The smallest one-byte identifier that the kind has free, in the length of the others. */
static bool free_id(const struct store *s, enum kind kind, uint8_t id[static IOTSAFE_ID_MAX],
                    size_t *ret_len)
{
    size_t len = 1;

    for (size_t i = 0; i < s->n_objects; i++)
        if (s->objects[i]->kind == kind)
            len = s->objects[i]->id_len;
    memset(id, 0, IOTSAFE_ID_MAX);
    for (unsigned n = 0x20; n < 0x100; n++) {
        id[len - 1] = (uint8_t)n;
        if (store_by_id(s, kind, id, len) == NULL) {
            *ret_len = len;
            return true;
        }
    }
    return false;
}

static struct object *create(struct store *s, enum kind kind, const char *label,
                             const char *id_text, struct err *err)
{
    uint8_t id[IOTSAFE_ID_MAX];
    size_t len = 0;
    struct object *o;

    if (id_text == NULL ? !free_id(s, kind, id, &len)
                        : !softsim_hex_decode(id_text, id, sizeof(id), &len) || len == 0) {
        err_set(err, "%s: not an identifier of 1 to 20 bytes in hexadecimal, or none free",
                id_text == NULL ? "" : id_text);
        return NULL;
    }
    o = object_new(kind, label, id, len);
    if (o == NULL || !store_add(s, o)) {
        object_free(o);
        err_set(err, "%s: label too long, identifier in use, or no container free", label);
        return NULL;
    }
    return o;
}

bool operator_generate_key(struct store *s, const char *name, struct err *err)
{
    struct object *priv = find(s, KIND_PRIVATE, name);
    struct object *pub = priv == NULL ? NULL : store_public_half(s, priv);
    EVP_PKEY *pair, *half;

    if (pub == NULL)
        return err_set(err, "%s: no such key pair", name);
    pair = crypto_generate(priv->key_type);
    half = pair == NULL ? NULL : crypto_public_half(pair);
    if (half == NULL) {
        EVP_PKEY_free(pair);
        return err_set(err, "%s: cannot generate a key of type %02X", name, priv->key_type);
    }
    object_set_key(priv, pair);
    object_set_key(pub, half);
    changed(priv);
    changed(pub);
    return store_save(s, err);
}

static bool parse_file_options(const struct operator_file *f, long *ret_size, uint8_t *ret_usage,
                               struct err *err)
{
    if (f->size != NULL && !number_parse(f->size, 1, IOTSAFE_FILE_MAX, ret_size))
        return err_set(err, "--size %s: not a number from 1 to %d", f->size, IOTSAFE_FILE_MAX);
    if (f->usage != NULL && strcmp(f->usage, "cert") == 0)
        *ret_usage = IOTSAFE_FILE_CERTIFICATE;
    else if (f->usage != NULL && strcmp(f->usage, "general") == 0)
        *ret_usage = IOTSAFE_FILE_GENERAL;
    else if (f->usage != NULL)
        return err_set(err, "--usage %s: cert or general", f->usage);
    if (f->len > IOTSAFE_FILE_MAX)
        return err_set(err, "%zu bytes are more than a file can hold (%d)", f->len,
                       IOTSAFE_FILE_MAX);
    if (f->size != NULL && (size_t)*ret_size < f->len)
        return err_set(err, "--size %s: the content has %zu bytes", f->size, f->len);
    return true;
}

bool operator_put_file(struct store *s, const char *name, const struct operator_file *f,
                       struct err *err)
{
    struct object *o = find(s, KIND_FILE, name);
    uint8_t usage = o == NULL ? IOTSAFE_FILE_GENERAL : o->file_usage;
    long size = 0;

    if (!parse_file_options(f, &size, &usage, err))
        return false;
    if (o != NULL && f->id != NULL)
        return err_set(err, "%s: exists; --id is for a new file", name);
    if (o == NULL) {
        o = create(s, KIND_FILE, name, f->id, err);
        if (o == NULL)
            return false;
        o->access = IOTSAFE_ACCESS_READ;
    }
    if (!object_set_content(o, f->data, f->len))
        return err_set(err, "out of memory");
    if (f->size != NULL)
        o->size = (size_t)size;
    o->file_usage = usage;
    changed(o);
    return store_save(s, err);
}

/* ---- keys ---- */

static EVP_PKEY *public_from_pem(BIO *bio)
{
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    X509 *cert;

    if (key != NULL)
        return key;
    (void)BIO_reset(bio);
    cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (cert != NULL)
        key = X509_get_pubkey(cert);
    X509_free(cert);
    return key;
}

static EVP_PKEY *key_from_pem(const struct buf *pem, bool *ret_private)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    EVP_PKEY *key = NULL;

    if (bio == NULL)
        return NULL;
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    *ret_private = key != NULL;
    if (key == NULL) {
        (void)BIO_reset(bio);
        key = public_from_pem(bio);
    }
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static uint8_t type_of_key(EVP_PKEY *key)
{
    static const uint8_t types[] = { IOTSAFE_KEY_P256, IOTSAFE_KEY_BP256, IOTSAFE_KEY_RSA2048 };

    for (size_t i = 0; i < sizeof(types); i++)
        if (crypto_key_has_type(key, types[i]))
            return types[i];
    return 0;
}

static void new_key_attributes(struct object *o, uint8_t type)
{
    bool rsa = crypto_type_is_rsa(type);

    o->key_type = type;
    o->usage = IOTSAFE_USAGE_GENERAL;
    o->functions = IOTSAFE_FUNCTION_SIGN;
    o->sig_algs = rsa ? IOTSAFE_SIG_RSA_PKCS1 | IOTSAFE_SIG_RSA_PSS : IOTSAFE_SIG_ECDSA;
    o->hash_algs = IOTSAFE_HASH_SHA256 | IOTSAFE_HASH_SHA384 | IOTSAFE_HASH_SHA512;
    o->access = o->kind == KIND_PUBLIC ? IOTSAFE_ACCESS_READ : 0;
}

static struct object *container(struct store *s, enum kind kind, const char *name, const char *id,
                                EVP_PKEY *key, struct err *err)
{
    struct object *o = find(s, kind, name);

    if (o == NULL) {
        if (type_of_key(key) == 0) {
            err_set(err, "the SIM holds P-256, brainpoolP256r1 and RSA 2048 keys only");
            return NULL;
        }
        o = create(s, kind, name, id, err);
        if (o != NULL)
            new_key_attributes(o, type_of_key(key));
        return o;
    }
    if (!crypto_key_has_type(key, o->key_type)) {
        err_set(err, "%s: the key is not of the container's type %02X", name, o->key_type);
        return NULL;
    }
    return o;
}

static bool put_pair(struct store *s, const char *name, const char *id, EVP_PKEY *pair,
                     struct err *err)
{
    EVP_PKEY *half = crypto_public_half(pair);
    struct object *priv = half == NULL ? NULL : container(s, KIND_PRIVATE, name, id, pair, err);
    struct object *pub = NULL;

    if (priv != NULL) {
        pub = store_public_half(s, priv);
        if (pub == NULL)
            pub = container(s, KIND_PUBLIC, priv->label, id, half, err);
    }
    if (pub == NULL || EVP_PKEY_up_ref(pair) != 1) {
        EVP_PKEY_free(half);
        return false;
    }
    object_set_key(priv, pair);
    object_set_key(pub, half);
    changed(priv);
    changed(pub);
    return true;
}

static bool put_public(struct store *s, const char *name, const char *id, EVP_PKEY *key,
                       struct err *err)
{
    struct object *pub = container(s, KIND_PUBLIC, name, id, key, err);

    if (pub == NULL || EVP_PKEY_up_ref(key) != 1)
        return false;
    object_set_key(pub, key);
    changed(pub);
    return true;
}

bool operator_put_key(struct store *s, const char *name, const char *id, const struct buf *pem,
                      struct err *err)
{
    bool is_private = false;
    EVP_PKEY *key = key_from_pem(pem, &is_private);
    bool ok;

    if (key == NULL)
        return err_set(err, "no private key, public key or certificate in PEM");
    err_set(err, "cannot use this key");
    ok = is_private ? put_pair(s, name, id, key, err) : put_public(s, name, id, key, err);
    EVP_PKEY_free(key);
    return ok && store_save(s, err);
}

bool operator_put_secret(struct store *s, const char *name, const char *id, const struct buf *bytes,
                         struct err *err)
{
    struct object *o = find(s, KIND_SECRET, name);

    if (bytes->len == 0 || bytes->len > 255)
        return err_set(err, "a secret has 1 to 255 bytes");
    if (o == NULL) {
        o = create(s, KIND_SECRET, name, id, err);
        if (o == NULL)
            return false;
        o->key_type = IOTSAFE_KEY_HMAC;
        o->functions = IOTSAFE_FUNCTION_DERIVE;
        o->derivation = IOTSAFE_DERIVATION_PRF | IOTSAFE_DERIVATION_HKDF;
    }
    if (!object_set_content(o, bytes->data, bytes->len))
        return err_set(err, "out of memory");
    o->size = 0;
    changed(o);
    return store_save(s, err);
}

/* ---- state and removal ---- */

static bool change_one(struct store *s, struct object *o, enum operator_action action,
                       struct err *err)
{
    switch (action) {
    case OPERATOR_DELETE:
        store_remove(s, o);
        return true;
    case OPERATOR_ACTIVATE:
        if (!object_has_content(o))
            return err_set(err, "%s %s: the container is empty", kind_tags[o->kind].name, o->label);
        o->state = IOTSAFE_STATE_ACTIVATED;
        break;
    case OPERATOR_DEACTIVATE:
        o->state = IOTSAFE_STATE_DEACTIVATED;
        break;
    }
    changed(o);
    return true;
}

bool operator_change(struct store *s, const char *kind, const char *name,
                     enum operator_action action, struct err *err)
{
    enum kind only = kind == NULL ? KIND_COUNT : kind_by_name(kind);
    bool any = false;

    if (kind != NULL && only == KIND_COUNT)
        return err_set(err, "%s: the kinds are private, public, file, secret", kind);
    for (size_t k = 0; k < KIND_COUNT; k++) {
        struct object *o = find(s, (enum kind)k, name);

        if (o == NULL || (only != KIND_COUNT && only != (enum kind)k))
            continue;
        if (!change_one(s, o, action, err))
            return false;
        any = true;
    }
    if (!any)
        return err_set(err, "%s: no such object", name);
    return store_save(s, err);
}
