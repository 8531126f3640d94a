/* SPDX-License-Identifier: Apache-2.0 */
/* Texts for people: nothing in them acts on a terminal. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "util.h"

static const struct {
    const char *given, *clean;
} texts[] = {
    { "plain, \xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xb6",
      "plain, \xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xb6" },
    { "a\x1b[2Jb\x7f\r\n", "a?[2Jb???" },
    { "a\xc2\x9b\x32Jb", "a??2Jb" },                            /* CSI of C1 */
    { "a\xe2\x80\xaegnp.exe", "a???gnp.exe" },                  /* U+202E */
    { "\xe2\x81\xa6x\xe2\x81\xa9", "???x???" },                 /* U+2066, U+2069 */
    { "\xe2\x80\x8e\xe2\x80\x8f\xd8\x9cz", "????????z" },       /* U+200E, U+200F, U+061C */
    { "\xe2\x80\xa7\xe2\x80\xaf", "\xe2\x80\xa7\xe2\x80\xaf" }, /* beside them */
    { "\xe4 caf\xe9", "? caf?" },                               /* no UTF-8 */
    { "a\x85\x62\xc0\x80\xed\xa0\x80.", "a?b?????." },          /* overlong, a surrogate */
    { "cut \xe2\x80", "cut ??" },                               /* at the end of the text */
    { "cut \xf0", "cut ?" },
};

Test(text, what_acts_on_a_terminal_is_replaced)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct iotsafe_op op;
        char text[64];

        (void)snprintf(text, sizeof(text), "%s", texts[i].given);
        iotsafe_text_clean(text);
        cr_expect_str_eq(text, texts[i].clean, "%zu: %s", i, text);
        op_set(&op, "%s", texts[i].given);
        cr_expect_str_eq(op.text, texts[i].clean, "%zu: %s", i, op.text);
        op_set(&op, "-");
        op_add(&op, "%s", texts[i].given);
        cr_expect_str_eq(op.text + 1, texts[i].clean, "%zu: %s", i, op.text);
    }
}
