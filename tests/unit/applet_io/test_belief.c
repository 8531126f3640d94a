/* SPDX-License-Identifier: Apache-2.0 */
/* What the library believes of a card and its channel, walked through: each event at
 * each exchange of each operation, from each state of the channel, over each kind of
 * device and applet, with two clients that share the card. After each walk the card's
 * own record tells whether anything happened that never may.
 *
 * A walk is named device/applet/state/operation/event/exchange. One of them runs alone,
 * and shows what the card saw, with IOTSAFE_WALK=NAME in the environment and the
 * argument --filter of Criterion for its device. IOTSAFE_WALKS=all names all failures. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_transport.h"
#include "util.h"

#define EXCHANGES_MAX 12     /* of one operation at which events are placed */
#define EXCHANGES_TROUBLED 6 /* where the state is a fault by itself: recovery and what follows */

static struct fake_world world;

/* ----------------------------------------------------------------- applets */

#define BIT(mode) (1u << (mode))
#define KEY_MODES                                                                      \
    {                                                                                  \
        [FAKE_KEY_DIGEST] = BIT(IOTSAFE_MODE_PAD_AND_SIGN),                            \
        [FAKE_KEY_ANY] = BIT(IOTSAFE_MODE_PAD_AND_SIGN) | BIT(IOTSAFE_MODE_FULL_TEXT), \
    }

static const struct fake_behaviour applets[] = {
    { .name = "plain", /* class 8N as IoT.05 probably wants it, all at hand */
      .class_8 = true,
      .app_info = true,
      .auto_close = true,
      .session_min = 1,
      .session_max = 2,
      .list_pages = 2,
      .modes = KEY_MODES },
    { .name = "mute", /* takes both classes and tells little */
      .class_8 = true,
      .class_0 = true,
      .waits = true,
      .session_min = 0,
      .session_max = 1,
      .list_pages = 1,
      .rsp_max = 64, /* a signature comes in two pieces */
      .modes = KEY_MODES },
    { .name = "zero", /* class 0N only: whatever goes astray may meet the USIM's PIN */
      .class_0 = true,
      .app_info = true,
      .auto_close = true,
      .waits = true,
      .session_min = 1,
      .session_max = 1,
      .list_pages = 3,
      .modes = KEY_MODES },
    { .name = "bare", /* the same without GET DATA - application, and session 0 only */
      .class_0 = true,
      .session_min = 0,
      .session_max = 0,
      .list_pages = 2,
      .modes = KEY_MODES },
};

/* -------------------------------------------------------------- operations */

static const uint8_t digest[32] = { 0xd1, 0x9e, 0x57 };
static const uint8_t text[] = "the text that belongs to another digest";

static struct iotsafe_name name_of(uint8_t id)
{
    return (struct iotsafe_name){ .id = { id }, .id_len = 1 };
}

static enum iotsafe_err sign(struct iotsafe_card *card, uint8_t key,
                             const struct iotsafe_input *input, bool *ret_right,
                             struct iotsafe_op *op)
{
    const struct iotsafe_name name = name_of(key);
    uint8_t sig[IOTSAFE_SIGNATURE_MAX];
    size_t len = 0;
    const enum iotsafe_err err = iotsafe_sign(card, &name, IOTSAFE_ECDSA, input, sig, &len, op);

    *ret_right = len == FAKE_SIGNATURE
                 && (fake_signature_fits(&world.uicc, sig, key, digest, sizeof(digest))
                     || (input->text != NULL
                         && fake_signature_fits(&world.uicc, sig, key, text, sizeof(text))));
    return err;
}

static enum iotsafe_err run_sign(struct iotsafe_card *card, bool *ret_right, struct iotsafe_op *op)
{
    const struct iotsafe_input input = { .hash = IOTSAFE_HASH_SHA256, .digest = digest };

    return sign(card, FAKE_KEY_DIGEST, &input, ret_right, op);
}

/* With the text at hand a refusal leads to another mode, which must not become the rule
 * for keys that have none. */
static enum iotsafe_err run_sign_text(struct iotsafe_card *card, bool *ret_right,
                                      struct iotsafe_op *op)
{
    const struct iotsafe_input input = {
        .hash = IOTSAFE_HASH_SHA256, .digest = digest, .text = text, .text_len = sizeof(text)
    };

    return sign(card, FAKE_KEY_ANY, &input, ret_right, op);
}

static bool list_is_right(const struct iotsafe_object *objects, size_t n)
{
    static const struct {
        enum iotsafe_kind kind;
        uint8_t id;
    } want[FAKE_OBJECTS] = {
        { IOTSAFE_PRIVATE_KEY, FAKE_KEY_DIGEST }, { IOTSAFE_PRIVATE_KEY, FAKE_KEY_ANY },
        { IOTSAFE_PRIVATE_KEY, FAKE_KEY_FRESH },  { IOTSAFE_PRIVATE_KEY, FAKE_KEY_AGREE },
        { IOTSAFE_PUBLIC_KEY, FAKE_KEY_DIGEST },  { IOTSAFE_PUBLIC_KEY, FAKE_KEY_ANY },
        { IOTSAFE_PUBLIC_KEY, FAKE_KEY_FRESH },   { IOTSAFE_PUBLIC_KEY, FAKE_KEY_AGREE },
        { IOTSAFE_PUBLIC_KEY, FAKE_KEY_PEER },    { IOTSAFE_FILE, FAKE_FILE },
    };

    for (size_t i = 0; i < n && n == FAKE_OBJECTS; i++)
        if (objects[i].kind != want[i].kind || objects[i].name.id_len != 1
            || objects[i].name.id[0] != want[i].id)
            return false;
    return n == FAKE_OBJECTS;
}

static enum iotsafe_err run_list(struct iotsafe_card *card, bool *ret_right, struct iotsafe_op *op)
{
    struct iotsafe_object *objects = NULL;
    size_t n = 0;
    const enum iotsafe_err err = iotsafe_list(card, &objects, &n, op);

    *ret_right = objects != NULL && list_is_right(objects, n);
    free(objects);
    return err;
}

static enum iotsafe_err run_file(struct iotsafe_card *card, bool *ret_right, struct iotsafe_op *op)
{
    const struct iotsafe_name name = name_of(FAKE_FILE);
    uint8_t want[FAKE_FILE_SIZE], *bytes = NULL;
    size_t n = 0;
    const enum iotsafe_err err = iotsafe_read_file(card, &name, IOTSAFE_CERTIFICATES, 0, &bytes, &n,
                                                   op);

    *ret_right = false;
    for (uint32_t serial = 1; serial <= world.uicc.serial && n == sizeof(want); serial++) {
        fake_file_make(serial, want);
        *ret_right = *ret_right || memcmp(bytes, want, n) == 0;
    }
    free(bytes);
    return err;
}

static enum iotsafe_err run_public(struct iotsafe_card *card, bool *ret_right,
                                   struct iotsafe_op *op)
{
    const struct iotsafe_name name = name_of(FAKE_KEY_DIGEST);
    uint8_t want[FAKE_POINT];
    struct iotsafe_public_key key = { 0 };
    const enum iotsafe_err err = iotsafe_read_public_key(card, &name, &key, op);

    *ret_right = false;
    for (uint32_t serial = 1; serial <= world.uicc.serial; serial++) {
        fake_point_make(serial, FAKE_KEY_DIGEST, 0, want);
        *ret_right = *ret_right || memcmp(key.point, want, sizeof(want)) == 0;
    }
    return err;
}

/* A peer's point that no call before has used. */
static void new_point(uint8_t ret_point[static FAKE_POINT])
{
    static unsigned n;

    fake_point_make(0, FAKE_KEY_PEER, ++n, ret_point);
}

static enum iotsafe_err run_put(struct iotsafe_card *card, bool *ret_right, struct iotsafe_op *op)
{
    const struct iotsafe_name name = name_of(FAKE_KEY_PEER);
    const uint32_t serial = world.uicc.serial;
    uint8_t point[FAKE_POINT];
    enum iotsafe_err err;

    new_point(point);
    err = iotsafe_put_public_key(card, &name, point, op);
    *ret_right = serial != world.uicc.serial /* it is on the card that is gone */
                 || world.others_worked
                 || memcmp(world.uicc.points[FAKE_KEY_PEER], point, sizeof(point)) == 0;
    return err;
}

static enum iotsafe_err run_agree(struct iotsafe_card *card, bool *ret_right, struct iotsafe_op *op)
{
    const struct iotsafe_name name = name_of(FAKE_KEY_AGREE), container = name_of(FAKE_KEY_PEER);
    uint8_t point[FAKE_POINT], want[FAKE_SECRET], secret[IOTSAFE_SHARED_SECRET_SIZE] = { 0 };
    const struct iotsafe_agreement agreement = { .private_key = &name,
                                                 .container = &container,
                                                 .peer = point };
    enum iotsafe_err err;

    new_point(point);
    err = iotsafe_agree(card, &agreement, secret, op);
    *ret_right = false;
    for (uint32_t serial = 1; serial <= world.uicc.serial; serial++) {
        fake_secret_make(serial, FAKE_KEY_AGREE, point, want);
        *ret_right = *ret_right || memcmp(secret, want, sizeof(want)) == 0;
    }
    return err;
}

static enum iotsafe_err run_generate(struct iotsafe_card *card, bool *ret_right,
                                     struct iotsafe_op *op)
{
    const struct iotsafe_name name = name_of(FAKE_KEY_FRESH);
    struct iotsafe_generated generated = { .point = { 0 } };
    uint8_t want[FAKE_POINT];
    const enum iotsafe_err err = iotsafe_generate(card, &name, &generated, op);
    const unsigned n = world.uicc.generations[FAKE_KEY_FRESH];

    *ret_right = false;
    for (uint32_t serial = 1; serial <= world.uicc.serial; serial++) {
        fake_point_make(serial, FAKE_KEY_FRESH, n, want);
        *ret_right = *ret_right || memcmp(generated.point, want, sizeof(want)) == 0;
    }
    return err;
}

static enum iotsafe_err verify(struct iotsafe_card *card, uint8_t key, bool want, bool *ret_right,
                               struct iotsafe_op *op)
{
    const struct iotsafe_input input = { .hash = IOTSAFE_HASH_SHA256, .digest = digest };
    const struct iotsafe_name name = name_of(FAKE_KEY_DIGEST);
    uint8_t sig[FAKE_SIGNATURE];
    bool valid = !want;
    enum iotsafe_err err;

    fake_signature_make(world.uicc.serial, key, digest, sizeof(digest), 1, sig);
    err = iotsafe_verify(card, &name, &input, sig, &valid, op);
    *ret_right = valid == want;
    return err;
}

static enum iotsafe_err run_verify(struct iotsafe_card *card, bool *ret_right,
                                   struct iotsafe_op *op)
{
    return verify(card, FAKE_KEY_DIGEST, true, ret_right, op);
}

static enum iotsafe_err run_verify_bad(struct iotsafe_card *card, bool *ret_right,
                                       struct iotsafe_op *op)
{
    return verify(card, FAKE_KEY_ANY, false, ret_right, op);
}

static enum iotsafe_err run_random(struct iotsafe_card *card, bool *ret_right,
                                   struct iotsafe_op *op)
{
    uint8_t bytes[16] = { 0 };
    const enum iotsafe_err err = iotsafe_random(card, bytes, sizeof(bytes), op);

    *ret_right = true;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *ret_right = *ret_right && bytes[i] == fake_random_byte(i);
    return err;
}

static enum iotsafe_err run_info(struct iotsafe_card *card, bool *ret_right, struct iotsafe_op *op)
{
    struct iotsafe_info info = { .known = false };
    const enum iotsafe_err err = iotsafe_card_info(card, &info, op);

    *ret_right = !info.known || info.version == 0x10;
    return err;
}

struct operation {
    const char *name;
    enum iotsafe_err (*run)(struct iotsafe_card *card, bool *ret_right, struct iotsafe_op *op);
    bool once; /* not repeated by the library, so that a fault may be its end */
};

static const struct operation operations[] = {
    { "sign", run_sign, false },     { "sign-text", run_sign_text, false },
    { "list", run_list, false },     { "file", run_file, false },
    { "public", run_public, false }, { "put", run_put, false },
    { "agree", run_agree, false },   { "generate", run_generate, true },
    { "verify", run_verify, false }, { "verify-bad", run_verify_bad, false },
    { "random", run_random, false }, { "info", run_info, false },
};

/* ------------------------------------------------------------------ events */

static void reset_noticed(struct fake_world *w)
{
    fake_world_reset(w);
}

static void reset_unnoticed(struct fake_world *w)
{
    fake_uicc_reset(&w->uicc);
}

static void reset_taken(struct fake_world *w)
{
    fake_uicc_reset(&w->uicc);
    (void)fake_uicc_foreign_open(&w->uicc);
}

static void reset_full(struct fake_world *w)
{
    fake_uicc_reset(&w->uicc);
    while (fake_uicc_foreign_open(&w->uicc) != 0)
        ;
}

/* A foreign program that closes what it finds, as Thales' PKCS#11 module does. */
static void taken(struct fake_world *w)
{
    for (uint8_t n = 1; n < FAKE_CHANNELS; n++)
        if (w->uicc.channels[n].opener >= 0 && w->uicc.channels[n].app != FAKE_CLOSED)
            fake_uicc_foreign_take(&w->uicc, n);
}

static void other_works(struct fake_world *w)
{
    if (w->hit_ins == ISO_INS_GET_RESPONSE) /* a pending response is its connection's own */
        return;
    w->others_worked = true;
    for (uint8_t n = 1; n < FAKE_CHANNELS; n++)
        fake_uicc_other_client(&w->uicc, FAKE_CLIENTS, n);
}

static void other_card(struct fake_world *w)
{
    const char *now = w->uicc.behaviour.name;
    size_t i = 0;

    while (strcmp(applets[i].name, now) != 0)
        i++;
    fake_uicc_replace(&w->uicc, &applets[(i + 1) % ARRAY_LEN(applets)]);
}

static void other_card_noticed(struct fake_world *w)
{
    other_card(w);
    for (int i = 0; i < FAKE_CLIENTS; i++)
        w->reset_seen[i] = true;
}

static void applet_gone(struct fake_world *w)
{
    fake_uicc_switch_profile(&w->uicc, false);
}

static void applet_back(struct fake_world *w)
{
    fake_uicc_switch_profile(&w->uicc, true);
}

static void foreign_leaves(struct fake_world *w)
{
    fake_uicc_foreign_leave(&w->uicc);
}

#define ON(device) (1u << (device))
#define EVERYWHERE 0xffu

struct event {
    const char *name;
    void (*happen)(struct fake_world *w); /* NULL: refuse once with refuse_sw */
    void (*after)(struct fake_world *w);  /* before the next operation; may be NULL */
    uint16_t refuse_sw;                   /* 0: none */
    enum fake_fault fault;
    unsigned devices; /* where it can happen */
    bool curable;     /* the operation itself must come to a good end */
};

static const struct event events[] = {
    { "none", NULL, NULL, 0, FAKE_FAULT_NONE, EVERYWHERE, true },
    { "reset-noticed", reset_noticed, NULL, 0, FAKE_FAULT_NONE, EVERYWHERE, true },
    { "reset-unnoticed", reset_unnoticed, NULL, 0, FAKE_FAULT_NONE, EVERYWHERE, true },
    { "reset-taken", reset_taken, NULL, 0, FAKE_FAULT_NONE, EVERYWHERE, true },
    { "reset-full", reset_full, foreign_leaves, 0, FAKE_FAULT_NONE, EVERYWHERE, false },
    { "taken", taken, NULL, 0, FAKE_FAULT_NONE, EVERYWHERE, true },
    { "other-client", other_works, NULL, 0, FAKE_FAULT_NONE, ON(FAKE_SOCKET), true },
    { "6A80", NULL, NULL, SW_WRONG_DATA, FAKE_FAULT_NONE, EVERYWHERE, false },
    { "6985", NULL, NULL, SW_CONDITIONS, FAKE_FAULT_NONE, EVERYWHERE, false },
    { "6A82", NULL, NULL, SW_NOT_FOUND, FAKE_FAULT_NONE, EVERYWHERE, false },
    { "6D00", NULL, NULL, SW_INS_UNKNOWN, FAKE_FAULT_NONE, EVERYWHERE, true },
    { "6E00", NULL, NULL, SW_CLA_UNKNOWN, FAKE_FAULT_NONE, EVERYWHERE, true },
    { "6F00", NULL, NULL, SW_UNKNOWN_ERROR, FAKE_FAULT_NONE, EVERYWHERE, true },
    { "6881", NULL, NULL, SW_CHANNEL_UNSUPPORTED, FAKE_FAULT_NONE, EVERYWHERE, true },
    { "6999", NULL, NULL, SW_APPLET_SELECT_FAILED, FAKE_FAULT_NONE, EVERYWHERE, true },
    { "damaged", NULL, NULL, 0, FAKE_FAULT_DAMAGED, EVERYWHERE, true },
    { "lost", NULL, NULL, 0, FAKE_FAULT_LOST, EVERYWHERE, true },
    { "silent", NULL, NULL, 0, FAKE_FAULT_MUTE, EVERYWHERE, true },
    { "broken", NULL, NULL, 0, FAKE_FAULT_BROKEN, EVERYWHERE, true },
    { "cut", NULL, NULL, 0, FAKE_FAULT_CUT, EVERYWHERE, true },
    { "card-noticed", other_card_noticed, NULL, 0, FAKE_FAULT_CUT, EVERYWHERE, false },
    { "card-unnoticed", other_card, NULL, 0, FAKE_FAULT_NONE, EVERYWHERE, false },
    { "applet-gone", applet_gone, applet_back, 0, FAKE_FAULT_NONE, EVERYWHERE, false },
};

/* ------------------------------------------------------------------ states */

struct clients {
    struct iotsafe_card *a, *b;
};

static bool works(struct iotsafe_card *card, const struct operation *operation)
{
    struct iotsafe_op op = { .text = "" };
    bool right = false;

    return operation->run(card, &right, &op) == IOTSAFE_OK && right;
}

static const struct operation *const quick = &operations[ARRAY_LEN(operations) - 2]; /* random */

static bool nobody_was_here(const struct clients *c)
{
    (void)c;
    return true;
}

static bool other_was_here(const struct clients *c)
{
    return works(c->b, quick);
}

static bool we_were_here(const struct clients *c)
{
    return works(c->a, quick);
}

/* The card has closed all channels, and A has not noticed. */
static bool card_forgot(const struct clients *c)
{
    const bool worked = works(c->a, quick);

    fake_uicc_reset(&world.uicc);
    return worked;
}

/* The same, and B has opened that number again for our applet. */
static bool other_renewed(const struct clients *c)
{
    return card_forgot(c) && works(c->b, quick);
}

/* The same, but by now the number is a foreign program's. */
static bool foreign_took_over(const struct clients *c)
{
    const bool worked = card_forgot(c);

    (void)fake_uicc_foreign_open(&world.uicc);
    fake_uicc_settle(&world.uicc);
    return worked;
}

/* The same, and B has opened another one. */
static bool passed_by(const struct clients *c)
{
    return foreign_took_over(c) && works(c->b, quick);
}

static const struct state {
    const char *name;
    bool (*reach)(const struct clients *c); /* of A's channel before the walk */
    bool reached;                           /* A has had a response before */
    bool troubled;                          /* a fault by itself */
} states[] = {
    { "closed", nobody_was_here, false, false }, { "assumed", other_was_here, false, false },
    { "confirmed", we_were_here, true, false },  { "forgotten", card_forgot, true, true },
    { "renewed", other_renewed, true, true },    { "taken-over", foreign_took_over, true, true },
    { "passed-by", passed_by, true, true },
};

/* ------------------------------------------------------------------- walks */

enum rule {
    RULE_STATE,          /* the state of the walk can be reached at all */
    RULE_ASTRAY,         /* no CHANGE or UNBLOCK PIN reaches another application */
    RULE_FOREIGN_CLOSE,  /* nothing is closed that we neither opened nor confirmed */
    RULE_FOREIGN_SELECT, /* nor selected on */
    RULE_LEAK,           /* no channel is left open beyond the shared one */
    RULE_WRONG,          /* no wrong result with status OK */
    RULE_TWICE,          /* GENERATE KEY PAIR is carried out once in a call at most */
    RULE_CURE,           /* what can be cured is cured within the operation */
    RULE_NEXT_A,         /* the next operation works */
    RULE_NEXT_B,         /* and that of the other client */
    RULE_MAX
};

static const char *const rule_names[RULE_MAX] = {
    "state", "astray", "close", "select", "leak", "wrong", "twice", "cure", "next-A", "next-B",
};

static const char *const device_names[] = { "reader", "socket", "modem-fills", "caller-fills" };

struct walk {
    enum fake_device device;
    const struct fake_behaviour *applet;
    const struct state *state;
    const struct operation *operation;
    const struct event *event;
    unsigned at; /* exchange */
};

static struct {
    unsigned walks, failed;
    unsigned broken[ARRAY_LEN(events)][RULE_MAX]; /* how often by event and rule */
} tally;

static void name_walk(const struct walk *walk, char *ret_text, size_t cap)
{
    (void)snprintf(ret_text, cap, "%s/%s/%s/%s/%s/%u", device_names[walk->device],
                   walk->applet->name, walk->state->name, walk->operation->name, walk->event->name,
                   walk->at);
}

/* Tell of the first failure of its kind; of each if that was asked for. */
static void report(const struct walk *walk, enum rule rule, const char *why)
{
    unsigned *n = &tally.broken[walk->event - events][rule];
    char name[96];

    if ((*n)++ == 0 || getenv("IOTSAFE_WALKS") != NULL) {
        name_walk(walk, name, sizeof(name));
        (void)fprintf(stderr, "%-7s %s: %s\n", rule_names[rule], name, why);
    }
}

static bool check(const struct walk *walk, enum rule rule, bool held, const char *why)
{
    if (!held)
        report(walk, rule, why);
    return held;
}

static const struct event *event_now; /* of the walk that runs */

static void event_happens(struct fake_world *w)
{
    if (event_now->happen != NULL)
        event_now->happen(w);
    if (event_now->refuse_sw != 0) {
        w->uicc.refuse_n = 1;
        w->uicc.refuse_sw = event_now->refuse_sw;
    }
}

/* A device that this client has never reached need not be tried again, nor must an
 * opening or a selection: what refuses or loses one of those may mean it. And a response
 * that waited when others came between is a loss that a status word does not tell. */
static bool must_be_cured(const struct walk *walk)
{
    if (!walk->event->curable || walk->operation->once)
        return false;
    if (walk->state->troubled && walk->event != &events[0])
        return false; /* one fault at a time */
    if (walk->event->refuse_sw == 0 && walk->event->fault == FAKE_FAULT_NONE)
        return walk->event->happen == NULL || world.hit_ins != ISO_INS_GET_RESPONSE;
    return (walk->state->reached || walk->at > 0) && world.hit_ins != ISO_INS_MANAGE_CHANNEL
           && world.hit_ins != ISO_INS_SELECT;
}

/* The operation with the event in it. */
static bool disturbed(const struct walk *walk, const struct clients *c)
{
    const unsigned generated = world.uicc.generations[FAKE_KEY_FRESH];
    struct iotsafe_op op = { .text = "" };
    bool right = false, good;
    enum iotsafe_err err;

    event_now = walk->event;
    fake_plan(&world, walk->at, walk->event->fault, event_happens);
    err = walk->operation->run(c->a, &right, &op);
    good = check(walk, RULE_WRONG, err != IOTSAFE_OK || right, "a wrong result with status OK");
    good &= check(walk, RULE_TWICE, world.uicc.generations[FAKE_KEY_FRESH] - generated <= 1,
                  "made more than one key");
    if (!world.planned)
        good &= check(walk, RULE_CURE, err == IOTSAFE_OK || !must_be_cured(walk), op.text);
    return good;
}

/* An operation after it, where nothing disturbs any more. */
static bool afterwards(const struct walk *walk, enum rule rule, struct iotsafe_card *card,
                       const struct operation *operation)
{
    struct iotsafe_op op = { .text = "" };
    bool right = false;
    const enum iotsafe_err err = operation->run(card, &right, &op);

    if (err == IOTSAFE_OK)
        return check(walk, RULE_WRONG, right, "a later result is wrong with status OK");
    return check(walk, rule, false, op.text);
}

static bool check_card(const struct walk *walk)
{
    const struct fake_uicc *u = &world.uicc;
    /* a card that calls an open channel closed loses it */
    const unsigned allowed = (walk->device == FAKE_SOCKET ? FAKE_CLIENTS : 1) + world.lost_opens
                             + (walk->event->refuse_sw == SW_CHANNEL_UNSUPPORTED);
    bool good = check(walk, RULE_ASTRAY, u->astray == 0, "24 or 2C in class 0N went astray");

    /* a foreign channel that is open and says that it is not is beyond belief */
    good &= check(walk, RULE_FOREIGN_CLOSE,
                  u->foreign_closes == 0 || walk->event->refuse_sw == SW_CHANNEL_UNSUPPORTED,
                  "closed a foreign channel");
    good &= check(walk, RULE_FOREIGN_SELECT, u->foreign_selects == 0,
                  "selected on a foreign channel");
    if (walk->device != FAKE_SOCKET) /* which may be a card of ours alone */
        good &= check(walk, RULE_FOREIGN_SELECT, u->basic_selects == 0,
                      "selected on the basic channel");
    return check(walk, RULE_LEAK, fake_uicc_count_open(u, ON(0) | ON(1)) <= allowed,
                 "channels are left open")
           && good;
}

/* All steps; false in *ret_more where the operation has no such exchange. */
static bool walk_through(const struct walk *walk, const struct clients *c, bool *ret_more)
{
    bool good = walk->state->reach(c);

    if (!check(walk, RULE_STATE, good, "the state cannot be reached"))
        return false;
    good = disturbed(walk, c);
    fake_uicc_settle(&world.uicc);
    *ret_more = !world.planned;
    world.planned = false;
    world.refuse_connects = 0;
    world.uicc.refuse_n = 0;
    if (walk->event->after != NULL)
        walk->event->after(&world);
    good &= afterwards(walk, RULE_NEXT_A, c->a, &operations[0]);
    good &= afterwards(walk, RULE_NEXT_B, c->b, walk->operation);
    return check_card(walk) && good;
}

static bool run_walk(const struct walk *walk)
{
    struct clients c;
    bool more = false, good;

    fake_world_begin(&world, walk->device, walk->applet);
    c.a = fake_world_card(&world, 0);
    c.b = fake_world_card(&world, 1);
    good = walk_through(walk, &c, &more);
    iotsafe_card_free(c.a);
    iotsafe_card_free(c.b);
    tally.walks++;
    tally.failed += !good;
    return more;
}

/* One event at each exchange. */
static void walk_exchanges(struct walk *walk)
{
    const unsigned most = walk->state->troubled ? EXCHANGES_TROUBLED : EXCHANGES_MAX;
    const char *only = getenv("IOTSAFE_WALK");
    char name[96];

    for (walk->at = 0; walk->at < most; walk->at++) {
        bool more = true;

        /* no card is exchanged unnoticed between two commands of one step */
        if (walk->event->happen == other_card && walk->operation->run == run_agree && walk->at > 0)
            return;
        name_walk(walk, name, sizeof(name));
        if (only == NULL || strcmp(only, name) == 0) {
            more = run_walk(walk);
            if (only != NULL)
                (void)fprintf(stderr, "%s\n%s", name, fake_uicc_log_text(&world.uicc));
        }
        if (!more)
            return;
    }
}

static void walk_events(struct walk *walk)
{
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        if ((events[i].devices & ON(walk->device)) != 0) {
            walk->event = &events[i];
            walk_exchanges(walk);
        }
}

static void print_row(const char *name, const unsigned *n)
{
    (void)fprintf(stderr, "%-16s", name);
    for (enum rule rule = 0; rule < RULE_MAX; rule++)
        (void)fprintf(stderr, "%8u", n[rule]);
    (void)fprintf(stderr, "\n");
}

static void print_tally(void)
{
    static const unsigned none[RULE_MAX];

    (void)fprintf(stderr, "%u walks, %u failed\n%-16s", tally.walks, tally.failed, "");
    for (enum rule rule = 0; rule < RULE_MAX; rule++)
        (void)fprintf(stderr, "%8s", rule_names[rule]);
    (void)fprintf(stderr, "\n");
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        if (memcmp(tally.broken[i], none, sizeof(none)) != 0)
            print_row(events[i].name, tally.broken[i]);
}

static void walk_device(enum fake_device device)
{
    struct walk walk = { .device = device };

    fake_world_install(&world);
    for (size_t applet = 0; applet < ARRAY_LEN(applets); applet++)
        for (size_t state = 0; state < ARRAY_LEN(states); state++)
            for (size_t operation = 0; operation < ARRAY_LEN(operations); operation++) {
                walk.applet = &applets[applet];
                walk.state = &states[state];
                walk.operation = &operations[operation];
                walk_events(&walk);
            }
    fake_world_remove(&world);
    if (tally.failed != 0)
        print_tally();
    cr_expect_eq(tally.failed, 0, "%u of %u walks failed", tally.failed, tally.walks);
    cr_expect(tally.walks > 1000 || getenv("IOTSAFE_WALK") != NULL, "%u walks only", tally.walks);
}

Test(belief, holds_over_a_reader)
{
    walk_device(FAKE_READER);
}

Test(belief, holds_over_a_socket)
{
    walk_device(FAKE_SOCKET);
}

Test(belief, holds_over_a_modem_that_fills_the_class_byte)
{
    walk_device(FAKE_MODEM_FILLS);
}

Test(belief, holds_over_a_modem_that_leaves_the_class_byte_to_us)
{
    walk_device(FAKE_CALLER_FILLS);
}
