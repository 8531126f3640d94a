/* SPDX-License-Identifier: Apache-2.0 */
/* Who may send: the table of sequences, and two users of one SIM. */
#include <string.h>

#include "fixture.h"
#include "sim.h"
#include "turns.h"

/* ---- the table ---- */

static struct turns t;
static struct turn_taker a, b;
static uint64_t now;

static void begin_table(void)
{
    t = (struct turns){ .holder = NULL };
    a = b = (struct turn_taker){ .broken_off = 0 };
    now = 1;
}

TestSuite(softsim_turns, .init = begin_table);

static void sent(struct turn_taker *who, const char *cmd, const char *rsp)
{
    uint8_t c[300], r[300];
    size_t n = unhex(cmd, c, sizeof(c)), m = unhex(rsp, r, sizeof(r));

    cr_expect(turns_may(&t, who), "%s", cmd);
    cr_expect_not(turns_is_late(who, c, n), "%s", cmd);
    turns_answered(&t, who, c, n, r, m, ++now);
}

static bool late(struct turn_taker *who, const char *cmd)
{
    uint8_t c[300];

    return turns_is_late(who, c, unhex(cmd, c, sizeof(c)));
}

static void kept(const char *cmd, const char *rsp)
{
    sent(&a, cmd, rsp);
    cr_expect_not(turns_may(&t, &b), "%s %s", cmd, rsp);
}

static void freed(const char *cmd, const char *rsp)
{
    sent(&a, cmd, rsp);
    cr_expect(turns_may(&t, &b), "%s %s", cmd, rsp);
}

Test(softsim_turns, signature_and_verification)
{
    freed("812A000103840101", "6985");
    kept("812A000103840101", "9000");
    kept("812B000101AA", "9000");
    freed("812B800101AA", "33009000");
    freed("812A0101", "9000");
    kept("812A000103840101", "9000");
    freed("812A0101", "9000");
    kept("812A000103840101", "9000");
    freed("812B000101AA", "6A80");
    kept("812C000103850101", "9000");
    freed("812D800101AA", "6D01");
}

Test(softsim_turns, response_that_waits_is_part_of_the_command)
{
    kept("812A000103840101", "9000");
    kept("812B800101AA", "6142");
    kept("81C0000042", "AA6130");
    freed("81C0000030", "BB9000");
    kept("81CB000000", "6C20");
    freed("81CB000020", "AA9000");
    kept("81CB010000", "6120");
    kept("81C0000020", "AA6300");
    kept("81CB010100", "6120");
    freed("81C0000020", "AA9000");
}

Test(softsim_turns, key_is_put_and_used)
{
    freed("8124010100", "9000");
    kept("8124000103850105", "9000");
    kept("81D8000101AA", "9000");
    kept("81D8800101AA", "9000");
    kept("81240101", "9000");
    kept("81CD000003850105", "34009000");
    kept("8146000003850105", "6A82");
    freed("8146000003850105", "AA9000");
    kept("8124000103850105", "9000");
    freed("81D8800101AA", "6A80");
    kept("8124000103850105", "9000");
    kept("81D8800101AA", "9000");
    kept("812C000103850105", "6A82");
    kept("812C000103850105", "9000");
    freed("812D800101AA", "9000");
}

Test(softsim_turns, list_and_generation)
{
    freed("81CB010000", "AA9000");
    kept("81CB010000", "AA6300");
    kept("81CB010100", "AA6300");
    freed("81CB010100", "AA9000");
    freed("81B9000003840104", "84010485010434029000");
    freed("81B9000003840104", "3445AA9000");
    kept("81B9000003840104", "8401048501049000");
    kept("81CB000000", "AA9000");
    freed("81CD000003850104", "34009000");
}

Test(softsim_turns, limits_count_from_the_last_response_and_the_first_command)
{
    kept("812A000103840101", "9000");
    cr_expect_eq(turns_left_us(&t, now), TURN_IDLE_US);
    cr_expect_eq(turns_left_us(&t, now + TURN_IDLE_US), 0);
    turns_moved(&t, &b, now + 5);
    cr_expect_eq(turns_left_us(&t, now), TURN_IDLE_US);
    turns_moved(&t, &a, now + 5);
    cr_expect_eq(turns_left_us(&t, now + 5), TURN_IDLE_US);
    turns_moved(&t, &a, now + TURN_TOTAL_US - 1);
    cr_expect_eq(turns_left_us(&t, now + TURN_TOTAL_US - 1), 1);
}

Test(softsim_turns, what_was_broken_off_goes_on_late)
{
    static const struct {
        const char *begin, *rsp, *late, *anew;
        enum sequence sequence;
    } rows[] = {
        { "812A000103840101", "9000", "812B800101AA", "812A000103840101", SEQUENCE_SIGN },
        { "812C000103850101", "9000", "812D000101AA", "812C000103850101", SEQUENCE_VERIFY },
        { "8124000103850105", "9000", "81D8800101AA", "8124000103850105", SEQUENCE_PUT },
        { "81CB010000", "AA6300", "81CB010100", "81CB010000", SEQUENCE_LIST },
        { "81B9000003840104", "9000", "81CD000003850104", "81B9000003840104", SEQUENCE_GENERATE },
        { "81B9000003840104", "9000", "81CD000003850104", "01A4040007A0000005590010",
          SEQUENCE_GENERATE },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        kept(rows[i].begin, rows[i].rsp);
        cr_expect_eq(turns_break_off(&t), rows[i].sequence);
        cr_expect(turns_may(&t, &b));
        cr_expect_not(late(&b, rows[i].late));
        cr_expect(late(&a, rows[i].late), "%s", rows[i].late);
        cr_expect_not(late(&a, "812A0101"));
        cr_expect_not(late(&a, rows[i].anew));
        cr_expect_not(late(&a, rows[i].late), "%s after %s", rows[i].late, rows[i].anew);
    }
}

Test(softsim_turns, put_key_is_not_used_late)
{
    kept("8124000103850105", "9000");
    kept("81D8800101AA", "9000");
    cr_expect_eq(turns_break_off(&t), SEQUENCE_USE);
    cr_expect(late(&a, "8146000003850105"));
    cr_expect(late(&a, "812C000103850105"));
    cr_expect_not(late(&a, "8124000103850105"));
    cr_expect_not(late(&a, "8146000003850105"));
}

/* ---- two users of one SIM ---- */

struct party {
    struct sim_user user;
    char answer[2 * APDU_RSP_MAX + 1];
};

static struct fixture f;
static struct sim sim;
static struct loop *loop;
static struct party one, two;

static void on_answer(void *arg, const uint8_t *rsp, size_t len)
{
    struct party *p = arg;

    softsim_hex_encode(rsp, len, p->answer);
}

static const char *submit(struct party *p, const char *cmd)
{
    uint8_t bytes[300];
    size_t n = unhex(cmd, bytes, sizeof(bytes));

    strcpy(p->answer, "waits");
    cr_assert(sim_submit(&sim, &p->user, bytes, n));
    return p->answer;
}

static void begin_sim(void)
{
    struct latency none;
    struct err err;

    begin_table();
    fixture_begin(&f, "gsma-strict", "session_auto_close=on;");
    loop = loop_new();
    cr_assert(latency_init(&none, "none", &err));
    sim_init(&sim, loop, &f.card.profile, f.store, &none);
    sim_user_begin(&sim, &one.user, "test", on_answer, &one);
    sim_user_begin(&sim, &two.user, "test", on_answer, &two);
    submit(&one, "00A4040007A0000005590010");
    cr_assert_str_eq(one.answer, "9000");
    submit(&two, "00A4040007A0000005590010");
    cr_assert_str_eq(two.answer, "9000");
}

static void end_sim(void)
{
    sim_user_end(&sim, &two.user);
    sim_clear(&sim);
    loop_free(loop);
    fixture_end(&f);
}

TestSuite(softsim_two_users, .init = begin_sim, .fini = end_sim, .timeout = 60);

#define INIT_BY_ID "802A00010D840101A1010391020001920104"
#define LAST "802B8001229E20" HASH_SAMPLE

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

/* What is due now. */
static void run_due(void)
{
    struct timer soon = { 0 };
    struct err err;

    loop_timer(loop, &soon, 20000, stop_loop, loop);
    cr_assert(loop_run(loop, &err), "%s", err.text);
}

Test(softsim_two_users, one_waits_until_the_other_has_signed)
{
    cr_assert_str_eq(submit(&one, INIT_BY_ID), "9000");
    cr_expect_str_eq(submit(&two, INIT_BY_ID), "waits");
    submit(&one, LAST);
    cr_expect_eq(strlen(one.answer), 2 * (2 + 1 + 64 + 2), "%s", one.answer);
    cr_expect_str_eq(two.answer, "9000", "it was next");
    cr_expect_str_eq(submit(&one, INIT_BY_ID), "waits");
    submit(&two, LAST);
    cr_expect_str_eq(one.answer, "9000");
    sim_user_end(&sim, &one.user);
}

Test(softsim_two_users, without_turns_nobody_waits)
{
    sim.no_turns = true;
    cr_assert_str_eq(submit(&one, INIT_BY_ID), "9000");
    cr_expect_str_eq(submit(&two, INIT_BY_ID), "9000");
    sim_user_end(&sim, &one.user);
}

Test(softsim_two_users, who_goes_frees_the_turn)
{
    cr_assert_str_eq(submit(&one, "8024000103850105"), "9000");
    cr_expect_str_eq(submit(&two, "80CB000000"), "waits");
    sim_user_end(&sim, &one.user);
    run_due();
    cr_expect_str_neq(two.answer, "waits");
    cr_expect_str_eq(submit(&two, "8024000103850105"), "9000", "no session is left");
}

Test(softsim_two_users, idle_turn_is_broken_off_only_when_another_waits)
{
    cr_assert_str_eq(submit(&one, INIT_BY_ID), "9000");
    sim.turns.moved_us -= TURN_IDLE_US; /* as if that long ago */
    submit(&one, LAST);
    cr_expect_eq(strlen(one.answer), 2 * (2 + 1 + 64 + 2), "%s", one.answer);
    cr_assert_str_eq(submit(&one, INIT_BY_ID), "9000");
    sim.turns.moved_us -= TURN_IDLE_US;
    cr_expect_str_eq(submit(&two, INIT_BY_ID), "9000");
    cr_expect_str_eq(submit(&one, LAST), "waits");
    submit(&two, LAST);
    cr_expect_str_eq(one.answer, "6881");
    cr_expect_str_eq(submit(&one, INIT_BY_ID), "9000");
    cr_expect_eq(strlen(submit(&one, LAST)), 2 * (2 + 1 + 64 + 2), "%s", one.answer);
    sim_user_end(&sim, &one.user);
}

Test(softsim_two_users, reset_frees_the_turn)
{
    cr_assert_str_eq(submit(&one, INIT_BY_ID), "9000");
    sim_reset(&sim, NULL, "test");
    cr_expect_str_eq(submit(&two, "00A4040007A0000005590010"), "9000");
    sim_user_end(&sim, &one.user);
}
