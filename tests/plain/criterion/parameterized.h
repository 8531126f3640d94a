/* SPDX-License-Identifier: Apache-2.0 */
/* see criterion.h; each row is a test of its own */
#ifndef PLAIN_PARAMETERIZED_H
#define PLAIN_PARAMETERIZED_H

#include <criterion/criterion.h>

#define ParameterizedTestParameters(SUITE, NAME) \
    static struct criterion_test_params SUITE##_##NAME##_params(void)
#define cr_make_param_array(TYPE, ROWS, N)                     \
    (struct criterion_test_params)                             \
    {                                                          \
        .size = sizeof(TYPE), .rows = (void *)(ROWS), .n = (N) \
    }

#define ParameterizedTest(PARAMETER, SUITE, NAME, ...)                                      \
    static void SUITE##_##NAME##_body(PARAMETER);                                           \
    static void SUITE##_##NAME##_run_row(void *row)                                         \
    {                                                                                       \
        SUITE##_##NAME##_body(row);                                                         \
    }                                                                                       \
    static struct plain_test SUITE##_##NAME##_test = { .suite = #SUITE,                     \
                                                       .name = #NAME,                       \
                                                       .run_row = SUITE##_##NAME##_run_row, \
                                                       .params = SUITE##_##NAME##_params,   \
                                                       .options = { __VA_ARGS__ } };        \
    PLAIN_ADD(SUITE, NAME)                                                                  \
    static void SUITE##_##NAME##_body(PARAMETER)

#endif
