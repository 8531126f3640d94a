/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

/* Settings as pairs of key and value, ended by NULL. */
static const char *look_up(void *arg, const char *key)
{
    const char *const *pairs = arg;

    for (; *pairs != NULL; pairs += 2)
        if (strcmp(pairs[0], key) == 0)
            return pairs[1];
    return NULL;
}

static struct iotsafe_config *make(const char *const *pairs)
{
    return iotsafe_config_new(look_up, (void *)(uintptr_t)pairs);
}

Test(config, has_the_documented_defaults)
{
    static const char *const none[] = { NULL };
    struct iotsafe_config *cfg = make(none);

#ifdef HAVE_PCSC
    cr_expect_str_eq(cfg->transport, "pcsc");
#else
    cr_expect_null(cfg->transport);
#endif
    cr_expect_str_eq(cfg->lock_dir, "/run/iotsafe");
    cr_expect_eq(cfg->timeout_ms, 30000);
    cr_expect_eq(cfg->n_aids, 3);
    cr_expect(iotsafe_config_verify_signature(cfg));
    cr_expect(iotsafe_config_key_references(cfg));
    cr_expect_str_empty(cfg->error.text);
    iotsafe_config_free(cfg);
}

Test(config, environment_stands_above_the_file)
{
    static const char *const file[] = { "timeout-ms", "100", "transport", "socket:/file", NULL };
    struct iotsafe_config *cfg;

    setenv("IOTSAFE_TRANSPORT", "socket:/environment", 1);
    cfg = make(file);
    cr_expect_str_eq(cfg->transport, "socket:/environment");
    cr_expect_eq(cfg->timeout_ms, 100);
    iotsafe_config_free(cfg);
}

Test(config, settings_may_come_late_but_no_environment)
{
    static const char *file[] = { "timeout-ms", "100", "transport", "socket:/file", NULL };
    struct iotsafe_config *early, *late;

    setenv("IOTSAFE_LOCK_DIR", "/early", 1);
    early = make(file);
    file[1] = "200";
    setenv("IOTSAFE_LOCK_DIR", "/late", 1);
    setenv("IOTSAFE_TRANSPORT", "socket:/late", 1);
    late = iotsafe_config_look_again(early);
    iotsafe_config_free(early);
    cr_expect_eq(late->timeout_ms, 200);
    cr_expect_str_eq(late->transport, "socket:/file");
    cr_expect_str_eq(late->lock_dir, "/early");
    iotsafe_config_free(late);
}

static const char *const bad[][2] = {
    { "transport", "usb:x" },
    { "transport", "socket:nowhere" },
    { "transport", "socket:a:0" },
    { "transport", "socket:a:65536" },
    { "transport", "socket:[::1]" },
    { "aid", "A0" },
    { "aid", "A0000005590010," },
    { "aid", "A000000559001Z" },
    { "timeout-ms", "0" },
    { "timeout-ms", "-5" },
    { "timeout-ms", "5s" },
    { "timeout-ms", "99999999999999999999" },
    { "quirks", "cla=1" },
    { "quirks", "session=256" },
    { "quirks", "le=maybe" },
    { "trace", "syslog" },
    { "trace", "file:" },
    { "verify-signature", "true" },
    { "peer-key", "iotsafe://" },
    { "ephemeral-key", "label" },
    { "card-verify", "1" },
    { "assume-fips", "true" },
    { "lock-dir", "relative" },
    { "key-references", "" },
};

Test(config, a_bad_value_is_named_at_the_first_use)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *const file[] = { bad[i][0], bad[i][1], NULL };
        struct iotsafe_config *cfg = make(file);
        struct iotsafe_card *card = NULL;
        struct iotsafe_op op = { .text = "" };

        cr_assert_not_null(cfg);
        cr_expect_eq(iotsafe_card_new(cfg, NULL, &card, &op), IOTSAFE_ERR_CONFIG, "%s=%s",
                     bad[i][0], bad[i][1]);
        cr_expect_not_null(strstr(op.text, bad[i][0]), "%s=%s: %s", bad[i][0], bad[i][1], op.text);
        iotsafe_config_free(cfg);
    }
}

Test(config, takes_quirks_and_aids)
{
    static const char *const file[] = { "quirks", "cla=0,session=0,le=none,close=always", "aid",
                                        "A0000002480400,a000000559", NULL };
    struct iotsafe_config *cfg = make(file);

    cr_expect_str_empty(cfg->error.text);
    cr_expect(cfg->traits.class_plain);
    cr_expect_eq(cfg->traits.session, 0);
    cr_expect_eq(cfg->traits.le, APDU_LE_NONE);
    cr_expect(cfg->traits.close_after);
    cr_expect_eq(cfg->n_aids, 2);
    cr_expect_eq(cfg->aids[1].len, 5);
    iotsafe_config_free(cfg);
}

Test(config, knows_further_sims_by_name)
{
    static const char *const file[] = { "sim.backup", "socket:/backup", NULL };
    struct iotsafe_config *cfg = make(file);
    struct iotsafe_card *card = NULL;
    struct iotsafe_op op = { .text = "" };

    cr_assert_eq(iotsafe_card_new(cfg, "backup", &card, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_str_eq(iotsafe_card_transport(card), "socket:/backup");
    iotsafe_card_free(card);
    cr_expect_eq(iotsafe_card_new(cfg, "other", &card, &op), IOTSAFE_ERR_CONFIG);
    cr_expect_not_null(strstr(op.text, "sim.other"), "%s", op.text);
    iotsafe_config_free(cfg);
}

Test(config, equal_settings_share_one_card)
{
    static const char *const file[] = { "transport", "socket:/x", NULL };
    static const char *const slower[] = { "transport", "socket:/x", "timeout-ms", "5", NULL };
    struct iotsafe_config *one = make(file), *two = make(file), *three = make(slower);
    struct iotsafe_card *a = NULL, *b = NULL, *c = NULL;

    cr_assert_eq(iotsafe_card_new(one, NULL, &a, NULL), IOTSAFE_OK);
    cr_assert_eq(iotsafe_card_new(two, "", &b, NULL), IOTSAFE_OK);
    cr_assert_eq(iotsafe_card_new(three, NULL, &c, NULL), IOTSAFE_OK);
    cr_expect_eq(a, b);
    cr_expect_neq(a, c);
    iotsafe_config_free(one);
    iotsafe_config_free(two);
    iotsafe_config_free(three);
    iotsafe_card_free(a);
    iotsafe_card_free(b);
    iotsafe_card_free(c);
}

/* The linker puts these in the place of strdup() and calloc(): the N-th call fails. */
static unsigned fails_in; /* 0: none */

static bool fails_now(void)
{
    return fails_in != 0 && --fails_in == 0;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

void *__wrap_calloc(size_t n, size_t size)
{
    return fails_now() ? NULL : __real_calloc(n, size);
}

char *__wrap_strdup(const char *text)
{
    return fails_now() ? NULL : __real_strdup(text);
}

/* Without memory for one value another one must not stand in its place: it might name
 * another SIM. */
Test(config, is_made_whole_or_not_at_all)
{
    static const char *const pairs[] = { "transport", "socket:/run/sim", "trace", "file:/tmp/t",
                                         "lock-dir",  "/run/locks",      NULL };
    unsigned struck = 0;

    setenv("IOTSAFE_LOCK_DIR", "/run/other", 1);
    for (bool done = false; !done; struck++) {
        struct iotsafe_config *cfg;

        fails_in = struck + 1;
        cfg = make(pairs);
        done = fails_in != 0;
        fails_in = 0;
        cr_assert_eq(cfg != NULL, done, "allocation %u", struck + 1);
        if (cfg != NULL) {
            cr_expect_str_eq(cfg->transport, "socket:/run/sim");
            cr_expect_str_eq(cfg->trace, "file:/tmp/t");
            cr_expect_str_eq(cfg->lock_dir, "/run/other");
            cr_expect_str_empty(cfg->error.text);
        }
        iotsafe_config_free(cfg);
    }
    cr_expect_geq(struck, 8);
}
