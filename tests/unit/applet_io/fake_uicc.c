/* SPDX-License-Identifier: Apache-2.0 */
/* see fake_uicc.h */
#include "fake_uicc.h"

#include <stdio.h>
#include <string.h>

#define OUT_MAX 1024

/* ------------------------------------------------------------ derivations */

static uint64_t hash_bytes(uint64_t hash, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

#define HASH_START 0xcbf29ce484222325u

static uint64_t seed_of(char what, uint32_t serial, uint8_t key, uint64_t of)
{
    const uint8_t bytes[] = { (uint8_t)what, (uint8_t)serial, (uint8_t)(serial >> 8), key };

    return hash_bytes(hash_bytes(HASH_START, bytes, sizeof(bytes)) ^ of, bytes, sizeof(bytes));
}

static void fill(uint8_t *out, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(seed >> 56);
    }
}

static void put_number(uint8_t out[static 4], uint32_t number)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(number >> (24 - 8 * i));
}

static void make_signature(uint32_t serial, uint8_t key, uint64_t input, uint32_t counter,
                           uint8_t ret_sig[static FAKE_SIGNATURE])
{
    fill(ret_sig, FAKE_SIGNATURE, seed_of('s', serial, key, input) + counter);
    put_number(ret_sig + FAKE_SIGNATURE - 4, counter);
}

void fake_signature_make(uint32_t serial, uint8_t key, const uint8_t *input, size_t len,
                         uint32_t counter, uint8_t ret_sig[static FAKE_SIGNATURE])
{
    make_signature(serial, key, hash_bytes(HASH_START, input, len), counter, ret_sig);
}

bool fake_signature_fits(const struct fake_uicc *u, const uint8_t sig[static FAKE_SIGNATURE],
                         uint8_t key, const uint8_t *input, size_t len)
{
    const uint8_t *p = sig + FAKE_SIGNATURE - 4;
    const uint32_t counter = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8
                             | p[3];
    uint8_t want[FAKE_SIGNATURE];

    for (uint32_t serial = 1; serial <= u->serial; serial++) {
        fake_signature_make(serial, key, input, len, counter, want);
        if (memcmp(want, sig, sizeof(want)) == 0)
            return true;
    }
    return false;
}

void fake_secret_make(uint32_t serial, uint8_t key, const uint8_t point[static FAKE_POINT],
                      uint8_t ret_secret[static FAKE_SECRET])
{
    fill(ret_secret, FAKE_SECRET,
         seed_of('d', serial, key, hash_bytes(HASH_START, point, FAKE_POINT)));
    ret_secret[0] |= 1; /* never all zeros */
}

void fake_point_make(uint32_t serial, uint8_t key, unsigned generation,
                     uint8_t ret_point[static FAKE_POINT])
{
    fill(ret_point, FAKE_POINT, seed_of('p', serial, key, generation));
    ret_point[0] = 0x04;
}

/* A DER SEQUENCE that fills the file, as a certificate would. */
void fake_file_make(uint32_t serial, uint8_t ret_bytes[static FAKE_FILE_SIZE])
{
    const unsigned len = FAKE_FILE_SIZE - 4;

    fill(ret_bytes, FAKE_FILE_SIZE, seed_of('f', serial, FAKE_FILE, 0));
    ret_bytes[0] = 0x30;
    ret_bytes[1] = 0x82;
    ret_bytes[2] = (uint8_t)(len >> 8);
    ret_bytes[3] = (uint8_t)len;
}

uint8_t fake_random_byte(size_t at)
{
    return (uint8_t)(0xa0 + at % 16);
}

/* --------------------------------------------------------------- channels */

static void close_slot(struct fake_channel *ch)
{
    *ch = (struct fake_channel){ .app = FAKE_CLOSED, .opener = FAKE_NOBODY };
}

static void open_slot(struct fake_channel *ch, int client, enum fake_app app)
{
    close_slot(ch);
    ch->app = app;
    ch->opener = client;
}

static uint8_t free_number(const struct fake_uicc *u)
{
    for (uint8_t n = 1; n < FAKE_CHANNELS; n++)
        if (u->channels[n].app == FAKE_CLOSED)
            return n;
    return 0;
}

/* Who has opened it, or has heard our applet there. */
static bool may_close(const struct fake_channel *ch, int client)
{
    return client == FAKE_FOREIGN || ch->opener == client || (ch->confirmed & 1u << client) != 0;
}

static uint16_t close_number(struct fake_uicc *u, int client, uint8_t number)
{
    if (number == 0 || number >= FAKE_CHANNELS)
        return SW_WRONG_P1P2;
    if (u->channels[number].app == FAKE_CLOSED)
        return SW_NO_INFORMATION; /* GlobalPlatform: closed already */
    if (!may_close(&u->channels[number], client) && !u->channels[number].sudden)
        u->foreign_closes++;
    close_slot(&u->channels[number]);
    return SW_OK;
}

static bool aid_is_ours(const uint8_t *aid, size_t len)
{
    return len >= IOTSAFE_AID_MIN && len <= FAKE_AID_LEN && memcmp(aid, FAKE_AID, len) == 0;
}

static uint16_t select_on(struct fake_uicc *u, int client, uint8_t number, const uint8_t *aid,
                          size_t len)
{
    struct fake_channel *ch = &u->channels[number];

    if (number == 0)
        u->basic_selects++;
    else if (ch->opener == FAKE_FOREIGN && client >= 0 && !ch->sudden)
        u->foreign_selects++;
    if (!u->has_applet || !aid_is_ours(aid, len))
        return SW_NOT_FOUND;
    ch->app = FAKE_APPLET;
    ch->session.ins_init = 0;
    ch->list_page = 0;
    return SW_OK;
}

uint16_t fake_uicc_open(struct fake_uicc *u, int client, const uint8_t *aid, size_t aid_len,
                        uint8_t *ret_number)
{
    const uint8_t number = free_number(u);
    uint16_t sw;

    if (number == 0)
        return SW_FUNCTION_UNSUPPORTED;
    open_slot(&u->channels[number], client, FAKE_USIM);
    sw = select_on(u, client, number, aid, aid_len);
    if (sw != SW_OK)
        close_slot(&u->channels[number]);
    else
        *ret_number = number;
    return sw;
}

void fake_uicc_close(struct fake_uicc *u, int client, uint8_t number)
{
    (void)close_number(u, client, number);
}

/* --------------------------------------------------------------- commands */

/* One command taken apart, and where its response goes. */
struct work {
    struct fake_uicc *u;
    struct fake_channel *ch;
    int client;
    uint8_t channel, cla, ins, p1, p2;
    const uint8_t *data;
    size_t data_len;
    size_t le; /* 0: none */
    uint8_t out[OUT_MAX];
    size_t out_len;
};

static void out_bytes(struct work *w, const uint8_t *bytes, size_t n)
{
    memcpy(w->out + w->out_len, bytes, n);
    w->out_len += n;
}

static void out_tlv(struct work *w, uint8_t tag, const uint8_t *bytes, size_t n)
{
    const uint8_t head[] = { tag, (uint8_t)n };

    out_bytes(w, head, sizeof(head));
    out_bytes(w, bytes, n);
}

/* The value of a tag in the command data; NULL: not there. Tag 33 may have a length
 * of two bytes. */
static const uint8_t *find_tag(const struct work *w, uint8_t tag, size_t *ret_len)
{
    size_t at = 0;

    *ret_len = 0;
    while (at + 2 <= w->data_len) {
        const bool wide = w->data[at] == IOTSAFE_TAG_SIGNATURE && w->data[at + 1] == 0;
        const size_t head = wide ? 3 : 2;
        const size_t len = at + head <= w->data_len ? w->data[at + head - 1] : SIZE_MAX;

        if (len > w->data_len - at - head)
            return NULL;
        if (w->data[at] == tag) {
            *ret_len = len;
            return w->data + at + head;
        }
        at += head + len;
    }
    return NULL;
}

struct object {
    uint8_t template, id_tag, id;
};

static const struct object objects[FAKE_OBJECTS] = {
    { IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE, IOTSAFE_TAG_PRIVATE_KEY_ID, FAKE_KEY_DIGEST },
    { IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE, IOTSAFE_TAG_PRIVATE_KEY_ID, FAKE_KEY_ANY },
    { IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE, IOTSAFE_TAG_PRIVATE_KEY_ID, FAKE_KEY_FRESH },
    { IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE, IOTSAFE_TAG_PRIVATE_KEY_ID, FAKE_KEY_AGREE },
    { IOTSAFE_TAG_PUBLIC_KEY_TEMPLATE, IOTSAFE_TAG_PUBLIC_KEY_ID, FAKE_KEY_DIGEST },
    { IOTSAFE_TAG_PUBLIC_KEY_TEMPLATE, IOTSAFE_TAG_PUBLIC_KEY_ID, FAKE_KEY_ANY },
    { IOTSAFE_TAG_PUBLIC_KEY_TEMPLATE, IOTSAFE_TAG_PUBLIC_KEY_ID, FAKE_KEY_FRESH },
    { IOTSAFE_TAG_PUBLIC_KEY_TEMPLATE, IOTSAFE_TAG_PUBLIC_KEY_ID, FAKE_KEY_AGREE },
    { IOTSAFE_TAG_PUBLIC_KEY_TEMPLATE, IOTSAFE_TAG_PUBLIC_KEY_ID, FAKE_KEY_PEER },
    { IOTSAFE_TAG_FILE_TEMPLATE, IOTSAFE_TAG_FILE_ID, FAKE_FILE },
};

/* The identifier in the command that names an object there is; 0: none. */
static uint8_t named_object(const struct work *w, uint8_t id_tag)
{
    size_t len;
    const uint8_t *id = find_tag(w, id_tag, &len);

    for (size_t i = 0; id != NULL && len == 1 && i < FAKE_OBJECTS; i++)
        if (objects[i].id_tag == id_tag && objects[i].id == *id)
            return *id;
    return 0;
}

/* ---- GET DATA ---- */

static uint16_t app_info(struct work *w)
{
    static const uint8_t version[] = { 0x10 }, sessions[] = { 1 };

    if (!w->u->behaviour.app_info)
        return SW_WRONG_P1P2;
    out_tlv(w, IOTSAFE_TAG_VERSION, version, sizeof(version));
    out_tlv(w, IOTSAFE_TAG_MAX_SESSIONS, sessions, sizeof(sessions));
    return SW_OK;
}

/* The list is cut into pages of equal size, wherever that falls. */
static uint16_t list_page(struct work *w, unsigned page)
{
    const unsigned n_pages = w->u->behaviour.list_pages;
    struct work all = { .out_len = 0 };
    size_t size, from;

    if (page >= n_pages)
        return SW_CONDITIONS;
    for (size_t i = 0; i < FAKE_OBJECTS; i++) {
        const uint8_t inner[] = { objects[i].id_tag, 1, objects[i].id, IOTSAFE_TAG_STATE, 1, 1 };

        out_tlv(&all, objects[i].template, inner, sizeof(inner));
    }
    size = (all.out_len + n_pages - 1) / n_pages;
    from = size * page;
    out_bytes(w, all.out + from, all.out_len - from < size ? all.out_len - from : size);
    w->ch->list_page = page + 1;
    return page + 1 < n_pages ? SW_MORE_DATA : SW_OK;
}

static uint16_t get_data(struct work *w)
{
    if (w->p1 == IOTSAFE_P1_APPLICATION && w->p2 == 0)
        return app_info(w);
    if (w->p1 == IOTSAFE_P1_OBJECT_LIST && w->p2 == IOTSAFE_P2_LIST_FIRST)
        return list_page(w, 0);
    if (w->p1 == IOTSAFE_P1_OBJECT_LIST && w->p2 == IOTSAFE_P2_LIST_NEXT)
        return w->ch->list_page != 0 ? list_page(w, w->ch->list_page) : SW_CONDITIONS;
    return SW_WRONG_P1P2;
}

/* ---- reading ---- */

static uint16_t get_random(struct work *w)
{
    if (w->le == 0)
        return SW_WRONG_LENGTH;
    for (size_t i = 0; i < w->le; i++)
        w->out[w->out_len++] = fake_random_byte(i);
    return SW_OK;
}

/* What fits into one response of this applet. */
static size_t fitting(const struct work *w, size_t n)
{
    const size_t most = w->u->behaviour.rsp_max;

    return most != 0 && n > most ? most : n;
}

static uint16_t read_file(struct work *w)
{
    const size_t from = (size_t)(w->p1 << 8 | w->p2);
    const size_t most = fitting(w, w->le != 0 ? w->le : APDU_NE_MAX);
    uint8_t bytes[FAKE_FILE_SIZE];

    if (named_object(w, IOTSAFE_TAG_FILE_ID) == 0)
        return SW_NOT_FOUND;
    if (from >= FAKE_FILE_SIZE)
        return SW_WRONG_OFFSET;
    fake_file_make(w->u->serial, bytes);
    out_bytes(w, bytes + from, FAKE_FILE_SIZE - from < most ? FAKE_FILE_SIZE - from : most);
    return SW_OK;
}

static void out_point(struct work *w, const uint8_t point[static FAKE_POINT])
{
    static const uint8_t head[] = { IOTSAFE_TAG_PUBLIC_KEY_DATA, FAKE_POINT + 4,
                                    IOTSAFE_TAG_ECC_PUBLIC_KEY, FAKE_POINT + 2 };

    out_bytes(w, head, sizeof(head));
    out_tlv(w, IOTSAFE_TAG_ECC_POINT, point, FAKE_POINT);
}

static uint16_t read_public_key(struct work *w)
{
    const uint8_t key = named_object(w, IOTSAFE_TAG_PUBLIC_KEY_ID);

    if (key == 0)
        return SW_WRONG_DATA;
    out_point(w, w->u->points[key]);
    return SW_OK;
}

/* ---- sessions ---- */

static bool session_blocks(const struct work *w)
{
    const struct fake_session *s = &w->ch->session;

    return s->ins_init != 0 && !(s->finished && w->u->behaviour.auto_close);
}

static uint16_t session_close(struct work *w)
{
    struct fake_session *s = &w->ch->session;

    if (s->ins_init != w->ins || s->number != w->p2)
        return SW_CONDITIONS;
    s->ins_init = 0;
    return SW_OK;
}

static uint16_t session_open(struct work *w, uint8_t key, uint8_t mode)
{
    if (session_blocks(w))
        return SW_CONDITIONS;
    w->ch->session = (struct fake_session){
        .ins_init = w->ins, .number = w->p2, .key = key, .mode = mode, .input = HASH_START
    };
    return SW_OK;
}

static bool session_number_exists(const struct work *w)
{
    return w->p2 >= w->u->behaviour.session_min && w->p2 <= w->u->behaviour.session_max;
}

/* INIT of all three kinds; the mode counts for signatures. */
static uint16_t session_init(struct work *w)
{
    const bool is_sign = w->ins == IOTSAFE_INS_COMPUTE_SIGNATURE_INIT;
    const uint8_t tag = is_sign ? IOTSAFE_TAG_PRIVATE_KEY_ID : IOTSAFE_TAG_PUBLIC_KEY_ID;
    size_t mode_len = 0;
    const uint8_t *mode = find_tag(w, IOTSAFE_TAG_MODE, &mode_len);
    const uint8_t key = named_object(w, tag);

    if (!session_number_exists(w))
        return SW_WRONG_P1P2;
    if (w->p1 == IOTSAFE_P1_SESSION_CLOSE)
        return session_close(w);
    if (key == 0)
        return SW_WRONG_DATA;
    if (is_sign && (mode_len != 1 || *mode > 7 || (w->u->behaviour.modes[key] & 1u << *mode) == 0))
        return SW_WRONG_DATA;
    return session_open(w, key, mode_len == 1 ? *mode : 0);
}

/* The session of an UPDATE; NULL: there is none. */
static struct fake_session *session_running(struct work *w, uint8_t ins_init)
{
    struct fake_session *s = &w->ch->session;

    return s->ins_init == ins_init && s->number == w->p2 && !s->finished ? s : NULL;
}

static uint16_t sign_update(struct work *w)
{
    struct fake_session *s = session_running(w, IOTSAFE_INS_COMPUTE_SIGNATURE_INIT);
    static const uint8_t head[] = { IOTSAFE_TAG_SIGNATURE, 0, FAKE_SIGNATURE };
    uint8_t sig[FAKE_SIGNATURE];
    size_t len;
    const uint8_t *input;

    if (s == NULL)
        return SW_CONDITIONS;
    input = find_tag(w,
                     s->mode == IOTSAFE_MODE_FULL_TEXT ? IOTSAFE_TAG_FULL_TEXT
                                                       : IOTSAFE_TAG_FINAL_HASH,
                     &len);
    if (input == NULL)
        return SW_CONDITIONS;
    s->input = hash_bytes(s->input, input, len);
    if (w->p1 != IOTSAFE_P1_LAST_BLOCK)
        return SW_OK;
    s->finished = true;
    make_signature(w->u->serial, s->key, s->input, ++w->u->counter, sig);
    out_bytes(w, head, sizeof(head));
    out_bytes(w, sig, sizeof(sig));
    return SW_OK;
}

static uint16_t verify_update(struct work *w)
{
    struct fake_session *s = session_running(w, IOTSAFE_INS_VERIFY_SIGNATURE_INIT);
    size_t digest_len, sig_len;
    const uint8_t *digest = find_tag(w, IOTSAFE_TAG_FINAL_HASH, &digest_len);
    const uint8_t *sig = find_tag(w, IOTSAFE_TAG_SIGNATURE, &sig_len);

    if (s == NULL || digest == NULL || sig == NULL || sig_len != FAKE_SIGNATURE)
        return SW_CONDITIONS;
    s->finished = true;
    return fake_signature_fits(w->u, sig, s->key, digest, digest_len) ? SW_OK : SW_SIGNATURE_WRONG;
}

static uint16_t put_update(struct work *w)
{
    static const uint8_t head[] = { IOTSAFE_TAG_PUBLIC_KEY_DATA, FAKE_POINT + 4,
                                    IOTSAFE_TAG_ECC_PUBLIC_KEY,  FAKE_POINT + 2,
                                    IOTSAFE_TAG_ECC_POINT,       FAKE_POINT };
    struct fake_session *s = session_running(w, IOTSAFE_INS_PUT_PUBLIC_KEY_INIT);

    if (s == NULL)
        return SW_CONDITIONS;
    if (w->data_len != sizeof(head) + FAKE_POINT || memcmp(w->data, head, sizeof(head)) != 0)
        return SW_WRONG_DATA;
    memcpy(w->u->points[s->key], w->data + sizeof(head), FAKE_POINT);
    s->finished = true;
    return SW_OK;
}

/* ---- keys ---- */

static uint16_t generate(struct work *w)
{
    const uint8_t key = named_object(w, IOTSAFE_TAG_PRIVATE_KEY_ID);

    if (key != FAKE_KEY_FRESH)
        return key == 0 ? SW_WRONG_DATA : SW_CONDITIONS;
    w->u->generations[key]++;
    fake_point_make(w->u->serial, key, w->u->generations[key], w->u->points[key]);
    out_tlv(w, IOTSAFE_TAG_PRIVATE_KEY_ID, &key, 1);
    out_tlv(w, IOTSAFE_TAG_PUBLIC_KEY_ID, &key, 1);
    out_point(w, w->u->points[key]);
    return SW_OK;
}

static uint16_t compute_dh(struct work *w)
{
    const uint8_t key = named_object(w, IOTSAFE_TAG_PRIVATE_KEY_ID);
    const uint8_t container = named_object(w, IOTSAFE_TAG_PUBLIC_KEY_ID);

    if (key == 0 || container == 0)
        return SW_WRONG_DATA;
    fake_secret_make(w->u->serial, key, w->u->points[container], w->out);
    w->out_len = FAKE_SECRET;
    return SW_OK;
}

static const struct {
    uint8_t ins;
    uint16_t (*run)(struct work *w);
} applet_instructions[] = {
    { IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, session_init },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, session_init },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE, sign_update },
    { IOTSAFE_INS_VERIFY_SIGNATURE_INIT, session_init },
    { IOTSAFE_INS_VERIFY_SIGNATURE_UPDATE, verify_update },
    { IOTSAFE_INS_COMPUTE_DH, compute_dh },
    { IOTSAFE_INS_GET_RANDOM, get_random },
    { IOTSAFE_INS_READ_FILE, read_file },
    { IOTSAFE_INS_GENERATE_KEY_PAIR, generate },
    { IOTSAFE_INS_GET_DATA, get_data },
    { IOTSAFE_INS_READ_PUBLIC_KEY, read_public_key },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE, put_update },
};

static bool is_proprietary(uint8_t cla)
{
    return (cla & 0x80) != 0;
}

static uint16_t run_applet(struct work *w)
{
    const struct fake_behaviour *b = &w->u->behaviour;

    if (is_proprietary(w->cla) ? !b->class_8 : !b->class_0)
        return SW_CLA_UNKNOWN;
    for (size_t i = 0; i < sizeof(applet_instructions) / sizeof(applet_instructions[0]); i++)
        if (applet_instructions[i].ins == w->ins)
            return applet_instructions[i].run(w);
    return SW_INS_UNKNOWN;
}

/* ------------------------------------------------------ other applications */

/* ETSI TS 102 221, 11.1.10 and 11.1.13: two values of eight bytes each. */
static uint16_t pin_command(const struct work *w, unsigned *tries_lost)
{
    if (w->data_len != 16)
        return SW_WRONG_LENGTH;
    ++*tries_lost;
    return 0x63c2;
}

/* Successes that are none of our applet's. */
static uint16_t foreign_data(struct work *w)
{
    const size_t n = w->le != 0 && w->le < 16 ? w->le : 16;

    memset(w->out, 0x55, n);
    w->out_len = n;
    return SW_OK;
}

static uint16_t run_usim(struct work *w)
{
    if (is_proprietary(w->cla))
        return SW_CLA_UNKNOWN;
    switch (w->ins) {
    case IOTSAFE_INS_PUT_PUBLIC_KEY_INIT: /* CHANGE PIN */
        return pin_command(w, &w->u->pin_tries_lost);
    case IOTSAFE_INS_VERIFY_SIGNATURE_INIT: /* UNBLOCK PIN */
        return pin_command(w, &w->u->puk_tries_lost);
    case IOTSAFE_INS_GET_RANDOM: /* GET CHALLENGE */
    case IOTSAFE_INS_READ_FILE:  /* READ BINARY */
        return foreign_data(w);
    default:
        return SW_INS_UNKNOWN;
    }
}

/* Some other program's application: knows nothing of ours in either class. */
static uint16_t run_other(struct work *w)
{
    return is_proprietary(w->cla) ? SW_INS_UNKNOWN : SW_CLA_UNKNOWN;
}

/* ---------------------------------------------------------------- ISO part */

static uint16_t manage_channel(struct work *w)
{
    uint8_t number;

    if (w->p1 == 0x80)
        return close_number(w->u, w->client, w->p2);
    number = free_number(w->u);
    if (w->p1 != 0 || w->p2 != 0)
        return SW_WRONG_P1P2;
    if (number == 0)
        return SW_FUNCTION_UNSUPPORTED;
    open_slot(&w->u->channels[number], w->client, FAKE_USIM);
    w->out[w->out_len++] = number;
    return SW_OK;
}

static uint16_t get_response(struct work *w)
{
    struct fake_channel *ch = w->ch;
    const size_t left = ch->n_waiting - ch->waiting_at;
    const size_t n = fitting(w, w->le < left ? w->le : left);

    if (left == 0)
        return SW_CONDITIONS;
    out_bytes(w, ch->waiting + ch->waiting_at, n);
    ch->waiting_at += n;
    if (n == left)
        return ch->waiting_sw;
    return (uint16_t)(SW_BYTES_WAIT | (left - n < APDU_NE_MAX ? left - n : 0));
}

static bool is_iso(const struct work *w)
{
    return !is_proprietary(w->cla)
           && (w->ins == ISO_INS_MANAGE_CHANNEL || w->ins == ISO_INS_SELECT);
}

static uint16_t run_iso(struct work *w)
{
    return w->ins == ISO_INS_SELECT ? select_on(w->u, w->client, w->channel, w->data, w->data_len)
                                    : manage_channel(w);
}

/* ---------------------------------------------------------------- exchange */

/* ISO/IEC 7816-3, short cases 1 to 4; a fifth byte without data is Le. */
static bool take_apart(struct work *w, const uint8_t *cmd, size_t len)
{
    if (len < APDU_HEADER_SIZE || len > APDU_CMD_MAX)
        return false;
    w->cla = cmd[0];
    w->ins = cmd[1];
    w->p1 = cmd[2];
    w->p2 = cmd[3];
    w->channel = cmd[0] & 0x03;
    if (len == 5)
        w->le = cmd[4] != 0 ? cmd[4] : APDU_NE_MAX;
    if (len <= 5)
        return true;
    w->data = cmd + 5;
    w->data_len = cmd[4];
    if (len == 6 + w->data_len)
        w->le = cmd[len - 1] != 0 ? cmd[len - 1] : APDU_NE_MAX;
    return len - 5 == w->data_len || len - 6 == w->data_len;
}

static bool may_be_pin_command(const struct work *w)
{
    return !is_proprietary(w->cla)
           && (w->ins == IOTSAFE_INS_PUT_PUBLIC_KEY_INIT
               || w->ins == IOTSAFE_INS_VERIFY_SIGNATURE_INIT);
}

static uint16_t run_application(struct work *w)
{
    if (w->ch->app != FAKE_APPLET && may_be_pin_command(w) && !w->ch->sudden)
        w->u->astray++;
    switch (w->ch->app) {
    case FAKE_APPLET:
        return run_applet(w);
    case FAKE_OTHER:
        return run_other(w);
    default:
        return run_usim(w);
    }
}

static bool is_success(uint16_t sw)
{
    return sw == SW_OK || sw == SW_MORE_DATA;
}

static uint16_t dispatch(struct work *w)
{
    if (w->ch->app == FAKE_CLOSED)
        return SW_CHANNEL_UNSUPPORTED;
    if (w->ins == ISO_INS_GET_RESPONSE)
        return get_response(w);
    w->ch->n_waiting = w->ch->waiting_at = 0;
    return is_iso(w) ? run_iso(w) : run_application(w);
}

/* Data waits for GET RESPONSE where the applet does it so. */
static uint16_t hold_back(struct work *w, uint16_t sw)
{
    struct fake_channel *ch = w->ch;

    if (!w->u->behaviour.waits || ch->app != FAKE_APPLET || w->ins == ISO_INS_GET_RESPONSE
        || is_iso(w) || w->out_len == 0)
        return sw;
    memcpy(ch->waiting, w->out, w->out_len);
    ch->n_waiting = w->out_len;
    ch->waiting_at = 0;
    ch->waiting_sw = sw;
    w->out_len = 0;
    return (uint16_t)(SW_BYTES_WAIT | (ch->n_waiting < APDU_NE_MAX ? ch->n_waiting : 0));
}

static void note(struct work *w, enum fake_app app, uint16_t sw)
{
    struct fake_entry *e = &w->u->log[w->u->n_log++ % FAKE_LOG_MAX];
    const uint8_t p3 = (uint8_t)(w->data_len != 0 ? w->data_len : w->le);

    *e = (struct fake_entry){
        w->client, w->channel, app, { w->cla, w->ins, w->p1, w->p2, p3 }, sw
    };
}

/* The status word behind the data, at most what fits into one response. */
static size_t finish(const struct work *w, uint16_t sw, uint8_t ret_rsp[static APDU_RSP_MAX])
{
    const size_t n = w->out_len < APDU_NE_MAX ? w->out_len : APDU_NE_MAX;

    memcpy(ret_rsp, w->out, n);
    ret_rsp[n] = (uint8_t)(sw >> 8);
    ret_rsp[n + 1] = (uint8_t)sw;
    return n + 2;
}

size_t fake_uicc_exchange(struct fake_uicc *u, int client, const uint8_t *cmd, size_t len,
                          uint8_t ret_rsp[static APDU_RSP_MAX])
{
    struct work w = { .u = u, .client = client };
    const bool whole = take_apart(&w, cmd, len);
    enum fake_app app;
    uint16_t sw;

    w.ch = &u->channels[w.channel];
    app = w.ch->app;
    if (u->refuse_n > 0) {
        u->refuse_n--;
        sw = u->refuse_sw;
    } else if (!whole) {
        sw = SW_WRONG_LENGTH;
    } else {
        sw = dispatch(&w);
        if (is_success(sw) && w.ch->app == FAKE_APPLET && client >= 0
            && w.ins != ISO_INS_MANAGE_CHANNEL)
            w.ch->confirmed |= 1u << client;
        sw = hold_back(&w, sw);
    }
    note(&w, app, sw);
    w.ch->sudden = false;
    return finish(&w, sw, ret_rsp);
}

/* ------------------------------------------------------------------ events */

static void power_on(struct fake_uicc *u)
{
    for (uint8_t n = 0; n < FAKE_CHANNELS; n++)
        close_slot(&u->channels[n]);
    u->channels[0].app = FAKE_USIM;
}

static void personalise(struct fake_uicc *u)
{
    for (uint8_t key = 0; key < FAKE_KEYS; key++)
        fake_point_make(u->serial, key, 0, u->points[key]);
}

void fake_uicc_init(struct fake_uicc *u, const struct fake_behaviour *behaviour)
{
    memset(u, 0, sizeof(*u));
    u->behaviour = *behaviour;
    u->has_applet = true;
    u->serial = 1;
    personalise(u);
    power_on(u);
}

void fake_uicc_reset(struct fake_uicc *u)
{
    u->resets++;
    power_on(u);
}

void fake_uicc_replace(struct fake_uicc *u, const struct fake_behaviour *behaviour)
{
    u->behaviour = *behaviour;
    u->serial++;
    personalise(u);
    fake_uicc_reset(u);
}

void fake_uicc_switch_profile(struct fake_uicc *u, bool has_applet)
{
    u->has_applet = has_applet;
    fake_uicc_reset(u);
}

void fake_uicc_foreign_take(struct fake_uicc *u, uint8_t number)
{
    open_slot(&u->channels[number], FAKE_FOREIGN, FAKE_OTHER);
    u->channels[number].sudden = true;
}

uint8_t fake_uicc_foreign_open(struct fake_uicc *u)
{
    const uint8_t number = free_number(u);

    if (number != 0)
        fake_uicc_foreign_take(u, number);
    return number;
}

void fake_uicc_settle(struct fake_uicc *u)
{
    for (uint8_t n = 1; n < FAKE_CHANNELS; n++)
        u->channels[n].sudden = false;
}

void fake_uicc_foreign_leave(struct fake_uicc *u)
{
    for (uint8_t n = 1; n < FAKE_CHANNELS; n++)
        if (u->channels[n].opener == FAKE_FOREIGN)
            close_slot(&u->channels[n]);
}

/* A command of the other client, in the class that the applet takes. */
static void other_sends(struct fake_uicc *u, int client, uint8_t number, const uint8_t *cmd,
                        size_t len)
{
    uint8_t bytes[APDU_CMD_MAX], rsp[APDU_RSP_MAX];

    memcpy(bytes, cmd, len);
    bytes[0] = (uint8_t)((u->behaviour.class_8 ? 0x80 : 0) | number);
    (void)fake_uicc_exchange(u, client, bytes, len, rsp);
}

static void other_puts(struct fake_uicc *u, int client, uint8_t number)
{
    uint8_t cmd[11 + FAKE_POINT] = { 0,
                                     IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE,
                                     IOTSAFE_P1_LAST_BLOCK,
                                     0,
                                     FAKE_POINT + 6,
                                     IOTSAFE_TAG_PUBLIC_KEY_DATA,
                                     FAKE_POINT + 4,
                                     IOTSAFE_TAG_ECC_PUBLIC_KEY,
                                     FAKE_POINT + 2,
                                     IOTSAFE_TAG_ECC_POINT,
                                     FAKE_POINT };
    uint8_t init[] = { 0, IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, 0, 0,
                       3, IOTSAFE_TAG_PUBLIC_KEY_ID,       1, FAKE_KEY_PEER };

    init[3] = cmd[3] = u->behaviour.session_max;
    memset(cmd + 11, 0x77, FAKE_POINT);
    cmd[11] = 0x04;
    other_sends(u, client, number, init, sizeof(init));
    other_sends(u, client, number, cmd, sizeof(cmd));
    init[2] = IOTSAFE_P1_SESSION_CLOSE;
    other_sends(u, client, number, init, APDU_HEADER_SIZE);
}

void fake_uicc_other_client(struct fake_uicc *u, int client, uint8_t number)
{
    static const uint8_t first_page[] = { 0, IOTSAFE_INS_GET_DATA, IOTSAFE_P1_OBJECT_LIST,
                                          IOTSAFE_P2_LIST_FIRST, 0 };

    if (u->channels[number].app != FAKE_APPLET)
        return;
    other_puts(u, client, number);
    other_sends(u, client, number, first_page, sizeof(first_page));
}

/* ----------------------------------------------------------------- records */

unsigned fake_uicc_count_open(const struct fake_uicc *u, unsigned clients)
{
    unsigned n = 0;

    for (uint8_t i = 1; i < FAKE_CHANNELS; i++)
        if (u->channels[i].app != FAKE_CLOSED && u->channels[i].opener >= 0
            && (clients & 1u << u->channels[i].opener) != 0)
            n++;
    return n;
}

const char *fake_uicc_log_text(const struct fake_uicc *u)
{
    static const char *const apps[] = { "closed", "USIM", "other", "applet" };
    static char text[64 * FAKE_LOG_MAX];
    const unsigned n = u->n_log < FAKE_LOG_MAX ? u->n_log : FAKE_LOG_MAX;
    size_t at = 0;

    text[0] = '\0';
    for (unsigned i = u->n_log - n; i < u->n_log; i++) {
        const struct fake_entry *e = &u->log[i % FAKE_LOG_MAX];

        at += (size_t)snprintf(text + at, sizeof(text) - at,
                               "  client %d channel %u %-6s %02X%02X%02X%02X %02X -> %04X\n",
                               e->client, e->channel, apps[e->app], e->head[0], e->head[1],
                               e->head[2], e->head[3], e->head[4], e->sw);
    }
    return text;
}
