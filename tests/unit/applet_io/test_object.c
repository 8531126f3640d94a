/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "object.h"
#include "util.h"

static size_t parse(const char *hex, struct iotsafe_object *objects, size_t cap)
{
    uint8_t bytes[1024];
    int n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));

    cr_assert_geq(n, 0);
    return objects_parse(bytes, (size_t)n, objects, cap);
}

#define FORM_A                                                                       \
    "C125740A746C732D636C69656E748401016001004A01014B01134E010161010192010491020001" \
    "C225750A746C732D636C69656E748501016001014A01014B01134E010161010192010491020001" \
    "C3167304636572748301026001014A0101210102200202BC"
#define FORM_B                                                                                     \
    "C16D740A746C732D636C69656E748401016001004A01014B01134E010161010192010491020001740D6465766963" \
    "65"                                                                                           \
    "2D6174746573748401076001004A01014B01134E0101610103920104910200017409657068656D6572616C840104" \
    "60"                                                                                           \
    "01004A01014B01144E01016101066F0101C288750A746C732D636C69656E748501016001014A01014B01134E0101" \
    "61"                                                                                           \
    "010192010491020001750D6465766963652D6174746573748501076001014A01014B01134E010161010392010491" \
    "02"                                                                                           \
    "00017509657068656D6572616C8501046001014A01014B01144E01016101066F0101750470656572850105600102" \
    "4A"                                                                                           \
    "01004B01144E01016101046F0101C32A7304636572748301026001014A0101210102200202BC7302636183010360" \
    "01"                                                                                           \
    "014A0101210102200202BCC417760370736B8601066001004A01014B01A0610108940103"
#define FORM_C                                                           \
    "74023131840200026001024A01014B01134E0103610107920204910200076F0101" \
    "75023131850200026001024A01014B01134E0103610107920204910200076F0101"

Test(object, reads_a_template_an_object)
{
    struct iotsafe_object o[8];

    cr_assert_eq(parse(FORM_A, o, 8), 3);
    cr_expect_eq(o[0].kind, IOTSAFE_PRIVATE_KEY);
    cr_expect_str_eq(o[0].name.label, "tls-client");
    cr_expect_eq(o[0].key_type, IOTSAFE_KEY_P256);
    cr_expect_eq(o[0].hashes, IOTSAFE_HASH_SHA256);
    cr_expect_eq(o[0].signature_algs, IOTSAFE_SIG_ECDSA);
    cr_expect_eq(o[1].kind, IOTSAFE_PUBLIC_KEY);
    cr_expect_eq(o[1].access, IOTSAFE_ACCESS_READ);
    cr_expect_eq(o[2].kind, IOTSAFE_FILE);
    cr_expect_eq(o[2].file_size, 0x2bc);
    cr_expect_eq(o[2].file_usage, IOTSAFE_FILE_CERTIFICATE);
}

Test(object, reads_a_template_a_kind_with_long_raw_lengths)
{
    struct iotsafe_object o[16];

    cr_assert_eq(parse(FORM_B, o, 16), 10);
    cr_expect_str_eq(o[2].name.label, "ephemeral");
    cr_expect_eq(o[2].key_type, IOTSAFE_KEY_P256_VOLATILE);
    cr_expect_str_eq(o[6].name.label, "peer");
    cr_expect_eq(o[6].state, IOTSAFE_STATE_DEACTIVATED);
    cr_expect_eq(o[8].name.id[0], 3);
    cr_expect_eq(o[9].kind, IOTSAFE_SECRET);
    cr_expect_eq(o[9].derivation, 3);
}

Test(object, reads_a_flat_list_and_mends_its_defect)
{
    struct iotsafe_object o[8];

    cr_assert_eq(parse(FORM_C, o, 8), 2);
    cr_expect_eq(o[0].name.id_len, 2);
    cr_expect_eq(o[0].signature_algs, 4);
    cr_expect_eq(o[0].hashes, 7);
    cr_expect_eq(o[0].agreement, 1);
    cr_expect_eq(o[1].kind, IOTSAFE_PUBLIC_KEY);
}

Test(object, takes_label_and_identifier_in_either_order)
{
    struct iotsafe_object o[4];

    cr_assert_eq(parse("8401017401614B01138401027401624B0113", o, 4), 2);
    cr_expect_str_eq(o[0].name.label, "a");
    cr_expect_eq(o[0].name.id[0], 1);
    cr_expect_str_eq(o[1].name.label, "b");
    cr_expect_eq(o[1].name.id[0], 2);
}

Test(object, skips_unknown_tags_and_types)
{
    struct iotsafe_object o[4];

    cr_assert_eq(parse("C10E840101D00212344B0177B5020000", o, 4), 1);
    cr_expect_eq(o[0].key_type, 0x77);
}

Test(object, a_malformed_neighbour_hides_no_good_key)
{
    struct iotsafe_object o[8];

    /* a template whose second attribute breaks off, then a good one */
    cr_assert_eq(parse("C1068401014B0713C1068401024B0113", o, 8), 1);
    cr_expect_eq(o[0].name.id[0], 2);
    /* an identifier of 21 bytes, then a good one */
    cr_assert_eq(parse("C1178415000102030405060708090A0B0C0D0E0F1011121314C103840102", o, 8), 1);
    cr_expect_eq(o[0].name.id[0], 2);
    /* no name at all, then a good one */
    cr_assert_eq(parse("C1034B0113C103840102", o, 8), 1);
}

Test(object, a_name_that_breaks_off_hides_no_object_before_it)
{
    /* flat: a key, then a label that announces more than there is */
    static const uint8_t list[] = { 0x74, 1,    'a', 0x84, 1,    1,  0x4a, 1,
                                    1,    0x4b, 1,   0x13, 0x74, 32, 'b',  'c' };
    struct iotsafe_object objects[2];

    cr_assert_eq(objects_parse(list, sizeof(list), objects, 2), 1);
    cr_expect_str_eq(objects[0].name.label, "a");
    /* an attribute that breaks off spoils its object */
    cr_expect_eq(objects_parse(list, sizeof(list) - 5, objects, 2), 0);
}

Test(object, truncation_at_every_length_loses_only_the_end)
{
    uint8_t bytes[256];
    struct iotsafe_object o[8];
    size_t last = 0;
    int n = hex_decode(FORM_A, strlen(FORM_A), bytes, sizeof(bytes));

    for (size_t len = 0; len <= (size_t)n; len++) {
        size_t found = objects_parse(bytes, len, o, 8);

        cr_expect_leq(found, 3);
        cr_expect_geq(found + 1, last, "length %zu", len);
        last = found;
    }
    cr_expect_eq(last, 3);
}

Test(object, stops_at_the_room_there_is)
{
    struct iotsafe_object o[3];

    memset(&o[2], 0xee, sizeof(o[2]));
    cr_expect_eq(parse(FORM_B, o, 2), 2);
    cr_expect_eq(o[2].told, 0xeeee);
}

Test(object, a_label_that_is_no_text_leaves_the_identifier)
{
    struct iotsafe_object o[2];

    cr_assert_eq(parse("C1077402FF00840101", o, 2), 1);
    cr_expect_eq(o[0].name.label_len, 0);
    cr_expect_eq(o[0].name.id_len, 1);
}

static bool info(const char *hex, struct iotsafe_info *ret)
{
    uint8_t bytes[128];
    int n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));

    memset(ret, 0, sizeof(*ret));
    return info_parse(bytes, (size_t)n, ret);
}

Test(object, reads_application_information_in_all_its_forms)
{
    static const char *const forms[] = {
        "10011011201122334455667788112233445566778811223344556677881122334455667788B1010AB2010AB301"
        "0AB4010A61010F910200019201046F0101940102B70101",
        "10011011201122334455667788112233445566778811223344556677881122334455667788B1010AB2010AB301"
        "0AB4010A90010F91020001920104930101940102B70101",
        "100110110D494F54534146452D44454D4F31B1010AB2010AB3010AB4010A90010F910200019201049301019401"
        "02B70101",
        "100110110E494F54534146452D44454D4F31B1010AB2010AB3010AB4010A90010F910101920104930101940102"
        "B70101",
    };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct iotsafe_info got;

        cr_assert(info(forms[i], &got), "form %zu", i);
        cr_expect_eq(got.version, 0x10);
        cr_expect_eq(got.max_files, 10, "form %zu", i);
        cr_expect_eq(got.functions, 0x0f, "form %zu", i);
        cr_expect_eq(got.hashes, 1, "form %zu", i);
        cr_expect_eq(got.agreement, 1, "form %zu", i);
        cr_expect_eq(got.max_sessions, 1, "form %zu", i);
        cr_expect_eq(got.applet_id_len, i < 2 ? 32 : 13, "form %zu", i);
    }
}

/* ------------------------------------------------------------- replacing keys */

static const struct {
    uint16_t told;
    uint8_t access, functions;
    enum iotsafe_replaceable want;
    const char *why;
} keys[] = {
    { IOTSAFE_TOLD_ACCESS | IOTSAFE_TOLD_FUNCTIONS, IOTSAFE_ACCESS_READ, IOTSAFE_FUNCTION_AGREE,
      IOTSAFE_REPLACEABLE_NO, "" },
    { IOTSAFE_TOLD_ACCESS | IOTSAFE_TOLD_FUNCTIONS, IOTSAFE_ACCESS_UPDATE, 0,
      IOTSAFE_REPLACEABLE_YES, "has update access" },
    { IOTSAFE_TOLD_ACCESS | IOTSAFE_TOLD_FUNCTIONS, 0, IOTSAFE_FUNCTION_GENERATE,
      IOTSAFE_REPLACEABLE_YES, "can be generated again" },
    { IOTSAFE_TOLD_FUNCTIONS, 0, 0, IOTSAFE_REPLACEABLE_UNKNOWN, "does not tell its access" },
    { IOTSAFE_TOLD_ACCESS, 0, 0, IOTSAFE_REPLACEABLE_UNKNOWN, "does not tell its functions" },
    { 0, 0, 0, IOTSAFE_REPLACEABLE_UNKNOWN, "does not tell its access" },
    /* a known danger counts for more than what is not known */
    { IOTSAFE_TOLD_FUNCTIONS, 0, IOTSAFE_FUNCTION_GENERATE, IOTSAFE_REPLACEABLE_YES,
      "can be generated again" },
};

Test(object, tells_whether_the_device_can_replace_a_key)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct iotsafe_object key = { .kind = IOTSAFE_PUBLIC_KEY,
                                      .told = keys[i].told,
                                      .access = keys[i].access,
                                      .functions = keys[i].functions };
        const char *why = NULL;

        cr_expect_eq(iotsafe_key_replaceable(&key, &why), keys[i].want, "row %zu", i);
        cr_expect_str_eq(why, keys[i].why, "row %zu", i);
        cr_expect_eq(iotsafe_key_replaceable(&key, NULL), keys[i].want, "row %zu", i);
    }
}
