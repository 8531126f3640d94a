/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for Criterion on machines that have none (meson -Dcriterion=plain): what the
 * tests here use of it, with the same meaning but for these: a test has no time limit of its
 * own, messages are literals, and there are no options on the command line. */
#ifndef PLAIN_CRITERION_H
#define PLAIN_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plain_options {
    void (*init)(void);
    void (*fini)(void);
    double timeout; /* Criterion's; the limit of the whole program must do here */
};

struct criterion_test_params {
    size_t size;
    void *rows;
    size_t n;
};

/* One test; defined by Test() or ParameterizedTest(), and linked into the list by them. */
struct plain_test {
    const char *suite;
    const char *name;
    void (*run)(void);
    void (*run_row)(void *row);
    struct criterion_test_params (*params)(void);
    struct plain_options options;
    struct plain_test *next;
};

struct plain_suite {
    const char *name;
    struct plain_options options;
    struct plain_suite *next;
};

void plain_add_test(struct plain_test *test);
void plain_add_suite(struct plain_suite *suite);

/** Notes a failure if the claim does not hold; if it is fatal the test ends then. */
void plain_check(bool fatal, bool holds, const char *file, int line, const char *claim,
                 const char *message, ...) __attribute__((format(printf, 6, 7)));
void plain_skip(const char *why, ...) __attribute__((format(printf, 1, 2), noreturn));

#define TestSuite(SUITE, ...)                                                                 \
    static struct plain_suite SUITE##_suite = { .name = #SUITE, .options = { __VA_ARGS__ } }; \
    __attribute__((constructor)) static void SUITE##_suite_add(void)                          \
    {                                                                                         \
        plain_add_suite(&SUITE##_suite);                                                      \
    }                                                                                         \
    struct plain_suite

#define PLAIN_ADD(SUITE, NAME)                                          \
    __attribute__((constructor)) static void SUITE##_##NAME##_add(void) \
    {                                                                   \
        plain_add_test(&SUITE##_##NAME##_test);                         \
    }

#define Test(SUITE, NAME, ...)                                                                  \
    static void SUITE##_##NAME##_run(void);                                                     \
    static struct plain_test SUITE##_##NAME##_test = {                                          \
        .suite = #SUITE, .name = #NAME, .run = SUITE##_##NAME##_run, .options = { __VA_ARGS__ } \
    };                                                                                          \
    PLAIN_ADD(SUITE, NAME)                                                                      \
    static void SUITE##_##NAME##_run(void)

#define PLAIN_CHECK(FATAL, HOLDS, CLAIM, ...) \
    plain_check(FATAL, HOLDS, __FILE__, __LINE__, CLAIM, " " __VA_ARGS__)
#define PLAIN_COMPARE(FATAL, A, OP, B, ...) \
    PLAIN_CHECK(FATAL, (A)OP(B), #A " " #OP " " #B, __VA_ARGS__)
#define PLAIN_STR(FATAL, A, OP, B, ...) \
    PLAIN_CHECK(FATAL, strcmp(A, B) OP 0, #A " " #OP " " #B, __VA_ARGS__)
#define PLAIN_ARR(FATAL, A, OP, B, SIZE, ...) \
    PLAIN_CHECK(FATAL, memcmp(A, B, SIZE) OP 0, #A " " #OP " " #B, __VA_ARGS__)

#define cr_assert(A, ...) PLAIN_CHECK(true, A, #A, __VA_ARGS__)
#define cr_expect(A, ...) PLAIN_CHECK(false, A, #A, __VA_ARGS__)
#define cr_assert_not(A, ...) PLAIN_CHECK(true, !(A), "not " #A, __VA_ARGS__)
#define cr_expect_not(A, ...) PLAIN_CHECK(false, !(A), "not " #A, __VA_ARGS__)
#define cr_assert_null(A, ...) PLAIN_COMPARE(true, A, ==, NULL, __VA_ARGS__)
#define cr_expect_null(A, ...) PLAIN_COMPARE(false, A, ==, NULL, __VA_ARGS__)
#define cr_assert_not_null(A, ...) PLAIN_COMPARE(true, A, !=, NULL, __VA_ARGS__)
#define cr_expect_not_null(A, ...) PLAIN_COMPARE(false, A, !=, NULL, __VA_ARGS__)
#define cr_assert_eq(A, B, ...) PLAIN_COMPARE(true, A, ==, B, __VA_ARGS__)
#define cr_expect_eq(A, B, ...) PLAIN_COMPARE(false, A, ==, B, __VA_ARGS__)
#define cr_assert_neq(A, B, ...) PLAIN_COMPARE(true, A, !=, B, __VA_ARGS__)
#define cr_expect_neq(A, B, ...) PLAIN_COMPARE(false, A, !=, B, __VA_ARGS__)
#define cr_assert_lt(A, B, ...) PLAIN_COMPARE(true, A, <, B, __VA_ARGS__)
#define cr_expect_lt(A, B, ...) PLAIN_COMPARE(false, A, <, B, __VA_ARGS__)
#define cr_assert_leq(A, B, ...) PLAIN_COMPARE(true, A, <=, B, __VA_ARGS__)
#define cr_expect_leq(A, B, ...) PLAIN_COMPARE(false, A, <=, B, __VA_ARGS__)
#define cr_assert_gt(A, B, ...) PLAIN_COMPARE(true, A, >, B, __VA_ARGS__)
#define cr_expect_gt(A, B, ...) PLAIN_COMPARE(false, A, >, B, __VA_ARGS__)
#define cr_assert_geq(A, B, ...) PLAIN_COMPARE(true, A, >=, B, __VA_ARGS__)
#define cr_expect_geq(A, B, ...) PLAIN_COMPARE(false, A, >=, B, __VA_ARGS__)
#define cr_assert_str_eq(A, B, ...) PLAIN_STR(true, A, ==, B, __VA_ARGS__)
#define cr_expect_str_eq(A, B, ...) PLAIN_STR(false, A, ==, B, __VA_ARGS__)
#define cr_assert_str_neq(A, B, ...) PLAIN_STR(true, A, !=, B, __VA_ARGS__)
#define cr_expect_str_neq(A, B, ...) PLAIN_STR(false, A, !=, B, __VA_ARGS__)
#define cr_assert_str_empty(A, ...) PLAIN_STR(true, A, ==, "", __VA_ARGS__)
#define cr_expect_str_empty(A, ...) PLAIN_STR(false, A, ==, "", __VA_ARGS__)
#define cr_assert_str_not_empty(A, ...) PLAIN_STR(true, A, !=, "", __VA_ARGS__)
#define cr_expect_str_not_empty(A, ...) PLAIN_STR(false, A, !=, "", __VA_ARGS__)
#define cr_assert_arr_eq(A, B, SIZE, ...) PLAIN_ARR(true, A, ==, B, SIZE, __VA_ARGS__)
#define cr_expect_arr_eq(A, B, SIZE, ...) PLAIN_ARR(false, A, ==, B, SIZE, __VA_ARGS__)
#define cr_assert_arr_neq(A, B, SIZE, ...) PLAIN_ARR(true, A, !=, B, SIZE, __VA_ARGS__)
#define cr_expect_arr_neq(A, B, SIZE, ...) PLAIN_ARR(false, A, !=, B, SIZE, __VA_ARGS__)
#define cr_skip plain_skip
#define cr_skip_test plain_skip

#endif
