/* SPDX-License-Identifier: Apache-2.0 */
/* see input.h */
#include "input.h"

#define BLOCK_TEXT_MAX 127 /* bytes of text in a TLV whose length has one form only */

static const struct {
    size_t digest_len;
    uint16_t hash;
} hashes[] = {
    { 32, IOTSAFE_HASH_SHA256 },
    { 48, IOTSAFE_HASH_SHA384 },
    { 64, IOTSAFE_HASH_SHA512 },
};

size_t iotsafe_hash_size(uint16_t hash)
{
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
        if (hashes[i].hash == hash)
            return hashes[i].digest_len;
    return 0;
}

uint16_t iotsafe_hash_of_size(size_t digest_len)
{
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
        if (hashes[i].digest_len == digest_len)
            return hashes[i].hash;
    return 0;
}

enum iotsafe_err iotsafe_input_from_digest(const uint8_t *digest, size_t digest_len,
                                           struct iotsafe_input *ret_input, struct iotsafe_op *op)
{
    const uint16_t hash = iotsafe_hash_of_size(digest_len);

    if (hash == 0) {
        op_set(op,
               "a digest of %zu bytes: the applet signs 32 (SHA-256), 48 (SHA-384) or 64 "
               "(SHA-512)",
               digest_len);
        return IOTSAFE_ERR_DIGEST;
    }
    *ret_input = (struct iotsafe_input){ .hash = hash, .digest = digest };
    return IOTSAFE_OK;
}

bool input_suits_mode(const struct iotsafe_input *input, uint8_t mode)
{
    switch (mode) {
    case IOTSAFE_MODE_PAD_AND_SIGN:
        return input->digest != NULL;
    case IOTSAFE_MODE_LAST_BLOCK:
        return input->state != NULL;
    case IOTSAFE_MODE_FULL_TEXT:
        return input->text != NULL && input->text_len <= IOTSAFE_TEXT_MAX;
    default:
        return false;
    }
}

void input_put_algorithms(struct tlv_writer *w, uint8_t mode, uint16_t hash, uint8_t signature_alg)
{
    tlv_put_u8(w, IOTSAFE_TAG_MODE, mode);
    tlv_put_u16(w, IOTSAFE_TAG_HASH, hash);
    tlv_put_u8(w, IOTSAFE_TAG_SIGNATURE_ALG, signature_alg);
}

struct iotsafe_input input_shortened(const struct iotsafe_input *input)
{
    return (struct iotsafe_input){ .hash = IOTSAFE_HASH_SHA256, .digest = input->digest };
}

/* The last UPDATE: its TLVs are in w. */
static enum iotsafe_err send_last(const struct card_use *use, const struct session *session,
                                  struct tlv_writer *w, const struct tlv_writer *tail, size_t ne,
                                  struct apdu_rsp *rsp)
{
    size_t len;
    enum iotsafe_err err;

    if (tail != NULL)
        tlv_put_bytes(w, tail->out, tail->len);
    err = tlv_finish(w, &len);
    return err == IOTSAFE_OK ? session_update(use, session, true, w->out, len, ne, rsp) : err;
}

static void put_last_block(struct tlv_writer *w, const struct iotsafe_input *input)
{
    const uint32_t n = input->hashed_len;
    const uint8_t hashed[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
                                (uint8_t)n };

    /* 128 bytes are the one length that has no short form: 9A 80 raw, since a
     * BER form (81 80) is not on record for this tag */
    tlv_put_raw_length(w, IOTSAFE_TAG_LAST_BLOCK, input->last_block, input->last_block_len);
    tlv_put(w, IOTSAFE_TAG_INTERMEDIATE_HASH, input->state,
            input->hash == IOTSAFE_HASH_SHA256 ? 32 : 64);
    tlv_put(w, IOTSAFE_TAG_HASHED_LENGTH, hashed, sizeof(hashed));
}

static enum iotsafe_err send_more(const struct card_use *use, const struct session *session,
                                  const uint8_t *data, size_t len)
{
    uint8_t answer[APDU_RSP_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(answer);

    return session_update(use, session, false, data, len, 0, &rsp);
}

/* A complete TLV in every command. */
static enum iotsafe_err send_text_per_block(const struct card_use *use,
                                            const struct session *session,
                                            const struct iotsafe_input *input,
                                            const struct tlv_writer *tail, size_t ne,
                                            struct apdu_rsp *rsp)
{
    uint8_t data[APDU_DATA_MAX];
    size_t at = 0;

    for (;;) {
        struct tlv_writer w = { .out = data, .cap = sizeof(data) };
        size_t n = input->text_len - at < BLOCK_TEXT_MAX ? input->text_len - at : BLOCK_TEXT_MAX;
        enum iotsafe_err err;

        tlv_put(&w, IOTSAFE_TAG_FULL_TEXT, input->text + at, n);
        at += n;
        if (at == input->text_len)
            return send_last(use, session, &w, tail, ne, rsp);
        err = send_more(use, session, data, w.len);
        if (err != IOTSAFE_OK)
            return err;
    }
}

/* One TLV with the BER length of the whole text, cut into commands. */
static enum iotsafe_err send_text_spread(const struct card_use *use, const struct session *session,
                                         const struct iotsafe_input *input,
                                         const struct tlv_writer *tail, size_t ne,
                                         struct apdu_rsp *rsp)
{
    const size_t tail_len = tail != NULL ? tail->len : 0;
    const uint8_t *text = input->text;
    size_t left = input->text_len;
    uint8_t data[APDU_DATA_MAX];
    struct tlv_writer w = { .out = data, .cap = sizeof(data) };

    tlv_put_head(&w, IOTSAFE_TAG_FULL_TEXT, left);
    while (left + tail_len > tlv_room(&w)) {
        const size_t n = left < tlv_room(&w) ? left : tlv_room(&w);
        enum iotsafe_err err;

        tlv_put_bytes(&w, text, n);
        text += n;
        left -= n;
        err = send_more(use, session, data, w.len);
        if (err != IOTSAFE_OK)
            return err;
        w.len = 0;
    }
    tlv_put_bytes(&w, text, left);
    return send_last(use, session, &w, tail, ne, rsp);
}

enum iotsafe_err input_send(const struct card_use *use, const struct session *session,
                            const struct iotsafe_input *input, uint8_t mode,
                            const struct tlv_writer *tail, size_t ne, struct apdu_rsp *rsp)
{
    uint8_t data[APDU_DATA_MAX];
    struct tlv_writer w = { .out = data, .cap = sizeof(data) };

    if (mode == IOTSAFE_MODE_FULL_TEXT)
        return use->channel->traits.text_per_block
                   ? send_text_per_block(use, session, input, tail, ne, rsp)
                   : send_text_spread(use, session, input, tail, ne, rsp);
    if (mode == IOTSAFE_MODE_LAST_BLOCK)
        put_last_block(&w, input);
    else
        tlv_put(&w, IOTSAFE_TAG_FINAL_HASH, input->digest, iotsafe_hash_size(input->hash));
    return send_last(use, session, &w, tail, ne, rsp);
}
