/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "key_forms.h"
#include "util.h"

static const struct iotsafe_name key_3 = { .id = { 3 }, .id_len = 1 };

Test(key_forms, a_dearer_form_is_preferred_when_it_has_worked_twice)
{
    struct key_forms forms = { 0 };

    cr_expect_eq(key_forms_first(&forms, &key_3, 1), FORM_DIGEST);
    cr_expect(key_forms_worked(&forms, &key_3, 1, FORM_LAST_BLOCK));
    cr_expect_eq(key_forms_first(&forms, &key_3, 1), FORM_DIGEST, "one refusal may pass");
    cr_expect(key_forms_worked(&forms, &key_3, 1, FORM_LAST_BLOCK));
    cr_expect_eq(key_forms_first(&forms, &key_3, 1), FORM_LAST_BLOCK);
    cr_expect(!key_forms_worked(&forms, &key_3, 1, FORM_LAST_BLOCK), "nothing new");
    cr_expect(key_forms_worked(&forms, &key_3, 1, FORM_DIGEST));
    cr_expect_eq(key_forms_first(&forms, &key_3, 1), FORM_DIGEST, "the cheaper one at once");
}

Test(key_forms, a_success_between_two_refusals_starts_the_count_anew)
{
    struct key_forms forms = { 0 };

    (void)key_forms_worked(&forms, &key_3, 1, FORM_TEXT);
    (void)key_forms_worked(&forms, &key_3, 1, FORM_DIGEST);
    (void)key_forms_worked(&forms, &key_3, 1, FORM_TEXT);
    cr_expect_eq(key_forms_first(&forms, &key_3, 1), FORM_DIGEST);
}

Test(key_forms, each_key_and_hash_has_its_own)
{
    static const struct iotsafe_name named = { .label = "three", .label_len = 5 };
    struct key_forms forms = { 0 }, back;
    char text[KEY_FORMS_TEXT_MAX];

    for (int i = 0; i < 2; i++) {
        (void)key_forms_worked(&forms, &key_3, 2, FORM_SHORT_DIGEST);
        (void)key_forms_worked(&forms, &named, 1, FORM_TEXT);
    }
    cr_expect_eq(key_forms_first(&forms, &key_3, 2), FORM_SHORT_DIGEST);
    cr_expect_eq(key_forms_first(&forms, &key_3, 1), FORM_DIGEST);
    cr_expect_eq(key_forms_first(&forms, &named, 1), FORM_TEXT);
    key_forms_format(&forms, text);
    cr_assert(key_forms_parse(text, &back), "%s", text);
    cr_expect_eq(memcmp(&forms, &back, sizeof(forms)), 0, "%s", text);
}

Test(key_forms, the_longest_text_fits_and_the_oldest_key_makes_room)
{
    struct key_forms forms = { 0 }, back;
    struct iotsafe_name name = { .label_len = IOTSAFE_LABEL_MAX };
    char text[KEY_FORMS_TEXT_MAX];

    memset(name.label, 'x', IOTSAFE_LABEL_MAX);
    for (int i = 0; i < 2 * (KEY_FORMS_MAX + 1); i++) {
        name.label[0] = (char)('a' + i / 2);
        (void)key_forms_worked(&forms, &name, 4, FORM_TEXT);
    }
    cr_expect_eq(key_forms_first(&forms, &name, 4), FORM_TEXT);
    name.label[0] = 'a';
    cr_expect_eq(key_forms_first(&forms, &name, 4), FORM_DIGEST);
    key_forms_format(&forms, text);
    cr_expect_lt(strlen(text), sizeof(text) - 1);
    cr_assert(key_forms_parse(text, &back));
    cr_expect_eq(memcmp(&forms, &back, sizeof(forms)), 0);
}

Test(key_forms, nonsense_is_refused)
{
    static const char *const bad[] = { "",
                                       "6903",
                                       "6903:1:0:0",
                                       "6903:3:0:0;",
                                       "6903:1:4:4;",
                                       "6903:1:2:1;",
                                       "7103:1:0:0;",
                                       "69:1:0:0;",
                                       "6903:1:0:0;-" };
    struct key_forms forms;

    for (size_t i = 1; i < ARRAY_LEN(bad); i++)
        cr_expect(!key_forms_parse(bad[i], &forms), "%s", bad[i]);
}
