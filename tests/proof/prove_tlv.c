/* SPDX-License-Identifier: Apache-2.0 */
/* The TLV reader: one step on whatever bytes are left leaves it between where it stood and
 * the end. So do any number of steps. */
/* eva: -eva-slevel 100000 -inline-calls read_length */
/* eva: -eva-split-return-function tlv_next:0,ends_well:0,fits:0 */
#include "proof.h"

#include "tlv.c"

/* Lengths of one byte in BER, and those around the shortest that have two forms. */
#define SHORT 12
#define LONG 130
#define MOST 131

static uint8_t response[MOST];

static void step(const uint8_t *in, size_t len)
{
    struct tlv_reader r = { .in = in, .len = len };
    struct tlv tlv;

    if (tlv_next(&r, &tlv) != IOTSAFE_OK) {
        //@ assert r.in == in && r.len == len;
        return;
    }
    //@ assert r.len < len && r.in + r.len == in + len;
    //@ assert tlv.val + tlv.len == r.in;
    (void)tlv_number(&tlv);
    (void)tlv_without_zeros(&tlv);
}

/* A case for each length that fits: else "where it stands" and "how much is left" would be
 * two unknown numbers that have nothing to do with each other. */
static void next(const uint8_t *in, size_t len)
{
    int rule = 0; /* where both forms fit, tags decide */

    if (len < 2 || (in[1] >= len && (in[1] < 0x81 || in[1] > 0x82))) {
        step(in, len);
        return;
    }
    //@ split in[1];
    if (in[1] == 0x81 && len >= 3 && in[2] < len) {
        //@ split in[2];
        if (len == MOST && in[0] >= IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE
            && in[0] <= IOTSAFE_TAG_SECRET_TEMPLATE)
            rule = in[3] < IOTSAFE_TAG_FILE_LABEL      ? 1
                   : in[3] <= IOTSAFE_TAG_SECRET_LABEL ? 2
                   : in[3] < IOTSAFE_TAG_FILE_ID       ? 3
                   : in[3] <= IOTSAFE_TAG_SECRET_ID    ? 4
                                                       : 5;
        //@ split rule;
        step(in, len);
    } else if (in[1] == 0x82 && len >= 4 && in[2] == 0 && in[3] < len) {
        //@ split in[3];
        step(in, len);
    } else {
        step(in, len);
    }
}

int main(void)
{
    const size_t n = UP_TO(MOST);

    UNKNOWN(response);
    if (n > SHORT && n < LONG)
        return 0;
    //@ split n;
    next(LAST(response, n), n);
    return 0;
}
