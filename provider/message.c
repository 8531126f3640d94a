/* SPDX-License-Identifier: Apache-2.0 */
/* see message.h */
#include "message.h"

#include <string.h>

#include "crypto.h"
#include "sha2_state.h"

struct isprov_message {
    EVP_MD *md;
    EVP_MD_CTX *hash;
    bool is_sha2; /* the following is of use */
    struct isprov_sha2 sha2;
    uint8_t *text; /* NULL: none yet, or it was too long */
    size_t text_len, text_cap;
    bool too_long;
    uint8_t digest[EVP_MAX_MD_SIZE], state[64];
};

static void drop_text(struct isprov_message *m)
{
    OPENSSL_clear_free(m->text, m->text_cap);
    m->text = NULL;
    m->text_cap = 0;
    m->text_len = 0;
}

void isprov_message_free(struct isprov_message *m)
{
    if (m == NULL)
        return;
    drop_text(m);
    EVP_MD_CTX_free(m->hash);
    EVP_MD_free(m->md);
    OPENSSL_clear_free(m, sizeof(*m));
}

/* The hashes that applets know. SHA-3 goes to them as a ready digest only. */
static bool is_sha2(const EVP_MD *md)
{
    return EVP_MD_is_a(md, "SHA2-256") || EVP_MD_is_a(md, "SHA2-384")
           || EVP_MD_is_a(md, "SHA2-512");
}

struct isprov_message *isprov_message_new(struct isprov *prov, const char *digest)
{
    OSSL_LIB_CTX *libctx = isprov_libctx(prov);
    struct isprov_message *m = libctx != NULL ? OPENSSL_zalloc(sizeof(*m)) : NULL;

    if (m == NULL)
        return NULL;
    m->md = EVP_MD_fetch(libctx, digest, NULL);
    m->hash = EVP_MD_CTX_new();
    if (m->md == NULL || m->hash == NULL || !EVP_DigestInit_ex2(m->hash, m->md, NULL)) {
        isprov_message_free(m);
        return NULL;
    }
    m->is_sha2 = is_sha2(m->md);
    if (m->is_sha2)
        isprov_sha2_init(&m->sha2, (size_t)EVP_MD_get_size(m->md));
    m->too_long = !m->is_sha2;
    return m;
}

struct isprov_message *isprov_message_dup(const struct isprov_message *from)
{
    struct isprov_message *m = OPENSSL_memdup(from, sizeof(*from));

    if (m == NULL)
        return NULL;
    m->hash = EVP_MD_CTX_new();
    m->text = from->text != NULL ? OPENSSL_memdup(from->text, from->text_cap) : NULL;
    if (!EVP_MD_up_ref(from->md))
        m->md = NULL;
    if (m->md == NULL || m->hash == NULL || (m->text == NULL && from->text != NULL)
        || !EVP_MD_CTX_copy_ex(m->hash, from->hash)) {
        isprov_message_free(m);
        return NULL;
    }
    return m;
}

/* Grows by doubling, up to what an applet may get. */
static bool keep_text(struct isprov_message *m, const void *data, size_t len)
{
    size_t cap = m->text_cap != 0 ? m->text_cap : 256;
    uint8_t *text;

    if (m->too_long || len > IOTSAFE_TEXT_MAX - m->text_len) {
        m->too_long = true;
        drop_text(m);
        return true;
    }
    while (cap < m->text_len + len)
        cap *= 2;
    if (m->text == NULL || cap != m->text_cap) {
        text = OPENSSL_clear_realloc(m->text, m->text_cap, cap);
        if (text == NULL)
            return false;
        m->text = text;
        m->text_cap = cap;
    }
    memcpy(m->text + m->text_len, data, len);
    m->text_len += len;
    return true;
}

bool isprov_message_update(struct isprov_message *m, const void *data, size_t len)
{
    if (len == 0)
        return true;
    if (m->is_sha2)
        isprov_sha2_update(&m->sha2, data, len);
    return keep_text(m, data, len) && EVP_DigestUpdate(m->hash, data, len) > 0;
}

static void give_state(struct isprov_message *m, struct iotsafe_input *input)
{
    if (!m->is_sha2 || m->sha2.hashed > UINT32_MAX)
        return;
    isprov_sha2_state(&m->sha2, m->state);
    input->state = m->state;
    input->hashed_len = (uint32_t)m->sha2.hashed;
    input->last_block = m->sha2.rest;
    input->last_block_len = m->sha2.rest_len;
}

bool isprov_message_finish(struct isprov_message *m, struct iotsafe_input *ret_input)
{
    unsigned int len = 0;

    if (EVP_DigestFinal_ex(m->hash, m->digest, &len) <= 0
        || iotsafe_input_from_digest(m->digest, len, ret_input, NULL) != IOTSAFE_OK)
        return false;
    give_state(m, ret_input);
    if (!m->too_long) {
        /* an empty text is one, too */
        ret_input->text = m->text != NULL ? m->text : (const uint8_t *)"";
        ret_input->text_len = m->text_len;
    }
    return true;
}

const EVP_MD *isprov_message_md(const struct isprov_message *m)
{
    return m->md;
}
