/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "util.h"

static const char *bad_uris[][2] = {
    { "file:x", "not an iotsafe" },
    { "iotsafe", "not an iotsafe" },
    { "iotsafe://label", "label" },
    { "iotsafe://label=", "label" },
    { "iotsafe://label=a%2", "label" },
    { "iotsafe://label=a%zz", "label" },
    { "iotsafe://label=a%00b", "label" },
    { "iotsafe://label=%ff", "label" },
    { "iotsafe://label=%c0%80", "label" },
    { "iotsafe://label=%ed%a0%80", "label" },
    { "iotsafe://label=1234567890123456789012345678901234567890123456789012345678901", "label" },
    { "iotsafe://id=", "id" },
    { "iotsafe://id=0", "id" },
    { "iotsafe://id=0g", "id" },
    { "iotsafe://id=000102030405060708090a0b0c0d0e0f1011121314", "id" },
    { "iotsafe://type=key", "type" },
    { "iotsafe://type=", "type" },
    { "iotsafe://sim=", "sim" },
    { "iotsafe://sim=a/b", "sim" },
    { "iotsafe://sim=123456789012345678901234567890123", "sim" },
    { "iotsafe://id=01;id=01", "twice" },
    { "iotsafe://label=a;type=cert;label=b", "twice" },
    { "iotsafe://reader=x", "reader" },
    { "iotsafe://Label=x", "Label" },
    { "iotsafe://id=01;", ";" },
    { "iotsafe://;id=01", "unknown" },
    { "iotsafe://id=01;;label=a", "unknown" },
};

Test(uri, refuses_and_names_what_is_wrong)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_uris); i++) {
        struct iotsafe_uri uri = { .sim = "untouched" };
        struct iotsafe_op op = { .text = "" };

        cr_expect_eq(iotsafe_uri_parse(bad_uris[i][0], &uri, &op), IOTSAFE_ERR_URI, "%s",
                     bad_uris[i][0]);
        cr_expect_not_null(strstr(op.text, bad_uris[i][1]), "%s: %s", bad_uris[i][0], op.text);
        cr_expect_str_eq(uri.sim, "untouched");
    }
}

static const char *good_uris[][2] = {
    /* given, canonical */
    { "iotsafe:", "iotsafe://" },
    { "iotsafe://", "iotsafe://" },
    { "iotsafe:id=01", "iotsafe://id=01" },
    { "IOTSAFE://id=3030AB", "iotsafe://id=3030ab" },
    { "iotsafe://sim=backup;type=cert;label=client-cert;id=02",
      "iotsafe://id=02;label=client-cert;type=cert;sim=backup" },
    { "iotsafe://label=Ger%C3%A4t%3B1%20%25", "iotsafe://label=Ger%C3%A4t%3B1%20%25" },
    { "iotsafe://label=a b", "iotsafe://label=a%20b" },
    { "iotsafe://type=private", "iotsafe://type=private" },
    { "iotsafe://label=123456789012345678901234567890123456789012345678901234567890",
      "iotsafe://label=123456789012345678901234567890123456789012345678901234567890" },
};

Test(uri, has_one_canonical_form)
{
    for (size_t i = 0; i < ARRAY_LEN(good_uris); i++) {
        struct iotsafe_uri uri;
        struct iotsafe_op op = { .text = "" };
        char text[IOTSAFE_URI_MAX];

        cr_assert_eq(iotsafe_uri_parse(good_uris[i][0], &uri, &op), IOTSAFE_OK, "%s: %s",
                     good_uris[i][0], op.text);
        iotsafe_uri_format(&uri, text);
        cr_expect_str_eq(text, good_uris[i][1]);
        cr_assert_eq(iotsafe_uri_parse(text, &uri, &op), IOTSAFE_OK, "%s", text);
    }
}

Test(uri, the_longest_fits)
{
    struct iotsafe_uri uri = { .type = IOTSAFE_URI_PRIVATE };
    struct iotsafe_uri back;
    char text[IOTSAFE_URI_MAX];

    for (size_t i = 0; i < 20; i++) /* 60 bytes, each of which must be encoded */
        memcpy(uri.name.label + 3 * i, "\xe2\x82\xac", 3);
    uri.name.label_len = IOTSAFE_LABEL_MAX;
    uri.name.id_len = IOTSAFE_ID_MAX;
    memset(uri.sim, 'x', IOTSAFE_SIM_NAME_MAX);
    iotsafe_uri_format(&uri, text);
    cr_expect_lt(strlen(text), IOTSAFE_URI_MAX);
    cr_assert_eq(iotsafe_uri_parse(text, &back, NULL), IOTSAFE_OK);
    cr_expect(iotsafe_name_matches(&uri.name, &back.name));
}

Test(uri, a_name_matches_by_all_parts_given)
{
    struct iotsafe_name have = { .id = { 1 }, .id_len = 1, .label = "key", .label_len = 3 };
    struct iotsafe_name by_id = { .id = { 1 }, .id_len = 1 };
    struct iotsafe_name by_label = { .label = "key", .label_len = 3 };
    struct iotsafe_name both = have;

    cr_expect(iotsafe_name_matches(&by_id, &have));
    cr_expect(iotsafe_name_matches(&by_label, &have));
    cr_expect(iotsafe_name_matches(&both, &have));
    both.id[0] = 2;
    cr_expect(!iotsafe_name_matches(&both, &have));
    by_label.label_len = 2;
    cr_expect(!iotsafe_name_matches(&by_label, &have));
}

Test(uri, names_are_compared_by_what_both_have)
{
    const struct iotsafe_name none = { .id_len = 0 };
    const struct iotsafe_name id_1 = { .id = { 1 }, .id_len = 1 };
    const struct iotsafe_name id_1_key = {
        .id = { 1 }, .id_len = 1, .label = "key", .label_len = 3
    };
    const struct iotsafe_name id_10_ke = {
        .id = { 1, 0 }, .id_len = 2, .label = "ke", .label_len = 2
    };

    cr_expect(iotsafe_name_is_empty(&none) && !iotsafe_name_is_empty(&id_1));
    cr_expect(iotsafe_name_same_id(&id_1, &id_1_key) && iotsafe_name_same_id(&id_1_key, &id_1));
    cr_expect(iotsafe_name_same_label(&id_1_key, &id_1_key));
    cr_expect(!iotsafe_name_same_label(&id_1, &id_1), "neither has one");
    cr_expect(!iotsafe_name_same_id(&none, &none), "neither has one");
    cr_expect(!iotsafe_name_same_id(&id_1, &id_10_ke), "the beginning of another one");
    cr_expect(!iotsafe_name_same_label(&id_10_ke, &id_1_key), "the beginning of another one");
}
