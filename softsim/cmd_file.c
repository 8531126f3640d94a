/* SPDX-License-Identifier: Apache-2.0 */
/* READ FILE and GET RANDOM: the commands whose Le says how much is wanted. */
#include <openssl/rand.h>

#include "exchange.h"

static size_t wanted(const struct exchange *x)
{
    return x->apdu.has_le ? x->apdu.le : APDU_NE_MAX;
}

/* A container is longer than its content when it was made so; the rest is zeros. */
static void put_file_bytes(struct exchange *x, const struct object *o, size_t at, size_t n)
{
    for (; n > 0; n--, at++)
        buf_u8(&x->out, at < o->content.len ? o->content.data[at] : 0);
}

static uint16_t past_end(const struct exchange *x, size_t offset, size_t size)
{
    switch (dim(x, DIM_FILE_END)) {
    case FILE_END_6981:
        return SW_INCOMPATIBLE_FILE;
    case FILE_END_EMPTY:
        return SW_OK;
    case FILE_END_EMPTY_6A86:
        return offset == size ? SW_OK : SW_WRONG_P1P2;
    default:
        return SW_WRONG_P1P2;
    }
}

uint16_t cmd_read_file(struct exchange *x)
{
    static const uint8_t allowed[] = { IOTSAFE_TAG_FILE_ID, IOTSAFE_TAG_FILE_LABEL, 0 };
    static const struct need need = { .active = true, .access = IOTSAFE_ACCESS_READ };
    size_t offset = (size_t)(x->apdu.p1 << 8 | x->apdu.p2);
    size_t n = wanted(x), chunk = (size_t)dim(x, DIM_FILE_CHUNK), size;
    struct tlv_list list;
    struct object *o;
    uint16_t sw = x_parse(x, allowed, &list);

    if (sw == SW_OK)
        sw = x_find_object(x, &list, KIND_FILE, &o);
    if (sw == SW_OK)
        sw = x_permit(x, o, &need);
    if (sw != SW_OK)
        return sw;
    x->le_is_limit = true;
    size = object_file_size(o, &x->card->profile);
    if (n > chunk)
        n = chunk;
    if (dim(x, DIM_FILE_END) != FILE_END_ZEROS) {
        if (offset >= size)
            return past_end(x, offset, size);
        if (n > size - offset)
            n = size - offset;
    }
    put_file_bytes(x, o, offset, n);
    return SW_OK;
}

uint16_t cmd_get_random(struct exchange *x)
{
    uint8_t bytes[APDU_NE_MAX];
    size_t n = wanted(x);
    int how = dim(x, DIM_RANDOM_SW);

    if (RAND_bytes(bytes, (int)n) != 1)
        return SW_UNKNOWN_ERROR;
    x->le_is_limit = true;
    buf_put(&x->out, bytes, n);
    x->card->random_flip = !x->card->random_flip;
    return how == RANDOM_6300 || (how == RANDOM_ALTERNATE && x->card->random_flip) ? SW_MORE_DATA
                                                                                   : SW_OK;
}
