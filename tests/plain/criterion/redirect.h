/* SPDX-License-Identifier: Apache-2.0 */
/* see criterion.h */
#ifndef PLAIN_REDIRECT_H
#define PLAIN_REDIRECT_H

#include <criterion/criterion.h>

void cr_redirect_stdout(void);
void cr_redirect_stderr(void);
bool plain_redirected_is(FILE *stream, const char *text);

#define cr_expect_stdout_eq_str(TEXT, ...) \
    PLAIN_CHECK(false, plain_redirected_is(stdout, TEXT), "stdout is " #TEXT, __VA_ARGS__)
#define cr_expect_stderr_eq_str(TEXT, ...) \
    PLAIN_CHECK(false, plain_redirected_is(stderr, TEXT), "stderr is " #TEXT, __VA_ARGS__)

#endif
