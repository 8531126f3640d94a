/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA signatures from one form into the other, whatever the bytes. */
/* eva: -eva-slevel 100000 -inline-calls get_integer */
/* eva: -eva-split-return-function isprov_ecdsa_from_raw:0 */
#include "proof.h"

#include "ecdsa_der.c"

/* Some that break off early, the longest, and one byte more. */
#define SHORT 9
#define MOST (ISPROV_ECDSA_DER_MAX + 1)

static uint8_t sig[MOST];
static uint8_t raw[2 * ISPROV_FIELD_MAX];
static uint8_t der[ISPROV_ECDSA_DER_MAX];
/* the order is of no interest here */
static const struct isprov_type curve = { .field_len = ISPROV_FIELD_MAX, .order = { 0xff } };

static void to_raw(const uint8_t *in, size_t n)
{
    (void)isprov_ecdsa_to_raw(&curve, in, n, raw);
}

/* A case for each length of the two numbers that fits. */
static void take(const uint8_t *in, size_t n)
{
    size_t second;

    if (n < 4 || in[3] >= n - 4) {
        to_raw(in, n);
        return;
    }
    if (n > SHORT && in[3] < ISPROV_FIELD_MAX)
        return; /* between the shortest and the longest numbers there is nothing new */
    //@ split in[3];
    second = 4 + in[3] + 1;
    if (second >= n || in[second] >= n - second) {
        to_raw(in, n);
        return;
    }
    //@ split in[second];
    to_raw(in, n);
}

int main(void)
{
    const size_t n = UP_TO(MOST);
    size_t len = 0;

    UNKNOWN(raw);
    if (isprov_ecdsa_from_raw(&curve, raw, sizeof(raw), der, &len)) {
        //@ assert 0 < len <= sizeof(der);
    }
    UNKNOWN(sig);
    if (n > SHORT && n < ISPROV_ECDSA_DER_MAX)
        return 0;
    //@ split n;
    take(LAST(sig, n), n);
    return 0;
}
