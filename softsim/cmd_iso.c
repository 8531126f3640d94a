/* SPDX-License-Identifier: Apache-2.0 */
/* MANAGE CHANNEL and SELECT (ISO/IEC 7816-4), and the version command of one applet. */
#include <string.h>

#include "answer.h"
#include "exchange.h"

#define P1_OPEN_CHANNEL 0x00
#define P1_CLOSE_CHANNEL 0x80
#define P1_BY_DF_NAME 0x04
#define P2_NO_FCI 0x0c
#define TAG_FCI 0x6f
#define TAG_DF_NAME 0x84

static uint8_t highest_channel(const struct exchange *x)
{
    return dim(x, DIM_CHANNELS) == CHANNELS_19 ? IOTSAFE_CHANNEL_MAX : 3;
}

/* Numbers are the card's: what one client has opened no other can get. */
static bool channel_in_use(const struct card *card, uint8_t n)
{
    for (const struct client *c = card->clients; c != NULL; c = c->next)
        if (c->channel[n].open)
            return true;
    return false;
}

static uint16_t open_channel(struct exchange *x)
{
    if (x->apdu.p2 != 0)
        return SW_WRONG_P1P2;
    if (answer_wants_correction(x, 1))
        return SW_WRONG_LE | 1;
    for (uint8_t n = 1; n <= highest_channel(x); n++) {
        if (channel_in_use(x->card, n))
            continue;
        x->client->channel[n] = (struct channel){ .open = true };
        buf_u8(&x->out, n);
        return SW_OK;
    }
    return SW_FUNCTION_UNSUPPORTED;
}

static uint16_t close_channel(struct exchange *x)
{
    uint8_t n = x->apdu.p2 == 0 ? x->channel_no : x->apdu.p2;
    struct channel *c;

    if (n == 0 || n > highest_channel(x))
        return SW_WRONG_P1P2;
    c = &x->client->channel[n];
    if (!c->open)
        return SW_NO_INFORMATION; /* GlobalPlatform: closed already */
    softsim_session_channel_ended(x->card, x->client, n);
    buf_clear(&c->list);
    *c = (struct channel){ .open = false };
    return SW_OK;
}

uint16_t cmd_manage_channel(struct exchange *x)
{
    if (dim(x, DIM_CHANNELS) == CHANNELS_FIXED_1)
        return SW_INS_UNKNOWN;
    switch (x->apdu.p1) {
    case P1_OPEN_CHANNEL:
        return open_channel(x);
    case P1_CLOSE_CHANNEL:
        return close_channel(x);
    default:
        return SW_WRONG_P1P2;
    }
}

static const struct octets *find_aid(const struct exchange *x)
{
    const struct profile *p = &x->card->profile;
    size_t len = x->apdu.lc;

    if (len == 0 || dim(x, DIM_APPLET) == APPLET_ABSENT)
        return NULL;
    for (size_t i = 0; i < p->n_aids; i++) {
        bool fits = dim(x, DIM_SELECT_PREFIX) == ON ? len <= p->aid[i].len : len == p->aid[i].len;

        if (fits && memcmp(p->aid[i].b, x->apdu.data, len) == 0)
            return &p->aid[i];
    }
    return NULL;
}

static uint16_t answer_select(struct exchange *x, const struct octets *aid)
{
    int how = dim(x, DIM_SELECT_ANSWER);

    if (how == SELECT_91)
        return SW_PROACTIVE | 0x10;
    if (how == SELECT_9000 || x->apdu.p2 == P2_NO_FCI)
        return SW_OK;
    softsim_tlv_put_header(&x->out, TAG_FCI, 2 + aid->len, TLV_LEN_RAW);
    softsim_tlv_put(&x->out, TAG_DF_NAME, aid->b, aid->len, TLV_LEN_RAW);
    x->must_wait = how == SELECT_61;
    return SW_OK;
}

static void make_current(struct exchange *x, bool applet)
{
    softsim_session_channel_ended(x->card, x->client, x->channel_no);
    buf_clear(&x->channel->list);
    x->channel->list_at = 0;
    x->channel->selected = applet;
}

/* A refused SELECT leaves the current application as it was. */
uint16_t cmd_select(struct exchange *x)
{
    const struct octets *aid;

    if (x->apdu.p1 != P1_BY_DF_NAME || (x->apdu.p2 != 0 && x->apdu.p2 != P2_NO_FCI))
        return SW_WRONG_P1P2;
    aid = find_aid(x);
    if (aid == NULL && !usim_has_aid(x->apdu.data, x->apdu.lc))
        return SW_NOT_FOUND;
    make_current(x, aid != NULL);
    return aid != NULL ? answer_select(x, aid) : SW_OK;
}

uint16_t cmd_version(struct exchange *x)
{
    static const uint8_t version[] = { 0x01, 0x04 };

    if (!x->cls.proprietary)
        return SW_INS_UNKNOWN;
    buf_put(&x->out, version, sizeof(version));
    return SW_OK;
}
