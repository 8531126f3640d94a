/* SPDX-License-Identifier: Apache-2.0 */
/* Raw commands: which are sent, in which form, and which never are. */
#include <criterion/criterion.h>
#include <string.h>

#include "script_card.h"
#include "util.h"

static struct iotsafe_op op;
static struct iotsafe_probe_response rsp;

/* Commands one after the other, and what each of them came to. */
struct asked {
    struct iotsafe_probe_command cmd;
    enum iotsafe_err err;
    uint16_t sw;
};
struct questions {
    const struct asked *asked;
    size_t n;
};

static enum iotsafe_err ask(struct iotsafe_probe *probe, void *arg)
{
    const struct questions *q = arg;

    for (size_t i = 0; i < q->n; i++) {
        cr_expect_eq(iotsafe_probe_send(probe, &q->asked[i].cmd, &rsp), q->asked[i].err,
                     "command %zu", i);
        if (q->asked[i].err == IOTSAFE_OK)
            cr_expect_eq(rsp.sw, q->asked[i].sw, "command %zu: %04X", i, rsp.sw);
    }
    return IOTSAFE_OK;
}

static void run(const struct exchange *script, size_t n_script, bool may_write,
                iotsafe_probe_fn *fn, void *arg)
{
    struct script_card *sc = script_card_start(script, n_script);
    struct iotsafe_card *card = script_card_connect(sc, "");

    cr_expect_eq(iotsafe_probe(card, may_write, fn, arg, &op), IOTSAFE_OK, "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

#define RUN(script, may_write, fn, arg) run(script, ARRAY_LEN(script), may_write, fn, arg)

static const uint8_t name[] = { 0x85, 0x01, 0x05 };
static const uint8_t stray[] = { 0x11, 0x22 };

Test(probe, forms_that_the_caller_gives)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 CB 00 00 44", "6102" },
        { "01 CB 00 00 00", "6E00" },
        { "81 C0 00 00 02", "1020 9000" },
        { "81 CD 00 00 03 850105", "6700" },
        { "81 CD 00 00 03 850105 47 1122", "6A80" },
    };
    static const struct asked asked[] = {
        { { .ins = 0xcb, .ne = 0x44 }, IOTSAFE_OK, 0x6102 },
        { { .ins = 0xcb, .ne = 256, .cls = IOTSAFE_CLASS_0N }, IOTSAFE_OK, 0x6e00 },
        { { .ins = 0xc0, .ne = 2, .cls = IOTSAFE_CLASS_8N }, IOTSAFE_OK, 0x9000 },
        { { .ins = 0xcd,
            .data = name,
            .data_len = 3,
            .ne = 0x47,
            .le = IOTSAFE_LE_NOT_BEHIND_DATA },
          IOTSAFE_OK,
          0x6700 },
        { { .ins = 0xcd, .data = name, .data_len = 3, .ne = 0x47, .stray = stray, .stray_len = 2 },
          IOTSAFE_OK,
          0x6a80 },
    };

    RUN(script, false, ask, (&(struct questions){ asked, ARRAY_LEN(asked) }));
}

/* PIN commands elsewhere, commands of others, changes: nothing of it reaches the card. */
Test(probe, what_is_never_sent)
{
    static const struct exchange script[] = { SCRIPT_OPEN };
    static const struct asked asked[] = {
        { { .ins = 0xb9, .data = name, .data_len = 3 }, IOTSAFE_ERR_ARGUMENT, 0 },
        { { .ins = 0x24, .data = name, .data_len = 3 }, IOTSAFE_ERR_ARGUMENT, 0 },
        { { .ins = 0xd8, .data = name, .data_len = 3 }, IOTSAFE_ERR_ARGUMENT, 0 },
        { { .ins = 0x2c, .p1 = 1, .cls = IOTSAFE_CLASS_0N }, IOTSAFE_ERR_ARGUMENT, 0 },
        { { .ins = 0x2c, .data = name, .data_len = 3, .stray = stray, .stray_len = 2 },
          IOTSAFE_ERR_ARGUMENT,
          0 },
        { { .ins = 0x70, .ne = 1 }, IOTSAFE_ERR_ARGUMENT, 0 },
        { { .ins = 0xa4, .p1 = 4, .data = name, .data_len = 3 }, IOTSAFE_ERR_ARGUMENT, 0 },
        { { .ins = 0x20 }, IOTSAFE_ERR_ARGUMENT, 0 },
        { { .ins = 0xd6, .data = name, .data_len = 3 }, IOTSAFE_ERR_ARGUMENT, 0 },
        { { .ins = 0xcb, .ne = 257 }, IOTSAFE_ERR_ARGUMENT, 0 },
    };

    RUN(script, false, ask, (&(struct questions){ asked, ARRAY_LEN(asked) }));
}

Test(probe, changes_for_those_who_may)
{
    static const struct exchange script[] = { SCRIPT_OPEN, { "81 B9 00 00 03 840105", "6985" } };
    static const uint8_t key[] = { 0x84, 0x01, 0x05 };
    static const struct asked asked[] = {
        { { .ins = 0xb9, .data = key, .data_len = 3 }, IOTSAFE_OK, 0x6985 },
        { { .ins = 0xb9, .data = key, .data_len = 3, .cls = IOTSAFE_CLASS_0N },
          IOTSAFE_ERR_ARGUMENT,
          0 },
        { { .ins = 0x20 }, IOTSAFE_ERR_ARGUMENT, 0 },
    };

    RUN(script, true, ask, (&(struct questions){ asked, ARRAY_LEN(asked) }));
}

static enum iotsafe_err two(struct iotsafe_probe *probe, void *arg)
{
    static const struct iotsafe_probe_command cmds[] = {
        { .ins = 0xcb, .ne = 0x44 },
        { .ins = 0x2a, .p2 = 1, .data = name, .data_len = 3 },
    };
    enum iotsafe_err err = IOTSAFE_OK;

    (void)arg;
    for (size_t i = 0; err == IOTSAFE_OK && i < ARRAY_LEN(cmds); i++)
        err = iotsafe_probe_send(probe, &cmds[i], &rsp);
    return err;
}

/* A channel that is gone: the whole question is asked once more, on another. */
Test(probe, begins_anew)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 CB 00 00 44", "9000" },
        { "81 2A 00 01 03 850105", "6881" },
        { "00 70 00 00 01", "02 9000" },
        { "02 A4 04 00 07 A0000005590010", "9000" },
        { "82 CB 00 00 44", "9000" },
        { "82 2A 00 01 03 850105", "9000" },
    };

    RUN(script, false, two, NULL);
}

/* ---- selection and channels: closed again, whatever happens ---- */

static enum iotsafe_err select_parts(struct iotsafe_probe *probe, void *arg)
{
    static const uint8_t aid[] = { 0xa0, 0x00, 0x00, 0x05, 0x59, 0x00, 0x10 };
    static const uint8_t usim[] = { 0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02 };

    (void)arg;
    cr_expect_eq(iotsafe_probe_select(probe, aid, 6, &rsp), IOTSAFE_OK);
    cr_expect_eq(rsp.sw, 0x6a82);
    cr_expect_eq(iotsafe_probe_select(probe, aid, 4, &rsp), IOTSAFE_ERR_ARGUMENT);
    cr_expect_eq(iotsafe_probe_select(probe, usim, 7, &rsp), IOTSAFE_ERR_ARGUMENT);
    return IOTSAFE_OK;
}

Test(probe, selection_on_a_channel_of_its_own)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "00 70 00 00 01", "02 9000" },
        { "02 A4 04 00 06 A00000055900", "6A82" },
        { "00 70 80 02 00", "9000" },
    };

    RUN(script, false, select_parts, NULL);
}

static enum iotsafe_err count_channels(struct iotsafe_probe *probe, void *arg)
{
    unsigned highest;
    uint16_t sw;

    (void)arg;
    cr_expect_eq(iotsafe_probe_channels(probe, &highest, &sw), IOTSAFE_OK);
    cr_expect_eq(highest, 3);
    cr_expect_eq(sw, 0x6a81);
    return IOTSAFE_OK;
}

Test(probe, channels_are_given_back)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "00 70 00 00 01", "02 9000" },
        { "00 70 00 00 01", "03 9000" },
        { "00 70 00 00 01", "6A81" },
        { "00 70 80 03 00", "9000" },
        { "00 70 80 02 00", "9000" },
    };

    RUN(script, false, count_channels, NULL);
}
