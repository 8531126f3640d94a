/* SPDX-License-Identifier: Apache-2.0 */
/* Which entry of OpenSSL's error queue a person gets to read. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <openssl/err.h>
#include <stdio.h>

#include "report.h"

/* A library of that name, with one reason, as a provider has it. */
static int new_library(const char *name)
{
    static ERR_STRING_DATA strings[4][3];
    static int n;
    int lib = ERR_get_next_error_library();

    strings[n][0] = (ERR_STRING_DATA){ ERR_PACK(lib, 0, 0), name };
    strings[n][1] = (ERR_STRING_DATA){ ERR_PACK(0, 0, IOTSAFE_ERR_NOT_FOUND), "object not found" };
    ERR_load_strings(lib, strings[n++]);
    return lib;
}

Test(report, prefers_the_provider_and_its_words)
{
    int ours = new_library("iotsafe");
    struct queue_summary why;

    ERR_raise_data(ERR_LIB_OSSL_STORE, ERR_R_INIT_FAIL, "scheme=file");
    ERR_raise(ours, IOTSAFE_ERR_NOT_FOUND);
    ERR_raise_data(ours, IOTSAFE_ERR_NOT_FOUND, "no key \"x\" on the SIM");
    ERR_raise_data(ours, IOTSAFE_ERR_NOT_FOUND, "a consequence");
    ERR_raise_data(ERR_LIB_EVP, ERR_R_UNSUPPORTED, "after that");
    report_drain_queue("nothing", &why);
    cr_expect_str_eq(why.text, "no key \"x\" on the SIM");
    cr_expect(why.from_provider);
    cr_expect_eq(why.err, IOTSAFE_ERR_NOT_FOUND);
    cr_expect_eq(ERR_peek_error(), 0, "the queue is not empty");
}

Test(report, takes_the_reason_where_the_provider_says_no_more)
{
    int ours = new_library("iotsafe");
    struct queue_summary why;

    ERR_raise_data(ERR_LIB_ASN1, ERR_R_NESTED_ASN1_ERROR, "Type=X");
    ERR_raise(ours, IOTSAFE_ERR_NOT_FOUND);
    report_drain_queue("nothing", &why);
    cr_expect_str_eq(why.text, "object not found");
}

Test(report, passes_over_the_noise_of_other_attempts)
{
    struct queue_summary why;

    ERR_raise_data(ERR_LIB_SYS, 2, "calling stat(x)");
    ERR_raise_data(ERR_LIB_OSSL_STORE, ERR_R_UNSUPPORTED, "scheme=file");
    ERR_raise(ERR_LIB_ASN1, ERR_R_NESTED_ASN1_ERROR);
    report_drain_queue("nothing", &why);
    cr_expect_str_eq(why.text, "nested asn1 error");
    cr_expect_not(why.from_provider);
    cr_expect_eq(why.err, IOTSAFE_OK);
}

Test(report, an_empty_queue_gives_the_fallback)
{
    struct queue_summary why;

    ERR_clear_error();
    report_drain_queue("no such object", &why);
    cr_expect_str_eq(why.text, "no such object");
    cr_expect_not(why.from_provider);
}

Test(report, is_one_safe_line, .init = cr_redirect_stderr)
{
    report_error("%s: bad\nthing", "\x1b[0m");
    report_warning("%d", 7);
    fflush(stderr);
    cr_expect_stderr_eq_str("iotsafe: \\x1b[0m: bad\\x0athing\niotsafe: warning: 7\n");
}

Test(report, a_silent_library_error_gets_its_name, .init = cr_redirect_stderr)
{
    struct iotsafe_op op = { .text = "" };

    report_library("list", IOTSAFE_ERR_NO_CARD, &op);
    fflush(stderr);
    cr_expect_stderr_eq_str("iotsafe: list: no SIM in the reader; insert the SIM\n");
}
