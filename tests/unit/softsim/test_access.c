/* SPDX-License-Identifier: Apache-2.0 */
/* Order of checks, status words, access rules, and the dimensions that change them. */
#include <string.h>

#include "fixture.h"

static struct fixture f;

static void begin(const char *settings)
{
    fixture_begin(&f, "gsma-strict", settings);
    fixture_select(&f, AID_GSMA);
}

static void again(const char *settings)
{
    fixture_end(&f);
    begin(settings);
}

static struct object *object(enum kind kind, const char *label)
{
    return store_by_label(f.store, kind, label, strlen(label));
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(softsim_access, .fini = end);

#define SIGN_INIT "812A00010D840101A1010391020001920104"

/* ---- order of checks, 10.5: each step hides the ones behind it ---- */

Test(softsim_access, checks_come_in_order)
{
    fixture_begin(&f, "gsma-strict", "");
    EXPECT_SW(&f, "8100000000", 0x6881); /* 1: channel closed, before anything else */
    EXPECT_SW(&f, "80CB0000", 0x6e00);   /* 2: applet not selected */
    fixture_select(&f, AID_GSMA);
    EXPECT_SW(&f, "01FF0000", 0x6e00);         /* 3: class, before the instruction */
    EXPECT_SW(&f, "81FF0000", 0x6d00);         /* 4: instruction */
    EXPECT_SW(&f, "81CD010100", 0x6a86);       /* 5: P1 P2, before the length */
    EXPECT_SW(&f, "81CD0000", 0x6700);         /* 6: length, before the content */
    EXPECT_SW(&f, "81CD000003840109", 0x6a80); /* 7: TLVs, before the object */
    EXPECT_SW(&f, "81B0000003830109", 0x6a82); /* 8: object */
    EXPECT_SW(&f, "81CD000003850109", 0x6a80);
    f.card.admin_busy = true;
    EXPECT_SW(&f, "81CD000003850109", 0x6a80);
    EXPECT_SW(&f, "81CD000003850105", 0x6984); /* 9: administration, before the state */
    f.card.admin_busy = false;
    EXPECT_SW(&f, "81CD000003850105", 0x6985); /* 10: state */
    EXPECT_SW(&f, SIGN_INIT, 0x9000);
    object(KIND_PRIVATE, "tls-client")->functions = 0;
    EXPECT_SW(&f, SIGN_INIT, 0x6985); /* 10 before 11 */
}

Test(softsim_access, class_byte_details)
{
    begin("");
    EXPECT_SW(&f, "85CB010000", 0x6882);
    EXPECT_SW(&f, "91CB010000", 0x6884);
    EXPECT_SW(&f, "A0C0000010", 0x6e00);
    EXPECT_SW(&f, "FFCB0000", 0x6e00);
    EXPECT_SW(&f, "C5CB0000", 0x6881);
    again("cla=0n");
    EXPECT_SW(&f, "81CB010000", 0x6e00);
    EXPECT_SW(&f, "01CB000000", 0x9000);
    again("cla=both");
    EXPECT_SW(&f, "81CB000000", 0x9000);
    EXPECT_SW(&f, "01CB000000", 0x9000);
}

Test(softsim_access, other_application_answers_before_select)
{
    fixture_begin(&f, "no-applet", "");
    EXPECT_SW(&f, "00A4040007A0000005590010", 0x6a82);
    EXPECT_SW(&f, "00CB0100", 0x6d00);
    EXPECT_SW(&f, "80CB0100", 0x6e00);
    EXPECT_SW(&f, "002C010100", 0x6a86);
    EXPECT_SW(&f, "0024000103850101", 0x6700);
}

/* ---- the USIM ---- */

#define PIN1 "31323334FFFFFFFF"
#define WRONG "39393939FFFFFFFF"
#define PUK1 "3132333435363738"
#define BOTH(cmd, first, second) cmd "10" first second

Test(softsim_access, usim_knows_its_own_instructions_only)
{
    fixture_begin(&f, "gsma-strict", "");
    EXPECT_SW(&f, "00CD0000", 0x6d00);
    EXPECT_SW(&f, "80CD0000", 0x6e00);
    EXPECT_SW(&f,
              "80240001"
              "10" WRONG PIN1,
              0x6e00);
    EXPECT_SW(&f, "0084000004", 0x9000);
    cr_expect_eq(strlen(f.answer), 12);
    EXPECT_SW(&f, "00840000", 0x6700);
    EXPECT_SW(&f, "0084010004", 0x6a86);
    EXPECT(&f, "00B0000003", "FFFFFF9000");
    EXPECT(&f, "00B000FF00", "FF9000");
    EXPECT_SW(&f, "00B0010000", 0x6b00);
    EXPECT_SW(&f, "00B00000038301027F", 0x6700);
    cr_expect_eq(f.card.usim.tries_lost, 0);
}

Test(softsim_access, usim_counts_tries_of_verify_and_change)
{
    fixture_begin(&f, "gsma-strict", "");
    EXPECT_SW(&f, "00200001", 0x63c3);
    EXPECT_SW(&f, "0020000108" WRONG, 0x63c2);
    EXPECT_SW(&f, BOTH("00240001", WRONG, PIN1), 0x63c1);
    EXPECT_SW(&f, "00200081", 0x63c3);
    EXPECT_SW(&f, BOTH("00240001", PIN1, WRONG), 0x9000);
    EXPECT_SW(&f, "0020000108" WRONG, 0x9000);
    EXPECT_SW(&f, "00200001", 0x63c3);
    for (unsigned left = 3; left-- > 0;)
        EXPECT_SW(&f, BOTH("00240001", PIN1, WRONG), 0x63c0 | left);
    EXPECT_SW(&f, BOTH("00240001", WRONG, PIN1), 0x6983);
    EXPECT_SW(&f, "0020000108" WRONG, 0x6983);
    EXPECT_SW(&f, "00200001", 0x6983);
    EXPECT_SW(&f, BOTH("00240101", WRONG, PIN1), 0x6a86);
    EXPECT_SW(&f, BOTH("00240002", WRONG, PIN1), 0x6a86);
    cr_expect_eq(f.card.usim.tries_lost, 5);
    cr_expect_eq(f.card.usim.pin[0].pin_tries, 0);
}

Test(softsim_access, usim_counts_tries_of_unblock)
{
    fixture_begin(&f, "gsma-strict", "");
    EXPECT_SW(&f, "002C0001", 0x63ca);
    for (int i = 0; i < 3; i++)
        sw_of(&f, "0020000108" WRONG);
    EXPECT_SW(&f, BOTH("002C0001", WRONG, PIN1), 0x63c9);
    EXPECT_SW(&f, BOTH("002C0001", PUK1, PIN1), 0x9000);
    EXPECT_SW(&f, "00200001", 0x63c3);
    EXPECT_SW(&f, "002C0001", 0x63ca);
    for (unsigned left = 10; left-- > 0;)
        EXPECT_SW(&f, BOTH("002C0001", WRONG, PIN1), 0x63c0 | left);
    EXPECT_SW(&f, BOTH("002C0001", PUK1, PIN1), 0x6983);
    EXPECT_SW(&f, "002C0001", 0x6983);
    EXPECT_SW(&f, "002C000103850101", 0x6700);
    EXPECT_SW(&f, "002C0002", 0x6a86);
}

/* The commands of PUT PUBLIC KEY and VERIFY SIGNATURE that miss the applet cost a try;
 * those that reach it do not. */
Test(softsim_access, only_the_usim_takes_24_and_2c_for_pin_commands)
{
    fixture_begin(&f, "gsma-strict", "cla=both");
    EXPECT_SW(&f, "0024000110750E6F7065726174696F6E616C4B6579", 0x63c2);
    fixture_select(&f, AID_GSMA);
    sw_of(&f, "0124000110750E6F7065726174696F6E616C4B6579");
    sw_of(&f, BOTH("012C0001", WRONG, PIN1));
    cr_expect_eq(f.card.usim.tries_lost, 1);
}

Test(softsim_access, usim_can_be_selected_again)
{
    fixture_begin(&f, "gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    EXPECT_SW(&f, "81CB000000", 0x9000);
    EXPECT_SW(&f, "01A4040007A0000000041010", 0x6a82);
    EXPECT_SW(&f, "81CB000000", 0x9000);
    EXPECT_SW(&f, "01A4040007A0000000871002", 0x9000);
    EXPECT_SW(&f, "81CB000000", 0x6e00);
    EXPECT_SW(&f, "01CB000000", 0x6d00);
}

/* ---- channels ---- */

Test(softsim_access, channels_are_limited_and_belong_to_one_client)
{
    struct client other = { .next = NULL };

    fixture_begin(&f, "gsma-strict", "");
    card_attach(&f.card, &other);
    EXPECT(&f, "0070000001", "019000");
    cr_expect_str_eq(send_as(&f, &other, "0070000001"), "029000");
    EXPECT(&f, "0070000000", "039000");
    cr_expect_str_eq(send_as(&f, &other, "0070000001"), "6A81");
    cr_expect_str_eq(send_as(&f, &other, "01A4040007A0000005590010"), "6881");
    cr_expect_str_eq(send_as(&f, &other, "00708001"), "6200", "not its own");
    EXPECT_SW(&f, "01A4040007A0000005590010", 0x9000);
    card_detach(&f.card, &other);
    EXPECT(&f, "0070000001", "029000");
    EXPECT_SW(&f, "00708004", 0x6a86);
    EXPECT_SW(&f, "00708000", 0x6a86);
    EXPECT_SW(&f, "0070000100", 0x6a86);
    EXPECT_SW(&f, "00700100", 0x6a86);
    EXPECT_SW(&f, "03708000", 0x9000); /* a channel closes itself */
    EXPECT_SW(&f, "00708003", 0x6200); /* closed already */
}

Test(softsim_access, nineteen_channels)
{
    char cmd[64];

    fixture_begin(&f, "gsma-strict", "channels=0-19");
    for (unsigned n = 1; n <= 19; n++)
        EXPECT_SW(&f, "0070000001", 0x9000);
    EXPECT_SW(&f, "0070000001", 0x6a81);
    snprintf(cmd, sizeof(cmd), "%02XA4040007" AID_GSMA, 0x40 + 19 - 4);
    EXPECT_SW(&f, cmd, 0x9000);
    EXPECT_SW(&f, "CFCB000000", 0x9000);
    EXPECT_SW(&f, "CECB000000", 0x6e00);
}

Test(softsim_access, basic_channel_works_for_every_client)
{
    struct client other = { .next = NULL };

    fixture_begin(&f, "gsma-strict", "");
    card_attach(&f.card, &other);
    EXPECT_SW(&f, "00A4040007A0000005590010", 0x9000);
    cr_expect_str_eq(send_as(&f, &other, "80CB000000"), "6E00", "selected for itself only");
    cr_expect_str_eq(send_as(&f, &other, "00A4040007A0000005590010"), "9000");
    card_detach(&f.card, &other);
}

Test(softsim_access, file_is_asked_for_by_the_tags_that_the_profile_wants)
{
    static const struct {
        const char *setting;
        unsigned by_file, by_secret;
    } rows[] = {
        { "info_file_tags=73+83", 0x9000, 0x6a80 },
        { "info_file_tags=76+86", 0x6a80, 0x9000 },
        { "info_file_tags=both", 0x9000, 0x9000 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fixture_begin(&f, "gsma-strict", rows[i].setting);
        fixture_select(&f, AID_GSMA);
        EXPECT_SW(&f, "81CBC30003830102", rows[i].by_file);
        EXPECT_SW(&f,
                  "81CBC300067304"
                  "63657274",
                  rows[i].by_file);
        EXPECT_SW(&f, "81CBC30003860102", rows[i].by_secret);
        EXPECT_SW(&f,
                  "81CBC300067604"
                  "63657274",
                  rows[i].by_secret);
        EXPECT_SW(&f, "81CBC30006830102760163", 0x6a80);
        EXPECT_SW(&f, "81CBC40003830106", 0x6a80);
        EXPECT_SW(&f, "81CBC40003860106", 0x9000);
        if (i + 1 < ARRAY_LEN(rows))
            fixture_end(&f);
    }
}

Test(softsim_access, select_matches_prefixes)
{
    fixture_begin(&f, "thales-mvp", "");
    EXPECT_SW(&f, "00A4040007A0000000305300", 0x6a82);
    EXPECT_SW(&f, "00A4040007A00000003053F1", 0x9000);
    EXPECT_SW(&f, "00A404000FA00000003053F12401770101495341", 0x9000);
    EXPECT_SW(&f, "00A4040010A00000003053F1240177010149534101", 0x6a82);
    EXPECT_SW(&f, "00A40400", 0x6a82);
    EXPECT_SW(&f,
              "00A4000002"
              "3F00",
              0x6a86);
    fixture_end(&f);
    fixture_begin(&f, "thales-mvp", "select_prefix=off");
    EXPECT_SW(&f, "00A4040007A00000003053F1", 0x6a82);
}

Test(softsim_access, select_answers)
{
    fixture_begin(&f, "gsma-strict", "select_answer=fci");
    EXPECT(&f, "00A4040007A000000559001000", "6F098407A00000055900109000");
    EXPECT(&f, "00A4040C07A0000005590010", "9000");
    fixture_end(&f);
    fixture_begin(&f, "gsma-strict", "select_answer=91");
    EXPECT(&f, "00A4040007A0000005590010", "9110");
    EXPECT_SW(&f, "80CB000000", 0x9000);
}

Test(softsim_access, several_aids)
{
    fixture_begin(&f, "gsma-strict", "aid=" AID_GSMA "|" AID_THALES);
    EXPECT_SW(&f, "00A4040007" AID_GSMA, 0x9000);
    EXPECT_SW(&f, "00A404000F" AID_THALES, 0x9000);
}

/* ---- names ---- */

Test(softsim_access, one_name_by_identifier_or_label)
{
    begin("");
    EXPECT_SW(&f, "81CD00000C750A746C732D636C69656E74", 0x9000);
    EXPECT_SW(&f, "81CD00000F850101750A746C732D636C69656E74", 0x6a80); /* both */
    EXPECT_SW(&f, "81CD0000028500", 0x6a80);
    EXPECT_SW(&f, "81CD0000178515000102030405060708090A0B0C0D0E0F1011121314", 0x6a80);
    EXPECT_SW(&f, "81CD000006850101850101", 0x6a80); /* twice */
    EXPECT_SW(&f, "81CD000006850101990101", 0x6a80); /* a tag that does not belong */
    again("both_names=accept");
    EXPECT_SW(&f, "81CD00000F850101750A746C732D636C69656E74", 0x9000);
    EXPECT_SW(&f, "81CD00000F850107750A746C732D636C69656E74", 0x6a80); /* two objects */
}

Test(softsim_access, unknown_keys)
{
    begin("unknown_key=6a82");
    EXPECT_SW(&f, "81CD000003850109", 0x6a82);
    EXPECT_SW(&f, "812A00010D840109A1010391020001920104", 0x6a82);
}

Test(softsim_access, identifier_policies)
{
    begin("id_policy=2-bytes");
    EXPECT_SW(&f, "81CD000003850101", 0x6a80);
    EXPECT_SW(&f, "81CD00000485020101", 0x6a80); /* fits, but does not exist */
    again("id_policy=ascii;unknown_key=6a82");
    EXPECT_SW(&f, "81CD000003850101", 0x6a80);
    EXPECT_SW(&f, "81CD0000058503303039", 0x6a82);
}

Test(softsim_access, one_namespace_takes_either_tag)
{
    begin("namespace=single");
    EXPECT_SW(&f, "81CD000003840101", 0x9000);
    EXPECT_SW(&f, "812A00010D850101A1010391020001920104", 0x9000);
}

/* ---- INIT data ---- */

static struct init_row {
    char cmd[64];
    unsigned sw;
} init_rows[] = {
    { "812A00010D840101A1010391020001920104", 0x9000 },
    { "812A000109840101A10103920104", 0x6a80 },         /* no hash */
    { "812A00010AA1010391020001920104", 0x6a80 },       /* no key */
    { "812A00010A840101A1010391020001", 0x6a80 },       /* no algorithm */
    { "812A00010D840101A1010091020001920104", 0x6a80 }, /* mode 0 */
    { "812A00010D840101A1010491020001920104", 0x6a80 }, /* mode 4 */
    { "812A00010D840101A1010391020003920104", 0x6a80 }, /* two hashes */
    { "812A00010D840101A1010391020000920104", 0x6a80 }, /* none */
    { "812A00010D840101A1010391020008920104", 0x6a80 }, /* unknown */
    { "812A00010D840101A1010391020001920101", 0x6a80 }, /* RSA, not offered */
    { "812A00010D840101A1010391020001920105", 0x6a80 }, /* two algorithms */
    { "812A00010D840101A1010391020002920104", 0x6985 }, /* offered, but not by this key */
    { "812A00010D840104A1010391020001920104", 0x6985 }, /* key without the function */
    { "812A00010D840109A1010391020001920104", 0x6a80 }, /* no such key */
    { "812A02010D840101A1010391020001920104", 0x6a86 },
    { "812A0001", 0x6700 },
    { "812A010103840101", 0x6700 }, /* closing takes no data */
    { "812C00010D850105A1010391020001920104", 0x6985 },
};

ParameterizedTestParameters(softsim_access_init, data)
{
    return cr_make_param_array(struct init_row, init_rows, ARRAY_LEN(init_rows));
}

ParameterizedTest(struct init_row *row, softsim_access_init, data)
{
    begin("");
    EXPECT_SW(&f, row->cmd, row->sw);
    fixture_end(&f);
}

/* ---- access rules, 3.18 ---- */

Test(softsim_access, deactivated_objects_are_refused)
{
    begin("");
    object(KIND_PRIVATE, "tls-client")->state = 0;
    object(KIND_PUBLIC, "tls-client")->state = 0;
    object(KIND_FILE, "cert")->state = 0;
    object(KIND_SECRET, "psk")->state = 0;
    EXPECT_SW(&f, SIGN_INIT, 0x6985);
    EXPECT_SW(&f, "812C00010D850101A1010391020001920104", 0x6985);
    EXPECT_SW(&f, "81CD000003850101", 0x6985);
    EXPECT_SW(&f, "81B0000003830102", 0x6985);
    EXPECT_SW(&f, "814A000009860106D50091020001", 0x6985);
    EXPECT_SW(&f, "81CBC10003840101", 0x9000); /* attributes may be read */
}

Test(softsim_access, access_and_function_bits_are_enforced)
{
    begin("");
    object(KIND_PUBLIC, "tls-client")->access = 2;
    object(KIND_FILE, "cert")->access = 2;
    EXPECT_SW(&f, "81CD000003850101", 0x6985);
    EXPECT_SW(&f, "81B0000003830102", 0x6985);
    EXPECT_SW(&f, "8124000103850107", 0x6985);
    EXPECT_SW(&f, "81B9000003840101", 0x6985);
    EXPECT_SW(&f, "814600000684010185010100", 0x6985);
    object(KIND_SECRET, "psk")->derivation = 1;
    EXPECT_SW(&f, "814A000009860106D50091020001", 0x6985);
    EXPECT_SW(&f, "8148000009860106D20161D30110", 0x9000);
}

Test(softsim_access, enforcement_can_be_switched_off)
{
    begin("enforce_attributes=off");
    object(KIND_PUBLIC, "tls-client")->access = 0;
    object(KIND_PUBLIC, "tls-client")->state = 0;
    EXPECT_SW(&f, "81CD000003850101", 0x9000);
    EXPECT_SW(&f, "812A00010D840101A1010391020004920104", 0x9000);
    EXPECT_SW(&f, "81CD000003850105", 0x6985); /* there is nothing to read */
}

Test(softsim_access, generation_preconditions)
{
    begin("");
    object(KIND_PUBLIC, "device-attest")->access = 2;
    EXPECT_SW(&f, "81B9000003840107", 0x6985);
    object(KIND_PUBLIC, "device-attest")->access = 1;
    EXPECT_SW(&f, "81B9000003840107", 0x9000);
    strcpy(object(KIND_PUBLIC, "device-attest")->label, "other");
    EXPECT_SW(&f, "81B9000003840107", 0x6985); /* no half with the same label */
    again("keygen_check=off");
    object(KIND_PUBLIC, "tls-client")->access = 2;
    EXPECT_SW(&f, "81B9000003840101", 0x9000);
}

Test(softsim_access, generation_may_renumber)
{
    begin("gen_answer=new-ids");
    send_hex(&f, "81B900000384010700");
    cr_expect_eq(strncmp(f.answer, "840108850108344549", 18), 0, "%s", f.answer);
    EXPECT_SW(&f, "81CD000003850108", 0x9000);
    EXPECT_SW(&f, "81CD000003850107", 0x6a80);
}

Test(softsim_access, generated_key_signs_and_its_signature_verifies)
{
    char cmd[300];

    begin("deterministic=off");
    EXPECT_SW(&f, "81B9000003840107", 0x9000);
    EXPECT_SW(&f, "812A00010D840107A1010391020001920104", 0x9000);
    send_hex(&f, "812B8001229E20" HASH_SAMPLE "00");
    cr_assert_eq(strlen(f.answer), 2 * 69);
    snprintf(cmd, sizeof(cmd), "812D8002659E20" HASH_SAMPLE "%.134s", f.answer);
    EXPECT_SW(&f, "812A010100", 0x9000);
    EXPECT_SW(&f, "812C00020D850107A1010391020001920104", 0x9000);
    EXPECT_SW(&f, cmd, 0x9000);
}

Test(softsim_access, tls_keys_sign_tls_text_only)
{
    char cmd[400] = "812B8001829B81";
    static const char context[] = "TLS 1.3, client CertificateVerify";

    begin("enforce_usage=tls");
    object(KIND_PRIVATE, "tls-client")->usage = IOTSAFE_USAGE_TLS13;
    EXPECT_SW(&f, SIGN_INIT, 0x6985);
    EXPECT_SW(&f, "812A00010D840101A1010191020001920104", 0x9000);
    EXPECT_SW(&f, "812B8001089B0673616D706C65", 0x6985);
    EXPECT_SW(&f, "812A010100", 0x9000);
    EXPECT_SW(&f, "812A00010D840101A1010191020001920104", 0x9000);
    strcpy(cmd, "812B8001859B8182");
    for (int i = 0; i < 64; i++)
        strcat(cmd, "20");
    for (size_t i = 0; i < sizeof(context); i++)
        sprintf(cmd + strlen(cmd), "%02X", (unsigned)(unsigned char)context[i]);
    strcat(cmd, HASH_SAMPLE);
    EXPECT_SW(&f, cmd, 0x9000);
}

Test(softsim_access, volatile_keys_are_lost_at_reset)
{
    begin("");
    fixture_load_ephemeral(&f, "ephemeral");
    EXPECT_SW(&f, "81CD000003850104", 0x9000);
    card_reset(&f.card);
    fixture_select(&f, AID_GSMA);
    EXPECT_SW(&f, "81CD000003850104", 0x6985);
    EXPECT_SW(&f, "81CD000003850101", 0x9000);
    EXPECT_SW(&f, "81B9000003840104", 0x9000);
    again("volatile_reset=keep");
    fixture_load_ephemeral(&f, "ephemeral");
    card_reset(&f.card);
    fixture_select(&f, AID_GSMA);
    EXPECT_SW(&f, "81CD000003850104", 0x9000);
}

/* ---- remote administration ---- */

Test(softsim_access, administration_delays_and_then_is_told_once)
{
    begin("");
    EXPECT_SW(&f, SIGN_INIT, 0x9000);
    f.card.admin_busy = true;
    EXPECT_SW(&f, "812B8001229E20" HASH_SAMPLE "00", 0x6984);
    EXPECT_SW(&f, "81B0000003830102", 0x6984);
    EXPECT_SW(&f, "8184000008", 0x9000); /* touches no object */
    f.card.admin_busy = false;
    f.card.admin_ended = true;
    EXPECT_SW(&f, "81B0000003830109", 0x6a82); /* an error does not use it up */
    EXPECT(&f, "812B8001229E20" HASH_SAMPLE "00", "330040" SIG_SAMPLE "63CF");
    EXPECT_SW(&f, "81B0000003830102", 0x9000);
}

/* ---- switches ---- */

Test(softsim_access, commands_can_be_absent)
{
    begin("getdata=off;random=off;verify=off;dh=off;prf=off;hkdf=off");
    EXPECT_SW(&f, "81CB010000", 0x6d00);
    EXPECT_SW(&f, "8184000008", 0x6d00);
    EXPECT_SW(&f, "812C00010D850101A1010391020001920104", 0x6d00);
    EXPECT_SW(&f, "814600000684010185010100", 0x6d00);
    EXPECT_SW(&f, "8148000009860106D20161D30110", 0x6d00);
    EXPECT_SW(&f, "814A000009860106D50091020001", 0x6d00);
}

Test(softsim_access, list_can_be_absent_alone)
{
    begin("getdata=no-list");
    EXPECT_SW(&f, "81CB010000", 0x6a86);
    EXPECT_SW(&f, "81CB000044", 0x9000);
    EXPECT_SW(&f, "81CBC3000383010200", 0x9000);
}

Test(softsim_access, le_policies)
{
    begin("le_policy=required");
    EXPECT_SW(&f, "81CD000003850101", 0x6700);
    EXPECT_SW(&f, "81CD00000385010100", 0x9000);
    EXPECT_SW(&f, SIGN_INIT, 0x9000);
    again("le_policy=forbidden");
    EXPECT_SW(&f, "81CD000003850101", 0x9000);
    EXPECT_SW(&f, "81CD00000385010100", 0x6700);
    EXPECT_SW(&f, "81CB0000", 0x6700);
    EXPECT_SW(&f, "81CB000000", 0x9000);
}

/* One client puts a stray 00 behind the data of every command. */
Test(softsim_access, stray_bytes)
{
    begin("");
    EXPECT_SW(&f, "81CD0000038501010000", 0x6700);
    EXPECT_SW(&f, "812A00010D840101A101039102000192010400", 0x9000);
    again("stray_bytes=ignore");
    EXPECT_SW(&f, "81CD0000038501010000", 0x9000);
    EXPECT_SW(&f, "81B00000038301020032", 0x9000);
    cr_expect_eq(strlen(f.answer), 2 * 258, "the first one is Le");
    again("stray_bytes=last-is-le");
    EXPECT_SW(&f, "81CD0000038501010000", 0x9000);
    EXPECT_SW(&f, "81B00000038301020032", 0x9000);
    cr_expect_eq(strlen(f.answer), 2 * (0x32 + 2));
    EXPECT_SW(&f, "81B0000003830102FF0010", 0x9000);
    cr_expect_eq(strlen(f.answer), 2 * (0x10 + 2));
    EXPECT_SW(&f, "81B000000383010200", 0x9000);
    cr_expect_eq(strlen(f.answer), 2 * 258, "no byte is stray");
}

Test(softsim_access, random_status_words)
{
    begin("random_sw=alternate");
    EXPECT_SW(&f, "8184000004", 0x6300);
    EXPECT_SW(&f, "8184000004", 0x9000);
    again("random_sw=6300");
    EXPECT_SW(&f, "8184000004", 0x6300);
    cr_expect_eq(strlen(f.answer), 2 * 6);
}

Test(softsim_access, prf_and_hkdf_refuse_bad_data)
{
    begin("");
    EXPECT_SW(&f, "8148000006D10161D20161", 0x6a80 | 0);
    EXPECT_SW(&f, "8148000009D10161D20161D30100", 0x6a80);
    EXPECT_SW(&f, "8148000009D10161D20161D301FF", 0x9000);
    EXPECT_SW(&f, "8148010009D10161D20161D30110", 0x6a80);       /* PSK form without a stored one */
    EXPECT_SW(&f, "814801000C860106D40161D20161D30110", 0x6a80); /* D4 does not belong */
    EXPECT_SW(&f, "8148020009860106D20161D30110", 0x6a80);       /* D4 is missing */
    EXPECT_SW(&f, "8148030009860106D20161D30110", 0x6a86);
    EXPECT_SW(&f, "814800000C860106D10161D20161D30110", 0x6a80); /* two secrets */
    EXPECT_SW(&f, "814A000007D1016191020001", 0x6a80);           /* no salt */
    EXPECT_SW(&f, "814A000009D10161D50091020003", 0x6a80);       /* two hashes */
    EXPECT_SW(&f, "814A000008D100D50091020001", 0x9000);         /* both empty */
    cr_expect_eq(strlen(send_hex(&f, "814A000009D10161D5009102000400")), 2 * 66);
}

Test(softsim_access, cmac_extension)
{
    struct object *o;
    uint8_t key[16], id = 8;

    fixture_begin(&f, "thales-p11", "");
    unhex("2B7E151628AED2A6ABF7158809CF4F3C", key, sizeof(key));
    o = object_new(KIND_SECRET, "cmac", &id, 1);
    o->key_type = 0xb0;
    o->functions = IOTSAFE_FUNCTION_SIGN;
    o->sig_algs = 8;
    object_set_content(o, key, sizeof(key));
    cr_assert(store_add(f.store, o));
    fixture_select(&f, AID_THALES);
    EXPECT(&f, "012A000009860108A10101920108", "9000");
    EXPECT(&f, "012B0000089F066BC1BEE22E40", "9000");
    EXPECT(&f, "012B80000C9F0A9F96E93D7E117393172A00", "3310070A16B46B4D4144F79BDD9DD04A287C9000");
    EXPECT_SW(&f, "012A00000D840101A1010191020001920104", 0x9000);
}

Test(softsim_access, rsa_keys)
{
    struct object *priv, *pub;
    EVP_PKEY *pair = crypto_generate(IOTSAFE_KEY_RSA2048);
    uint8_t id = 0x10;

    fixture_begin(&f, "thales-p11", "");
    priv = object_new(KIND_PRIVATE, "rsa", &id, 1);
    pub = object_new(KIND_PUBLIC, "rsa", &id, 1);
    priv->key_type = pub->key_type = IOTSAFE_KEY_RSA2048;
    priv->functions = pub->functions = 1;
    priv->sig_algs = pub->sig_algs = 3;
    priv->hash_algs = pub->hash_algs = 1;
    pub->access = 3;
    object_set_key(pub, crypto_public_half(pair));
    object_set_key(priv, pair);
    cr_assert(store_add(f.store, priv) && store_add(f.store, pub));
    fixture_select(&f, AID_THALES);
    EXPECT_SW(&f, "012A00000D840110A1010391020001920104", 0x6985); /* ECDSA with it */
    EXPECT_SW(&f, "012A00000D840110A1010391020001920101", 0x9000);
    send_hex(&f, "012B8000229E20" HASH_SAMPLE "00");
    cr_expect_eq(strncmp(f.answer, "330100", 6), 0, "%s", f.answer);
    cr_expect_str_eq(f.answer + 2 * 256, "6103");
    send_hex(&f, "01C0000003");
    cr_expect_str_eq(f.answer + 2 * 3, "9000");
    send_hex(&f, "01CD00000385011000");
    cr_expect_eq(strncmp(f.answer, "3482010D498201098182010", 23), 0, "%.40s", f.answer);
}

/* ---- files ---- */

Test(softsim_access, file_chunks_and_ends)
{
    begin("file_chunk=240;file_end=empty-then-6a86");
    cr_expect_eq(strlen(send_hex(&f, "81B0000003830102")), 2 * 242);
    cr_expect_eq(strlen(send_hex(&f, "81B000000383010232")), 2 * 52); /* Le limits */
    cr_expect_eq(strlen(send_hex(&f, "81B002BB03830102")), 2 * 3);
    EXPECT(&f, "81B002BC03830102", "9000");
    EXPECT(&f, "81B002BD03830102", "6A86");
    again("file_end=6981");
    EXPECT(&f, "81B002BC03830102", "6981");
    again("file_end=empty");
    EXPECT(&f, "81B0FFFF03830102", "9000");
    again("file_end=zeros");
    send_hex(&f, "81B002BC03830102");
    cr_expect_eq(strspn(f.answer, "0"), 512);
    cr_expect_str_eq(f.answer + 512, "9000");
    again("file_size_order=little;file_usage_tag=absent");
    EXPECT(&f, "81CBC30003830102", "C3137304636572748301026001014A01012002BC029000");
    again("single_form=minimal");
    EXPECT(&f, "81CBC30003830102", "830102200202BC9000");
}

/* ---- object list ---- */

Test(softsim_access, list_order_and_long_lengths)
{
    begin("list_form=per-kind;list_order=private-public-secret-file;len_ge_128=ber;list_page=0");
    send_hex(&f, "81CB0100");
    cr_assert_not_null(strstr(f.answer, "C28188750A"));
    send_hex(&f, "81C0000000");
    cr_assert_not_null(strstr(f.answer, "C32A73"));
}

Test(softsim_access, list_pages_continue_only_after_a_first)
{
    begin("list_page=100");
    EXPECT_SW(&f, "81CB010100", 0x6985);
    EXPECT_SW(&f, "81CB010200", 0x6a86);
    EXPECT_SW(&f, "81CB010000", 0x6300);
    EXPECT_SW(&f, "81CB010100", 0x6300);
    EXPECT_SW(&f, "81CB010000", 0x6300); /* starts again */
    EXPECT_SW(&f, "01A4040007A0000005590010", 0x9000);
    EXPECT_SW(&f, "81CB010100", 0x6985); /* SELECT forgets it */
}

Test(softsim_access, empty_card_has_an_empty_list)
{
    fixture_begin_empty(&f, "gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "81CB010000", "9000");
}
