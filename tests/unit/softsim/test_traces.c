/* SPDX-License-Identifier: Apache-2.0 */
/* Worked examples of every command with RFC 6979 and NIST keys, byte by byte. */
#include <string.h>

#include "fixture.h"

#define APP_BYTES                                                                \
    "10011011201122334455667788112233445566778811223344556677881122334455667788" \
    "B10140B20140B30140B40140"
#define OBJECTS_3                                                                    \
    "C125740A746C732D636C69656E748401016001004A01014B01134E010161010192010491020001" \
    "C225750A746C732D636C69656E748501016001014A01014B01134E010161010192010491020001" \
    "C3167304636572748301026001004A0101210102200202BC"
#define PUBKEY_SIGN "344549438641" POINT_SIGN
#define PUBKEY_EPHEMERAL "344549438641" POINT_EPHEMERAL
#define INIT_HASH "0D840101A1010391020001920104"
#define UPDATE_HASH "229E20" HASH_SAMPLE

static struct fixture f;

static void begin(const char *profile, const char *settings)
{
    fixture_begin(&f, profile, settings);
}

/* In the examples of form A the certificate file has no access bits, in form B it is readable. */
static void begin_form_a(const char *settings)
{
    fixture_begin(&f, "gsma-strict", settings);
    store_by_label(f.store, KIND_FILE, "cert", 4)->access = 0;
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(softsim_traces, .fini = end);

Test(softsim_traces, t11_2_open_select_close)
{
    begin("gsma-strict", "");
    EXPECT(&f, "0070000001", "019000");
    EXPECT(&f, "01A4040007A0000005590010", "9000");
    EXPECT(&f, "0070800100", "9000");
    EXPECT(&f, "0070000001", "019000");
    EXPECT(&f, "00708001", "9000");
}

Test(softsim_traces, t11_2_select_with_pending_fci)
{
    begin("gsma-strict", "select_answer=61");
    EXPECT(&f, "0070000001", "019000");
    EXPECT(&f, "01A4040007A000000559001000", "610B");
    EXPECT(&f, "01C000000B", "6F098407A00000055900109000");
}

Test(softsim_traces, t11_2_pending_fci_need_not_be_fetched)
{
    begin("gsma-strict", "select_answer=61");
    EXPECT(&f, "0070000001", "019000");
    EXPECT(&f, "01A4040007A000000559001000", "610B");
    EXPECT(&f, "81CD00000385010100", PUBKEY_SIGN "9000");
}

Test(softsim_traces, t11_2_applet_absent)
{
    begin("no-applet", "");
    EXPECT(&f, "0070000001", "019000");
    EXPECT(&f, "01A4040007A0000005590010", "6A82");
    EXPECT(&f, "0070800100", "9000");
}

Test(softsim_traces, t11_3_application)
{
    begin("gsma-strict", "hash_algs=1;derivation_algs=2");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CB000044", APP_BYTES "61010F910200019201046F0101940102B701019000");
}

Test(softsim_traces, t11_3_alternative_tags)
{
    begin("gsma-strict", "hash_algs=1;derivation_algs=2;app_tags=90+93");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CB000044", APP_BYTES "90010F91020001920104930101940102B701019000");
}

Test(softsim_traces, t11_3_other_length_is_corrected)
{
    begin("gsma-strict", "hash_algs=1;derivation_algs=2;app_tags=90+93;session_count=2;"
                         "app_id=494F54534146452D44454D4F31");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CB000044", "6C31");
    EXPECT(&f, "81CB000031",
           "100110110D494F54534146452D44454D4F31B10140B20140B30140B40140"
           "90010F91020001920104930101940102B701029000");
}

Test(softsim_traces, t11_3_defects)
{
    begin("orange", "hash_algs=1;derivation_algs=2;session_count=2");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CB000030",
           "100110110E494F54534146452D44454D4F31B10140B20140B30140B40140"
           "90010F910101920104930101940102B701029000");
}

Test(softsim_traces, t11_4_form_a)
{
    begin_form_a("");
    fixture_keep(&f, "tls-client cert");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CB010000", OBJECTS_3 "9000");
}

Test(softsim_traces, t11_4_two_steps)
{
    begin_form_a("answer_mode=61");
    fixture_keep(&f, "tls-client cert");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CB010000", "6166");
    EXPECT(&f, "81C0000066", OBJECTS_3 "9000");
    EXPECT(&f, "81CB010000", "6166");
    EXPECT(&f, "01C0000066", OBJECTS_3 "9000");
}

Test(softsim_traces, t11_4_corrected_le)
{
    begin_form_a("answer_mode=6c");
    fixture_keep(&f, "tls-client cert");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CB010000", "6C66");
    EXPECT(&f, "81CB010066", OBJECTS_3 "9000");
}

#define FORM_B_PAGE_1                                                                          \
    "C16D740A746C732D636C69656E748401016001004A01014B01134E010161010192010491020001740D646576" \
    "6963652D6174746573748401076001004A01014B01134E0101610103920104910200017409657068656D6572" \
    "616C8401046001004A01014B01144E01016101066F0101C288750A746C732D636C69656E748501016001014A" \
    "01014B01134E010161010192010491020001750D6465766963652D6174746573748501076001014A01014B01" \
    "134E0101610103920104910200017509657068656D6572616C8501046001014A01014B01144E01016101066F" \
    "01017504706565728501056001024A01004B01144E01016101046F0101C3"
#define FORM_B_PAGE_2                                                                          \
    "2A7304636572748301026001014A0101210102200202BC730263618301036001014A0101210102200202BCC4" \
    "17760370736B8601066001004A01014B01A0610108940103"

Test(softsim_traces, t11_4_form_b_in_pages)
{
    begin("gsma-strict", "list_form=per-kind");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CB010000", FORM_B_PAGE_1 "6300");
    EXPECT(&f, "81CB010100", FORM_B_PAGE_2 "9000");
}

/* The same list by 61xx: 256 bytes, then the rest. */
Test(softsim_traces, t11_4_form_b_by_get_response)
{
    begin("gsma-strict", "list_form=per-kind;list_page=0;answer_mode=61");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CB010000", "6100");
    send_hex(&f, "81C0000000");
    cr_expect_eq(strncmp(f.answer, FORM_B_PAGE_1, 500), 0);
    cr_expect_str_eq(f.answer + 512, "613E");
    send_hex(&f, "81C000003E");
    cr_expect_eq(strncmp(f.answer, &FORM_B_PAGE_2[12], 2 * 62), 0);
    cr_expect_str_eq(f.answer + 2 * 62, "9000");
}

Test(softsim_traces, t11_4_form_c_with_defect)
{
    begin("quantag-1.4", "key_usage=3");
    fixture_keep(&f, "tls-client");
    EXPECT_SW(&f, "00A404000F" AID_THALES "00", 0x9000);
    EXPECT(&f, "80CB0100",
           "740A746C732D636C69656E748401016001004A01014B01134E0101610101920204910200"
           "01750A746C732D636C69656E748501016001014A01014B01134E01016101019202049102"
           "00019000");
}

/* The objects of the card that form C was captured from. */
static void add_captured(enum kind kind, const char *label, uint8_t number,
                         struct object attributes)
{
    const uint8_t id[] = { 0, number };
    struct object *o = object_new(kind, label, id, sizeof(id));

    cr_assert(o != NULL && store_add(f.store, o));
    o->access = attributes.access;
    o->state = attributes.state;
    o->key_type = attributes.key_type;
    o->usage = attributes.usage;
    o->functions = attributes.functions;
    o->sig_algs = attributes.sig_algs;
    o->hash_algs = attributes.hash_algs;
    o->agreement = attributes.agreement;
    o->derivation = attributes.derivation;
    if (attributes.size > 0)
        cr_assert(object_set_content(o, (uint8_t[64]){ 0 }, attributes.size));
}

Test(softsim_traces, t11_4_form_c_as_captured)
{
    const struct object pair = { .access = 2,
                                 .state = 1,
                                 .key_type = 0x13,
                                 .usage = 3,
                                 .functions = 7,
                                 .sig_algs = 4,
                                 .hash_algs = 7,
                                 .agreement = 1 };

    fixture_begin_empty(&f, "quantag-1.4", "");
    add_captured(KIND_PRIVATE, "11", 2, pair);
    add_captured(KIND_PUBLIC, "11", 2, pair);
    EXPECT_SW(&f, "00A404000F" AID_THALES "00", 0x9000);
    EXPECT(&f, "80CB0100",
           "74023131840200026001024A01014B01134E0103610107920204910200076F0101"
           "75023131850200026001024A01014B01134E0103610107920204910200076F01019000");
    /* what followed: a public key and a secret without content, and a file of 64 bytes */
    add_captured(KIND_PUBLIC, "", 3, (struct object){ .key_type = 0x13 });
    add_captured(KIND_FILE, "", 1, (struct object){ .state = 1, .size = 0x40 });
    add_captured(KIND_SECRET, "", 4,
                 (struct object){ .key_type = 0xa0, .functions = 0x0c, .derivation = 2 });
    send_hex(&f, "80CB0100");
    cr_expect_not_null(strstr(f.answer, "850200036001004A0100"), "%s", f.answer);
    cr_expect_not_null(strstr(f.answer, "83020001"), "%s", f.answer);
    cr_expect_not_null(strstr(f.answer, "20020040"), "%s", f.answer);
    cr_expect_not_null(strstr(f.answer, "860200046001004A01004B01A061010C940102"), "%s", f.answer);
}

Test(softsim_traces, t11_4_single_object)
{
    begin_form_a("");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CBC3000383010200", "C3167304636572748301026001004A0101210102200202BC9000");
    EXPECT(&f, "81CBC1000C740A746C732D636C69656E7400",
           "C125740A746C732D636C69656E748401016001004A01014B01134E0101610101920104910200019000");
    EXPECT(&f, "81CBC3000383010900", "6A82");
}

Test(softsim_traces, t11_4_single_object_not_wrapped)
{
    begin_form_a("single_form=flat");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CBC3000383010200", "7304636572748301026001004A0101210102200202BC9000");
}

Test(softsim_traces, t11_5_read_public_key)
{
    begin("gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CD00000385010100", PUBKEY_SIGN "9000");
}

Test(softsim_traces, t11_5_ascii_identifier_two_steps)
{
    struct object *o;

    begin("zariot", "");
    o = store_by_label(f.store, KIND_PUBLIC, "tls-client", 10);
    memcpy(o->id, "007", 3);
    o->id_len = 3;
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CD0000058503303037", "6147");
    EXPECT(&f, "81C0000047", PUBKEY_SIGN "9000");
}

Test(softsim_traces, t11_5_bare_point)
{
    begin("gsma-strict", "pubkey_form=bare;cla=0n");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "01CD000003850101", POINT_SIGN "9000");
}

Test(softsim_traces, t11_6_style_1_explicit)
{
    begin("gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "812A010100", "6985");
    EXPECT(&f, "812A0001" INIT_HASH, "9000");
    EXPECT(&f, "812B8001" UPDATE_HASH "00", "330040" SIG_SAMPLE "9000");
    EXPECT(&f, "812A010100", "9000");
}

Test(softsim_traces, t11_6_style_2_self_closing_in_steps)
{
    begin("cira", "");
    fixture_select(&f, "A0000002480400");
    for (int i = 0; i < 2; i++) {
        EXPECT(&f, "012A0000" INIT_HASH, "9000");
        EXPECT(&f, "012B8000" UPDATE_HASH "00", "6142");
        EXPECT(&f, "01C0000042", "3340" SIG_SAMPLE "9000");
    }
}

Test(softsim_traces, t11_6_style_3_left_open)
{
    begin("gsma-strict", "reopen_rule=6a86");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "812A0001" INIT_HASH, "9000");
    EXPECT(&f, "812A0001" INIT_HASH, "6A86");
    EXPECT(&f, "812A010100", "9000");
    EXPECT(&f, "812A0001" INIT_HASH, "9000");
    EXPECT(&f, "812B8001" UPDATE_HASH "00", "330040" SIG_SAMPLE "9000");
}

Test(softsim_traces, t11_6_der_value)
{
    begin("gsma-strict", "sig_value=der;sig_len=1");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "812A0001" INIT_HASH, "9000");
    EXPECT(&f, "812B8001" UPDATE_HASH "00",
           "33483046022100EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716022100"
           "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA89000");
}

Test(softsim_traces, t11_7_full_text)
{
    begin("gsma-strict", "sig_len=1");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "812A00010D840101A1010191020001920104", "9000");
    EXPECT(&f, "812B8001089B0673616D706C6500", "3340" SIG_SAMPLE "9000");
}

Test(softsim_traces, t11_7_last_block)
{
    begin("gsma-strict", "sig_len=1");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "812A00010D840101A1010291020001920104", "9000");
    EXPECT(&f,
           "812B80014E9A24343536373839303132333435363738393031323334353637383930313233343536373839"
           "9C20F1FE7B0990BEACE30F0B4ECB81F036BC154ECB060D1B3FDA528F9103B9275E1C9D040000004000",
           "33401B9850B1599CA73DE30C292020F2A76D85534E7BB59635D0483132BFB5B7BE0CB10487D9BF4EF31D75"
           "7A2EA67D7E9EDCDB73C64BB298BCCB70B3D82147AFD2D09000");
}

#define SIG_600                                                                                  \
    "3340B6F932CE8280A4045B86DD3AB31622AD5F04FB788E7F902F5C8B687B161B6E5887E1E34D7A6305A860B45D" \
    "73140706E915F1F9C1363FB8F537B6C7073A1DB6AA9000"

/* Bytes first..last of the 600-byte message 00 01 .. FF 00 .., behind what is in out. */
static void add_message(char *out, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++)
        sprintf(out + strlen(out), "%02X", i & 0xff);
}

Test(softsim_traces, t11_7_long_text_one_tlv_over_blocks)
{
    char cmd[600];

    begin("gsma-strict", "sig_len=1");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "812A00010D840101A1010191020001920104", "9000");
    strcpy(cmd, "812B0001FF9B820258");
    add_message(cmd, 0, 250);
    EXPECT(&f, cmd, "9000");
    strcpy(cmd, "812B0001FF");
    add_message(cmd, 251, 505);
    EXPECT(&f, cmd, "9000");
    strcpy(cmd, "812B80015E");
    add_message(cmd, 506, 599);
    strcat(cmd, "00");
    EXPECT(&f, cmd, SIG_600);
}

Test(softsim_traces, t11_7_long_text_a_tlv_in_every_block)
{
    char cmd[600];

    begin("gsma-strict", "sig_len=1");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "812A00010D840101A1010191020001920104", "9000");
    strcpy(cmd, "812B0001FF9BFD");
    add_message(cmd, 0, 252);
    EXPECT(&f, cmd, "9000");
    strcpy(cmd, "812B0001FF9BFD");
    add_message(cmd, 253, 505);
    EXPECT(&f, cmd, "9000");
    strcpy(cmd, "812B8001609B5E");
    add_message(cmd, 506, 599);
    strcat(cmd, "00");
    EXPECT(&f, cmd, SIG_600);
}

Test(softsim_traces, t11_8_verify)
{
    begin("gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "812C00020D850101A1010391020001920104", "9000");
    EXPECT(&f, "812D8002659E20" HASH_SAMPLE "330040" SIG_SAMPLE, "9000");
    EXPECT(&f, "812C010200", "9000");
}

Test(softsim_traces, t11_8_verify_mismatch_in_short_form)
{
    char sig[] = SIG_SAMPLE;
    char cmd[400] = "812D8002649E20" HASH_SAMPLE "3340";

    begin("gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "812C00020D850101A1010391020001920104", "9000");
    sig[sizeof(sig) - 2] = '9';
    strcat(cmd, sig);
    EXPECT(&f, cmd, "6D01");
}

/* A generated key is random: everything else of the answer is compared. */
Test(softsim_traces, t11_9_generate)
{
    begin("gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    send_hex(&f, "81B900000384010400");
    cr_expect_eq(strlen(f.answer), 2 * (0x4d + 2));
    cr_expect_eq(strncmp(f.answer, "84010485010434454943864104", 26), 0, "%s", f.answer);
    cr_expect_eq(f.info.op, OP_GENERATE);
}

Test(softsim_traces, t11_9_generate_two_steps_other_public_id)
{
    struct object *priv, *pub;

    begin("zariot", "");
    priv = store_by_label(f.store, KIND_PRIVATE, "ephemeral", 9);
    pub = store_by_label(f.store, KIND_PUBLIC, "ephemeral", 9);
    memcpy(priv->id, "001", 3);
    memcpy(pub->id, "002", 3);
    priv->id_len = pub->id_len = 3;
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81B90000058403303031", "6151");
    send_hex(&f, "81C0000051");
    cr_expect_eq(strncmp(f.answer, "8403303031850330303234454943864104", 34), 0, "%s", f.answer);
}

Test(softsim_traces, t11_9_generate_key_only)
{
    struct object *priv, *pub;

    begin("m33mu", "");
    priv = store_by_label(f.store, KIND_PRIVATE, "ephemeral", 9);
    pub = store_by_label(f.store, KIND_PUBLIC, "ephemeral", 9);
    memcpy(priv->id, "\x04\x00", 2);
    memcpy(pub->id, "\x04\x00", 2);
    priv->id_len = pub->id_len = 2;
    EXPECT(&f, "01A4040007A0000005590010", "9000");
    send_hex(&f, "81B900000484020400");
    cr_expect_eq(strncmp(f.answer, "34454943864104", 14), 0, "%s", f.answer);
    cr_expect_eq(strlen(f.answer), 2 * 73);
}

Test(softsim_traces, t11_9_answer_of_a_known_key)
{
    begin("gsma-strict", "");
    fixture_load_ephemeral(&f, "ephemeral");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CD00000385010400", PUBKEY_EPHEMERAL "9000");
}

Test(softsim_traces, t11_10_put_and_dh_style_1)
{
    begin("gsma-strict", "");
    fixture_load_ephemeral(&f, "ephemeral");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "814600000684010485010500", "6985"); /* container empty */
    EXPECT(&f, "8124000203850105", "9000");
    EXPECT(&f, "81D8800247344549438641" POINT_PEER, "9000");
    EXPECT(&f, "8124010200", "9000");
    EXPECT(&f, "814600000684010485010500", ECDH_Z "9000");
}

Test(softsim_traces, t11_10_put_and_dh_style_2)
{
    begin("cira", "");
    fixture_load_ephemeral(&f, "ephemeral");
    fixture_select(&f, "A0000002480400");
    EXPECT(&f, "012400000385010500", "9000");
    EXPECT(&f, "01D8800047344549438641" POINT_PEER "00", "9000");
    EXPECT(&f, "014600000684010485010500", "6120");
    EXPECT(&f, "01C0000020", ECDH_Z "9000");
}

Test(softsim_traces, t11_11_file_in_256_byte_chunks)
{
    uint8_t cert[700];
    char hex[2 * 256 + 5];

    begin("gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    example_certificate(cert);
    softsim_hex_encode(cert, 256, hex);
    strcat(hex, "9000");
    EXPECT(&f, "81B000000383010200", hex);
    softsim_hex_encode(cert + 256, 256, hex);
    strcat(hex, "9000");
    EXPECT(&f, "81B001000383010200", hex);
    softsim_hex_encode(cert + 512, 188, hex);
    strcat(hex, "9000");
    EXPECT(&f, "81B002000383010200", hex);
    EXPECT(&f, "81B002BC0383010200", "6A86");
}

Test(softsim_traces, t11_11_file_in_two_steps)
{
    begin("cira", "file_end=6a86;file_chunk=256");
    fixture_select(&f, "A0000002480400");
    EXPECT(&f, "01B0000003830102", "6100");
    cr_expect_eq(strlen(send_hex(&f, "01C0000000")), 2 * 258);
    EXPECT(&f, "01B0020003830102", "61BC");
    cr_expect_eq(strlen(send_hex(&f, "01C00000BC")), 2 * 190);
}

static void expect_piece(const char *cmd, const uint8_t *bytes, size_t len)
{
    char hex[2 * 256 + 5];

    softsim_hex_encode(bytes, len, hex);
    strcat(hex, "9000");
    EXPECT(&f, cmd, hex);
}

/* Each piece by GET RESPONSE; between two of them the client asks for nothing else. */
Test(softsim_traces, t11_11_every_piece_in_two_steps)
{
    uint8_t cert[700];

    begin("cira", "file_end=6a86;file_chunk=256");
    example_certificate(cert);
    fixture_select(&f, "A0000002480400");
    EXPECT(&f, "01B0000003830102", "6100");
    expect_piece("01C0000000", cert, 256);
    EXPECT(&f, "01B0010003830102", "6100");
    expect_piece("01C0000000", cert + 256, 256);
    EXPECT(&f, "01B0020003830102", "61BC");
    expect_piece("01C00000BC", cert + 512, 188);
}

/* By what the card gives at most, and by what the command asks for. */
Test(softsim_traces, t11_11_file_in_pieces_of_other_sizes)
{
    static const struct {
        const char *settings;
        size_t piece, last;
        unsigned le;
    } rows[] = {
        { "file_chunk=255", 255, 190, 0 },
        { "file_chunk=240", 240, 220, 0 },
        { "file_chunk=128", 128, 60, 0 },
        { "", 50, 50, 0x32 },
    };
    uint8_t cert[700];
    char cmd[32];

    example_certificate(cert);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t at = 0, n = 0;

        begin("gsma-strict", rows[i].settings);
        fixture_select(&f, AID_GSMA);
        for (; at < sizeof(cert); at += n) {
            n = sizeof(cert) - at < rows[i].piece ? rows[i].last : rows[i].piece;
            snprintf(cmd, sizeof(cmd), "81B0%04zX03830102%02X", at, rows[i].le);
            expect_piece(cmd, cert + at, n);
        }
        cr_expect_eq(at, sizeof(cert));
        if (i + 1 < ARRAY_LEN(rows)) /* the last one ends with the test */
            end();
    }
}

Test(softsim_traces, t11_11_padded_container)
{
    begin("gsma-strict", "file_padding=zeros");
    store_by_label(f.store, KIND_FILE, "cert", 4)->size = 1024;
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CBC3000383010200", "C3167304636572748301026001014A0101210102200204009000");
    send_hex(&f, "81B003000383010200");
    cr_expect_eq(strlen(f.answer), 2 * 258);
    cr_expect_eq(strspn(f.answer, "0"), 2 * 256);
}

Test(softsim_traces, t11_12_hkdf)
{
    begin("gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f,
           "814A00002BD1160B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B"
           "D50D000102030405060708090A0B0C9102000100",
           "077709362C2E32DF0DDC3F0DC47BBA6390B6C73BB50F9C3122EC844AD7C2B3E59000");
    EXPECT(&f,
           "814A000048D1200000000000000000000000000000000000000000000000000000000000000000D520"
           "00000000000000000000000000000000000000000000000000000000000000009102000100",
           "33AD0A1C607EC03B09E6CD9893680CE210ADF300AA1F2660E1B22E10F170F92A9000");
}

Test(softsim_traces, t11_13_prf)
{
    begin("gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f,
           "814800005DD120C0485B054863F6DFA458789768B9035C6CACB160DD1A01834811F5783309DB81D2366578"
           "74656E646564206D617374657220736563726574CE15B44D68440B652624244DB8D2FB7DD601C759E9EB62"
           "7FB10529AB0DB76049D3013000",
           "A1F02A766DA04C8FD83A40E358267528F8D815C48E3DC353D55FE3861C350622C78B48FE6F49F6E13E1B6B"
           "175CFE59FB9000");
}

#define SEED_64                                                                                  \
    "D24D6D617374657220736563726574000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D" \
    "1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3FD3013000"

Test(softsim_traces, t11_13_prf_with_stored_secret)
{
    begin("gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    send_hex(&f, "8148010055860106" SEED_64);
    cr_expect_eq(strlen(f.answer), 2 * 50, "%s", f.answer);
    send_hex(&f, "8148020077860106D420" ECDH_Z SEED_64);
    cr_expect_eq(strlen(f.answer), 2 * 50, "%s", f.answer);
}

Test(softsim_traces, t11_14_random)
{
    begin("gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    cr_expect_eq(strlen(send_hex(&f, "8184000010")), 2 * 18);
    cr_expect_eq(strlen(send_hex(&f, "8184000000")), 2 * 258);
}

/* What a modem sends after AT+CGLA on channel 1; its lines are in test_modem.c. */
Test(softsim_traces, t11_15_as_a_modem_sends_it)
{
    begin("gsma-strict", "answer_mode=61");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "812A0001" INIT_HASH, "9000");
    EXPECT(&f, "812B8001" UPDATE_HASH, "6143");
    EXPECT(&f, "81C0000043", "330040" SIG_SAMPLE "9000");
}
