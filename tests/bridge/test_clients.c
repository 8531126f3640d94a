/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge as processes meet it: the real program, a software SIM behind it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"
#include "world.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

#define GOOD(question)                                        \
    do {                                                      \
        const char *answer_ = question;                       \
        cr_expect(ends_with(answer_, "9000"), "%s", answer_); \
    } while (0)

static void sign(int fd)
{
    const char *init = ask(fd, SIGN_INIT("01"));
    const char *update = ask(fd, SIGN_UPDATE("01"));

    cr_expect_str_eq(init, "9000");
    cr_expect(strncmp(update, "33", 2) == 0 && ends_with(update, "9000"), "%s", update);
}

Test(clients, share_one_channel_of_the_card)
{
    struct world *w = world_start(NULL, NULL);

    for (int i = 0; i < 5; i++) {
        int fd = world_client(w);

        GOOD(ask(fd, RANDOM_4));
        sign(fd);
        (void)close(fd);
    }
    cr_expect_eq(world_count(w, "MANAGE CHANNEL"), 1);
    cr_expect_eq(world_count(w, "SELECT"), 1);
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, one_waits_until_the_sequence_of_the_other_is_over)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w), b = world_client(w);

    cr_expect_str_eq(ask(a, SIGN_INIT("01")), "9000");
    say(b, SIGN_INIT("01"));
    cr_expect_str_eq(hear(b, 300), "silent");
    GOOD(ask(a, RANDOM_4)); /* the owner may do other things */
    cr_expect_str_eq(hear(b, 100), "silent");
    GOOD(ask(a, SIGN_UPDATE("01")));
    cr_expect_str_eq(hear(b, 20000), "9000");
    cr_expect_str_eq(ask(a, SIGN_UPDATE("01")), "6985"); /* not in b's session */
    GOOD(ask(b, SIGN_UPDATE("01")));
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, are_served_in_the_order_of_their_coming)
{
    struct world *w = world_start(NULL, NULL);
    int owner = world_client(w), fds[6];

    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = world_client(w);
    cr_expect_str_eq(ask(owner, SIGN_INIT("01")), "9000");
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        say(fds[ARRAY_LEN(fds) - 1 - i], SIGN_INIT("01"));
        GOOD(ask(owner, RANDOM_4)); /* the command before is there by now */
    }
    GOOD(ask(owner, SIGN_UPDATE("01")));
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        int fd = fds[ARRAY_LEN(fds) - 1 - i];

        cr_expect_str_eq(hear(fd, 20000), "9000", "client %zu", i);
        GOOD(ask(fd, SIGN_UPDATE("01")));
    }
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, an_owner_that_falls_asleep_loses_its_session)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w), b = world_client(w);
    int64_t start = now_ms();

    cr_expect_str_eq(ask(a, SIGN_INIT("01")), "9000");
    cr_expect_str_eq(ask(b, SIGN_INIT("01")), "9000");
    cr_expect_geq(now_ms() - start, 1800);
    cr_expect_str_eq(ask(a, SIGN_UPDATE("01")), "6881");
    GOOD(ask(b, SIGN_UPDATE("01")));
    sign(a);
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, an_owner_that_dies_leaves_nothing_behind)
{
    struct world *w = world_start(NULL, NULL);
    int b = world_client(w);

    for (int i = 0; i < 3; i++) {
        int a = world_client(w);

        cr_expect_str_eq(ask(a, SIGN_INIT("01")), "9000");
        say(b, SIGN_INIT("01"));
        (void)close(a);
        cr_expect_str_eq(hear(b, 20000), "9000");
        GOOD(ask(b, SIGN_UPDATE("01")));
    }
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, sessions_are_closed_on_the_card_as_soon_as_their_owner_has_gone)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w);

    cr_expect_str_eq(ask(a, SIGN_INIT("01")), "9000");
    cr_expect_eq(world_count(w, "COMPUTE SIGNATURE CLOSE"), 0);
    (void)close(a);
    for (int i = 0; i < 500 && world_count(w, "COMPUTE SIGNATURE CLOSE") == 0; i++)
        ;
    cr_expect_eq(world_count(w, "COMPUTE SIGNATURE CLOSE"), 1);
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, leave_a_sequence_by_closing_by_select_and_by_an_error)
{
    static const struct {
        const char *command, *answer;
    } ways[] = {
        { SIGN_CLOSE("01"), "9000" },
        { "01 A4 04 00 07 A0000005590010", "9000" },
        { "81 2B 80 01 03 9E 01 00 00", NULL }, /* a hash of one byte */
    };
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w), b = world_client(w);

    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        const char *got;

        cr_expect_str_eq(ask(a, SIGN_INIT("01")), "9000");
        say(b, RANDOM_4);
        cr_expect_str_eq(hear(b, 100), "silent");
        got = ask(a, ways[i].command);
        cr_expect(ways[i].answer != NULL ? strcmp(got, ways[i].answer) == 0 : got[0] == '6',
                  "%s: %s", ways[i].command, got);
        cr_expect(ends_with(hear(b, 20000), "9000"), "way %zu", i);
        cr_expect_str_eq(ask(a, SIGN_CLOSE("01")), "9000", "way %zu", i);
        sign(b);
    }
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, nobody_keeps_the_card_for_ever)
{
    struct world *w = world_start(NULL, WORDS("--timeout-ms", "3000"));
    int a = world_client(w), b = world_client(w);
    int64_t start = now_ms();
    const char *got = "silent";

    cr_expect_str_eq(ask(a, SIGN_INIT("01")), "9000");
    say(b, RANDOM_4);
    while (now_ms() - start < 60000 && strcmp(got, "silent") == 0) {
        (void)ask(a, RANDOM_4); /* never idle */
        got = hear(b, 50);
        if (strcmp(got, "9300") == 0) { /* asked to come again */
            say(b, RANDOM_4);
            got = "silent";
        }
    }
    cr_expect(ends_with(got, "9000"), "%s", got);
    cr_expect_geq(now_ms() - start, 2500);
    cr_expect_str_eq(ask(a, SIGN_UPDATE("01")), "6881");
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, who_waits_long_is_asked_again_and_keeps_its_turn)
{
    struct world *w = world_start(NULL, WORDS("--timeout-ms", "5000"));
    int a = world_client(w), b = world_client(w), c = world_client(w);

    cr_expect_str_eq(ask(a, SIGN_INIT("01")), "9000");
    say(b, SIGN_INIT("01"));
    cr_expect_str_eq(hear(b, 20000), "9300");
    say(c, SIGN_INIT("01"));
    GOOD(ask(a, RANDOM_4)); /* the command before is there by now */
    say(b, SIGN_INIT("01"));
    GOOD(ask(a, RANDOM_4));
    GOOD(ask(a, SIGN_UPDATE("01")));
    cr_expect_str_eq(hear(b, 20000), "9000", "b came first");
    GOOD(ask(b, SIGN_UPDATE("01")));
    cr_expect_str_eq(hear(c, 20000), "9000");
    cr_expect_eq(world_stop(w), 0);
}

/* ------------------------------------------------- applets and their quirks */

Test(clients, never_see_that_an_applet_wants_its_sessions_closed)
{
    struct world *w = world_start(WORDS("--profile", "gsma-strict"), NULL);
    int a = world_client(w), b = world_client(w);
    unsigned before;

    sign(a);
    sign(b); /* here the bridge learns */
    before = world_exchanges(w);
    for (int i = 0; i < 4; i++) {
        sign(a);
        sign(b);
    }
    cr_expect_eq(world_exchanges(w) - before, 8 * 3, "INIT, UPDATE, close");
    before = world_exchanges(w);
    cr_expect_str_eq(ask(a, SIGN_CLOSE("01")), "9000");
    cr_expect_eq(world_exchanges(w), before, "a needless close reached the card");
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, pay_for_no_closing_where_the_applet_closes)
{
    struct world *w = world_start(
        WORDS("--profile", "gsma-strict", "--set", "session_auto_close=on"), NULL);
    int a = world_client(w);
    unsigned before;

    sign(a);
    before = world_exchanges(w);
    sign(a);
    sign(a);
    cr_expect_eq(world_exchanges(w) - before, 4);
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, get_long_answers_piece_by_piece)
{
    struct world *w = world_start(WORDS("--set", "list_page=0", "--set", "answer_mode=61"), NULL);
    int a = world_client(w), b = world_client(w);
    const char *got = ask(a, "81 CB 01 00 00");
    size_t total = 0;

    cr_expect_str_eq(got, "6100");
    cr_expect_str_eq(ask(b, "01 C0 00 00 00"), "6985"); /* not b's */
    GOOD(ask(b, RANDOM_4));
    for (int i = 0; i < 20 && strncmp(got + strlen(got) - 4, "61", 2) == 0; i++) {
        got = ask(a, "01 C0 00 00 00");
        total += strlen(got) / 2 - 2;
    }
    cr_expect(ends_with(got, "9000"));
    cr_expect_gt(total, 256);
    cr_expect_str_eq(ask(a, "01 C0 00 00 00"), "6985");
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, are_told_which_applet_is_not_there)
{
    struct world *w = world_start(WORDS("--profile", "thales-mvp"), NULL);
    int a = world_connect(w);

    cr_expect_str_eq(ask(a, "00 70 00 00 01"), "019000");
    cr_expect_str_eq(ask(a, "01 A4 04 00 07 A0000005590010"), "6A82");
    cr_expect_str_eq(ask(a, RANDOM_4), "6D00");
    cr_expect_str_eq(ask(a, "01 A4 04 00 0F A00000003053F12401770101495341"), "9000");
    sign(a);
    sign(a);
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, are_told_that_there_is_no_applet_at_all)
{
    struct world *w = world_start(WORDS("--profile", "no-applet"), NULL);
    int a = world_connect(w);

    cr_expect_str_eq(ask(a, "00 70 00 00 01"), "019000");
    for (int i = 0; i < 2; i++)
        cr_expect_str_eq(ask(a, "01 A4 04 00 07 A0000005590010"), "6A82");
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, have_no_way_to_other_commands_and_channels)
{
    static const char *const commands[] = {
        "00 A4 00 04 02 3F00", "00 20 00 01 08 31323334FFFFFFFF",
        "80 CB 00 00 44",      "01 20 00 01 08 31323334FFFFFFFF",
        "01 88 00 81 01 00",   "01 B2 01 04 00",
        "01 70 80 02 00",      "82 84 00 00 04",
        "01 A4 00 04 02 3F00", "81 E2 00 00 00",
    };
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w);
    unsigned before = world_exchanges(w);

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const char *got = ask(a, commands[i]);

        cr_expect(got[0] == '6' && strlen(got) == 4, "%s: %s", commands[i], got);
    }
    cr_expect_eq(world_exchanges(w), before, "something reached the card");
    cr_expect_eq(world_stop(w), 0);
}

/* ------------------------------------------------------------------ faults */

Test(clients, do_not_notice_a_reset_between_their_operations)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w);

    sign(a);
    for (int i = 0; i < 3; i++) {
        cr_assert(world_admin(w, WORDS("reset")));
        sign(a);
        cr_assert(world_admin(w, WORDS("reset")));
        GOOD(ask(a, RANDOM_4));
    }
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, are_asked_to_begin_again_after_a_reset_inside_a_sequence)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w), b = world_client(w);

    cr_expect_str_eq(ask(a, SIGN_INIT("01")), "9000");
    cr_assert(world_admin(w, WORDS("reset")));
    cr_expect_str_eq(ask(a, SIGN_UPDATE("01")), "6881");
    cr_expect_str_eq(ask(a, "00 70 80 01 00"), "9000");
    cr_expect_str_eq(ask(a, "00 70 00 00 01"), "019000");
    cr_expect_str_eq(ask(a, "01 A4 04 00 07 A0000005590010"), "9000");
    sign(a);
    sign(b);
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, are_disconnected_when_the_card_stays_away_and_served_when_it_is_back)
{
    struct world *w = world_start(NULL, WORDS("--timeout-ms", "2000"));
    int a = world_client(w);

    sign(a);
    world_sim_down(w);
    cr_expect_str_eq(ask(a, RANDOM_4), "closed");
    a = world_connect(w);
    cr_expect_str_eq(ask(a, "00 70 00 00 01"), "019000");
    cr_expect_str_eq(ask(a, "01 A4 04 00 07 A0000005590010"), "closed");
    world_sim_up(w);
    a = world_client(w);
    sign(a);
    cr_expect_eq(world_stop(w), 0);
}

Test(clients, get_the_status_words_of_the_card_as_they_are)
{
    static const char *const words[] = { "6984", "6989", "6985", "6A80", "6581", "6400", "9300" };
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w);

    GOOD(ask(a, RANDOM_4));
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        char effect[16] = "sw=";
        unsigned before = world_exchanges(w);

        strcat(effect, words[i]);
        cr_assert(world_admin(w, WORDS("fault", effect, "--count", "1")));
        cr_expect_str_eq(ask(a, RANDOM_4), words[i]);
        cr_expect_eq(world_exchanges(w) - before, 1, "%s was repeated", words[i]);
    }
    cr_expect_eq(world_stop(w), 0);
}

/* The SIM goes while it makes a key: there may be a new one, or not. */
Test(clients, a_key_is_never_made_twice)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w);

    GOOD(ask(a, RANDOM_4));
    cr_assert(world_admin(w, WORDS("fault", "delay=3000", "--ins", "GENERATE KEY PAIR")));
    say(a, "81 B9 00 00 03 84 01 0A 00");
    cr_expect_str_eq(hear(a, 300), "silent");
    world_sim_down(w);
    world_sim_up(w);
    cr_expect_str_eq(hear(a, 20000), "closed");
    a = world_client(w);
    GOOD(ask(a, RANDOM_4));
    cr_expect_eq(world_count(w, "GENERATE KEY PAIR"), 0, "the command was sent again");
    cr_expect_eq(world_stop(w), 0);
}

/* ---------------------------------------------------------- hostile clients */

Test(hostile, frames_of_any_length)
{
    struct world *w = world_start(NULL, NULL);
    int good = world_client(w);
    static const unsigned char too_long[] = { 0xff, 0xff, 1, 2, 3 };
    static const unsigned char half[] = { 0x00, 0x05, 0x81 };
    int a = world_connect(w);

    say_raw(a, too_long, sizeof(too_long));
    cr_expect_str_eq(hear(a, 20000), "closed");
    a = world_connect(w);
    cr_expect_str_eq(ask(a, ""), "6700");
    cr_expect_str_eq(ask(a, "81"), "6700");
    say_raw(a, half, sizeof(half));
    cr_expect_str_eq(hear(a, 200), "silent");
    GOOD(ask(good, RANDOM_4));
    (void)close(a);
    a = world_connect(w);
    say_raw(a, half, 1);
    (void)close(a);
    sign(good);
    cr_expect_eq(world_stop(w), 0);
}

Test(hostile, any_bytes)
{
    struct world *w = world_start(NULL, NULL);
    int good = world_client(w);
    unsigned seed = 1;

    for (int i = 0; i < 300; i++) {
        unsigned char bytes[300];
        int fd = world_connect(w);
        size_t n = (size_t)(rand_r(&seed) % 300);

        for (size_t k = 0; k < n; k++)
            bytes[k] = (unsigned char)rand_r(&seed);
        if (i % 2 == 0 && n > 8) /* often a frame and a command that pass the first look */
            memcpy(bytes,
                   (const unsigned char[]){ 0, (unsigned char)(n % 250), (unsigned char)(i % 3),
                                            0x70 },
                   4);
        say_raw(fd, bytes, n);
        if (i % 3 == 0)
            (void)hear(fd, 1);
        (void)close(fd);
    }
    sign(good);
    cr_expect_eq(world_stop(w), 0);
}

Test(hostile, more_clients_than_places)
{
    struct world *w = world_start(NULL, NULL);
    int fds[64], more;

    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = world_client(w);
    sign(fds[0]);
    more = world_client(w);
    sign(more);
    cr_expect_str_eq(hear(fds[1], 20000), "closed", "the idlest had to go");
    sign(fds[0]);
    sign(fds[63]);
    cr_expect_eq(world_stop(w), 0);
}

Test(hostile, places_go_to_nobody_of_the_same_user_while_all_wait_for_the_card)
{
    struct world *w = world_start(NULL, NULL);
    int fds[64], more;

    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = world_client(w);
    cr_expect_str_eq(ask(fds[0], SIGN_INIT("01")), "9000");
    for (size_t i = 1; i < ARRAY_LEN(fds); i++)
        say(fds[i], RANDOM_4);
    GOOD(ask(fds[0], RANDOM_4)); /* all the others' commands are there by now */
    more = world_connect(w);
    cr_expect_str_eq(hear(more, 20000), "closed");
    GOOD(ask(fds[0], SIGN_UPDATE("01")));
    for (size_t i = 1; i < ARRAY_LEN(fds); i++)
        GOOD(hear(fds[i], 20000));
    cr_expect_eq(world_stop(w), 0);
}

Test(hostile, half_a_frame_does_not_keep_a_place)
{
    static const unsigned char half[] = { 0x00, 0x05, 0x81 };
    struct world *w = world_start(NULL, NULL);
    int good = world_client(w), bad = world_client(w);

    say_raw(bad, half, sizeof(half));
    sign(good);
    cr_expect_str_eq(hear(bad, 20000), "closed");
    sign(good);
    cr_expect_eq(world_stop(w), 0);
}

/* ------------------------------------------------------------- several users */

/* The other user is a process of its own; what went wrong there, its exit status tells. */
static pid_t as_nobody(void)
{
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0 && setresuid(65534, 65534, 65534) != 0)
        _exit(9);
    return pid;
}

static bool signs(int fd)
{
    return strcmp(ask(fd, SIGN_INIT("01")), "9000") == 0
           && ends_with(ask(fd, SIGN_UPDATE("01")), "9000");
}

static void needs_root(void)
{
    if (geteuid() != 0)
        cr_skip_test("only root can become another user");
}

static bool succeeded(pid_t pid)
{
    int status = 1;

    return waitpid(pid, &status, 0) == pid && status == 0;
}

Test(users, who_takes_all_places_shuts_nobody_out)
{
    static const unsigned char half[] = { 0x00, 0x05, 0x81 };
    struct world *w;
    int fds[80];
    pid_t other;

    needs_root();
    w = world_start(NULL, WORDS("--mode", "666"));
    world_open_to_all(w);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = world_connect(w);
        if (i % 2 == 0)
            say_raw(fds[i], half, sizeof(half));
    }
    other = as_nobody();
    if (other == 0) {
        for (int i = 0; i < 20; i++) {
            int fd = world_client(w);

            if (!signs(fd))
                _exit(1);
            (void)close(fd);
        }
        _exit(0);
    }
    cr_expect(succeeded(other));
    cr_expect_eq(world_stop(w), 0);
}

/* Root's clients all wait for the card; the other user comes last and is second. */
Test(users, many_clients_of_one_cost_another_one_turn)
{
    struct world *w;
    int owner, fds[62], done[2];
    unsigned served = 0;
    char byte;
    pid_t other;

    needs_root();
    cr_assert_eq(pipe(done), 0);
    w = world_start(NULL, WORDS("--mode", "666"));
    world_open_to_all(w);
    owner = world_client(w);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = world_client(w);
    cr_expect_str_eq(ask(owner, SIGN_INIT("01")), "9000");
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        say(fds[i], SIGN_INIT("01"));
    other = as_nobody();
    if (other == 0) {
        int fd = world_client(w); /* needs no turn */

        say(fd, SIGN_INIT("01"));
        (void)!write(done[1], "", 1);
        _exit(strcmp(hear(fd, 20000), "9000") == 0 && ends_with(ask(fd, SIGN_UPDATE("01")), "9000")
                  ? 0
                  : 1);
    }
    cr_assert_eq(read(done[0], &byte, 1), 1);
    GOOD(ask(owner, RANDOM_4)); /* the other's command is there by now */
    GOOD(ask(owner, SIGN_UPDATE("01")));
    cr_expect(succeeded(other));
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        served += strcmp(hear(fds[i], 0), "silent") != 0;
    cr_expect_leq(served, 1);
    cr_expect_eq(world_stop(w), 0);
}

/* Commands wait; they are not under way, and another user may have the place. */
Test(users, a_place_is_found_where_one_user_has_all_and_all_wait)
{
    struct world *w;
    int fds[64];
    pid_t other;

    needs_root();
    w = world_start(NULL, WORDS("--mode", "666"));
    world_open_to_all(w);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = world_client(w);
    cr_expect_str_eq(ask(fds[0], SIGN_INIT("01")), "9000");
    for (size_t i = 1; i < ARRAY_LEN(fds); i++)
        say(fds[i], RANDOM_4);
    GOOD(ask(fds[0], RANDOM_4));
    other = as_nobody();
    if (other == 0) {
        _exit(signs(world_client(w)) ? 0 : 1);
    }
    GOOD(ask(fds[0], SIGN_UPDATE("01")));
    cr_expect(succeeded(other));
    cr_expect_eq(world_stop(w), 0);
}

Test(hostile, a_client_that_asks_and_never_reads)
{
    struct world *w = world_start(NULL, NULL);
    int good = world_client(w), bad = world_client(w);
    int small = 1;

    (void)setsockopt(bad, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (int i = 0; i < 20000; i++) {
        static const unsigned char frame[] = { 0, 5, 0x81, 0x84, 0, 0, 0 };

        if (send(bad, frame, sizeof(frame), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
    }
    for (int i = 0; i < 5; i++)
        sign(good);
    cr_expect_eq(world_stop(w), 0);
}

Test(hostile, a_client_that_hangs_up_while_it_waits)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w);

    cr_expect_str_eq(ask(a, SIGN_INIT("01")), "9000");
    for (int i = 0; i < 100; i++) { /* more than there are places */
        int b = world_connect(w);

        say(b, "00 70 00 00 01");
        say(b, "01 A4 04 00 07 A0000005590010");
        say(b, RANDOM_4);
        cr_expect_str_eq(hear(b, 20000), "019000", "client %d", i);
        cr_expect_str_eq(hear(b, 20000), "9000", "client %d", i);
        (void)usleep(5000); /* the third waits for the card */
        (void)close(b);
    }
    GOOD(ask(a, SIGN_UPDATE("01")));
    sign(world_client(w));
    cr_expect_eq(world_stop(w), 0);
}
