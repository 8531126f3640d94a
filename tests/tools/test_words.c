/* SPDX-License-Identifier: Apache-2.0 */
/* The words that the JSON output promises. */
#include <criterion/criterion.h>
#include <string.h>

#include "words.h"

Test(words, names_a_value)
{
    char text[WORDS_TEXT_MAX];

    words_value(&words_key_type, 0x13, text);
    cr_expect_str_eq(text, "P-256");
    words_value(&words_key_type, 0x24, text);
    cr_expect_str_eq(text, "brainpoolP256r1");
    words_value(&words_state, 0, text);
    cr_expect_str_eq(text, "inactive");
}

Test(words, shows_an_unknown_value_as_a_number)
{
    char text[WORDS_TEXT_MAX];

    words_value(&words_key_type, 0x43, text);
    cr_expect_str_eq(text, "0x43");
}

Test(words, joins_bits_and_keeps_the_unknown_ones)
{
    char text[WORDS_TEXT_MAX];

    words_bits(&words_function, 0x05, text);
    cr_expect_str_eq(text, "sign, agree");
    words_bits(&words_public_function, 0x31, text);
    cr_expect_str_eq(text, "verify, 0x30");
    words_bits(&words_hash, 0xfff8, text);
    cr_expect_str_eq(text, "0xfff8");
    words_bits(&words_hash, 0, text);
    cr_expect_str_eq(text, "-");
}

Test(words, every_list_fits_its_buffer_with_all_bits_set)
{
    static const struct words *const all[] = { &words_function,  &words_public_function,
                                               &words_hash,      &words_signature,
                                               &words_agreement, &words_derivation,
                                               &words_access };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        char text[WORDS_TEXT_MAX];

        words_bits(all[i], 0xffff, text);
        cr_expect_not_null(strstr(text, ", 0xff"), "list %zu: %s", i, text);
    }
}

Test(words, tells_volatile_keys)
{
    cr_expect(words_key_is_volatile(0x14));
    cr_expect(words_key_is_volatile(0x24));
    cr_expect_not(words_key_is_volatile(0x13));
    cr_expect_not(words_key_is_volatile(0xa4));
}

Test(words, json_has_a_string_or_an_array)
{
    json_t *value = words_value_json(&words_file_usage, 2);
    json_t *bits = words_bits_json(&words_signature, 0x84);

    cr_expect_str_eq(json_string_value(value), "certificate");
    cr_assert_eq(json_array_size(bits), 2);
    cr_expect_str_eq(json_string_value(json_array_get(bits, 0)), "ECDSA");
    cr_expect_str_eq(json_string_value(json_array_get(bits, 1)), "0x80");
    json_decref(value);
    json_decref(bits);
}
