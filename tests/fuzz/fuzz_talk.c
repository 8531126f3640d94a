/* SPDX-License-Identifier: Apache-2.0 */
/* Whole conversations with the card of tests/unit/applet_io/fake_uicc.h, which answers as a
 * card does, while the input makes things go wrong: each exchange takes a byte that tells
 * what happens to it, so that what the fuzzer changes is the course of a conversation and
 * not the bytes of its messages. The first two bytes choose card and device, and a byte
 * before each operation chooses it.
 *
 * When the input is used up, the card is reset and everybody tells the truth again: then
 * each operation is right, whatever was learned of a card that lied. */
#include <stdlib.h>
#include <string.h>

#include "fake_clock.h"
#include "fake_transport.h"
#include "fuzz.h"
#include "fuzz_clock.h"
#include "fuzz_input.h"

size_t __real_fake_uicc_exchange(struct fake_uicc *u, int client, const uint8_t *cmd, size_t len,
                                 uint8_t ret_rsp[static APDU_RSP_MAX]);
size_t __wrap_fake_uicc_exchange(struct fake_uicc *u, int client, const uint8_t *cmd, size_t len,
                                 uint8_t ret_rsp[static APDU_RSP_MAX]);

static struct fuzz_input input;
static struct fake_world world;
static bool lied; /* the card has said what is not so */

#define BIT(mode) (1u << (mode))
#define KEY_MODES                                                                      \
    {                                                                                  \
        [FAKE_KEY_DIGEST] = BIT(IOTSAFE_MODE_PAD_AND_SIGN),                            \
        [FAKE_KEY_ANY] = BIT(IOTSAFE_MODE_PAD_AND_SIGN) | BIT(IOTSAFE_MODE_FULL_TEXT), \
    }

static const struct fake_behaviour applets[] = {
    { .name = "plain",
      .class_8 = true,
      .app_info = true,
      .auto_close = true,
      .session_min = 1,
      .session_max = 2,
      .list_pages = 2,
      .modes = KEY_MODES },
    { .name = "both",
      .class_8 = true,
      .class_0 = true,
      .waits = true,
      .session_max = 1,
      .list_pages = 1,
      .rsp_max = 64,
      .modes = KEY_MODES },
    { .name = "zero",
      .class_0 = true,
      .app_info = true,
      .auto_close = true,
      .waits = true,
      .session_min = 1,
      .session_max = 1,
      .list_pages = 3,
      .modes = KEY_MODES },
};

/* ------------------------------------------------------ what happens to an exchange */

enum mishap {
    AS_ALWAYS = 0xd0, /* and below: most exchanges are well */
    STATUS,           /* another status word; carried out or not */
    FLIP,
    SHORTEN,
    LENGTHEN,
    RESET_BEFORE,
    TAKE_CHANNEL,
    EXCHANGE_CARD,
    GO_AWAY,
    BUSY
};

static size_t make_status(uint8_t *rsp, size_t len)
{
    rsp[len - 2] = fuzz_byte(&input);
    rsp[len - 1] = fuzz_byte(&input);
    return len;
}

static size_t lengthen(uint8_t *rsp, size_t len)
{
    size_t n = fuzz_byte(&input);

    if (len + n > APDU_RSP_MAX)
        n = APDU_RSP_MAX - len;
    for (size_t i = len; i-- > 0;)
        rsp[i + n] = rsp[i];
    for (size_t i = 0; i < n; i++)
        rsp[i] = fuzz_byte(&input);
    return len + n;
}

/* To the response, when the card has given it. */
static size_t damage(uint8_t what, uint8_t *rsp, size_t len)
{
    size_t at;

    switch (what) {
    case STATUS:
        return make_status(rsp, len);
    case FLIP:
        at = (size_t)(fuzz_byte(&input) | fuzz_byte(&input) << 8) % (8 * len);
        rsp[at / 8] ^= (uint8_t)(1u << at % 8);
        return len;
    case SHORTEN:
        return len - fuzz_byte(&input) % len;
    case LENGTHEN:
        return lengthen(rsp, len);
    default:
        return len;
    }
}

/* To the card, before it gets the command. A command that is on its way to the basic channel
 * then reaches the application that a reset selects there: nobody can know. */
static void befall(uint8_t what, struct fake_uicc *u)
{
    switch (what) {
    case RESET_BEFORE:
        fake_uicc_reset(u);
        u->channels[0].sudden = true;
        break;
    case TAKE_CHANNEL:
        fake_uicc_foreign_take(u, (uint8_t)(1 + fuzz_byte(&input) % 3));
        break;
    case EXCHANGE_CARD:
        fake_uicc_replace(u, &applets[fuzz_byte(&input) % 3]);
        u->channels[0].sudden = true;
        break;
    case GO_AWAY:
        world.refuse_connects = fuzz_byte(&input) % 4;
        break;
    case BUSY:
        u->refuse_n = 1 + fuzz_byte(&input) % 3;
        u->refuse_sw = 0x6984;
        break;
    default:
        break;
    }
}

size_t __wrap_fake_uicc_exchange(struct fake_uicc *u, int client, const uint8_t *cmd, size_t len,
                                 uint8_t ret_rsp[static APDU_RSP_MAX])
{
    const uint8_t what = fuzz_byte(&input);
    size_t n;

    befall(what, u);
    n = __real_fake_uicc_exchange(u, client, cmd, len, ret_rsp);
    u->channels[0].sudden = false; /* for this command alone */
    lied = lied || (what >= STATUS && what <= LENGTHEN);
    return damage(what, ret_rsp, n);
}

/* ---------------------------------------------------------------------- operations */

static const uint8_t digest[32] = { 0xd1, 0x9e, 0x57 };

static struct iotsafe_name name_of(uint8_t id)
{
    return (struct iotsafe_name){ .id = { id }, .id_len = 1 };
}

static enum iotsafe_err run_sign(struct iotsafe_card *card, bool *ret_right, struct iotsafe_op *op)
{
    const struct iotsafe_input message = { .hash = IOTSAFE_HASH_SHA256, .digest = digest };
    const struct iotsafe_name name = name_of(FAKE_KEY_DIGEST);
    uint8_t sig[IOTSAFE_SIGNATURE_MAX] = { 0 };
    size_t len = 0;
    enum iotsafe_err err = iotsafe_sign(card, &name, IOTSAFE_ECDSA, &message, sig, &len, op);

    *ret_right = err == IOTSAFE_OK && len == FAKE_SIGNATURE
                 && fake_signature_fits(&world.uicc, sig, FAKE_KEY_DIGEST, digest, sizeof(digest));
    return err;
}

static enum iotsafe_err run_list(struct iotsafe_card *card, bool *ret_right, struct iotsafe_op *op)
{
    struct iotsafe_object *objects = NULL;
    size_t n = 0;
    enum iotsafe_err err = iotsafe_list(card, &objects, &n, op);

    *ret_right = err == IOTSAFE_OK && n == FAKE_OBJECTS;
    free(objects);
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

    fake_point_make(0, FAKE_KEY_PEER, 1, point);
    err = iotsafe_agree(card, &agreement, secret, op);
    *ret_right = false;
    for (uint32_t serial = 1; serial <= world.uicc.serial; serial++) {
        fake_secret_make(serial, FAKE_KEY_AGREE, point, want);
        *ret_right = *ret_right || memcmp(secret, want, sizeof(want)) == 0;
    }
    return err;
}

static enum iotsafe_err run_file(struct iotsafe_card *card, bool *ret_right, struct iotsafe_op *op)
{
    const struct iotsafe_name name = name_of(FAKE_FILE);
    uint8_t *bytes = NULL;
    size_t n = 0;
    enum iotsafe_err err = iotsafe_read_file(card, &name, IOTSAFE_CERTIFICATES, 0, &bytes, &n, op);

    *ret_right = n == FAKE_FILE_SIZE;
    free(bytes);
    return err;
}

static enum iotsafe_err run_generate(struct iotsafe_card *card, bool *ret_right,
                                     struct iotsafe_op *op)
{
    const struct iotsafe_name name = name_of(FAKE_KEY_FRESH);
    const unsigned before = world.uicc.generations[FAKE_KEY_FRESH];
    struct iotsafe_generated generated = { .point = { 0 } };
    uint8_t want[FAKE_POINT];
    enum iotsafe_err err = iotsafe_generate(card, &name, &generated, op);
    const unsigned now = world.uicc.generations[FAKE_KEY_FRESH];

    if (!lied && now > before + 1)
        abort(); /* nobody makes a second key unasked */
    *ret_right = false;
    for (uint32_t serial = 1; serial <= world.uicc.serial; serial++) {
        fake_point_make(serial, FAKE_KEY_FRESH, now, want);
        *ret_right = *ret_right || memcmp(generated.point, want, sizeof(want)) == 0;
    }
    return err;
}

static enum iotsafe_err run_verify(struct iotsafe_card *card, bool *ret_right,
                                   struct iotsafe_op *op)
{
    const struct iotsafe_input message = { .hash = IOTSAFE_HASH_SHA256, .digest = digest };
    const struct iotsafe_name name = name_of(FAKE_KEY_DIGEST);
    uint8_t sig[FAKE_SIGNATURE];
    bool valid = false;
    enum iotsafe_err err;

    fake_signature_make(world.uicc.serial, FAKE_KEY_DIGEST, digest, sizeof(digest), 1, sig);
    err = iotsafe_verify(card, &name, &message, sig, &valid, op);
    *ret_right = valid;
    return err;
}

static enum iotsafe_err (*const operations[])(struct iotsafe_card *, bool *,
                                              struct iotsafe_op *) = { run_sign,     run_list,
                                                                       run_agree,    run_file,
                                                                       run_generate, run_verify };
#define N_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* As long as nobody lied: right, or an error, and nothing that may never happen. */
static void try(struct iotsafe_card *card, uint8_t which)
{
    struct iotsafe_op op = { .text = "" };
    const uint32_t serial = world.uicc.serial;
    bool right = false;
    enum iotsafe_err err = operations[which % N_OPERATIONS](card, &right, &op);

    if (err != IOTSAFE_OK && op.text[0] == '\0')
        abort();
    if (!lied && err == IOTSAFE_OK && !right && serial == world.uicc.serial)
        abort();
    if (!lied
        && (world.uicc.pin_tries_lost != 0 || world.uicc.puk_tries_lost != 0
            || world.uicc.astray != 0))
        abort();
}

static void settle(struct iotsafe_card *card)
{
    world.refuse_connects = 0;
    world.uicc.refuse_n = 0;
    fake_world_reset(&world);
    fake_uicc_foreign_leave(&world.uicc);
    fake_clock_pass(5000); /* what was read is forgotten by then */
    for (size_t i = 0; i < N_OPERATIONS; i++) {
        struct iotsafe_op op = { .text = "" };
        bool right = false;

        if (operations[i](card, &right, &op) != IOTSAFE_OK || !right)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct iotsafe_card *card;
    enum fake_device device;

    input = (struct fuzz_input){ data, size };
    fuzz_clock_start(NULL);
    if (world.lock_dir[0] == '\0')
        fake_world_install(&world);
    device = (enum fake_device)(fuzz_byte(&input) % 4);
    fake_world_begin(&world, device, &applets[fuzz_byte(&input) % 3]);
    lied = false;
    card = fake_world_card(&world, 0);
    while (input.left != 0)
        try(card, fuzz_byte(&input));
    settle(card);
    iotsafe_card_free(card);
    fuzz_clock_stop();
    return 0;
}
