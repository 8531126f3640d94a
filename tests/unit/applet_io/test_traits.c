/* SPDX-License-Identifier: Apache-2.0 */
#include "traits.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Each field by itself: none takes the place of another, none is lost. */
Test(traits, each_one_survives_being_written_down)
{
    struct traits one;
    char text[TRAITS_TEXT_MAX], before[TRAITS_TEXT_MAX] = "";
    struct traits back;

#define SURVIVES(field, value)                              \
    do {                                                    \
        one = (struct traits)TRAITS_DEFAULT;                \
        one.field = (value);                                \
        back = (struct traits)TRAITS_DEFAULT;               \
        traits_format(&one, text);                          \
        cr_assert_str_neq(text, before, "%s", #field);      \
        strcpy(before, text);                               \
        cr_assert(traits_parse(text, &back), "%s", text);   \
        cr_expect(back.field == one.field, "%s", #field);   \
        cr_expect(traits_equal(&one, &back), "%s", #field); \
    } while (0)

    SURVIVES(class_plain, true);
    SURVIVES(class_confirmed, true);
    SURVIVES(response_as_cmd, true);
    SURVIVES(le, APDU_LE_ALWAYS);
    SURVIVES(session, 0);
    SURVIVES(close_after, true);
    SURVIVES(close_forced, true);
    SURVIVES(left_finished, 0x2a);
    SURVIVES(left_open, 0x24);
    SURVIVES(text_per_block, true);
    SURVIVES(short_sig_length, true);
    SURVIVES(verify_confirmed, true);
    SURVIVES(question, N_QUESTIONS - 1);
    SURVIVES(file_by_secret_tags, true);
}

Test(traits, nonsense_is_refused)
{
    static const char *const bad[] = { "",
                                       "1",
                                       "0,0,0,0,1,0,0,0,0,0,0,0,0", /* one is missing */
                                       "0,0,0,0,1,0,0,0,0,0,0,0,0,0,0",
                                       "0,0,0,9,1,0,0,0,0,0,0,0,0,0",
                                       "0,0,0,0,1,0,0,32,0,0,0,0,0,0", /* VERIFY PIN */
                                       "0,0,0,0,1,0,0,0,43,0,0,0,0,0", /* an UPDATE */
                                       "0,0,0,0,1,0,0,0,0,0,0,0,9,0",
                                       "0,0,0,0,1,0,0,0,0,0,0,0,0,-1" };
    struct traits t = TRAITS_DEFAULT;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(traits_parse(bad[i], &t), "%s", bad[i]);
}
