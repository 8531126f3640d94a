/* SPDX-License-Identifier: Apache-2.0 */
/* The bench itself: whatever the library believes, the card in memory must behave as
 * cards do, and every operation must work over every device when nothing goes wrong. */
#include <criterion/criterion.h>
#include <string.h>

#include "fake_clock.h"
#include "fake_transport.h"
#include "util.h"

static const struct fake_behaviour plain = {
    .name = "plain",
    .class_8 = true,
    .app_info = true,
    .auto_close = true,
    .session_min = 1,
    .session_max = 2,
    .list_pages = 2,
    .modes = { [FAKE_KEY_DIGEST] = 1 << IOTSAFE_MODE_PAD_AND_SIGN,
               [FAKE_KEY_ANY] = 1 << IOTSAFE_MODE_PAD_AND_SIGN | 1 << IOTSAFE_MODE_FULL_TEXT },
};

static struct fake_world world;
static void begin(enum fake_device device)
{
    fake_world_install(&world);
    fake_world_begin(&world, device, &plain);
}

static uint16_t send_bytes(int client, const uint8_t *cmd, size_t len, uint8_t *ret_data)
{
    uint8_t rsp[APDU_RSP_MAX];
    const size_t n = fake_uicc_exchange(&world.uicc, client, cmd, len, rsp);

    if (ret_data != NULL)
        memcpy(ret_data, rsp, n - 2);
    return (uint16_t)(rsp[n - 2] << 8 | rsp[n - 1]);
}

#define SEND(client, ...)                                  \
    send_bytes((client), (const uint8_t[]){ __VA_ARGS__ }, \
               sizeof((const uint8_t[]){ __VA_ARGS__ }), NULL)
#define SELECT(client, number) SEND(client, number, 0xa4, 4, 0, 7, 0xa0, 0, 0, 5, 0x59, 0, 0x10)
#define OPEN(client) SEND(client, 0, 0x70, 0, 0, 1)

Test(fake_uicc, channels_have_numbers_and_applications)
{
    fake_uicc_init(&world.uicc, &plain);
    cr_expect_eq(SEND(0, 1, 0xcb, 0, 0, 0), 0x6881);
    cr_expect_eq(OPEN(0), 0x9000);
    cr_expect_eq(SEND(0, 0x81, 0xcb, 0, 0, 0), 0x6e00, "the USIM has no class 8X");
    cr_expect_eq(SEND(0, 1, 0xcb, 0, 0, 0), 0x6d00, "nor such an instruction");
    cr_expect_eq(SEND(0, 1, 0xb0, 0, 0, 3, 0x83, 1, 6), 0x9000, "but READ BINARY");
    cr_expect_eq(SELECT(0, 1), 0x9000);
    cr_expect_eq(SEND(0, 0x81, 0xcb, 0, 0, 0), 0x9000);
    cr_expect_eq(SEND(0, 1, 0xcb, 0, 0, 0), 0x6e00, "this applet takes 8N only");
    cr_expect_eq(OPEN(1), 0x9000);
    cr_expect_eq(OPEN(FAKE_FOREIGN), 0x9000);
    cr_expect_eq(OPEN(0), 0x6a81, "all three are taken");
    cr_expect_eq(fake_uicc_count_open(&world.uicc, 1), 1);
    cr_expect_eq(fake_uicc_count_open(&world.uicc, 3), 2);
    fake_uicc_reset(&world.uicc);
    cr_expect_eq(fake_uicc_count_open(&world.uicc, 3), 0);
    cr_expect_eq(SEND(0, 0x81, 0xcb, 0, 0, 0), 0x6881);
}

Test(fake_uicc, counts_what_must_not_happen)
{
    fake_uicc_init(&world.uicc, &plain);
    cr_expect_eq(OPEN(FAKE_FOREIGN), 0x9000);
    cr_expect_eq(OPEN(FAKE_FOREIGN), 0x9000);
    cr_expect_eq(SEND(0, 0, 0x70, 0x80, 1, 0), 0x9000);
    cr_expect_eq(world.uicc.foreign_closes, 1);
    cr_expect_eq(SEND(0, 0, 0x70, 0x80, 1, 0), 0x6200, "it was closed already");
    cr_expect_eq(world.uicc.foreign_closes, 1);
    cr_expect_eq(SELECT(0, 2), 0x9000);
    cr_expect_eq(world.uicc.foreign_selects, 1);
    fake_uicc_foreign_take(&world.uicc, 3);
    cr_expect_eq(SELECT(0, 3), 0x9000);
    cr_expect_eq(world.uicc.foreign_selects, 1, "nobody could know that");
    cr_expect_eq(SELECT(0, 3), 0x9000);
    cr_expect_eq(world.uicc.foreign_selects, 2);
    fake_uicc_reset(&world.uicc);
    cr_expect_eq(SELECT(0, 0), 0x9000);
    cr_expect_eq(world.uicc.basic_selects, 1);
    cr_expect_eq(OPEN(1), 0x9000);
    cr_expect_eq(SELECT(1, 1), 0x9000);
    cr_expect_eq(SEND(0, 0x81, 0xcb, 0, 0, 0), 0x9000, "now client 0 knows what is there");
    cr_expect_eq(SEND(0, 0, 0x70, 0x80, 1, 0), 0x9000);
    cr_expect_eq(world.uicc.foreign_closes, 1);
    fake_uicc_reset(&world.uicc);
    cr_expect_eq(SEND(0, 0, 0x24, 0, 1, 16, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8),
                 0x63c2);
    cr_expect_eq(SEND(0, 0, 0x2c, 0, 1, 16, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8),
                 0x63c2);
    cr_expect_eq(SEND(0, 0, 0x24, 0, 1, 3, 0x85, 1, 5), 0x6700, "no try is lost");
    cr_expect_eq(world.uicc.pin_tries_lost, 1);
    cr_expect_eq(world.uicc.puk_tries_lost, 1);
    cr_expect_eq(world.uicc.astray, 3);
}

Test(fake_uicc, excuses_the_first_command_after_a_channel_was_taken)
{
    fake_uicc_init(&world.uicc, &plain);
    cr_expect_eq(OPEN(0), 0x9000);
    cr_expect_eq(SELECT(0, 1), 0x9000);
    fake_uicc_foreign_take(&world.uicc, 1);
    cr_expect_eq(SEND(0, 1, 0x24, 0, 1, 3, 0x85, 1, 5), 0x6e00);
    cr_expect_eq(world.uicc.astray, 0);
    cr_expect_eq(SEND(0, 1, 0x24, 1, 1, 0), 0x6e00, "now it could have known");
    cr_expect_eq(world.uicc.astray, 1);
    fake_uicc_foreign_take(&world.uicc, 2);
    fake_uicc_settle(&world.uicc);
    cr_expect_eq(SEND(0, 2, 0x2c, 1, 1, 0), 0x6e00);
    cr_expect_eq(world.uicc.astray, 2);
    fake_uicc_foreign_leave(&world.uicc);
    cr_expect_eq(SEND(0, 1, 0xcb, 0, 0, 0), 0x6881);
}

Test(fake_uicc, a_signature_tells_key_and_digest)
{
    static const uint8_t digest[32] = { 1, 2, 3 }, other[32] = { 1, 2, 4 };
    uint8_t sig[FAKE_SIGNATURE];

    fake_uicc_init(&world.uicc, &plain);
    fake_signature_make(1, 1, digest, sizeof(digest), 77, sig);
    cr_expect(fake_signature_fits(&world.uicc, sig, 1, digest, sizeof(digest)));
    cr_expect_not(fake_signature_fits(&world.uicc, sig, 1, other, sizeof(other)));
    cr_expect_not(fake_signature_fits(&world.uicc, sig, 2, digest, sizeof(digest)));
    sig[5] ^= 1;
    cr_expect_not(fake_signature_fits(&world.uicc, sig, 1, digest, sizeof(digest)));
}

/* One signature over a device where nothing goes wrong. */
static void expect_signature(enum fake_device device)
{
    static const uint8_t digest[32] = { 9 };
    static const struct iotsafe_name name = { .id = { FAKE_KEY_DIGEST }, .id_len = 1 };
    struct iotsafe_op op = { .text = "" };
    struct iotsafe_input input;
    struct iotsafe_card *card;
    uint8_t sig[IOTSAFE_SIGNATURE_MAX];
    size_t len = 0;

    begin(device);
    card = fake_world_card(&world, 0);
    cr_assert_eq(iotsafe_input_from_digest(digest, sizeof(digest), &input, &op), IOTSAFE_OK);
    cr_expect_eq(iotsafe_sign(card, &name, IOTSAFE_ECDSA, &input, sig, &len, &op), IOTSAFE_OK,
                 "%s\n%s", op.text, fake_uicc_log_text(&world.uicc));
    cr_expect_eq(len, FAKE_SIGNATURE);
    cr_expect(fake_signature_fits(&world.uicc, sig, FAKE_KEY_DIGEST, digest, sizeof(digest)));
    cr_expect_eq(fake_uicc_count_open(&world.uicc, 1), 1);
    iotsafe_card_free(card);
    fake_world_remove(&world);
}

Test(fake_transport, signs_over_a_reader)
{
    expect_signature(FAKE_READER);
}

Test(fake_transport, signs_over_a_socket_that_closes_its_channels)
{
    expect_signature(FAKE_SOCKET);
    cr_expect_eq(fake_uicc_count_open(&world.uicc, 1), 0);
}

Test(fake_transport, signs_over_a_modem_that_owns_channels)
{
    expect_signature(FAKE_MODEM_FILLS);
}

static void take_channel_1(struct fake_world *w)
{
    fake_uicc_foreign_take(&w->uicc, 1);
}

Test(fake_transport, plays_its_plan_at_the_exchange_that_was_named)
{
    struct iotsafe_card *card;
    struct iotsafe_op op = { .text = "" };
    uint8_t bytes[4];
    int64_t start;

    begin(FAKE_READER);
    card = fake_world_card(&world, 0);
    cr_expect_eq(iotsafe_random(card, bytes, sizeof(bytes), &op), IOTSAFE_OK, "%s", op.text);
    start = now_ms();
    fake_plan(&world, 0, FAKE_FAULT_MUTE, take_channel_1);
    cr_expect_eq(iotsafe_random(card, bytes, sizeof(bytes), &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_gt(now_ms() - start, 5000, "the time-out of one exchange passed on the fake clock");
    cr_expect_not(world.planned);
    cr_expect_eq(world.uicc.channels[1].opener, FAKE_FOREIGN);
    iotsafe_card_free(card);
    fake_world_remove(&world);
}
