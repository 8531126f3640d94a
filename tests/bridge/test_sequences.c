/* SPDX-License-Identifier: Apache-2.0 */
/* Two clients of the bridge, the second of which comes in at every command of a
 * sequence of the first: while the first goes on at once, and when it comes back
 * after it has lost its turn. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util.h"
#include "world.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Base point of P-256, and its double. The secret that a key shares with the base
 * point is the abscissa of its public key. */
#define POINT_1                                                           \
    "04 6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296" \
    "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"
#define POINT_2                                                           \
    "04 7CF27B188D034F7E8A52380304B51AC3C08969E277F21B35A60B48FC47669978" \
    "07775510DB8ED040293D9AC69F7430DBBA7DADE63CE982299E04B79D227873D1"

#define GENERATE(id) "81 B9 00 00 03 84 01 " id " 00"
#define PUT_INIT "81 24 00 01 03 85 01 05"
#define PUT_INIT_BY_LABEL "81 24 00 02 0A 75 08 706565722D6B6579"
#define PUT_UPDATE(session, point) "81 D8 80 " session " 47 34 45 49 43 86 41 " point
#define AGREE "81 46 00 00 06 84 01 0A 85 01 05 00"
#define AGREE_BY_LABEL "81 46 00 00 0D 84 01 0A 75 08 706565722D6B6579 00"

#define COMMANDS_MAX 4

#define GOOD(question)                                                                \
    do {                                                                              \
        const char *answer_ = question;                                               \
        cr_expect(strcmp(answer_ + strlen(answer_) - 4, "9000") == 0, "%s", answer_); \
    } while (0)

struct script {
    const char *commands[COMMANDS_MAX];
    size_t n;
};

static const struct script
    agreeing = { { PUT_INIT, PUT_UPDATE("01", POINT_1), AGREE }, 3 },
    intruding[] = {
        { { PUT_INIT, PUT_UPDATE("01", POINT_2), AGREE }, 3 },
        { { PUT_INIT_BY_LABEL, PUT_UPDATE("02", POINT_2), AGREE_BY_LABEL }, 3 },
    },
    signing = { { SIGN_INIT("01"), SIGN_UPDATE("01") }, 2 };

/* The commands from..to-1, all of which must succeed; the last answer in ret. */
static void go(int fd, const struct script *s, size_t from, size_t to, char ret[static 1500])
{
    for (size_t i = from; i < to; i++) {
        const char *answer = ask(fd, s->commands[i]);
        size_t n = strlen(answer);

        cr_assert(n >= 4 && strcmp(answer + n - 4, "9000") == 0, "%s: %s", s->commands[i], answer);
        (void)snprintf(ret, 1500, "%s", answer);
    }
}

/* The secrets that the key on the SIM shares with both points. */
struct secrets {
    char with_1[1500], with_2[1500];
};

static void learn(int fd, struct secrets *ret)
{
    char answer[1500];
    const struct script generate = { { GENERATE("0A") }, 1 };
    const char *point;

    go(fd, &generate, 0, 1, answer);
    point = strstr(answer, "864104");
    cr_assert_not_null(point);
    (void)snprintf(ret->with_1, sizeof(ret->with_1), "%.64s9000", point + 6);
    go(fd, &intruding[0], 0, 3, ret->with_2);
    go(fd, &agreeing, 0, 3, answer);
    cr_assert_str_eq(answer, ret->with_1);
    cr_assert_str_neq(ret->with_1, ret->with_2);
}

Test(sequences, nobody_comes_between_put_and_use)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w), b = world_client(w);
    struct secrets secrets;
    char got[1500];

    learn(a, &secrets);
    for (size_t i = 0; i < ARRAY_LEN(intruding); i++)
        for (size_t k = 1; k < agreeing.n; k++) {
            go(a, &agreeing, 0, k, got);
            say(b, intruding[i].commands[0]);
            go(a, &agreeing, k, agreeing.n, got);
            cr_expect_str_eq(got, secrets.with_1, "after %zu commands", k);
            cr_expect_str_eq(hear(b, 20000), "9000");
            go(b, &intruding[i], 1, intruding[i].n, got);
            cr_expect_str_eq(got, secrets.with_2, "after %zu commands", k);
        }
    cr_expect_eq(world_stop(w), 0);
}

/* The first falls asleep, the second does all it wants, the first comes back. */
Test(sequences, who_comes_back_late_begins_anew)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w), b = world_client(w);
    struct secrets secrets;
    char got[1500];

    learn(a, &secrets);
    for (size_t i = 0; i < ARRAY_LEN(intruding); i++)
        for (size_t k = 1; k < agreeing.n; k++) {
            unsigned before;

            go(a, &agreeing, 0, k, got);
            go(b, &intruding[i], 0, intruding[i].n, got);
            cr_expect_str_eq(got, secrets.with_2);
            before = world_exchanges(w);
            cr_expect_str_eq(ask(a, agreeing.commands[k]), "6881", "after %zu commands", k);
            cr_expect_eq(world_exchanges(w), before, "it was carried out");
            go(a, &agreeing, 0, agreeing.n, got);
            cr_expect_str_eq(got, secrets.with_1);
        }
    cr_expect_eq(world_stop(w), 0);
}

/* The intruder stops in the middle: its session is closed, and what it put is no use
 * to the other. */
Test(sequences, half_a_put_of_another_is_not_agreed_with)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w), b;
    struct secrets secrets;
    char got[1500];

    learn(a, &secrets);
    for (size_t n = 1; n < agreeing.n; n++) {
        go(a, &agreeing, 0, 2, got);
        b = world_client(w);
        go(b, &intruding[0], 0, n, got);
        (void)close(b);
        cr_expect_str_eq(ask(a, AGREE), "6881", "after %zu commands", n);
        go(a, &agreeing, 0, agreeing.n, got);
        cr_expect_str_eq(got, secrets.with_1);
    }
    cr_expect_eq(world_stop(w), 0);
}

Test(sequences, nobody_agrees_when_the_card_was_lost_in_between)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w);
    struct secrets secrets;
    char got[1500];

    learn(a, &secrets);
    go(a, &agreeing, 0, 2, got);
    world_sim_down(w);
    world_sim_up(w);
    cr_expect_str_eq(ask(a, AGREE), "6881");
    go(a, &agreeing, 0, agreeing.n, got);
    cr_expect_str_eq(got, secrets.with_1);
    cr_expect_eq(world_stop(w), 0);
}

Test(sequences, who_has_not_put_does_not_agree_with_what_another_put)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w), b = world_client(w);
    struct secrets secrets;

    learn(a, &secrets);
    cr_expect_str_eq(ask(b, AGREE), "6881");
    cr_expect_str_eq(ask(b, AGREE_BY_LABEL), "6881");
    cr_expect_eq(world_stop(w), 0);
}

Test(sequences, the_turn_after_a_put_ends_with_its_owner_and_with_any_session)
{
    struct world *w = world_start(NULL, NULL);
    int b = world_client(w);
    char got[1500];

    for (int way = 0; way < 3; way++) {
        int a = world_client(w);

        go(a, &agreeing, 0, 2, got);
        say(b, RANDOM_4);
        cr_expect_str_eq(hear(b, 100), "silent", "way %d", way);
        if (way == 0)
            (void)close(a);
        else if (way == 1)
            cr_expect_str_eq(ask(a, "00 70 80 01 00"), "9000");
        else
            go(a, &signing, 0, 2, got);
        cr_expect_eq(strlen(hear(b, 20000)), 12, "way %d", way);
    }
    cr_expect_eq(world_stop(w), 0);
}

Test(sequences, of_two_channels_of_one_client_go_on_beside_each_other)
{
    struct world *w = world_start(WORDS("--set", "session_count=4"), NULL);
    int a = world_client(w);
    char got[1500];

    cr_assert_str_eq(ask(a, "00 70 00 00 01"), "029000");
    cr_assert_str_eq(ask(a, "02 A4 04 00 07 A0000005590010"), "9000");
    go(a, &signing, 0, 1, got);
    cr_expect_str_eq(ask(a, "82 2A 00 02 0D 84 01 01 A1 01 03 91 02 00 01 92 01 04"), "9000");
    cr_expect_str_eq(ask(a, "82 2B 80 01 22 9E 20 " HASH_32 " 00"), "6985", "the other's session");
    cr_expect_str_eq(ask(a, "00 70 80 02 00"), "9000");
    go(a, &signing, 1, 2, got);
    cr_expect_eq(world_count(w, "COMPUTE SIGNATURE CLOSE"), 1, "what was left");
    cr_expect_eq(world_stop(w), 0);
}

/* ----------------------------------------------------------------------- lists */

#define FIRST_PAGE "81 CB 01 00 00"
#define NEXT_PAGE "81 CB 01 01 00"

/* Adds a page without its status word. @return true if more is announced */
static bool add_page(char *list, size_t cap, const char *page)
{
    size_t n = strlen(page);
    bool more = n >= 4 && strcmp(page + n - 4, "6300") == 0;

    cr_assert(more || (n >= 4 && strcmp(page + n - 4, "9000") == 0), "%s", page);
    cr_assert_lt(strlen(list) + n, cap);
    strncat(list, page, n - 4);
    return more;
}

static void rest_of_list(int fd, char *list, size_t cap)
{
    while (add_page(list, cap, ask(fd, NEXT_PAGE)))
        ;
}

Test(sequences, lists_are_whole_wherever_another_begins)
{
    struct world *w = world_start(WORDS("--set", "list_page=60"), NULL);
    int a = world_client(w), b = world_client(w);
    static char want[8192], got[8192];
    size_t pages = 2;

    cr_assert(add_page(want, sizeof(want), ask(a, FIRST_PAGE)));
    while (add_page(want, sizeof(want), ask(a, NEXT_PAGE)))
        pages++;
    cr_assert_gt(pages, 4);
    for (size_t k = 1; k < pages; k++) {
        got[0] = '\0';
        cr_expect(add_page(got, sizeof(got), ask(a, FIRST_PAGE)));
        for (size_t i = 1; i < k; i++)
            cr_expect(add_page(got, sizeof(got), ask(a, NEXT_PAGE)));
        say(b, FIRST_PAGE);
        rest_of_list(a, got, sizeof(got));
        cr_expect_str_eq(got, want, "%zu pages, then the other", k);
        got[0] = '\0';
        cr_expect(add_page(got, sizeof(got), hear(b, 20000)));
        rest_of_list(b, got, sizeof(got));
        cr_expect_str_eq(got, want, "the other after %zu pages", k);
    }
    cr_expect_eq(world_stop(w), 0);
}

Test(sequences, late_pages_are_not_those_of_another_list)
{
    struct world *w = world_start(WORDS("--set", "list_page=60"), NULL);
    int a = world_client(w), b = world_client(w);
    static char want[8192], got[8192];

    cr_assert(add_page(want, sizeof(want), ask(a, FIRST_PAGE)));
    cr_expect(add_page(got, sizeof(got), ask(b, FIRST_PAGE))); /* when a has slept too long */
    cr_expect(add_page(got, sizeof(got), ask(b, NEXT_PAGE)));
    say(a, NEXT_PAGE);
    cr_expect_str_eq(hear(a, 20000), "6881");
    rest_of_list(b, got, sizeof(got));
    want[0] = '\0';
    cr_expect(add_page(want, sizeof(want), ask(a, FIRST_PAGE)));
    rest_of_list(a, want, sizeof(want));
    cr_expect_str_eq(got, want);
    cr_expect_eq(world_stop(w), 0);
}

/* ------------------------------------------------------------------ generation */

/* Makes the next response of GENERATE KEY PAIR one of identifiers only: the tag of the
 * public key becomes one that nobody knows. */
static void without_key(struct world *w)
{
    cr_assert(
        world_admin(w, WORDS("fault", "flip=48", "--ins", "GENERATE KEY PAIR", "--count", "1")));
}

/* The command that reads the public key whose identifier stands in the response. */
static void reader_of(char ret[static 64], const char *answer)
{
    const char *id = strstr(answer, "8501");

    cr_assert(id != NULL && strncmp(id + 6, "35", 2) == 0, "%s", answer);
    (void)snprintf(ret, 64, "81 CD 00 00 03 85 01 %.2s 00", id + 4);
}

static bool is_key(const char *answer)
{
    return strstr(answer, "864104") != NULL;
}

Test(sequences, a_key_is_read_back_before_another_is_made)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w), b = world_client(w);
    char read_a[64], read_b[64];

    without_key(w);
    reader_of(read_a, ask(a, GENERATE("0A")));
    without_key(w);
    say(b, GENERATE("0C"));
    GOOD(ask(a, RANDOM_4));
    cr_expect_eq(world_count(w, "GENERATE KEY PAIR"), 1, "the other's came between");
    cr_expect(is_key(ask(a, read_a)));
    reader_of(read_b, hear(b, 20000));
    GOOD(ask(a, RANDOM_4)); /* when b has slept too long; but nobody made a key meanwhile */
    cr_expect(is_key(ask(b, read_b)));
    cr_expect_eq(world_stop(w), 0);
}

Test(sequences, a_key_that_another_may_have_replaced_is_not_read_back)
{
    struct world *w = world_start(NULL, NULL);
    int a = world_client(w), b = world_client(w);
    char read_a[64], answer[1500];

    without_key(w);
    reader_of(read_a, ask(a, GENERATE("0A")));
    go(b, &(const struct script){ { GENERATE("0A") }, 1 }, 0, 1, answer); /* a has slept */
    cr_expect_str_eq(ask(a, read_a), "6881");
    cr_expect(is_key(ask(a, read_a)), "told once");
    cr_expect_eq(world_stop(w), 0);
}
