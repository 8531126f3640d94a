/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "script_card.h"
#include "util.h"

#define RANDOM_4 "81 84 00 00 04"

static enum iotsafe_err random_4(struct iotsafe_card *card, struct iotsafe_op *op)
{
    uint8_t bytes[4];

    return iotsafe_random(card, bytes, sizeof(bytes), op);
}

/* Two calls over a script, both must succeed. */
static void expect_two(const struct exchange *script, size_t n, const char *settings)
{
    struct script_card *sc = script_card_start(script, n);
    struct iotsafe_card *card = script_card_connect(sc, settings);
    struct iotsafe_op op = { .text = "" };

    cr_expect_eq(random_4(card, &op), IOTSAFE_OK, "first: %s", op.text);
    cr_expect_eq(random_4(card, &op), IOTSAFE_OK, "second: %s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

#define EXPECT_TWO(script, settings) expect_two(script, ARRAY_LEN(script), settings)
#define GOOD                      \
    {                             \
        RANDOM_4, "01020304 9000" \
    }

Test(card, opens_a_new_channel_when_the_card_has_forgotten_ours)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN, GOOD, { RANDOM_4, "6881" }, SCRIPT_OPEN, GOOD
    };

    EXPECT_TWO(script, "");
}

/* Without a SELECT on what may be another program's channel by now. */
Test(card, opens_a_new_channel_when_another_application_answers)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        GOOD,
        { RANDOM_4, "6D00" },
        { "81 CB 00 00 44", "6D00" },
        { "81 CB 01 00 00", "6D00" },
        { "81 84 00 00 01", "6D00" },
        { "01 CB 00 00 44", "6D00" },
        { "01 CB 01 00 00", "6D00" },
        { "00 70 00 00 01", "02 9000" },
        { "02 A4 04 00 07 A0000005590010", "9000" },
        { "82 84 00 00 04", "01020304 9000" },
    };

    EXPECT_TWO(script, "");
}

Test(card, connects_again_when_the_connection_ends_in_an_exchange)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN, GOOD, { RANDOM_4, "close" }, SCRIPT_OPEN, GOOD
    };

    EXPECT_TWO(script, "");
}

Test(card, waits_while_remote_administration_is_at_work)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN, GOOD, { RANDOM_4, "6984" }, { RANDOM_4, "01020304 63CF" }
    };

    EXPECT_TWO(script, "");
}

Test(card, waits_when_a_reader_passes_on_that_the_card_wants_time)
{
    static const struct exchange script[] = { SCRIPT_OPEN, GOOD, { RANDOM_4, "6000" }, GOOD };

    EXPECT_TWO(script, "");
}

Test(card, repeats_once_what_remote_administration_has_broken_off)
{
    static const struct exchange script[] = { SCRIPT_OPEN, GOOD, { RANDOM_4, "6989" }, GOOD };

    EXPECT_TWO(script, "");
}

Test(card, asks_again_when_an_answer_is_lost)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN, GOOD, { RANDOM_4, "mute" }, SCRIPT_OPEN, GOOD
    };

    EXPECT_TWO(script, "timeout-ms=1500");
}

Test(card, gives_up_at_the_deadline)
{
    static const struct exchange script[] = { SCRIPT_OPEN, GOOD, { "*", "mute" } };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "timeout-ms=300");
    struct iotsafe_op op = { .text = "" };

    cr_expect_eq(random_4(card, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(random_4(card, &op), IOTSAFE_ERR_TIMEOUT, "%s", op.text);
    cr_expect_not_null(strstr(op.text, "no answer in time"), "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(card, a_late_answer_never_meets_the_next_command)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        GOOD,
        { RANDOM_4, "raw:00 06 AAAAAAAA9000 00 06 BBBBBBBB9000" },
        SCRIPT_OPEN,
        { RANDOM_4, "CCCCCCCC 9000" },
    };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };
    uint8_t bytes[4];

    cr_expect_eq(iotsafe_random(card, bytes, 4, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(iotsafe_random(card, bytes, 4, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(bytes[0], 0xaa);
    cr_expect_eq(iotsafe_random(card, bytes, 4, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(bytes[0], 0xcc);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(card, fails_at_once_when_nobody_has_ever_been_there)
{
    struct script_card *sc = script_card_start(NULL, 0);
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };
    int64_t start = now_ms();

    cr_expect_str_empty(script_card_stop(sc)); /* the socket is gone */
    cr_expect_eq(random_4(card, &op), IOTSAFE_ERR_NO_SERVICE, "%s", op.text);
    cr_expect_not_null(strstr(op.text, "software SIM"), "%s", op.text);
    cr_expect_lt(now_ms() - start, 10000);
    iotsafe_card_free(card);
}

Test(card, a_child_uses_a_connection_of_its_own)
{
    static const struct exchange script[] = { SCRIPT_OPEN, GOOD, SCRIPT_OPEN, GOOD, GOOD };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };
    int status = 0;
    pid_t pid;

    /* the script serves one connection after the other: the parent's ends first */
    cr_expect_eq(random_4(card, &op), IOTSAFE_OK, "%s", op.text);
    pid = fork();
    if (pid == 0) {
        op.text[0] = '\0';
        _exit(random_4(card, &op) == IOTSAFE_OK && random_4(card, &op) == IOTSAFE_OK ? 0 : 1);
    }
    iotsafe_card_free(card);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect_eq(status, 0);
    cr_expect_str_empty(script_card_stop(sc));
}

static void *many_calls(void *arg)
{
    long failures = 0;

    for (int i = 0; i < 20; i++)
        failures += random_4(arg, NULL) != IOTSAFE_OK;
    return (void *)failures;
}

Test(card, threads_take_turns)
{
    static struct exchange script[2 + 8 * 20] = { SCRIPT_OPEN };
    struct script_card *sc;
    struct iotsafe_card *card;
    pthread_t threads[8];

    for (size_t i = 2; i < ARRAY_LEN(script); i++)
        script[i] = (struct exchange)GOOD;
    sc = script_card_start(script, ARRAY_LEN(script));
    card = script_card_connect(sc, "");
    for (int i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, many_calls, card), 0);
    for (int i = 0; i < 8; i++) {
        void *failures;

        (void)pthread_join(threads[i], &failures);
        cr_expect_null(failures);
    }
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(card, joins_the_pages_of_an_object_list)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 CB 01 00 00", "C1068401014B 6300" },
        { "81 CB 01 01 00", "0113C1 6300" },
        { "81 CB 01 01 00", "068401024B0113 9000" },
    };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_object *objects = NULL;
    struct iotsafe_op op = { .text = "" };
    size_t n = 0;

    cr_assert_eq(iotsafe_list(card, &objects, &n, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(n, 2);
    free(objects);
    cr_assert_eq(iotsafe_list(card, &objects, &n, &op), IOTSAFE_OK, "from the cache");
    free(objects);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

/* As an applet that has no list, for which callers find other ways. */
Test(card, a_list_that_a_modem_filters_is_one_that_the_applet_lacks)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 CB 01 00 00", "6981" },
        { "81 CB 00 00 44", "6981" },
        { "81 CB 01 00 00", "6981" },
        { "81 84 00 00 01", "AA 9000" },
        { "81 CB 01 00 00", "6981" },
    };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_object *objects = NULL;
    struct iotsafe_op op = { .text = "" };
    size_t n = 0;

    cr_expect_eq(iotsafe_list(card, &objects, &n, &op), IOTSAFE_ERR_UNSUPPORTED, "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(card, tells_what_the_applet_is_also_without_the_command)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 CB 00 00 44", "6C31" },
        { "81 CB 00 00 31", "100110110D494F54534146452D44454D4F31B10108B20108B30108B4010890010F9102"
                            "0001920104930101940102B70102 9000" },
    };
    static const struct exchange lacking[] = {
        SCRIPT_OPEN,
        { "81 CB 00 00 44", "6A86" },
        { "81 CB 00 00 44", "6981" }, /* a refusal is not remembered; how a modem filters it */
    };
    struct iotsafe_info info;
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };

    cr_assert_eq(iotsafe_card_info(card, &info, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect(info.known);
    cr_expect_eq(info.max_sessions, 2);
    cr_expect_eq(info.aid_len, 7);
    cr_expect_str_eq(info.channel, "1");
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
    sc = script_card_start(lacking, ARRAY_LEN(lacking));
    card = script_card_connect(sc, "");
    cr_assert_eq(iotsafe_card_info(card, &info, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect(!info.known);
    cr_assert_eq(iotsafe_card_info(card, &info, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect(!info.known);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}
