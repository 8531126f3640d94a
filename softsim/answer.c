/* SPDX-License-Identifier: Apache-2.0 */
/* Answer modes: ISO/IEC 7816-4 status bytes 61 and 6C, and what the profile makes of them. */
#include "answer.h"

#include <string.h>

#include "rng.h"

enum way { WAY_DIRECT, WAY_WAIT, WAY_PART, WAY_CORRECT };

size_t answer_sw(uint16_t sw, uint8_t ret_rsp[static APDU_RSP_MAX])
{
    ret_rsp[0] = (uint8_t)(sw >> 8);
    ret_rsp[1] = (uint8_t)sw;
    return 2;
}

void answer_drop(struct client *client)
{
    buf_clear(&client->pending.data);
    client->pending.kind = PENDING_NONE;
}

static size_t at_most_256(size_t n)
{
    return n > APDU_NE_MAX ? APDU_NE_MAX : n;
}

static bool le_fits(const struct exchange *x, size_t len)
{
    return x->apdu.has_le && x->apdu.le == at_most_256(len);
}

/* T=0: case 4 always waits; case 2 must know the length. */
static enum way way_t0(const struct exchange *x, size_t len)
{
    if (x->apdu.lc != 0)
        return WAY_WAIT;
    return le_fits(x, len) ? WAY_DIRECT : WAY_CORRECT;
}

/* An Le of 00 takes whatever comes; another one must be right. */
static enum way way_direct(const struct exchange *x, size_t len)
{
    if (!x->apdu.has_le || x->apdu.le == APDU_NE_MAX || x->le_is_limit)
        return WAY_DIRECT;
    return le_fits(x, len) ? WAY_DIRECT : WAY_CORRECT;
}

static enum way way_by_mode(const struct exchange *x, int mode, size_t len)
{
    size_t n = (size_t)dim(x, DIM_ANSWER_N);

    switch (mode) {
    case ANSWER_61:
        return WAY_WAIT;
    case ANSWER_61_ABOVE:
        return len > n ? WAY_WAIT : way_direct(x, len);
    case ANSWER_DATA_61:
        return len > n ? WAY_PART : way_direct(x, len);
    case ANSWER_6C:
        return !x->apdu.has_le || le_fits(x, len) ? WAY_DIRECT : WAY_CORRECT;
    default:
        return way_direct(x, len);
    }
}

static enum way choose_way(const struct exchange *x, size_t len)
{
    int mode = dim(x, DIM_ANSWER_MODE);

    if (x->must_wait || (x->card->case4_by_61 && x->apdu.lc != 0))
        return WAY_WAIT;
    if (dim(x, DIM_T0) == ON)
        return way_t0(x, len);
    if (x->of_system)
        return way_direct(x, len);
    if (mode == ANSWER_RANDOM)
        mode = (int)rng_below(&x->card->rng, ANSWER_RANDOM);
    return way_by_mode(x, mode, len);
}

bool answer_wants_correction(const struct exchange *x, size_t len)
{
    return (dim(x, DIM_T0) == ON ? way_t0(x, len) : way_direct(x, len)) == WAY_CORRECT;
}

static uint16_t waiting_sw(const struct exchange *x, size_t left)
{
    uint16_t base = dim(x, DIM_WAIT_SW) == WAIT_9F ? SW_GSM_BYTES_WAIT : SW_BYTES_WAIT;

    return (uint16_t)(base | (at_most_256(left) & 0xff));
}

/* n bytes of the pending answer, and the status word that follows them. */
static size_t give(struct exchange *x, size_t n, uint8_t *rsp)
{
    struct pending *p = &x->client->pending;
    size_t left;
    uint16_t sw;

    memcpy(rsp, p->data.data + p->at, n);
    p->at += n;
    left = p->data.len - p->at;
    sw = left == 0 ? p->sw : waiting_sw(x, left);
    if (left == 0)
        answer_drop(x->client);
    else
        p->kind = PENDING_RESPONSE;
    answer_sw(sw, rsp + n);
    return n + 2;
}

static void remember_command(struct exchange *x)
{
    struct pending *p = &x->client->pending;
    const struct apdu *a = &x->apdu;

    p->cmd[0] = a->cla;
    p->cmd[1] = a->ins;
    p->cmd[2] = a->p1;
    p->cmd[3] = a->p2;
    if (a->lc != 0)
        memcpy(p->cmd + APDU_HEADER_SIZE, a->data, a->lc);
    p->cmd_len = APDU_HEADER_SIZE + a->lc;
}

static bool same_command(const struct pending *p, const struct apdu *a)
{
    const uint8_t header[APDU_HEADER_SIZE] = { a->cla, a->ins, a->p1, a->p2 };

    return p->cmd_len == APDU_HEADER_SIZE + a->lc && memcmp(p->cmd, header, APDU_HEADER_SIZE) == 0
           && (a->lc == 0 || memcmp(p->cmd + APDU_HEADER_SIZE, a->data, a->lc) == 0);
}

size_t answer_corrected(struct exchange *x, uint8_t ret_rsp[static APDU_RSP_MAX])
{
    struct pending *p = &x->client->pending;

    if (p->kind != PENDING_CORRECTION || !same_command(p, &x->apdu) || !le_fits(x, p->data.len))
        return 0;
    return give(x, at_most_256(p->data.len), ret_rsp);
}

static bool carries_data(uint16_t sw)
{
    return sw == SW_OK || sw == SW_MORE_DATA || sw == SW_ADMIN_ENDED
           || (sw & 0xff00) == SW_PROACTIVE;
}

size_t answer_send(struct exchange *x, uint16_t sw, uint8_t ret_rsp[static APDU_RSP_MAX])
{
    struct pending *p = &x->client->pending;
    size_t len = x->out.len, n;

    answer_drop(x->client);
    if (len == 0 || !carries_data(sw))
        return answer_sw(sw, ret_rsp);
    p->data = x->out; /* moved */
    x->out = (struct buf){ 0 };
    p->at = 0;
    p->sw = sw;
    p->channel = x->channel_no;
    p->kind = PENDING_RESPONSE;
    switch (choose_way(x, len)) {
    case WAY_WAIT:
        return answer_sw(waiting_sw(x, len), ret_rsp);
    case WAY_CORRECT:
        p->kind = PENDING_CORRECTION;
        remember_command(x);
        return answer_sw((uint16_t)(SW_WRONG_LE | (at_most_256(len) & 0xff)), ret_rsp);
    case WAY_PART:
        n = (size_t)dim(x, DIM_ANSWER_N);
        return give(x, n < len ? n : len, ret_rsp);
    default:
        return give(x, at_most_256(len), ret_rsp);
    }
}

static size_t nothing_pending(const struct exchange *x, uint8_t *rsp)
{
    static const uint16_t words[] = {
        [IDLE_6985] = SW_CONDITIONS, [IDLE_6F00] = SW_UNKNOWN_ERROR, [IDLE_9000] = SW_OK
    };

    return answer_sw(words[dim(x, DIM_GETRESP_IDLE)], rsp);
}

size_t answer_get_response(struct exchange *x, uint8_t ret_rsp[static APDU_RSP_MAX])
{
    struct pending *p = &x->client->pending;
    size_t left, want;

    if (x->apdu.p1 != 0 || x->apdu.p2 != 0)
        return answer_sw(SW_WRONG_P1P2, ret_rsp);
    if (x->apdu.lc != 0)
        return answer_sw(SW_WRONG_LENGTH, ret_rsp);
    if (p->kind != PENDING_RESPONSE || p->channel != x->channel_no)
        return nothing_pending(x, ret_rsp);
    left = at_most_256(p->data.len - p->at);
    want = x->apdu.has_le ? x->apdu.le : APDU_NE_MAX;
    if (want > left && (want != APDU_NE_MAX || dim(x, DIM_GETRESP_LE00) == LE00_CORRECT))
        return answer_sw((uint16_t)(SW_WRONG_LE | (left & 0xff)), ret_rsp);
    return give(x, want < left ? want : left, ret_rsp);
}
