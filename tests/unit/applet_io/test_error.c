/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "error.h"

static const struct {
    uint16_t sw;
    enum iotsafe_err want;
} rows[] = {
    { 0x9000, IOTSAFE_OK },
    { 0x9105, IOTSAFE_OK },
    { 0x63cf, IOTSAFE_OK },
    { 0x63ce, IOTSAFE_ERR_CARD },
    { 0x9001, IOTSAFE_ERR_CARD }, /* near miss of success */
    { 0x6d00, IOTSAFE_ERR_UNSUPPORTED },
    { 0x6d01, IOTSAFE_ERR_SIGNATURE }, /* one off from "unsupported" */
    { 0x6d02, IOTSAFE_ERR_CARD },
    { 0x6881, IOTSAFE_ERR_CHANNEL_LOST },
    { 0x6999, IOTSAFE_ERR_CHANNEL_LOST },
    { 0x6984, IOTSAFE_ERR_BUSY },
    { 0x6985, IOTSAFE_ERR_CONDITIONS },
    { 0x6989, IOTSAFE_ERR_CHANGED },
    { 0x6a80, IOTSAFE_ERR_DATA },
    { 0x6a82, IOTSAFE_ERR_NOT_FOUND },
    { 0x6a88, IOTSAFE_ERR_NOT_FOUND },
    { 0x6e00, IOTSAFE_ERR_CLASS },
    { 0x6f07, IOTSAFE_ERR_CARD },
    { 0x9300, IOTSAFE_ERR_BUSY },
    { 0x6000, IOTSAFE_ERR_BUSY }, /* a procedure byte of T=0 */
    { 0x0000, IOTSAFE_ERR_CARD },
};

Test(error, maps_status_words)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(error_from_sw(rows[i].sw), rows[i].want, "sw %04x", rows[i].sw);
}

Test(error, every_error_has_a_text_of_its_own)
{
    for (int a = 0; a < IOTSAFE_ERR_MAX; a++) {
        cr_assert_not_null(iotsafe_strerror((enum iotsafe_err)a), "error %d", a);
        for (int b = 0; b < a; b++)
            cr_expect_str_neq(iotsafe_strerror((enum iotsafe_err)a),
                              iotsafe_strerror((enum iotsafe_err)b), "errors %d and %d", a, b);
    }
    cr_expect_str_eq(iotsafe_strerror(IOTSAFE_ERR_MAX), "unknown error");
}

/* curl, nginx and others show the reason alone. */
Test(error, texts_of_the_users_errors_tell_the_way_out)
{
    static const enum iotsafe_err users[] = {
        IOTSAFE_ERR_CONFIG,     IOTSAFE_ERR_URI,        IOTSAFE_ERR_TIMEOUT,
        IOTSAFE_ERR_LOCK,       IOTSAFE_ERR_NO_SERVICE, IOTSAFE_ERR_NO_READER,
        IOTSAFE_ERR_NO_CARD,    IOTSAFE_ERR_NO_CHANNEL, IOTSAFE_ERR_NO_APPLET,
        IOTSAFE_ERR_TRANSPORT,  IOTSAFE_ERR_NOT_FOUND,  IOTSAFE_ERR_AMBIGUOUS,
        IOTSAFE_ERR_CONDITIONS, IOTSAFE_ERR_BUSY,       IOTSAFE_ERR_CHANGED,
        IOTSAFE_ERR_SIGNATURE,  IOTSAFE_ERR_DIGEST,     IOTSAFE_ERR_REFERENCE,
        IOTSAFE_ERR_OUTCOME,
    };

    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
        cr_expect_not_null(strstr(iotsafe_strerror(users[i]), "; "), "%s",
                           iotsafe_strerror(users[i]));
    for (int e = 0; e < IOTSAFE_ERR_MAX; e++) {
        const char *text = iotsafe_strerror((enum iotsafe_err)e);

        cr_expect_null(strchr(text, ':'), "OpenSSL separates by colons: %s", text);
        cr_expect(strlen(text) <= 110, "too long for a line of a log: %s", text);
    }
}

/* After a refusal other objects are tried, after all else the work ends. */
Test(error, tells_refusals_of_the_card_from_failures_that_end_the_work)
{
    static const enum iotsafe_err refusals[] = {
        IOTSAFE_ERR_PROTOCOL,  IOTSAFE_ERR_SPACE,       IOTSAFE_ERR_NOT_FOUND,
        IOTSAFE_ERR_AMBIGUOUS, IOTSAFE_ERR_ACCESS,      IOTSAFE_ERR_CONDITIONS,
        IOTSAFE_ERR_DATA,      IOTSAFE_ERR_UNSUPPORTED, IOTSAFE_ERR_LENGTH,
        IOTSAFE_ERR_CARD,      IOTSAFE_ERR_KEY,         IOTSAFE_ERR_CERTIFICATE,
    };
    const size_t n = sizeof(refusals) / sizeof(refusals[0]);

    for (int err = 0; err <= IOTSAFE_ERR_MAX; err++) {
        bool want = false;

        for (size_t i = 0; i < n; i++)
            want = want || (int)refusals[i] == err;
        cr_expect_eq(iotsafe_err_is_refusal((enum iotsafe_err)err), want, "error %d", err);
    }
}
