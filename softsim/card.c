/* SPDX-License-Identifier: Apache-2.0 */
/* The card's front door: the instruction table and the order of checks, from the
 * channel to the object. What an instruction does is in cmd_*.c. */
#include "card.h"

#include <string.h>

#include "answer.h"
#include "crypto.h"
#include "exchange.h"
#include "rng.h"

#define SW_CHAINING_UNSUPPORTED 0x6884 /* ISO/IEC 7816-4 */
#define NO_DIM DIM_COUNT

enum p1_rule { P1_IS, P1_LAST, P1_MORE, P1_ANY, P1_TEMPLATE, P1_PRF };
enum p2_rule { P2_ZERO, P2_SESSION, P2_ANY, P2_LIST };
enum answers { NO_ANSWER, WITH_ANSWER };

/* One row per form of an instruction. The table alone decides about P1, P2, the
 * presence of data and Le; handlers look at TLVs and objects only. */
struct command {
    uint8_t ins;
    const char *name;
    enum p1_rule p1_rule;
    uint8_t p1;
    enum p2_rule p2_rule;
    uint8_t lc_min, lc_max;
    enum answers answers;
    enum operation op;
    enum dim present; /* a dimension that can switch it off; NO_DIM: always there */
    handler *run;
};

static const struct command commands[] = {
    { IOTSAFE_INS_GET_DATA, "GET DATA APPLICATION", P1_IS, IOTSAFE_P1_APPLICATION, P2_ZERO, 0, 0,
      WITH_ANSWER, OP_NONE, DIM_GETDATA, cmd_get_data_application },
    { IOTSAFE_INS_GET_DATA, "GET DATA OBJECT LIST", P1_IS, IOTSAFE_P1_OBJECT_LIST, P2_LIST, 0, 0,
      WITH_ANSWER, OP_NONE, DIM_GETDATA, cmd_get_data_list },
    { IOTSAFE_INS_GET_DATA, "GET DATA OBJECT", P1_TEMPLATE, 0, P2_ZERO, 2, 255, WITH_ANSWER,
      OP_NONE, DIM_GETDATA, cmd_get_data_object },
    { IOTSAFE_INS_GET_RANDOM, "GET RANDOM", P1_IS, 0, P2_ZERO, 0, 0, WITH_ANSWER, OP_NONE,
      DIM_RANDOM, cmd_get_random },
    { IOTSAFE_INS_READ_FILE, "READ FILE", P1_ANY, 0, P2_ANY, 2, 255, WITH_ANSWER, OP_NONE, NO_DIM,
      cmd_read_file },
    { IOTSAFE_INS_READ_PUBLIC_KEY, "READ PUBLIC KEY", P1_IS, 0, P2_ZERO, 2, 255, WITH_ANSWER,
      OP_NONE, NO_DIM, cmd_read_public_key },
    { IOTSAFE_INS_GENERATE_KEY_PAIR, "GENERATE KEY PAIR", P1_IS, 0, P2_ZERO, 2, 255, WITH_ANSWER,
      OP_GENERATE, NO_DIM, cmd_generate_key_pair },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, "PUT PUBLIC KEY INIT", P1_IS, IOTSAFE_P1_SESSION_OPEN,
      P2_SESSION, 2, 255, NO_ANSWER, OP_NONE, NO_DIM, cmd_put_open },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, "PUT PUBLIC KEY CLOSE", P1_IS, IOTSAFE_P1_SESSION_CLOSE,
      P2_SESSION, 0, 0, NO_ANSWER, OP_NONE, NO_DIM, cmd_put_close },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE, "PUT PUBLIC KEY UPDATE", P1_LAST, 0, P2_SESSION, 1, 255,
      NO_ANSWER, OP_NONE, NO_DIM, cmd_put_update },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE, "PUT PUBLIC KEY UPDATE", P1_MORE, 0, P2_SESSION, 1, 255,
      NO_ANSWER, OP_NONE, NO_DIM, cmd_put_update },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, "COMPUTE SIGNATURE INIT", P1_IS, IOTSAFE_P1_SESSION_OPEN,
      P2_SESSION, 2, 255, NO_ANSWER, OP_NONE, NO_DIM, cmd_sign_open },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, "COMPUTE SIGNATURE CLOSE", P1_IS,
      IOTSAFE_P1_SESSION_CLOSE, P2_SESSION, 0, 0, NO_ANSWER, OP_NONE, NO_DIM, cmd_sign_close },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE, "COMPUTE SIGNATURE UPDATE", P1_LAST, 0, P2_SESSION, 1,
      255, WITH_ANSWER, OP_SIGN, NO_DIM, cmd_sign_update },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE, "COMPUTE SIGNATURE UPDATE", P1_MORE, 0, P2_SESSION, 1,
      255, NO_ANSWER, OP_NONE, NO_DIM, cmd_sign_update },
    { IOTSAFE_INS_VERIFY_SIGNATURE_INIT, "VERIFY SIGNATURE INIT", P1_IS, IOTSAFE_P1_SESSION_OPEN,
      P2_SESSION, 2, 255, NO_ANSWER, OP_NONE, DIM_VERIFY, cmd_verify_open },
    { IOTSAFE_INS_VERIFY_SIGNATURE_INIT, "VERIFY SIGNATURE CLOSE", P1_IS, IOTSAFE_P1_SESSION_CLOSE,
      P2_SESSION, 0, 0, NO_ANSWER, OP_NONE, DIM_VERIFY, cmd_verify_close },
    { IOTSAFE_INS_VERIFY_SIGNATURE_UPDATE, "VERIFY SIGNATURE UPDATE", P1_LAST, 0, P2_SESSION, 1,
      255, NO_ANSWER, OP_VERIFY, DIM_VERIFY, cmd_verify_update },
    { IOTSAFE_INS_VERIFY_SIGNATURE_UPDATE, "VERIFY SIGNATURE UPDATE", P1_MORE, 0, P2_SESSION, 1,
      255, NO_ANSWER, OP_NONE, DIM_VERIFY, cmd_verify_update },
    { IOTSAFE_INS_COMPUTE_DH, "COMPUTE DH", P1_IS, 0, P2_ZERO, 4, 255, WITH_ANSWER, OP_AGREE,
      DIM_DH, cmd_compute_dh },
    { IOTSAFE_INS_COMPUTE_PRF, "COMPUTE PRF", P1_PRF, 0, P2_ZERO, 2, 255, WITH_ANSWER, OP_NONE,
      DIM_PRF, cmd_compute_prf },
    { IOTSAFE_INS_COMPUTE_HKDF, "COMPUTE HKDF", P1_IS, 0, P2_ZERO, 2, 255, WITH_ANSWER, OP_NONE,
      DIM_HKDF, cmd_compute_hkdf },
    /* Quantag's applet; only with class 8X, so that it is no MANAGE CHANNEL */
    { ISO_INS_MANAGE_CHANNEL, "GET VERSION", P1_IS, 0, P2_ZERO, 0, 0, WITH_ANSWER, OP_NONE,
      DIM_VERSION_CMD, cmd_version },
};

/* Inter-industry commands that the card's operating system executes, on every channel. */
static const struct command system_commands[] = {
    { ISO_INS_MANAGE_CHANNEL, "MANAGE CHANNEL", P1_ANY, 0, P2_ANY, 0, 0, NO_ANSWER, OP_NONE, NO_DIM,
      cmd_manage_channel },
    { ISO_INS_SELECT, "SELECT", P1_ANY, 0, P2_ANY, 0, 255, NO_ANSWER, OP_NONE, NO_DIM, cmd_select },
};

#define NAME_GET_RESPONSE "GET RESPONSE"
#define NAME_OTHER "OTHER"

void card_init(struct card *card, const struct profile *profile, struct store *store)
{
    *card = (struct card){ .profile = *profile, .store = store };
    card->rng = (uint64_t)profile->v[DIM_SEED] * 0x9e3779b97f4a7c15u;
    usim_init(&card->usim);
}

void card_clear(struct card *card)
{
    while (card->clients != NULL)
        card_detach(card, card->clients);
    for (size_t i = 0; i < SESSION_SLOTS; i++)
        softsim_session_clear(&card->sessions[i]);
}

static void open_fixed_channels(const struct card *card, struct client *client)
{
    client->channel[0].open = true;
    client->channel[1].open = card->profile.v[DIM_CHANNELS] == CHANNELS_FIXED_1;
}

void card_attach(struct card *card, struct client *client)
{
    open_fixed_channels(card, client);
    client->next = card->clients;
    card->clients = client;
}

static void end_channels(struct card *card, struct client *client)
{
    answer_drop(client);
    for (uint8_t n = 0; n < N_CHANNELS; n++) {
        struct channel *c = &client->channel[n];

        if (c->open)
            softsim_session_channel_ended(card, client, n);
        buf_clear(&c->list);
        *c = (struct channel){ .open = false };
    }
}

void card_detach(struct card *card, struct client *client)
{
    struct client **at = &card->clients;

    end_channels(card, client);
    softsim_session_client_gone(card, client);
    while (*at != NULL && *at != client)
        at = &(*at)->next;
    if (*at != NULL)
        *at = client->next;
    client->next = NULL;
}

static void lose_volatile_keys(struct card *card)
{
    if (card->profile.v[DIM_VOLATILE_RESET] == VOLATILE_KEEP)
        return;
    for (size_t i = 0; i < card->store->n_objects; i++)
        if (card->store->objects[i]->kind != KIND_SECRET
            && crypto_type_is_volatile(card->store->objects[i]->key_type))
            object_set_key(card->store->objects[i], NULL);
}

void card_reset_client(struct card *card, struct client *client)
{
    end_channels(card, client);
    open_fixed_channels(card, client);
    lose_volatile_keys(card);
}

void card_reset(struct card *card)
{
    for (struct client *c = card->clients; c != NULL; c = c->next)
        card_reset_client(card, c);
    lose_volatile_keys(card);
}

void card_replace(struct card *card, const struct profile *profile, struct store *store)
{
    card_reset(card);
    for (size_t i = 0; i < SESSION_SLOTS; i++)
        softsim_session_clear(&card->sessions[i]);
    card->profile = *profile;
    card->store = store;
    card->admin_busy = card->admin_ended = false;
    usim_init(&card->usim);
    card_reset(card); /* its own channels are open */
}

/* ---- the checks of 10.5, in that order ---- */

static bool p1_fits(const struct card *card, const struct command *c, uint8_t p1)
{
    bool top_bit = card->profile.v[DIM_LAST_FLAG] == LAST_TOP_BIT;

    switch (c->p1_rule) {
    case P1_IS:
        return p1 == c->p1;
    case P1_LAST:
        return top_bit ? (p1 & 0x80) != 0 : p1 == IOTSAFE_P1_LAST_BLOCK;
    case P1_MORE:
        return top_bit ? (p1 & 0x80) == 0 : p1 == IOTSAFE_P1_MORE_BLOCKS;
    case P1_TEMPLATE:
        return kind_by_template(p1) != KIND_COUNT;
    case P1_PRF:
        return p1 <= IOTSAFE_P1_PRF_PSK_ECDHE;
    case P1_ANY:
        return true;
    }
    return false;
}

static bool p2_fits(const struct card *card, const struct command *c, uint8_t p2)
{
    switch (c->p2_rule) {
    case P2_ZERO:
        return p2 == 0;
    case P2_SESSION:
        return card->profile.v[DIM_SESSION_NUMBER] == NUMBER_IGNORED
               || (p2 >= card->profile.v[DIM_SESSION_MIN]
                   && p2 <= card->profile.v[DIM_SESSION_MAX]);
    case P2_LIST:
        return p2 <= IOTSAFE_P2_LIST_NEXT;
    case P2_ANY:
        return true;
    }
    return false;
}

static bool is_present(const struct card *card, const struct command *c)
{
    const int v = c->present != NO_DIM ? card->profile.v[c->present] : ON;

    return v != OFF
           && (c->present != DIM_GETDATA || v != GETDATA_NO_LIST || c->run != cmd_get_data_list);
}

/* A row with this instruction and P1; *ret_known says whether the instruction exists at all. */
static const struct command *find_command(const struct card *card, uint8_t ins, uint8_t p1,
                                          bool *ret_known)
{
    *ret_known = false;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const struct command *c = &commands[i];

        if (c->ins != ins || !is_present(card, c))
            continue;
        *ret_known = true;
        if (p1_fits(card, c, p1))
            return c;
    }
    return NULL;
}

static bool le_fits_policy(const struct exchange *x, const struct command *c)
{
    switch (dim(x, DIM_LE_POLICY)) {
    case LE_REQUIRED:
        return c->answers == NO_ANSWER || x->apdu.has_le;
    case LE_FORBIDDEN: /* no byte behind data, yet a fifth byte where there are none */
        return x->apdu.lc != 0 ? !x->apdu.has_le : x->apdu.has_le;
    default:
        return true;
    }
}

static uint16_t check_length(const struct exchange *x, const struct command *c)
{
    if (x->apdu.lc < c->lc_min || x->apdu.lc > c->lc_max)
        return SW_WRONG_LENGTH;
    return le_fits_policy(x, c) ? SW_OK : SW_WRONG_LENGTH;
}

static bool class_fits(const struct exchange *x)
{
    switch (dim(x, DIM_CLA)) {
    case CLA_8N:
        return x->cls.proprietary;
    case CLA_0N:
        return !x->cls.proprietary;
    default:
        return true;
    }
}

static bool chance(struct card *card, enum dim percent)
{
    return card->profile.v[percent] != 0
           && (int)rng_below(&card->rng, 100) < card->profile.v[percent];
}

/* What remote administration and the toolkit do to a command that succeeded. */
static uint16_t decorate_success(struct exchange *x, uint16_t sw)
{
    if (sw != SW_OK)
        return sw;
    if (x->card->admin_ended) {
        x->card->admin_ended = false;
        return SW_ADMIN_ENDED;
    }
    if (chance(x->card, DIM_REMOTE_ADMIN))
        return SW_ADMIN_ENDED;
    if (chance(x->card, DIM_PROACTIVE))
        return SW_PROACTIVE | 0x10;
    return sw;
}

static uint16_t run_applet(struct exchange *x, struct exchange_info *info)
{
    bool known;
    const struct command *c;
    uint16_t sw;

    if (!class_fits(x))
        return SW_CLA_UNKNOWN;
    c = find_command(x->card, x->apdu.ins, x->apdu.p1, &known);
    if (c == NULL)
        return known ? SW_WRONG_P1P2 : SW_INS_UNKNOWN;
    info->name = c->name;
    if (!p2_fits(x->card, c, x->apdu.p2))
        return SW_WRONG_P1P2;
    sw = check_length(x, c);
    if (sw != SW_OK)
        return sw;
    if (chance(x->card, DIM_REMOTE_ADMIN))
        return rng_below(&x->card->rng, 2) == 0 ? SW_BUSY_ADMIN : SW_LIMIT_OR_CHANGED;
    sw = c->run(x);
    if (x->out.failed)
        sw = SW_NO_SPACE;
    if (sw == SW_OK || sw == SW_SIGNATURE_WRONG)
        info->op = c->op;
    return decorate_success(x, sw);
}

static const struct command *find_system_command(const struct exchange *x)
{
    if (x->cls.proprietary)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(system_commands); i++)
        if (system_commands[i].ins == x->apdu.ins)
            return &system_commands[i];
    return NULL;
}

static bool getresp_class_fits(const struct exchange *x)
{
    switch (dim(x, DIM_GETRESP_CLA)) {
    case GETRESP_0N:
        return !x->cls.proprietary;
    case GETRESP_SAME:
        return dim(x, DIM_CLA) == CLA_BOTH || x->cls.proprietary == (dim(x, DIM_CLA) == CLA_8N);
    default:
        return true;
    }
}

static size_t get_response(struct exchange *x, struct exchange_info *info, uint8_t *rsp)
{
    info->name = NAME_GET_RESPONSE;
    if (!getresp_class_fits(x))
        return answer_sw(SW_CLA_UNKNOWN, rsp);
    return answer_get_response(x, rsp);
}

/* Class byte and channel, before anything looks at the instruction. */
static uint16_t check_class(struct exchange *x)
{
    if (!apdu_class_parse(x->apdu.cla, &x->cls))
        return SW_CLA_UNKNOWN;
    if (x->cls.secure)
        return SW_SECURE_MESSAGING;
    if (x->cls.chained)
        return SW_CHAINING_UNSUPPORTED;
    x->channel_no = x->cls.channel;
    x->channel = &x->client->channel[x->channel_no];
    return x->channel->open ? SW_OK : SW_CHANNEL_UNSUPPORTED;
}

static size_t dispatch(struct exchange *x, struct exchange_info *info, uint8_t *rsp)
{
    const struct command *sys;
    uint16_t sw = check_class(x);
    size_t n;

    if (sw != SW_OK) {
        answer_drop(x->client);
        return answer_sw(sw, rsp);
    }
    if (x->apdu.ins == ISO_INS_GET_RESPONSE)
        return get_response(x, info, rsp);
    n = answer_corrected(x, rsp);
    if (n != 0)
        return n;
    sys = find_system_command(x);
    if (sys != NULL) {
        info->name = sys->name;
        x->of_system = true;
        sw = x->apdu.lc > sys->lc_max ? SW_WRONG_LENGTH : sys->run(x);
    } else {
        sw = x->channel->selected ? run_applet(x, info) : usim_run(x);
    }
    return answer_send(x, sw, rsp);
}

/* Bytes behind Le: refused, ignored, or the last of them is the Le that was meant. */
static bool take_stray_bytes(struct exchange *x)
{
    int policy = dim(x, DIM_STRAY_BYTES);

    if (x->apdu.stray != 0 && policy == STRAY_LAST_IS_LE)
        x->apdu.le = x->apdu.last;
    return x->apdu.stray == 0 || policy != STRAY_REFUSE;
}

size_t card_exchange(struct card *card, struct client *client, const uint8_t *cmd, size_t cmd_len,
                     uint8_t ret_rsp[static APDU_RSP_MAX], struct exchange_info *ret_info)
{
    struct exchange x = { .card = card, .client = client };
    bool sane = apdu_parse(cmd, cmd_len, &x.apdu) && take_stray_bytes(&x);
    size_t n;

    *ret_info = (struct exchange_info){ .name = card_command_name(cmd, cmd_len), .op = OP_NONE };
    if (!sane) {
        answer_drop(client);
        return answer_sw(SW_WRONG_LENGTH, ret_rsp);
    }
    if (chance(card, DIM_SPONTANEOUS_RESET))
        card_reset(card);
    n = dispatch(&x, ret_info, ret_rsp);
    buf_clear(&x.out);
    return n;
}

/* ---- names ---- */

static bool name_row_fits(const struct command *c, uint8_t ins, uint8_t p1)
{
    if (c->ins != ins)
        return false;
    if (c->p1_rule == P1_IS)
        return c->p1 == p1;
    return c->p1_rule != P1_TEMPLATE || kind_by_template(p1) != KIND_COUNT;
}

const char *card_command_name(const uint8_t *cmd, size_t cmd_len)
{
    if (cmd_len < APDU_HEADER_SIZE)
        return NAME_OTHER;
    if (cmd[1] == ISO_INS_GET_RESPONSE)
        return NAME_GET_RESPONSE;
    if ((cmd[0] & 0x80) == 0)
        for (size_t i = 0; i < ARRAY_LEN(system_commands); i++)
            if (system_commands[i].ins == cmd[1])
                return system_commands[i].name;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (name_row_fits(&commands[i], cmd[1], cmd[2]))
            return commands[i].name;
    return NAME_OTHER;
}

const char *card_command_row(size_t i)
{
    if (i < ARRAY_LEN(system_commands))
        return system_commands[i].name;
    i -= ARRAY_LEN(system_commands);
    if (i == 0)
        return NAME_GET_RESPONSE;
    if (i <= ARRAY_LEN(commands))
        return commands[i - 1].name;
    return i == ARRAY_LEN(commands) + 1 ? NAME_OTHER : NULL;
}
