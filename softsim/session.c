/* SPDX-License-Identifier: Apache-2.0 */
/* Session table. */
#include "session.h"

#include "card.h"
#include "exchange.h"

/* A session belongs to the logical channel that opened it, or to the whole card. */
static bool in_scope(const struct exchange *x, const struct session *s)
{
    return x->card->profile.v[DIM_SESSION_SCOPE] == SCOPE_CARD
           || (s->client == x->client && s->channel == x->channel_no);
}

static uint8_t number_of(const struct exchange *x)
{
    return x->card->profile.v[DIM_SESSION_NUMBER] == NUMBER_IGNORED ? 0 : x->apdu.p2;
}

/* The session with this number, whatever it is used for, if the numbers are one space. */
static struct session *find(struct exchange *x, enum session_use use)
{
    bool shared = x->card->profile.v[DIM_SESSION_SPACE] == SPACE_SHARED;

    for (size_t i = 0; i < SESSION_SLOTS; i++) {
        struct session *s = &x->card->sessions[i];

        if (s->state != SESSION_CLOSED && s->number == number_of(x) && in_scope(x, s)
            && (shared || s->use == use))
            return s;
    }
    return NULL;
}

static struct session *find_free(struct exchange *x)
{
    int used = 0;
    struct session *slot = NULL;

    for (size_t i = 0; i < SESSION_SLOTS; i++) {
        struct session *s = &x->card->sessions[i];

        if (s->state == SESSION_CLOSED)
            slot = s;
        else if (in_scope(x, s))
            used++;
    }
    return used < x->card->profile.v[DIM_SESSION_COUNT] ? slot : NULL;
}

uint16_t softsim_session_open(struct exchange *x, enum session_use use, struct session **ret)
{
    struct session *s = find(x, use);

    if (s != NULL) {
        switch (x->card->profile.v[DIM_REOPEN_RULE]) {
        case REOPEN_6A86:
            return SW_WRONG_P1P2;
        case REOPEN_RESTART:
            softsim_session_clear(s);
            break;
        default:
            return SW_CONDITIONS;
        }
    }
    s = find_free(x);
    if (s == NULL)
        return SW_LIMIT_OR_CHANGED;
    *s = (struct session){
        .state = SESSION_OPEN,
        .use = use,
        .number = number_of(x),
        .client = x->client,
        .channel = x->channel_no,
    };
    *ret = s;
    return SW_OK;
}

struct session *softsim_session_find_open(struct exchange *x, enum session_use use)
{
    struct session *s = find(x, use);

    return s != NULL && s->use == use && s->state == SESSION_OPEN ? s : NULL;
}

void softsim_session_finish(struct card *card, struct session *s)
{
    struct session finished = {
        .state = SESSION_FINISHED,
        .use = s->use,
        .number = s->number,
        .client = s->client,
        .channel = s->channel,
        .object_uid = s->object_uid,
        .generation = s->generation,
        .staged = s->staged,
    };
    bool closes = card->profile.v[DIM_SESSION_AUTO_CLOSE] == ON && s->staged == NULL;

    if (!closes)
        s->staged = NULL;
    softsim_session_clear(s);
    if (!closes)
        *s = finished;
}

uint16_t softsim_session_close(struct exchange *x, enum session_use use, struct session *ret_closed)
{
    struct session *s = find(x, use);

    *ret_closed = (struct session){ .state = SESSION_CLOSED };
    if (s == NULL || s->use != use)
        return x->card->profile.v[DIM_CLOSE_IDLE] == CLOSE_9000 ? SW_OK : SW_CONDITIONS;
    *ret_closed = *s;
    *s = (struct session){ .state = SESSION_CLOSED };
    return SW_OK;
}

void softsim_session_clear(struct session *s)
{
    buf_clear(&s->text);
    EVP_PKEY_free(s->staged);
    *s = (struct session){ .state = SESSION_CLOSED };
}

void softsim_session_channel_ended(struct card *card, const struct client *client, uint8_t channel)
{
    if (card->profile.v[DIM_SESSION_SURVIVES] == ON)
        return;
    for (size_t i = 0; i < SESSION_SLOTS; i++)
        if (card->sessions[i].client == client && card->sessions[i].channel == channel)
            softsim_session_clear(&card->sessions[i]);
}

void softsim_session_client_gone(struct card *card, const struct client *client)
{
    bool findable = card->profile.v[DIM_SESSION_SCOPE] == SCOPE_CARD;

    for (size_t i = 0; i < SESSION_SLOTS; i++) {
        if (card->sessions[i].client != client)
            continue;
        card->sessions[i].client = NULL;
        if (!findable)
            softsim_session_clear(&card->sessions[i]);
    }
}

void softsim_session_drop(struct card *card, const struct client *client)
{
    for (size_t i = 0; i < SESSION_SLOTS; i++)
        if (card->sessions[i].client == client)
            softsim_session_clear(&card->sessions[i]);
}

bool softsim_session_uses_object(const struct card *card, unsigned uid)
{
    for (size_t i = 0; i < SESSION_SLOTS; i++)
        if (card->sessions[i].state == SESSION_OPEN && card->sessions[i].object_uid == uid)
            return true;
    return false;
}
