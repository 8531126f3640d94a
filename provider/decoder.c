/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders for key-reference files, see provider-decoder(7). The first finds our
 * PEM label and unpacks it, the second makes a key of the DER in it. Both are
 * run over whatever PEM and DER any program reads: what is not ours is left
 * alone without an error and without a look at its contents. What is ours but
 * of no use is an error that reaches the application. */
#include <openssl/asn1.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <string.h>

#include "card_key.h"
#include "crypto.h"
#include "keyref.h"

static OSSL_FUNC_decoder_newctx_fn decoder_newctx;
static OSSL_FUNC_decoder_freectx_fn decoder_freectx;
static OSSL_FUNC_decoder_decode_fn decoder_pem_decode;
static OSSL_FUNC_decoder_decode_fn decoder_block_decode;
static OSSL_FUNC_decoder_decode_fn decoder_der_decode;
static OSSL_FUNC_decoder_export_object_fn decoder_export_object;

#define STRUCTURE "iotsafe-key-reference"
#define LINE_MAX_BYTES 256 /* PEM lines; libcrypto's reader takes no longer ones either */

/* There is no state between calls. */
static void *decoder_newctx(void *provctx)
{
    return provctx;
}

static void decoder_freectx(void *ctx)
{
    (void)ctx;
}

/* OSSL_PARAM has no const; the receiver only reads. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* Strips a byte-order mark, which libcrypto skips in PEM too, and what ends the line. */
static const char *tidy_line(char *line, int len)
{
    static const char mark[] = "\xef\xbb\xbf";

    while (len > 0 && (unsigned char)line[len - 1] <= ' ')
        line[--len] = '\0';
    return strncmp(line, mark, sizeof(mark) - 1) == 0 ? line + sizeof(mark) - 1 : line;
}

/* Blocks that may stand in front of the private key of a file. Any other ends the
 * search: it may be the key that the program wants, or of a kind unknown here. */
static bool holds_no_private_key(const char *begin)
{
    static const char *const blocks[] = {
        "-----BEGIN CERTIFICATE-----",         "-----BEGIN X509 CERTIFICATE-----",
        "-----BEGIN TRUSTED CERTIFICATE-----", "-----BEGIN X509 CRL-----",
        "-----BEGIN EC PARAMETERS-----",       "-----BEGIN DH PARAMETERS-----",
        "-----BEGIN X9.42 DH PARAMETERS-----", "-----BEGIN DSA PARAMETERS-----",
    };

    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        if (strcmp(begin, blocks[i]) == 0)
            return true;
    return false;
}

/*
 * Goes to our PEM block and stands in front of it.
 *
 * A program that wants a private key is spared the blocks in front: libcrypto goes on
 * to the next block by itself, but only if the oldest error in the queue, which may be
 * the program's own, lets it. Everybody else, the store for files above all, wants
 * those blocks: then only the first is looked at. If ours is not there the BIO stands
 * behind the first BEGIN line, so that libcrypto goes on from there.
 */
static bool find_our_label(BIO *bio, int selection)
{
    static const char begin[] = "-----BEGIN ";
    static const char ours[] = "-----BEGIN " ISPROV_KEYREF_PEM_LABEL "-----";
    const bool step_over = (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;
    char buffer[LINE_MAX_BYTES];
    int64_t start = BIO_tell(bio), behind_first = -1;
    int len;

    while (start >= 0 && (len = BIO_gets(bio, buffer, sizeof(buffer))) > 0) {
        const char *line = tidy_line(buffer, len);

        if (strcmp(line, ours) == 0)
            return BIO_seek(bio, (int)start) >= 0;
        start = BIO_tell(bio);
        if (strncmp(line, begin, sizeof(begin) - 1) != 0)
            continue;
        if (behind_first < 0)
            behind_first = start;
        if (!step_over || !holds_no_private_key(line))
            break;
    }
    if (behind_first >= 0)
        (void)BIO_seek(bio, (int)behind_first);
    return false;
}

/* Unpacks our block; false if it is damaged. */
static bool read_block(struct isprov *prov, BIO *bio, unsigned char **ret_der, long *ret_len)
{
    char *label = NULL, *header = NULL;
    bool good;

    isprov_mark(prov);
    good = PEM_read_bio(bio, &label, &header, ret_der, ret_len)
           && strcmp(label, ISPROV_KEYREF_PEM_LABEL) == 0 && header[0] == '\0';
    isprov_drop(prov);
    OPENSSL_free(label);
    OPENSSL_free(header);
    return good;
}

/* Decodes a reference, if the administrator lets us. */
static enum iotsafe_err decode_reference(struct isprov *prov, const uint8_t *der, size_t len,
                                         struct isprov_keyref *ret_ref, struct iotsafe_op *op)
{
    if (!iotsafe_config_key_references(isprov_config(prov))) {
        isprov_op_set(op, "key-reference files are turned off by key-references = no in the "
                          "provider's section of openssl.cnf");
        return IOTSAFE_ERR_CONFIG;
    }
    return isprov_keyref_decode(der, len, ret_ref, op);
}

/* libcrypto's name for the type of key in a SubjectPublicKeyInfo, if it is EC; else NULL, which
 * costs time and nothing else. The key itself is not looked at: libcrypto's decoders cost more
 * than all the rest of a reference. */
static const char *type_of_spki(struct isprov *prov, const uint8_t *spki, size_t spki_len)
{
    /* id-ecPublicKey, RFC 5480 */
    static const uint8_t oid[] = { 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
    const unsigned char *p = spki;
    long left = (long)spki_len, len;
    int tag = 0, tag_class;

    isprov_mark(prov);
    for (int depth = 0; depth < 2 && left > 0; depth++) {
        left = ASN1_get_object(&p, &len, &tag, &tag_class, left) == V_ASN1_CONSTRUCTED ? len : 0;
        if (tag != V_ASN1_SEQUENCE)
            left = 0;
    }
    isprov_drop(prov);
    return left > (long)sizeof(oid) && memcmp(p, oid, sizeof(oid)) == 0 ? "EC" : NULL;
}

/* Finds what is wrong with a block already here: the second decoder has to be
 * silent about DER that does not look like ours. */
static enum iotsafe_err check_block(struct isprov *prov, const uint8_t *der, size_t len,
                                    const char **ret_type, struct iotsafe_op *op)
{
    struct isprov_keyref ref;
    enum iotsafe_err err = decode_reference(prov, der, len, &ref, op);

    if (err != IOTSAFE_OK)
        return err;
    *ret_type = type_of_spki(prov, ref.spki, ref.spki_len);
    isprov_keyref_clear(&ref);
    return IOTSAFE_OK;
}

/* Hands an unpacked reference on. `type`: of the key; NULL: it is not told. */
static int pass_on(const uint8_t *der, size_t len, const char *type, OSSL_CALLBACK *cb, void *arg)
{
    int object = OSSL_OBJECT_PKEY;
    OSSL_PARAM params[5], *p = params;

    *p++ = OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &object);
    if (type != NULL)
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, text_of(type), 0);
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_STRUCTURE, text_of(STRUCTURE),
                                            0);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_DATA, (void *)(uintptr_t)der, len);
    *p = OSSL_PARAM_construct_end();
    return cb(params, arg);
}

static int decoder_pem_decode(void *ctx, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *cb,
                              void *arg, OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    ISPROV_KEEP_ERRNO;
    struct isprov *prov = ctx;
    BIO *bio = isprov_bio(prov, in);
    struct iotsafe_op op = { .text = "" };
    enum iotsafe_err err = IOTSAFE_ERR_REFERENCE;
    const char *type = NULL;
    unsigned char *der = NULL;
    long len = 0;
    int good = 1;

    (void)pw_cb;
    (void)pw_arg;
    if (bio != NULL && find_our_label(bio, selection)) {
        if (read_block(prov, bio, &der, &len))
            err = check_block(prov, der, (size_t)len, &type, &op);
        else
            isprov_op_set(&op, "key reference: the PEM block is damaged or cut off; write it "
                               "again with 'iotsafe key-ref URI'");
        /* The store for files selects nothing. Told the type of the key, it collects the decoders
         * of that type instead of all. Other chains go no further with a type, as our next
         * decoder has another name, and get the block without it. */
        good = err == IOTSAFE_OK
               && ((selection == 0 && type != NULL && pass_on(der, (size_t)len, type, cb, arg))
                   || pass_on(der, (size_t)len, NULL, cb, arg));
        if (err != IOTSAFE_OK)
            isprov_raise(prov, err, &op);
    }
    OPENSSL_free(der);
    BIO_free(bio);
    return good;
}

/* Reads all of it, up to a byte more than a key reference may have. */
static size_t read_der(BIO *bio, uint8_t *out, size_t cap)
{
    size_t len = 0, n;

    while (len < cap && BIO_read_ex(bio, out + len, cap - len, &n))
        len += n;
    return len;
}

/* Hands the content of the block on as it is: see the table of decoders. */
static int decoder_block_decode(void *ctx, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *cb,
                                void *arg, OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    ISPROV_KEEP_ERRNO;
    BIO *bio = isprov_bio(ctx, in);
    uint8_t der[ISPROV_KEYREF_MAX + 1];
    size_t len = bio != NULL ? read_der(bio, der, sizeof(der)) : 0;

    (void)selection;
    (void)pw_cb;
    (void)pw_arg;
    BIO_free(bio);
    return !isprov_keyref_is_ours(der, len) || pass_on(der, len, NULL, cb, arg);
}

static struct isprov_key *key_of_der(struct isprov *prov, const uint8_t *der, size_t len)
{
    struct isprov_keyref ref;
    struct iotsafe_op op = isprov_op_begin(prov);
    struct isprov_key *key;
    enum iotsafe_err err = decode_reference(prov, der, len, &ref, &op);

    if (err != IOTSAFE_OK) {
        isprov_raise(prov, err, &op);
        return NULL;
    }
    key = isprov_card_key_from_ref(prov, &ref, &op);
    isprov_keyref_clear(&ref);
    return key;
}

/* Stands under the names of all key types: which one a reference is of shows only
 * when it was read. */
static int decoder_der_decode(void *ctx, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *cb,
                              void *arg, OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    ISPROV_KEEP_ERRNO;
    struct isprov *prov = ctx;
    BIO *bio = isprov_bio(prov, in);
    uint8_t der[ISPROV_KEYREF_MAX + 1];
    size_t len = bio != NULL ? read_der(bio, der, sizeof(der)) : 0;
    int type = OSSL_OBJECT_PKEY, good = 1;
    struct isprov_key *key;
    const char *algorithm;

    (void)selection;
    (void)pw_cb;
    (void)pw_arg;
    BIO_free(bio);
    if (isprov_keyref_is_ours(der, len)) {
        key = key_of_der(prov, der, len);
        algorithm = key != NULL ? key->type->algorithm : "";
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
            OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, text_of(algorithm), 0),
            OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &key, sizeof(key)),
            OSSL_PARAM_construct_end(),
        };
        good = key != NULL && cb(params, arg);
        isprov_key_free(key); /* the receiver took a reference of its own */
    }
    OPENSSL_cleanse(der, len); /* perhaps somebody's private key */
    return good;
}

/* As in the store: a private key has no other form. */
static int decoder_export_object(void *ctx, const void *reference, size_t reference_len,
                                 OSSL_CALLBACK *cb, void *arg)
{
    (void)ctx;
    (void)reference;
    (void)reference_len;
    (void)cb;
    (void)arg;
    return 0;
}

const OSSL_DISPATCH isprov_decoder_pem[] = {
    { OSSL_FUNC_DECODER_NEWCTX, (void (*)(void))decoder_newctx },
    { OSSL_FUNC_DECODER_FREECTX, (void (*)(void))decoder_freectx },
    { OSSL_FUNC_DECODER_DECODE, (void (*)(void))decoder_pem_decode },
    { 0, NULL }
};

const OSSL_DISPATCH isprov_decoder_block[] = {
    { OSSL_FUNC_DECODER_NEWCTX, (void (*)(void))decoder_newctx },
    { OSSL_FUNC_DECODER_FREECTX, (void (*)(void))decoder_freectx },
    { OSSL_FUNC_DECODER_DECODE, (void (*)(void))decoder_block_decode },
    { 0, NULL }
};

const OSSL_DISPATCH isprov_decoder_der[] = {
    { OSSL_FUNC_DECODER_NEWCTX, (void (*)(void))decoder_newctx },
    { OSSL_FUNC_DECODER_FREECTX, (void (*)(void))decoder_freectx },
    { OSSL_FUNC_DECODER_DECODE, (void (*)(void))decoder_der_decode },
    { OSSL_FUNC_DECODER_EXPORT_OBJECT, (void (*)(void))decoder_export_object },
    { 0, NULL }
};
