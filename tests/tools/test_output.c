/* SPDX-License-Identifier: Apache-2.0 */
/* Text of unknown origin on its way to a terminal, tables, hex. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
    const char *bytes;
    size_t len;
    const char *want;
} escapes[] = {
    { "client-key", 10, "client-key" },
    { "", 0, "" },
    { "sch\xc3\xb6n \xe9\x8d\xb5 \xf0\x9f\x94\x91", 15,
      "sch\xc3\xb6n \xe9\x8d\xb5 \xf0\x9f\x94\x91" },
    { "\x1b[2J\n\x7f", 6, "\\x1b[2J\\x0a\\x7f" }, /* controls */
    { "a\0b", 3, "a\\x00b" },
    { "\xc2\x9b[", 3, "\\xc2\\x9b[" }, /* C1: CSI in one character */
    { "a\\x1b", 5, "a\\x5cx1b" },      /* no escape of its own making */
    { "\xe2\x80\xae"
      "evil",
      7, "\\xe2\\x80\\xaeevil" },             /* right to left */
    { "\xef\xbb\xbf", 3, "\\xef\\xbb\\xbf" }, /* byte order mark */
    { "\xff\xfe", 2, "\\xff\\xfe" },          /* no UTF-8 */
    { "\xc0\xaf", 2, "\\xc0\\xaf" },          /* overlong */
    { "\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf" },
    { "\xed\xa0\x80", 3, "\\xed\\xa0\\x80" },          /* surrogate */
    { "\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80" }, /* past U+10FFFF */
    { "\xe9\x8d", 2, "\\xe9\\x8d" },                   /* cut off */
};

Test(output, escapes_what_a_terminal_might_obey)
{
    for (size_t i = 0; i < COUNT(escapes); i++) {
        char *got = text_escape(escapes[i].bytes, escapes[i].len);

        cr_assert_not_null(got);
        cr_expect_str_eq(got, escapes[i].want, "row %zu: %s", i, got);
        free(got);
    }
}

Test(output, text_may_have_lines_but_no_controls)
{
    cr_expect(text_is_harmless((const uint8_t *)"a\r\n\tb\xc3\xa4\n", 8));
    cr_expect(text_is_harmless((const uint8_t *)"", 0));
    cr_expect_not(text_is_harmless((const uint8_t *)"a\x1b", 2));
    cr_expect_not(text_is_harmless((const uint8_t *)"\x30\x82\x01", 3));
    cr_expect_not(text_is_harmless((const uint8_t *)"\0", 1));
}

Test(output, writes_hex_in_lower_case)
{
    char hex[HEX_SIZE(3)];

    text_hex((const uint8_t[]){ 0x00, 0x9a, 0xff }, 3, hex);
    cr_expect_str_eq(hex, "009aff");
    text_hex(NULL, 0, hex);
    cr_expect_str_eq(hex, "");
}

Test(output, aligns_columns_by_characters, .init = cr_redirect_stdout)
{
    struct table *table = table_new(3);

    cr_assert_not_null(table);
    table_add(table, "A");
    table_add(table, "LABEL");
    table_add(table, "URI");
    table_add(table, "xyz");
    table_add(table, "\xc3\xa4");
    table_add(table, "u");
    cr_expect(table_print(table));
    fflush(stdout);
    cr_expect_stdout_eq_str("A    LABEL  URI\nxyz  \xc3\xa4      u\n");
    table_free(table);
}

Test(output, a_table_with_a_lost_cell_is_not_printed)
{
    struct table *table = table_new(1);

    cr_assert_not_null(table);
    table_add(table, "a");
    table_add(table, NULL);
    cr_expect_not(table_print(table));
    table_free(table);
    table_free(NULL);
}

Test(output, a_table_grows)
{
    struct table *table = table_new(8);

    cr_assert_not_null(table);
    cr_redirect_stdout();
    for (int i = 0; i < 8 * 256; i++)
        table_add(table, "cell");
    cr_expect(table_print(table));
    table_free(table);
}
