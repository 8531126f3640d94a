/* SPDX-License-Identifier: Apache-2.0 */
/* see modem_line.h */
#include "modem_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct chunk {
    struct chunk *next;
    uint64_t delay_us; /* after the one before */
    size_t len, at;
    char text[]; /* len characters */
};

/* Lines that belong to no command. None of them says that the SIM started anew. */
static const char *const strangers[] = {
    "RING",
    "+CREG: 1",
    "+CREG: 5,\"00C1\",\"0001A2B3\",7",
    "+CEREG: 1",
    "+CGREG: 0",
    "+CMTI: \"SM\",3",
    "+CTZV: 8",
    "+CTZE: \"+08\",0,\"2026/11/24,10:00:00\"",
    "+QIND: \"csq\",21,99",
    "^HCSQ: \"LTE\",50,41,126,24",
    "^RSSI: 18",
    "#NITZ: 26/11/24",
    "$QCRMCALL: 1",
    "%CNTI: 0",
    "+CUSATP: \"D0148103010500\"",
    "+CCLK: \"26/11/24,10:00:00\"",
    "OKAY",
    "ERRORS: 0",
    "+CSQ: 17,99",
};

static int quirk(const struct modem_line *l, enum quirk q)
{
    return l->quirks->v[q];
}

/* ---- chance: the same seed gives the same ---- */

static uint64_t draw(struct modem_line *l, uint64_t below)
{
    if (l->seed != quirk(l, QUIRK_SEED)) {
        l->seed = quirk(l, QUIRK_SEED);
        l->rng = (uint64_t)l->seed * 0x9e3779b97f4a7c15u;
    }
    l->rng ^= l->rng << 13;
    l->rng ^= l->rng >> 7;
    l->rng ^= l->rng << 17;
    return (l->rng >> 11) % below;
}

static bool one_in(struct modem_line *l, int n)
{
    return n > 0 && draw(l, (uint64_t)n) == 0;
}

/* ---- chunks ---- */

static void write_on(void *arg);

static void pop(struct modem_line *l)
{
    struct chunk *c = l->first;

    l->first = c->next;
    if (l->first == NULL)
        l->last = NULL;
    free(c);
}

/* False: wait for the descriptor. A line that fails for good loses what is to be said. */
static bool write_chunk(struct modem_line *l, struct chunk *c)
{
    while (c->at < c->len) {
        ssize_t n = write(l->fd, c->text + c->at, c->len - c->at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0)
            break;
        c->at += (size_t)n;
    }
    return true;
}

static void write_on(void *arg)
{
    struct modem_line *l = arg;

    while (l->first != NULL) {
        if (l->first->delay_us != 0) {
            uint64_t after = l->first->delay_us;

            l->first->delay_us = 0;
            loop_timer(l->loop, &l->timer, after, write_on, l);
            return;
        }
        l->blocked = !write_chunk(l, l->first);
        if (l->blocked)
            break;
        pop(l);
    }
    l->drained(l->arg);
}

static void push(struct modem_line *l, const char *text, size_t len, uint64_t delay_us)
{
    struct chunk *c = malloc(sizeof(*c) + len);

    if (c == NULL)
        return; /* lost, as things are with modems */
    *c = (struct chunk){ .delay_us = delay_us, .len = len };
    memcpy(c->text, text, len);
    if (l->last != NULL)
        l->last->next = c;
    else
        l->first = c;
    l->last = c;
}

/* Text in pieces of random lengths. */
static void push_pieces(struct modem_line *l, const struct buf *text, uint64_t delay_us)
{
    uint64_t n = 1 + draw(l, (uint64_t)quirk(l, QUIRK_PIECES));
    const char *p = (const char *)text->data;
    size_t left = text->len;

    for (; n > 1 && left > 1; n--) {
        size_t len = 1 + (size_t)draw(l, left - 1);

        push(l, p, len, delay_us);
        delay_us = (uint64_t)quirk(l, QUIRK_PIECE_GAP);
        p += len;
        left -= len;
    }
    if (left != 0)
        push(l, p, left, delay_us);
}

/* Start writing unless that is under way. */
static void kick(struct modem_line *l)
{
    if (l->timer.at_us == 0 && !l->blocked && l->first != NULL)
        write_on(l);
}

/* ---- answers ---- */

static void put(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

static void put_line(struct buf *b, const char *text)
{
    put(b, "\r\n");
    put(b, text);
    put(b, "\r\n");
}

static void perhaps_a_stranger(struct modem_line *l, struct buf *b)
{
    while (draw(l, 100) < (uint64_t)quirk(l, QUIRK_UNSOLICITED))
        put_line(b, strangers[draw(l, ARRAY_LEN(strangers))]);
}

/* ---- what is due at every N-th response of the card ---- */

static bool due(struct modem_line *l, enum quirk q)
{
    int n = quirk(l, q);
    bool strikes = n > 0 && l->responses % (unsigned long)n == 0;

    *l->faults += strikes;
    return strikes;
}

/* For things of several kinds: which one it is this time. */
static size_t turn_of(const struct modem_line *l, enum quirk q, size_t kinds)
{
    return (size_t)(l->responses / (unsigned long)quirk(l, q)) % kinds;
}

/* Lines in front of a response that look as if they said something about it. */
static void put_misleading(struct modem_line *l, struct buf *b)
{
    static const char *const restarts[] = { "+CPIN: READY", "RDY", "+QUSIM: 1", "+CFUN: 1" };
    static const char *const codes[] = { "OK", "ERROR" };

    if (quirk(l, QUIRK_RESTART_LINES) >= RESTART_STRAY && due(l, QUIRK_RESTART_LINES))
        put_line(b, restarts[turn_of(l, QUIRK_RESTART_LINES, ARRAY_LEN(restarts))]);
    if (due(l, QUIRK_CSIM_LINES))
        put_line(b, "+CSIM: 20,\"AAAAAAAAAAAAAAAA9000\"");
    if (due(l, QUIRK_STRAY_CODES))
        put_line(b, codes[turn_of(l, QUIRK_STRAY_CODES, ARRAY_LEN(codes))]);
}

/* Index of one of the hexadecimal digits of the response. */
static size_t some_digit(struct modem_line *l, const char *info)
{
    size_t begin = strcspn(info, ","), n;

    begin += strspn(info + begin, ", \"");
    n = strcspn(info + begin, "\"");
    return n == 0 ? begin : begin + (size_t)draw(l, n);
}

static void put_response(struct modem_line *l, struct buf *b, const char *info)
{
    bool lost = due(l, QUIRK_LOST_CHARACTERS), doubled = due(l, QUIRK_DOUBLED_CHARACTERS);
    bool cut = due(l, QUIRK_CUT_LINES);
    size_t at = lost || doubled || cut ? some_digit(l, info) : 0;

    buf_put(b, info, at);
    if (cut)
        put_line(b, strangers[turn_of(l, QUIRK_CUT_LINES, ARRAY_LEN(strangers))]);
    if (doubled)
        buf_u8(b, (uint8_t)info[at]);
    put(b, info + at + (lost && !doubled));
}

/* What is repeated does not begin with the prefix of a response. */
static const char *without_prefix(const char *info)
{
    const char *colon = strchr(info, ':');

    return colon == NULL ? info : colon + 1 + strspn(colon + 1, " ");
}

static void put_info(struct modem_line *l, struct buf *b, const struct modem_answer *a)
{
    *l->faults += a->of_card && quirk(l, QUIRK_OLD_ANSWERS) > 0 && l->old[0] != NULL;
    for (int i = quirk(l, QUIRK_OLD_ANSWERS); a->of_card && i > 0; i--)
        if (l->old[i - 1] != NULL)
            put_line(b, without_prefix(l->old[i - 1]));
    if (!a->terse)
        put(b, "\r\n");
    if (a->of_card)
        put_response(l, b, a->info);
    else
        put(b, a->info);
    put(b, "\r\n");
}

static void put_result(struct buf *b, const struct modem_answer *a)
{
    bool is_ok = strcmp(a->result, "OK") == 0;

    if (a->terse && (is_ok || strcmp(a->result, "ERROR") == 0))
        put(b, is_ok ? "0\r" : "4\r");
    else
        put_line(b, a->result);
}

static void remember(struct modem_line *l, const char *info)
{
    free(l->old[OLD_ANSWERS_MAX - 1]);
    memmove(l->old + 1, l->old, (OLD_ANSWERS_MAX - 1) * sizeof(l->old[0]));
    l->old[0] = strdup(info);
}

/* Where an answer is cut in two by a pause, it is between the line and its OK. */
static void put_both(struct modem_line *l, const struct modem_answer *a, bool lose_ok,
                     uint64_t delay_us)
{
    int order = a->info == NULL ? OK_BEHIND : quirk(l, QUIRK_OK);
    struct buf b = { 0 };

    perhaps_a_stranger(l, &b);
    if (a->of_card)
        put_misleading(l, &b);
    if (order == OK_FIRST && !lose_ok)
        put_result(&b, a);
    else if (a->info != NULL)
        put_info(l, &b, a);
    perhaps_a_stranger(l, &b);
    if (order != OK_BEHIND) {
        push_pieces(l, &b, delay_us);
        buf_clear(&b);
        delay_us = 1000u * (uint64_t)quirk(l, QUIRK_OK_GAP);
    }
    if (order == OK_FIRST && !lose_ok)
        put_info(l, &b, a);
    else if (!lose_ok)
        put_result(&b, a);
    perhaps_a_stranger(l, &b);
    push_pieces(l, &b, delay_us);
    buf_clear(&b);
}

/* A call that comes and goes while the card works. */
static const char call_ends[] = "\r\nRING\r\n\r\nNO CARRIER\r\n";
#define CALL_ENDS_US 60000u /* before the response */

void line_answer(struct modem_line *l, const struct modem_answer *a)
{
    bool lost = one_in(l, quirk(l, QUIRK_LOST));
    bool late = quirk(l, QUIRK_DELAY) > 0 && one_in(l, quirk(l, QUIRK_DELAY_ONE_IN));
    uint64_t delay_us = late ? 1000u * (uint64_t)quirk(l, QUIRK_DELAY) : 0;

    l->responses += a->of_card;
    if (a->of_card && due(l, QUIRK_CALL_ENDS)) {
        push(l, call_ends, strlen(call_ends), 0);
        delay_us += CALL_ENDS_US;
    }
    if (!lost || quirk(l, QUIRK_LOST_PART) == LOSE_OK)
        put_both(l, a, lost, delay_us);
    if (a->info != NULL && a->of_card)
        remember(l, a->info);
    kick(l);
}

void line_text(struct modem_line *l, const char *text)
{
    push(l, text, strlen(text), 0);
    kick(l);
}

void line_unsolicited(struct modem_line *l)
{
    struct buf b = { 0 };

    if (l->first != NULL)
        return;
    put_line(&b, strangers[draw(l, ARRAY_LEN(strangers))]);
    push_pieces(l, &b, 0);
    buf_clear(&b);
    kick(l);
}

/* ---- life ---- */

void line_init(struct modem_line *l, struct loop *loop, const struct quirks *quirks,
               unsigned long *faults, void (*drained)(void *arg), void *arg)
{
    *l = (struct modem_line){
        .loop = loop, .quirks = quirks, .faults = faults, .fd = -1, .drained = drained, .arg = arg
    };
}

void line_clear(struct modem_line *l)
{
    loop_timer_cancel(l->loop, &l->timer);
    while (l->first != NULL)
        pop(l);
    for (size_t i = 0; i < OLD_ANSWERS_MAX; i++) {
        free(l->old[i]);
        l->old[i] = NULL;
    }
    l->blocked = false;
}

bool line_idle(const struct modem_line *l)
{
    return l->first == NULL;
}

void line_writable(struct modem_line *l)
{
    l->blocked = false;
    kick(l);
}
