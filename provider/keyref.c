/* SPDX-License-Identifier: Apache-2.0 */
/* see keyref.h */
#include "keyref.h"

#include <openssl/asn1t.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

static const char version_stem[] = "iotsafe-key-reference-";
static const char version_one[] = "iotsafe-key-reference-v1";

typedef struct {
    ASN1_VISIBLESTRING *version;
    ASN1_UTF8STRING *uri;
    ASN1_STRING *spki; /* the SEQUENCE as it stands, undecoded; NULL: absent */
} KEYREF;

ASN1_SEQUENCE(KEYREF) = { ASN1_SIMPLE(KEYREF, version, ASN1_VISIBLESTRING),
                          ASN1_SIMPLE(KEYREF, uri, ASN1_UTF8STRING),
                          ASN1_EXP_OPT(KEYREF, spki, ASN1_SEQUENCE,
                                       0) } static_ASN1_SEQUENCE_END(KEYREF)

    static void keyref_free(KEYREF * ref)
{
    ASN1_item_free((ASN1_VALUE *)ref, ASN1_ITEM_rptr(KEYREF));
}

/* Skips one header and checks its type; returns the length of the contents, or
 * -1. Only primitive universal types and SEQUENCE are asked for here. */
static long skip_header(const uint8_t **p, size_t left, int tag, bool constructed)
{
    long len = 0;
    int found_tag, found_class, form;

    if (left > ISPROV_KEYREF_MAX)
        left = ISPROV_KEYREF_MAX; /* a longer one is still ours, and refused later */
    form = ASN1_get_object(p, &len, &found_tag, &found_class, (long)left);
    if ((form & 0x80) != 0 || found_tag != tag || found_class != V_ASN1_UNIVERSAL)
        return -1;
    return ((form & V_ASN1_CONSTRUCTED) != 0) == constructed ? len : -1;
}

bool isprov_keyref_is_ours(const uint8_t *der, size_t len)
{
    const uint8_t *p = der;
    const size_t stem_len = sizeof(version_stem) - 1;
    long version_len = -1;

    ERR_set_mark();
    if (skip_header(&p, len, V_ASN1_SEQUENCE, true) >= 0)
        version_len = skip_header(&p, len - (size_t)(p - der), V_ASN1_VISIBLESTRING, false);
    ERR_pop_to_mark();
    return version_len >= (long)stem_len && memcmp(p, version_stem, stem_len) == 0;
}

static enum iotsafe_err damaged(struct iotsafe_op *op, const char *what)
{
    if (op != NULL)
        snprintf(op->text, sizeof(op->text),
                 "key reference: %s; write it again with 'iotsafe key-ref URI'", what);
    return IOTSAFE_ERR_REFERENCE;
}

/* True if the encoding of `ref` is what was decoded: only DER has one form. */
static bool is_der(const KEYREF *ref, const uint8_t *der, size_t len)
{
    uint8_t *again = NULL;
    int again_len = ASN1_item_i2d((const ASN1_VALUE *)ref, &again, ASN1_ITEM_rptr(KEYREF));
    bool same = again_len >= 0 && (size_t)again_len == len && memcmp(again, der, len) == 0;

    OPENSSL_free(again);
    return same;
}

static bool text_equals(const ASN1_STRING *text, const char *want)
{
    return (size_t)ASN1_STRING_length(text) == strlen(want)
           && memcmp(ASN1_STRING_get0_data(text), want, strlen(want)) == 0;
}

static enum iotsafe_err read_uri(const ASN1_UTF8STRING *text, struct iotsafe_uri *ret_uri,
                                 struct iotsafe_op *op)
{
    char uri[IOTSAFE_URI_MAX];
    size_t len = (size_t)ASN1_STRING_length(text);
    enum iotsafe_err err;

    if (len == 0 || len >= sizeof(uri) || memchr(ASN1_STRING_get0_data(text), '\0', len) != NULL)
        return damaged(op, "the URI in it is empty, too long or cut by a NUL");
    memcpy(uri, ASN1_STRING_get0_data(text), len);
    uri[len] = '\0';
    err = iotsafe_uri_parse(uri, ret_uri, op);
    if (err == IOTSAFE_ERR_MEMORY)
        return err;
    if (err != IOTSAFE_OK) /* the op names the attribute that is wrong */
        return IOTSAFE_ERR_REFERENCE;
    if (iotsafe_name_is_empty(&ret_uri->name))
        return damaged(op, "the URI in it names no key");
    if (ret_uri->type != IOTSAFE_URI_ANY && ret_uri->type != IOTSAFE_URI_PRIVATE)
        return damaged(op, "the URI in it is not that of a private key");
    ret_uri->type = IOTSAFE_URI_PRIVATE;
    return IOTSAFE_OK;
}

static enum iotsafe_err read_fields(const KEYREF *ref, struct isprov_keyref *ret_ref,
                                    struct iotsafe_op *op)
{
    enum iotsafe_err err;

    memset(ret_ref, 0, sizeof(*ret_ref));
    if (!text_equals(ref->version, version_one))
        return damaged(op, "its version is unknown to this release");
    err = read_uri(ref->uri, &ret_ref->uri, op);
    if (err != IOTSAFE_OK || ref->spki == NULL)
        return err;
    ret_ref->spki_len = (size_t)ASN1_STRING_length(ref->spki);
    ret_ref->spki = OPENSSL_memdup(ASN1_STRING_get0_data(ref->spki), ret_ref->spki_len);
    return ret_ref->spki != NULL ? IOTSAFE_OK : IOTSAFE_ERR_MEMORY;
}

enum iotsafe_err isprov_keyref_decode(const uint8_t *der, size_t len, struct isprov_keyref *ret_ref,
                                      struct iotsafe_op *op)
{
    struct isprov_keyref found = { .spki = NULL };
    const uint8_t *p = der;
    enum iotsafe_err err;
    KEYREF *ref;

    if (len > ISPROV_KEYREF_MAX)
        return damaged(op, "it is too long");
    ERR_set_mark();
    ref = (KEYREF *)ASN1_item_d2i(NULL, &p, (long)len, ASN1_ITEM_rptr(KEYREF));
    if (ref == NULL)
        err = damaged(op, "its contents are damaged (not the expected ASN.1)");
    else if ((size_t)(p - der) != len)
        err = damaged(op, "bytes follow its contents");
    else if (!is_der(ref, der, len))
        err = damaged(op, "its contents are damaged (not DER)");
    else
        err = read_fields(ref, &found, op);
    ERR_pop_to_mark();
    keyref_free(ref);
    if (err == IOTSAFE_OK)
        *ret_ref = found;
    return err;
}

void isprov_keyref_clear(struct isprov_keyref *ref)
{
    OPENSSL_free(ref->spki);
    memset(ref, 0, sizeof(*ref));
}

/* A string object that holds `len` bytes; NULL when out of memory. */
static ASN1_STRING *new_string(int type, const void *bytes, size_t len)
{
    ASN1_STRING *string = ASN1_STRING_type_new(type);

    if (string != NULL && ASN1_STRING_set(string, bytes, (int)len))
        return string;
    ASN1_STRING_free(string);
    return NULL;
}

static bool is_one_sequence(const uint8_t *der, size_t len)
{
    const uint8_t *p = der;
    long contents = skip_header(&p, len, V_ASN1_SEQUENCE, true);

    return contents >= 0 && (size_t)(p - der) + (size_t)contents == len;
}

bool isprov_keyref_encode(const char *uri, const uint8_t *spki, size_t spki_len, uint8_t **ret_der,
                          size_t *ret_len)
{
    KEYREF ref = { NULL, NULL, NULL };
    uint8_t *der = NULL;
    int len = -1;

    ERR_set_mark();
    ref.version = new_string(V_ASN1_VISIBLESTRING, version_one, strlen(version_one));
    ref.uri = new_string(V_ASN1_UTF8STRING, uri, strlen(uri));
    if (spki != NULL && is_one_sequence(spki, spki_len))
        ref.spki = new_string(V_ASN1_SEQUENCE, spki, spki_len);
    if (ref.version != NULL && ref.uri != NULL && (spki == NULL || ref.spki != NULL))
        len = ASN1_item_i2d((const ASN1_VALUE *)&ref, &der, ASN1_ITEM_rptr(KEYREF));
    ERR_pop_to_mark();
    ASN1_STRING_free(ref.version);
    ASN1_STRING_free(ref.uri);
    ASN1_STRING_free(ref.spki);
    if (len < 0)
        return false;
    *ret_der = der;
    *ret_len = (size_t)len;
    return true;
}
