/* SPDX-License-Identifier: Apache-2.0 */
/* Public clients as they are known to talk, each with the SIM that its profile makes:
 * the commands are theirs to the byte, defects included. */
#include <string.h>

#include "fixture.h"

static struct fixture f;

static void end(void)
{
    fixture_end(&f);
}

TestSuite(softsim_clients, .fini = end);

/* Bytes of data in the last answer. */
static size_t received(void)
{
    return strlen(f.answer) / 2 - 2;
}

#define EXPECT_BEGINS(cmd, begin)                                                            \
    do {                                                                                     \
        cr_expect_eq(strncmp(send_hex(&f, cmd), begin, strlen(begin)), 0, "%s gave %s", cmd, \
                     f.answer);                                                              \
    } while (0)

/* ---- wolfSSL: channel 1 taken for granted, class 81, no Le behind UPDATE ---- */

#define W_PUT_INIT "8124000203850105"
#define W_PUT_UPDATE "81D8800247344549438641"
#define W_PUT_CLOSE "8124010200"

/* Certificate and ephemeral key of a handshake; the container that held the server's
 * ephemeral key then takes the key of its certificate, to verify with. */
Test(softsim_clients, wolfssl_tls_1_3)
{
    fixture_begin_personalised(&f, "wolfssl", "");
    fixture_load_ephemeral(&f, "eph-key");
    EXPECT(&f, "01A4040007A0000005590010", "9000");
    EXPECT_SW(&f, "8184000020", 0x9000);
    EXPECT_SW(&f, "81CBC3000383010200", 0x9000);
    EXPECT_SW(&f, "81B000000383010200", 0x9000);
    cr_expect_eq(received(), 256);
    EXPECT(&f, "81CD00000385010400", "344549438641" POINT_EPHEMERAL "9000");
    EXPECT(&f, W_PUT_INIT, "9000");
    EXPECT(&f, W_PUT_UPDATE POINT_PEER, "9000");
    EXPECT(&f, W_PUT_CLOSE, "9000");
    EXPECT(&f, "814600000684010485010500", ECDH_Z "9000");
    EXPECT(&f, W_PUT_INIT, "9000");
    EXPECT(&f, W_PUT_UPDATE POINT_SIGN, "9000");
    EXPECT(&f, W_PUT_CLOSE, "9000");
    EXPECT(&f, "812C00010D850105A1010391020001920104", "9000");
    EXPECT(&f, "812D8001659E20" HASH_SAMPLE "330040" SIG_SAMPLE, "9000");
    EXPECT(&f, "812C010100", "9000");
    EXPECT(&f, "812C00010D850105A1010391020001920104", "9000");
    EXPECT(&f, "812D8001659E20" HASH_SAMPLE "330040" SIG_SAMPLE "00", "9000");
    EXPECT(&f, "812C010100", "9000");
    EXPECT(&f, "812A00010D840101A1010391020001920104", "9000");
    EXPECT_BEGINS("812B8001229E20" HASH_SAMPLE, "330040");
    cr_expect_eq(received(), 67);
    EXPECT(&f, "812A010100", "9000");
}

/* One container for both: functions 05, signature 04, hashes 0007, agreement 01. */
Test(softsim_clients, wolfssl_peer_agrees_and_verifies)
{
    fixture_begin_personalised(&f, "wolfssl", "");
    EXPECT(&f, "01A4040007A0000005590010", "9000");
    EXPECT(&f, "81CBC2000385010500",
           "C2267508706565722D6B65798501056001024A01004B01134E0101610105920104910200076F01019000");
}

/* It sends GET RESPONSE where random bytes begin like a status word, and asks for PRK by hash. */
Test(softsim_clients, wolfssl_derives_and_asks_for_nothing)
{
    fixture_begin_personalised(&f, "wolfssl", "");
    EXPECT(&f, "01A4040007A0000005590010", "9000");
    EXPECT_SW(&f, "8184000020", 0x9000);
    cr_expect_neq(sw_of(&f, "01C0000010"), 0x9000);
    EXPECT_SW(&f, "814A00000ED10401020304D50205069102000100", 0x9000);
    cr_expect_eq(received(), 32);
    EXPECT_SW(&f, "814A00000ED10401020304D50205069102000200", 0x9000);
    cr_expect_eq(received(), 48);
}

Test(softsim_clients, wolfssl_generates)
{
    fixture_begin_personalised(&f, "wolfssl", "");
    EXPECT(&f, "01A4040007A0000005590010", "9000");
    EXPECT_BEGINS("81B900000384010400", "84010485010434454943864104");
    cr_expect_eq(received(), 0x4d);
}

/* ---- Kigen: everything by label, files by the tags of secrets ---- */

#define K_KEY "740E426F6F7473747261704B65795F31"  /* BootstrapKey_1 */
#define K_CERT "0F426F6F747374726170436572745F31" /* BootstrapCert_1, without its tag */
#define K_OPERATIONAL "156F7065726174696F6E616C4B65794C6162656C5F31" /* operationalKeyLabel_1 */

Test(softsim_clients, kigen_signs_with_its_bootstrap_key)
{
    fixture_begin_personalised(&f, "kigen", "");
    EXPECT(&f, "0070000001", "019000");
    EXPECT(&f, "01A4040007A0000005590010", "9000");
    EXPECT_SW(&f, "8184000030", 0x9000);
    cr_expect_eq(received(), 48);
    EXPECT(&f, "812A010100", "6985");
    EXPECT(&f, "812A00011A" K_KEY "A1010391020001920104", "9000");
    EXPECT_BEGINS("812B8001229E20" HASH_SAMPLE "00", "330040");
    cr_expect_eq(received(), 67);
    EXPECT(&f, "812A010100", "9000");
    EXPECT(&f, "0070800100", "9000");
}

/* It reads the answer in the order C3, 73, 83, 60, 4A, 21, 20. */
Test(softsim_clients, kigen_reads_a_certificate)
{
    uint8_t info[APDU_RSP_MAX];
    char cmd[64];
    size_t size, got = 0;

    fixture_begin_personalised(&f, "kigen", "");
    fixture_select(&f, AID_GSMA);
    EXPECT_BEGINS("81CBC3001176" K_CERT "00", "C32173" K_CERT "8301316001014A01012101022002");
    unhex(f.answer, info, sizeof(info));
    size = u16_be(info + received() - 2);
    for (size_t at = 0; at < size; at += 256) {
        snprintf(cmd, sizeof(cmd), "81B0%04zX1173%s00", at, K_CERT);
        EXPECT_SW(&f, cmd, 0x9000);
        got += received();
    }
    cr_expect_eq(got, size);
    cr_expect_gt(size, 256);
    EXPECT_SW(&f, "81CBC3000386013100", 0x9000); /* by identifier */
    cr_expect_eq(received(), info[1] + 2u);
}

Test(softsim_clients, kigen_generates_an_operational_key)
{
    fixture_begin_personalised(&f, "kigen", "");
    fixture_select(&f, AID_GSMA);
    EXPECT_BEGINS("81B900001774" K_OPERATIONAL "00", "84013285013234454943864104");
    EXPECT_BEGINS("81CD00001775" K_OPERATIONAL "00", "34454943864104");
}

Test(softsim_clients, kigen_finds_all_its_labels)
{
    static const struct {
        enum kind kind;
        const char *label;
    } want[] = {
        { KIND_PRIVATE, "BootstrapKey_1" },
        { KIND_FILE, "BootstrapCert_1" },
        { KIND_PRIVATE, "operationalKeyLabel_1" },
        { KIND_PRIVATE, "operationalKeyLabel_2" },
        { KIND_FILE, "serverCertificate" },
        { KIND_PUBLIC, "serversessionKey" },
        { KIND_PRIVATE, "clientsessionKey" },
        { KIND_SECRET, "secretkeyLabel" },
        { KIND_PRIVATE, "client-key" },
    };

    fixture_begin_personalised(&f, "kigen", "");
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        cr_expect_not_null(store_by_label(f.store, want[i].kind, want[i].label,
                                          strlen(want[i].label)),
                           "%s", want[i].label);
}

/* ---- Orange over PC/SC: a stray 00 behind the data of each command ---- */

Test(softsim_clients, orange_reads_a_file_in_pieces_of_50)
{
    size_t size, got = 0;
    char cmd[64];

    fixture_begin_personalised(&f, "orange", "");
    size = store_by_label(f.store, KIND_FILE, "client-cert", 11)->content.len;
    fixture_select(&f, AID_GSMA);
    for (size_t at = 0; at < size; at += 50) {
        snprintf(cmd, sizeof(cmd), "01B0%04zX038301020032", at);
        EXPECT_SW(&f, cmd, 0x9000);
        cr_expect_eq(received(), at + 50 < size ? 50 : size - at, "at %zu", at);
        got += received();
    }
    cr_expect_eq(got, size);
    cr_expect_gt(size, 256);
}

Test(softsim_clients, orange_signs)
{
    fixture_begin_personalised(&f, "orange", "");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f, "012A00010D840101A101039102000192010400", "9000");
    EXPECT_BEGINS("012B8001229E20" HASH_SAMPLE "0000", "3340");
    cr_expect_eq(received(), 66);
    EXPECT(&f, "012A010100", "9000");
}

/* COMPUTE DH with Lc 0, its defect: refused, and no harm done. */
Test(softsim_clients, orange_agrees_on_nothing)
{
    fixture_begin_personalised(&f, "orange", "");
    fixture_select(&f, AID_GSMA);
    cr_expect_neq(sw_of(&f, "0146000000"), 0x9000);
    EXPECT(&f, "012A00010D840101A1010391020001920104", "9000");
    cr_expect_neq(sw_of(&f, "012B8001089B0673616D706C6500"), 0x9000); /* a digest was agreed on */
    EXPECT(&f, "012A010100", "9000");
    EXPECT(&f, "012A00010D840101A1010191020001920104", "9000");
    EXPECT_BEGINS("012B8001089B0673616D706C6500", "3340");
    EXPECT(&f, "012A010100", "9000");
}

/* It knows 6Cxx only: the whole list must fit into one answer. */
Test(softsim_clients, orange_lists_few_objects)
{
    size_t whole;

    fixture_begin_personalised(&f, "orange", "client-key client-cert ca-cert");
    cr_expect_eq(f.store->n_objects, 4);
    fixture_select(&f, AID_GSMA);
    EXPECT_BEGINS("01CB010000", "C1");
    cr_expect_str_eq(f.answer + 2 * received(), "9000");
    whole = received();
    EXPECT_SW(&f, "01CB010001", 0x6c00 | (unsigned)whole);
}

Test(softsim_clients, orange_list_of_all_objects_is_too_long_for_it)
{
    fixture_begin_personalised(&f, "orange", "");
    fixture_select(&f, AID_GSMA);
    EXPECT_SW(&f, "01CB010000", 0x6100);
}

/* ---- CIRA: reads until its buffer is full, and gives up at 256 bytes ---- */

Test(softsim_clients, cira_reads_in_pieces_of_255)
{
    size_t size;

    fixture_begin_personalised(&f, "cira", "");
    size = store_by_label(f.store, KIND_FILE, "client-cert", 11)->content.len;
    cr_expect(size > 255 && size < 510);
    fixture_select(&f, "A0000002480400");
    EXPECT(&f, "01B0000003830102", "61FF");
    EXPECT_SW(&f, "01C00000FF", 0x9000);
    cr_expect_eq(received(), 255);
    EXPECT(&f, "01B000FF03830102", "61FF");
    EXPECT_SW(&f, "01C00000FF", 0x9000);
    EXPECT(&f, "01B003FC03830102", "61FF"); /* no end */
}

/* ---- Thales PKCS#11: a container of type 13 that is empty crashes it ---- */

Test(softsim_clients, thales_p11_agrees)
{
    fixture_begin_personalised(&f, "thales-p11", "eph-key peer-key");
    fixture_load_ephemeral(&f, "eph-key");
    fixture_select(&f, AID_THALES);
    EXPECT_BEGINS("01CBC2000385010500", "C21F7508706565722D6B65798501056001024A01004B0114");
    EXPECT(&f, "012400000385010500", "9000");
    EXPECT(&f, "01D8800047344549438641" POINT_PEER "00", "9000");
    EXPECT(&f, "014600000684010485010500", ECDH_Z "9000");
    card_reset(&f.card);
    fixture_select(&f, AID_THALES);
    EXPECT(&f, "014600000684010485010500", "6985");
}

/* It takes the channels of everybody, closing until that fails, and selects again and again. */
Test(softsim_clients, thales_p11_starts)
{
    fixture_begin_personalised(&f, "thales-p11", "");
    EXPECT(&f, "0070000001", "019000");
    EXPECT(&f, "0070000001", "029000");
    EXPECT(&f, "0070800100", "9000");
    EXPECT(&f, "0070800200", "9000");
    cr_expect_neq(sw_of(&f, "0070800300"), 0x9000);
    EXPECT(&f, "0070000001", "019000");
    for (int i = 0; i < 3; i++)
        EXPECT_SW(&f, "01A404000F" AID_THALES "00", 0x9000);
    EXPECT_SW(&f, "018400001C", 0x9000);
    cr_expect_eq(received(), 0x1c);
}

/* Four bytes a command, one template a kind, pages that cut it anywhere. */
Test(softsim_clients, thales_p11_lists_in_pages)
{
    int page = 1;

    fixture_begin_personalised(&f, "thales-p11", "");
    fixture_select(&f, AID_THALES);
    EXPECT_SW(&f, "01A404000F" AID_THALES "00", 0x9000);
    EXPECT_BEGINS("01CB0100", "C1");
    for (; strcmp(f.answer + 2 * received(), "6300") == 0; page++) {
        cr_assert_lt(page, 10);
        cr_expect(received() > 0 && received() <= 255);
        (void)send_hex(&f, "01CB0101");
    }
    cr_expect_gt(page, 1);
    cr_expect_str_eq(f.answer + 2 * received(), "9000");
}

/* SELECT before each; READ FILE in steps of 255, whatever arrives, to the size in the list. */
Test(softsim_clients, thales_p11_generates_signs_and_reads)
{
    size_t size;

    fixture_begin_personalised(&f, "thales-p11", "");
    fixture_select(&f, AID_THALES);
    EXPECT_BEGINS("01B900000384010A00", "84010A85010A34454943864104");
    for (int i = 0; i < 2; i++) {
        EXPECT_SW(&f, "01A404000F" AID_THALES "00", 0x9000);
        EXPECT(&f, "012A00000D84010AA1010391020001920104", "9000");
        EXPECT_BEGINS("012B8000229E20" HASH_SAMPLE "00", "330040");
        cr_expect_eq(received(), 67);
    }
    size = store_by_label(f.store, KIND_FILE, "client-cert", 11)->content.len;
    EXPECT_BEGINS("01B0000003830102", "3082");
    cr_expect_geq(received(), 255);
    EXPECT_SW(&f, "01B000FF03830102", 0x9000);
    cr_expect_geq(received(), size - 255);
}

/* ---- Thales' middleware: class 0N, session 0, never closed; Le wherever data come ---- */

Test(softsim_clients, thales_middleware_agrees_and_signs)
{
    fixture_begin_personalised(&f, "thales-mvp", "");
    fixture_load_ephemeral(&f, "eph-key");
    EXPECT(&f, "0070000001", "019000");
    EXPECT(&f, "01A404000FA00000003053F12401770101495341", "9000");
    EXPECT_BEGINS("01CBC3000383010200", "730B636C69656E742D63657274830102"); /* no template */
    EXPECT_SW(&f, "01B000000383010200", 0x9000);
    cr_expect_eq(received(), 255);
    EXPECT(&f, "012400000385010500", "9000");
    EXPECT(&f, "01D8800047344549438641" POINT_PEER "00", "9000");
    EXPECT(&f, "014600000684010485010500", ECDH_Z "9000");
    for (int i = 0; i < 2; i++) {
        EXPECT(&f, "012A00000D840101A1010391020001920104", "9000");
        EXPECT_BEGINS("012B8000229E20" HASH_SAMPLE "00", "3340");
        cr_expect_eq(received(), 66);
    }
    EXPECT(&f, "01708001", "9000"); /* from the channel itself, four bytes */
}

/* Key pair, and both names of a key at once; random numbers end with 9000 and 6300 by turns. */
Test(softsim_clients, thales_middleware_generates)
{
    fixture_begin_personalised(&f, "thales-mvp", "");
    fixture_select(&f, AID_THALES);
    EXPECT_BEGINS("01B900000C84010A7407"
                  "73706172652D31"
                  "00",
                  "84010A85010A34454943864104");
    cr_expect_eq(received(), 0x4d);
    EXPECT_SW(&f, "018400001C", 0x6300);
    cr_expect_eq(received(), 0x1c);
    EXPECT_SW(&f, "018400001C", 0x9000);
    cr_expect_eq(received(), 0x1c);
    for (unsigned i = 0; i <= 5; i++) { /* its clean-up: whatever the answer is */
        char cmd[16];

        snprintf(cmd, sizeof(cmd), "012A01%02X", i);
        (void)send_hex(&f, cmd);
    }
    EXPECT(&f, "012A00000D840101A1010391020001920104", "9000");
}

/* The text itself, and a last block that the SIM pads: modes 1 and 2. */
Test(softsim_clients, thales_middleware_signs_text)
{
    fixture_begin_personalised(&f, "thales-mvp", "");
    fixture_select(&f, AID_THALES);
    EXPECT(&f, "012A00000D840101A1010191020001920104", "9000");
    EXPECT_BEGINS("012B8000089B0673616D706C6500", "3340");
    cr_expect_eq(received(), 66);
    EXPECT(&f, "012A00000D840101A1010291020001920104", "9000");
    EXPECT_BEGINS("012B80002E"
                  "9A0430313233"
                  "9C20F1FE7B0990BEACE30F0B4ECB81F036BC154ECB060D1B3FDA528F9103B9275E1C"
                  "9D0400000040"
                  "00",
                  "3340");
    cr_expect_eq(received(), 66);
}

/* From a secret in the command, from one of the SIM, and from that with ECDHE. */
Test(softsim_clients, thales_middleware_derives)
{
    static const char *const commands[] = {
        "014800000FD10401020304D20461626364D3013000",
        "014801000C860106D20461626364D3013000",
        "0148020012860106D40405060708D20461626364D3013000",
    };

    fixture_begin(&f, "thales-mvp", "");
    fixture_select(&f, AID_THALES);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        EXPECT_SW(&f, commands[i], 0x9000);
        cr_expect_eq(received(), 48);
    }
}

/* ---- ZARIOT: three characters a name, class 8N in GET RESPONSE, no Le ---- */

Test(softsim_clients, zariot_signs_and_verifies_at_once)
{
    fixture_begin_personalised(&f, "zariot", "");
    EXPECT(&f, "0070000000", "019000");
    EXPECT(&f, "01A4040007A0000005590010", "9000");
    EXPECT_SW(&f, "8184000000", 0x6100); /* a liveness check */
    EXPECT_SW(&f, "81C0000000", 0x9000);
    cr_expect_eq(received(), 256);
    EXPECT(&f, "81CD0000058503303037", "6147");
    EXPECT_BEGINS("81C0000047", "34454943864104");
    EXPECT(&f, "812A00010F8403303036A1010391020001920104", "9000");
    EXPECT(&f, "812B8001229E20" HASH_SAMPLE, "6143");
    EXPECT_BEGINS("81C0000043", "330040");
    /* in session 2, while 1 is not closed yet */
    EXPECT(&f, "812C00020F8503303037A1010391020001920104", "9000");
    EXPECT(&f, "812D8002659E20" HASH_SAMPLE "330040" SIG_SAMPLE, "6D01");
    EXPECT(&f, "0070800100", "9000");
}

Test(softsim_clients, zariot_derives)
{
    fixture_begin_personalised(&f, "zariot", "");
    fixture_select(&f, AID_GSMA);
    EXPECT(&f,
           "8148000032D118"
           "000102030405060708090A0B0C0D0E0F1011121314151617"
           "D213"
           "000102030405060708090A0B0C0D0E0F101112"
           "D30110",
           "6110");
    EXPECT_SW(&f, "81C0000010", 0x9000);
    cr_expect_eq(received(), 16);
}

/* ---- Quantag: the basic channel, two bytes a name, the text itself ---- */

Test(softsim_clients, quantag_on_the_basic_channel)
{
    fixture_begin_personalised(&f, "quantag-1.4", "");
    EXPECT_SW(&f, "00A404000FA00000003053F1240177010149534100", 0x9000);
    EXPECT(&f, "8070000000", "01049000");
    EXPECT_BEGINS("80CB000044", "100110");
    cr_expect_eq(received(), 0x44);
    /* flat, and tag 92 says two bytes where one is */
    EXPECT_BEGINS("80CB0100", "740A636C69656E742D6B65798402");
    cr_expect_not_null(strstr(f.answer, "9202049102"));
    EXPECT_BEGINS("80B90000048402000A", "8402000A8502000A34454943864104");
    EXPECT(&f, "802A00010E84020002A1010191020001920104", "9000");
    EXPECT_BEGINS("802B8001089B0673616D706C65", "3340");
    cr_expect_eq(received(), 66);
    EXPECT(&f, "802A010100", "9000");
    EXPECT_SW(&f, "8084000010", 0x9000);
    EXPECT_BEGINS("80CBC3000D730B636C69656E742D63657274", "73"); /* no template around it */
}

/* ---- Orange on a modem: session 1 closed before and after, Le everywhere ---- */

Test(softsim_clients, orange_describes_the_applet)
{
    char cmd[16];

    fixture_begin_personalised(&f, "orange", "");
    fixture_select(&f, AID_GSMA);
    cr_expect_eq(sw_of(&f, "01CB000044") & 0xff00, 0x6c00);
    snprintf(cmd, sizeof(cmd), "01CB0000%.2s", f.answer + 2);
    EXPECT_BEGINS(cmd, "100110110E"); /* one more than the 13 bytes that follow */
    cr_expect_not_null(strstr(f.answer, "90010F9101"));
    EXPECT_BEGINS("01CBC3000383010200", "C3");
    cr_expect_null(strstr(f.answer, "4A01012101"), "tag 21 stops its parser");
}

Test(softsim_clients, orange_verifies_with_one_length_byte)
{
    fixture_begin_personalised(&f, "orange", "");
    fixture_select(&f, AID_GSMA);
    EXPECT_SW(&f, "012A010100", 0x6985);
    EXPECT(&f, "012C00010D850101A1010391020001920104", "9000");
    EXPECT(&f, "012D8001649E20" HASH_SAMPLE "3340" SIG_SAMPLE, "6D01");
    EXPECT(&f, "012C010100", "9000");
    EXPECT(&f, "0070800100", "9000");
}
