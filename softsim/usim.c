/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions of ETSI TS 102 221 clause 11.1. */
#include "usim.h"

#include <string.h>

#include "exchange.h"
#include "rng.h"

#define INS_VERIFY_PIN 0x20
#define INS_CHANGE_PIN 0x24
#define INS_UNBLOCK_PIN 0x2c
#define INS_GET_CHALLENGE 0x84
#define INS_READ_BINARY 0xb0

#define SW_BLOCKED 0x6983
#define SW_TRIES_LEFT 0x63c0 /* low digit: how many */

#define EF_BYTES 256 /* of the file that is the current one */

/* Eight bytes without a NUL behind them, a PIN filled up with FF. */
#define PIN(...)                            \
    {                                       \
        __VA_ARGS__, 0xff, 0xff, 0xff, 0xff \
    }
#define PUK(...)    \
    {               \
        __VA_ARGS__ \
    }

static const struct usim_pin as_delivered[USIM_PINS] = {
    { 0x01, PIN('1', '2', '3', '4'), PUK('1', '2', '3', '4', '5', '6', '7', '8'), USIM_PIN_TRIES,
      USIM_PUK_TRIES },
    { 0x81, PIN('5', '6', '7', '8'), PUK('8', '7', '6', '5', '4', '3', '2', '1'), USIM_PIN_TRIES,
      USIM_PUK_TRIES },
};

void usim_init(struct usim *usim)
{
    memcpy(usim->pin, as_delivered, sizeof(usim->pin));
    usim->tries_lost = 0;
}

bool usim_has_aid(const uint8_t *aid, size_t len)
{
    static const uint8_t begin[] = { 0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02 };

    return len >= sizeof(begin) && memcmp(aid, begin, sizeof(begin)) == 0;
}

static struct usim_pin *find_pin(struct exchange *x)
{
    for (size_t i = 0; i < USIM_PINS; i++)
        if (x->apdu.p1 == 0 && x->card->usim.pin[i].reference == x->apdu.p2)
            return &x->card->usim.pin[i];
    return NULL;
}

static uint16_t tell_tries(int left)
{
    return left == 0 ? SW_BLOCKED : (uint16_t)(SW_TRIES_LEFT | left);
}

/* Compare what was sent with the secret; a wrong value costs a try, the right one gives
 * all of them back. */
static uint16_t check(struct exchange *x, const uint8_t *secret, int *tries, int tries_max)
{
    if (*tries == 0)
        return SW_BLOCKED;
    if (memcmp(x->apdu.data, secret, USIM_PIN_BYTES) != 0) {
        x->card->usim.tries_lost++;
        --*tries;
        return (uint16_t)(SW_TRIES_LEFT | *tries);
    }
    *tries = tries_max;
    return SW_OK;
}

/* Without data it only asks how many tries are left (11.1.9). */
static uint16_t verify_pin(struct exchange *x)
{
    struct usim_pin *p = find_pin(x);

    if (p == NULL)
        return SW_WRONG_P1P2;
    if (x->apdu.lc == 0)
        return tell_tries(p->pin_tries);
    if (x->apdu.lc != USIM_PIN_BYTES)
        return SW_WRONG_LENGTH;
    return check(x, p->pin, &p->pin_tries, USIM_PIN_TRIES);
}

/* Old PIN and new PIN (11.1.10). */
static uint16_t change_pin(struct exchange *x)
{
    struct usim_pin *p = find_pin(x);
    uint16_t sw;

    if (p == NULL)
        return SW_WRONG_P1P2;
    if (x->apdu.lc != 2 * USIM_PIN_BYTES)
        return SW_WRONG_LENGTH;
    sw = check(x, p->pin, &p->pin_tries, USIM_PIN_TRIES);
    if (sw == SW_OK)
        memcpy(p->pin, x->apdu.data + USIM_PIN_BYTES, USIM_PIN_BYTES);
    return sw;
}

/* PUK and new PIN; without data it asks for the tries (11.1.13). */
static uint16_t unblock_pin(struct exchange *x)
{
    struct usim_pin *p = find_pin(x);
    uint16_t sw;

    if (p == NULL)
        return SW_WRONG_P1P2;
    if (x->apdu.lc == 0)
        return tell_tries(p->puk_tries);
    if (x->apdu.lc != 2 * USIM_PIN_BYTES)
        return SW_WRONG_LENGTH;
    sw = check(x, p->puk, &p->puk_tries, USIM_PUK_TRIES);
    if (sw == SW_OK) {
        memcpy(p->pin, x->apdu.data + USIM_PIN_BYTES, USIM_PIN_BYTES);
        p->pin_tries = USIM_PIN_TRIES;
    }
    return sw;
}

/* Looks like GET RANDOM, so that 9000 to this instruction proves nothing. */
static uint16_t get_challenge(struct exchange *x)
{
    if (x->apdu.p1 != 0 || x->apdu.p2 != 0)
        return SW_WRONG_P1P2;
    if (x->apdu.lc != 0 || !x->apdu.has_le)
        return SW_WRONG_LENGTH;
    for (size_t i = 0; i < x->apdu.le; i++)
        buf_u8(&x->out, (uint8_t)rng_below(&x->card->rng, 256));
    x->le_is_limit = true;
    return SW_OK;
}

/* Looks like READ FILE: some file is the current one, its bytes are FF. */
static uint16_t read_binary(struct exchange *x)
{
    size_t offset = (size_t)x->apdu.p1 << 8 | x->apdu.p2;
    size_t n = x->apdu.has_le ? x->apdu.le : APDU_NE_MAX;

    if (x->apdu.lc != 0)
        return SW_WRONG_LENGTH;
    if (offset >= EF_BYTES)
        return SW_WRONG_OFFSET;
    for (; n > 0 && offset < EF_BYTES; n--, offset++)
        buf_u8(&x->out, 0xff);
    x->le_is_limit = true;
    return SW_OK;
}

static const struct {
    uint8_t ins;
    uint16_t (*run)(struct exchange *x);
} instructions[] = {
    { INS_VERIFY_PIN, verify_pin },   { INS_CHANGE_PIN, change_pin },
    { INS_UNBLOCK_PIN, unblock_pin }, { INS_GET_CHALLENGE, get_challenge },
    { INS_READ_BINARY, read_binary },
};

uint16_t usim_run(struct exchange *x)
{
    x->of_system = true;
    if (x->cls.proprietary)
        return SW_CLA_UNKNOWN;
    for (size_t i = 0; i < ARRAY_LEN(instructions); i++)
        if (instructions[i].ins == x->apdu.ins)
            return instructions[i].run(x);
    return SW_INS_UNKNOWN;
}
