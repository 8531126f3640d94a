/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "at.h"
#include "pty_modem.h"

/* ------------------------------------------------------------------ lines */

Test(at, classifies_final_result_codes)
{
    static const struct {
        const char *line;
        enum at_line what;
        int failure;
    } rows[] = {
        { "OK", AT_LINE_OK, 0 },
        { "ok", AT_LINE_OK, 0 },
        { "0", AT_LINE_OK, 0 },
        { "OKAY", AT_LINE_OTHER, 0 },
        { "ERROR", AT_LINE_ERROR, AT_FAIL_PLAIN },
        { "+CME ERROR: 14", AT_LINE_ERROR, 14 },
        { "+CME ERROR:14", AT_LINE_ERROR, 14 },
        { "+CME ERROR: SIM busy", AT_LINE_ERROR, 14 },
        { "+CME ERROR: 0", AT_LINE_ERROR, AT_FAIL_PHONE },
        { "+CME ERROR: something new", AT_LINE_ERROR, AT_FAIL_UNNAMED },
        { "+CME ERROR: 99999", AT_LINE_ERROR, AT_FAIL_UNNAMED },
        { "+CMS ERROR: 500", AT_LINE_ERROR, AT_FAIL_PLAIN },
        { "NO CARRIER", AT_LINE_OTHER, 0 }, /* a report about a call */
        { "BUSY", AT_LINE_OTHER, 0 },
        { "+CREG: 1", AT_LINE_OTHER, 0 },
        { "RING", AT_LINE_OTHER, 0 },
        { "^HCSQ: 1", AT_LINE_OTHER, 0 },
        { "RDY", AT_LINE_RESTART, 0 },
        { "+CPIN: READY", AT_LINE_RESTART, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int failure = 0;

        cr_expect_eq(at_classify(rows[i].line, &failure), rows[i].what, "%s", rows[i].line);
        cr_expect_eq(failure, rows[i].failure, "%s: %d", rows[i].line, failure);
    }
}

/* A response may hold a secret. It comes in two reads, and the second one is short. */
Test(at, wipes_what_it_has_looked_at)
{
    char response[300 + sizeof("\r\nOK\r\n")], line[AT_LINE_MAX + 1];
    struct at_port port;
    int failure, fds[2];

    memset(response, 'S', 300);
    strcpy(response + 300, "\r\nOK\r\n");
    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(write(fds[1], response, strlen(response)), (ssize_t)strlen(response));
    at_port_init(&port, fds[0]);
    cr_assert_eq(at_command(&port, NULL, NULL, line, &failure, deadline_in(10000)), IOTSAFE_OK);
    at_port_wipe(&port);
    cr_expect_null(memchr(port.pending, 'S', sizeof(port.pending)));
    cr_expect_null(memchr(port.line, 'S', sizeof(port.line)));
    close(fds[0]);
    close(fds[1]);
}

/* No part of it is taken for an answer, and the line behind it is. */
Test(at, throws_away_a_line_that_is_too_long)
{
    static const char behind[] = "\r\n+CSIM: 4,\"9000\" \r\nOK\r\n";
    char sent[AT_LINE_MAX + 10 + sizeof(behind)], line[AT_LINE_MAX + 1];
    struct at_port port;
    int failure, fds[2];

    memset(sent, '0', sizeof(sent));
    memcpy(sent, "+CSIM: ", 7);
    strcpy(sent + AT_LINE_MAX + 10, behind);
    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(write(fds[1], sent, strlen(sent)), (ssize_t)strlen(sent));
    at_port_init(&port, fds[0]);
    cr_assert_eq(at_command(&port, NULL, "+CSIM", line, &failure, deadline_in(10000)), IOTSAFE_OK);
    cr_expect_str_eq(line, "+CSIM: 4,\"9000\"");
    close(fds[0]);
    close(fds[1]);
}

Test(at, takes_apdus_in_all_spellings)
{
    static const struct {
        const char *line;
        int n;
    } rows[] = {
        { "+CSIM: 4,\"9000\"", 2 },
        { "+CSIM:4,\"9000\"", 2 },
        { "+csim: 4 , 9000", 2 },
        { "+CSIM: 4,9000", 2 },
        { "+CSIM: 6,\"a1b29000\"", -2 },  /* a character doubled? */
        { "+CSIM: 4,\"a1b29000\"", 4 },   /* length in bytes */
        { "+CSIM: 8,\"ffff0000\"", 4 },   /* length right: whatever the bytes */
        { "+CSIM: 10,\"ffff0000\"", -2 }, /* length wrong, no status word */
        { "+CSIM: 10,\"ffff9000\"", -2 }, /* cut off, whatever its end looks like */
        { "+CSIM: 4,\"900\"", -2 },
        { "+CSIM: 4,\"90", 1 - 3 },
        { "+CSIM: 4,\"9000\" x", -2 },
        { "+CSIM: 4", -2 },
        { "+CSIM: ,\"9000\"", -2 },
        { "+CSIM", -1 },
        { "+CSIMX: 4,\"9000\"", -1 },
        { "+CGLA: 4,\"9000\"", -1 },
        { "+CSIM: 12,\"010203049000\"", -2 }, /* longer than there is room for */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t bytes[5] = { [4] = 0xee };
        size_t cut_at;
        int n = at_parse_apdu(rows[i].line, "+CSIM", bytes, 4, &cut_at);

        cr_expect_eq(n, rows[i].n, "%s: %d", rows[i].line, n);
        cr_expect_eq(bytes[4], 0xee);
    }
}

/* Whole bytes are missing: a smaller Le helps. What a line lost or doubled is no such case. */
Test(at, tells_a_response_that_was_cut_off_from_a_damaged_one)
{
    static const struct {
        const char *line;
        size_t cut_at;
    } rows[] = {
        { "+CSIM: 8,\"ffff90\"", 3 }, /* one byte: 257 of which a modem holds 256 */
        { "+CSIM: 12,\"ffff\"", 2 },  { "+CSIM: 8,\"ffff900\"", 0 }, { "+CSIM: 7,\"ffff90\"", 0 },
        { "+CSIM: 4,\"ffff90\"", 0 }, { "+CSIM: 6,\"ffff90\"", 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t bytes[4];
        size_t cut_at;

        (void)at_parse_apdu(rows[i].line, "+CSIM", bytes, sizeof(bytes), &cut_at);
        cr_expect_eq(cut_at, rows[i].cut_at, "%s", rows[i].line);
    }
}

/* --------------------------------------------------------- over a real pty */

static char lock_folder[64];

static void make_folder(void)
{
    strcpy(lock_folder, "/tmp/at.XXXXXX");
    cr_assert_not_null(mkdtemp(lock_folder));
    setenv("IOTSAFE_LOCK_DIR", lock_folder, 1);
}

static void remove_folder(void)
{
    char command[96];

    (void)snprintf(command, sizeof(command), "rm -rf %s", lock_folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(modem, .init = make_folder, .fini = remove_folder, .timeout = 60);

static struct iotsafe_card *card_at(const char *path, const char *options)
{
    struct iotsafe_config *cfg;
    struct iotsafe_card *card = NULL;
    struct iotsafe_op op = { .text = "" };
    char transport[160];

    (void)snprintf(transport, sizeof(transport), "at:%s%s", path, options);
    setenv("IOTSAFE_TRANSPORT", transport, 1);
    cfg = iotsafe_config_new(NULL, NULL);
    cr_assert_eq(iotsafe_card_new(cfg, NULL, &card, &op), IOTSAFE_OK, "%s", op.text);
    iotsafe_config_free(cfg);
    return card;
}

#define CSIM_OPEN                                                                        \
    { "AT+CSIM=10,\"0070000001\"", "\r\n+CSIM: 6,\"019000\"\r\n\r\nOK\r\n" },            \
    {                                                                                    \
        "AT+CSIM=24,\"01A4040007A0000005590010\"", "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n" \
    }
#define SIGNATURE                                                      \
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716" \
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
#define RANDOM_2 "AT+CSIM=10,\"8184000002\""

/* Ask for two random bytes; they must be 0xAB 0xCD. */
static void expect_random(const struct modem_step *script, size_t n, const char *options, int times)
{
    struct pty_modem *m = pty_modem_start(script, n);
    struct iotsafe_card *card = card_at(pty_modem_path(m), options);

    for (int i = 0; i < times; i++) {
        struct iotsafe_op op = { .text = "" };
        uint8_t bytes[2] = { 0 };

        cr_expect_eq(iotsafe_random(card, bytes, 2, &op), IOTSAFE_OK, "call %d: %s", i, op.text);
        cr_expect_eq(bytes[0], 0xab);
        cr_expect_eq(bytes[1], 0xcd);
    }
    iotsafe_card_free(card);
    cr_expect_str_empty(pty_modem_stop(m));
}

#define EXPECT_RANDOM(script, options, times) \
    expect_random(script, ARRAY_LEN(script), options, times)

Test(modem, csim_with_the_quirks_of_the_field)
{
    static const struct modem_step script[] = {
        CSIM_OPEN,
        /* plain */
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        /* echo, lower case, no quotes */
        { RANDOM_2, RANDOM_2 "\r\r\n+CSIM: 8,abcd9000\r\nOK\r\n" },
        /* unsolicited lines everywhere, in pieces */
        { RANDOM_2, "\r\n+CREG: 1\r\n\r\n+CS\x01IM: 8,\"ABCD\x01"
                    "9000\"\r\n\r\nRING\r\n\r\nO\x01K\r\n"
                    "\r\n+CEREG: 5\r\n" },
        /* an older answer in front */
        { RANDOM_2, "\r\n8,\"11119000\"\r\n\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        /* the same line twice */
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        /* OK before the answer */
        { RANDOM_2, "\r\nOK\r\n\x01\r\n+CSIM: 8,\"ABCD9000\"\r\n" },
        /* OK late */
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\x02\r\nOK\r\n" },
        /* SIM busy, twice, by number and by text */
        { RANDOM_2, "\r\n+CME ERROR: 14\r\n" },
        { RANDOM_2, "\r\n+CME ERROR: SIM busy\r\n" },
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
    };

    EXPECT_RANDOM(script, "?mode=csim", 8);
}

Test(modem, cgla_with_prefix_bare_and_long_session)
{
    static const char *const sessions[][2] = {
        { "\r\n+CCHO: 4\r\n\r\nOK\r\n", "4" },
        { "\r\n4\r\n\r\nOK\r\n", "4" },
        { "\r\n+CCHO: 000000000385a7cf\r\n\r\nOK\r\n", "000000000385a7cf" },
    };

    for (size_t i = 0; i < ARRAY_LEN(sessions); i++) {
        char random[64];
        const struct modem_step script[] = {
            { "AT+CCHO=\"A0000005590010\"", sessions[i][0] },
            /* such a session tells nothing of the channel, which the modem then fills in */
            { random, "\r\n+CGLA: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        };

        (void)snprintf(random, sizeof(random), "AT+CGLA=%s,10,\"8084000002\"", sessions[i][1]);
        EXPECT_RANDOM(script, "?mode=cgla", 1);
        remove_folder(); /* or the next modem's channel is taken for this one's */
        make_folder();
    }
}

Test(modem, fills_the_class_byte_where_the_modem_does_not)
{
    static const struct modem_step script[] = {
        { "AT+CCHO=\"A0000005590010\"", "\r\n+CCHO: 2\r\n\r\nOK\r\n" },
        { "AT+CGLA=2,10,\"80CB000044\"", "\r\n+CGLA: 4,\"6D00\"\r\n\r\nOK\r\n" },
        { "AT+CGLA=2,10,\"82CB000044\"", "\r\n+CGLA: 4,\"6C03\"\r\n\r\nOK\r\n" },
        { "AT+CGLA=2,10,\"82CB000003\"", "\r\n+CGLA: 10,\"1001109000\"\r\n\r\nOK\r\n" },
        { "AT+CGLA=2,10,\"8284000002\"", "\r\n+CGLA: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
    };

    EXPECT_RANDOM(script, "?mode=cgla", 1);
}

Test(modem, auto_falls_back_to_csim_and_remembers)
{
    static const struct modem_step script[] = {
        { "AT+CCHO=\"A0000005590010\"", "\r\nERROR\r\n" },
        { "AT+CCHO=\"A00000003053F12401770101495341\"", "\r\n+CME ERROR: 100\r\n" },
        { "AT+CCHO=\"A0000001157000000000000049534102\"", "\r\n+CME ERROR: 4\r\n" },
        CSIM_OPEN,
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
    };

    EXPECT_RANDOM(script, "", 2);
}

#define ASK "AT+CSIM=10,\"81CB000044\""
#define SHOWN "\r\n+CSIM: 10,\"1001109000\"\r\n\r\nOK\r\n"

/* Such lines come for other reasons too: the known channel is asked first. */
Test(modem, a_line_as_after_a_restart_is_not_believed_at_once)
{
    static const struct modem_step script[] = {
        CSIM_OPEN,
        { RANDOM_2, "\r\n+CPIN: READY\r\n\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        { ASK, SHOWN },
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
    };

    EXPECT_RANDOM(script, "?mode=csim", 2);
}

Test(modem, a_restart_of_the_sim_means_a_new_channel)
{
    static const struct modem_step script[] = {
        CSIM_OPEN,
        { RANDOM_2, "\r\n+CPIN: READY\r\n\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        { ASK, "\r\n+CSIM: 4,\"6881\"\r\n\r\nOK\r\n" },
        CSIM_OPEN,
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
    };

    EXPECT_RANDOM(script, "?mode=csim", 2);
}

/* Reports about calls, a damaged line, a line of somebody else, a stray result code: the
 * right response in the end. */
Test(modem, what_comes_in_between_is_told_from_the_answer)
{
    static const struct modem_step script[] = {
        CSIM_OPEN,
        { RANDOM_2, "\r\nRING\r\n\r\nNO CARRIER\r\n\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        /* a digit lost */
        { RANDOM_2, "\r\n+CSIM: 8,\"ABC9000\"\r\n\r\nOK\r\n" },
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        /* two digits doubled */
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCCDD9000\"\r\n\r\nOK\r\n" },
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        /* cut in two by a report */
        { RANDOM_2, "\r\n+CSIM: 8,\"AB\r\n^RSSI: 21\r\nCD9000\"\r\n\r\nOK\r\n" },
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        /* two answers */
        { RANDOM_2, "\r\n+CSIM: 8,\"AAAA9000\"\r\n\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        /* a result code of nothing */
        { RANDOM_2, "\r\nERROR\r\n\r\n+CSIM: 8,\"AAAA9000\"\r\n\r\nOK\r\n" },
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
    };

    EXPECT_RANDOM(script, "?mode=csim", 6);
}

Test(modem, a_lost_answer_is_resynchronised_and_repeated)
{
    static const struct modem_step script[] = {
        CSIM_OPEN,
        { RANDOM_2, "" },
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
    };

    setenv("IOTSAFE_TIMEOUT_MS", "6000", 1);
    EXPECT_RANDOM(script, "?mode=csim", 1);
}

/* It gets no more than one exchange does: time is left to try again. */
Test(modem, a_lost_answer_to_the_opening_of_a_session_is_repeated)
{
#define HANDLE "000000000385a7cf"
#define OPENED "\r\n+CCHO: " HANDLE "\r\n\r\nOK\r\n"
#define RANDOM_IN_SESSION "AT+CGLA=" HANDLE ",10,\"8084000002\""
    static const struct modem_step script[] = {
        { "AT+CCHO=\"A0000005590010\"", OPENED },
        { RANDOM_IN_SESSION, "\r\n+CGLA: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        { RANDOM_IN_SESSION, "\r\n+CME ERROR: 22\r\n" },
        { "AT+CGLA=" HANDLE ",10,\"80CB000044\"", "\r\n+CME ERROR: 22\r\n" },
        { "AT+CCHC=" HANDLE, "\r\n+CME ERROR: 22\r\n" },
        { "AT+CCHO=\"A0000005590010\"", "" },
        /* the record still names the session of before */
        { RANDOM_IN_SESSION, "\r\n+CME ERROR: 22\r\n" },
        { "AT+CGLA=" HANDLE ",10,\"80CB000044\"", "\r\n+CME ERROR: 22\r\n" },
        { "AT+CCHO=\"A0000005590010\"", OPENED },
        { RANDOM_IN_SESSION, "\r\n+CGLA: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
    };

    setenv("IOTSAFE_TIMEOUT_MS", "6000", 1);
    EXPECT_RANDOM(script, "?mode=cgla", 2);
}

Test(modem, a_late_answer_does_not_reach_the_next_command)
{
    /* the first answer comes 2.4 s late, behind the time for one exchange (2 s) */
    static const struct modem_step script[] = {
        CSIM_OPEN,
        { RANDOM_2, "\x02\x02\x02\x02\x02\x02\r\n+CSIM: 8,\"11119000\"\r\n\r\nOK\r\n" },
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
    };

    setenv("IOTSAFE_TIMEOUT_MS", "6000", 1);
    EXPECT_RANDOM(script, "?mode=csim", 1);
}

/* Read file 01 and compare. */
static void expect_file(const struct modem_step *script, size_t n, const char *want, size_t len)
{
    static const struct iotsafe_name file = { .id = { 1 }, .id_len = 1 };
    struct pty_modem *m = pty_modem_start(script, n);
    struct iotsafe_card *card = card_at(pty_modem_path(m), "?mode=csim");
    struct iotsafe_op op = { .text = "" };
    uint8_t *data = NULL;
    size_t data_len = 0;

    cr_expect_eq(iotsafe_read_file(card, &file, IOTSAFE_WHOLE, 0, &data, &data_len, &op),
                 IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(data_len, len);
    cr_expect(data_len == len && memcmp(data, want, len) == 0);
    free(data);
    iotsafe_card_free(card);
    cr_expect_str_empty(pty_modem_stop(m));
}

Test(modem, refused_le_behind_data_is_left_out_from_then_on)
{
    static const struct modem_step script[] = {
        CSIM_OPEN,
        { "AT+CSIM=18,\"81B0000003830101"
          "00\"",
          "\r\n+CME ERROR: 50\r\n" },
        { "AT+CSIM=16,\"81B0000003830101\"", "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        { "AT+CSIM=16,\"81B0000203830101\"", "\r\n+CSIM: 4,\"6A86\"\r\n\r\nOK\r\n" },
    };

    expect_file(script, ARRAY_LEN(script), "\xab\xcd", 2);
}

Test(modem, files_come_in_pieces_that_the_modem_gets_through)
{
    static const struct modem_step script[] = {
        CSIM_OPEN,
        { "AT+CSIM=18,\"81B000000383010100\"", "\r\n+CSIM: 516,\"ABCD\"\r\n\r\nOK\r\n" },
        { "AT+CSIM=18,\"81B000000383010180\"", "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        { "AT+CSIM=18,\"81B000020383010180\"", "\r\n+CSIM: 4,\"6A86\"\r\n\r\nOK\r\n" },
    };

    expect_file(script, ARRAY_LEN(script), "\xab\xcd", 2);
}

/* What GET RESPONSE brought is gone with the line: the whole command, and less from then on. */
Test(modem, files_that_wait_come_in_pieces_that_the_modem_gets_through)
{
    static const struct modem_step script[] = {
        CSIM_OPEN,
        { "AT+CSIM=18,\"81B000000383010100\"", "\r\n+CSIM: 4,\"6100\"\r\n\r\nOK\r\n" },
        { "AT+CSIM=10,\"01C0000000\"", "\r\n+CSIM: 516,\"ABCD\"\r\n\r\nOK\r\n" },
        { "AT+CSIM=18,\"81B000000383010180\"", "\r\n+CSIM: 4,\"6100\"\r\n\r\nOK\r\n" },
        { "AT+CSIM=10,\"01C0000080\"", "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        { "AT+CSIM=18,\"81B000020383010180\"", "\r\n+CSIM: 4,\"6A86\"\r\n\r\nOK\r\n" },
    };

    expect_file(script, ARRAY_LEN(script), "\xab\xcd", 2);
}

Test(modem, never_silent_lines_do_not_keep_us_out)
{
    /* something comes all the time, as long as anybody waits for silence */
    static const struct modem_step script[] = {
        { "AT",
          "\r\nOK\r\n"
          "\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n"
          "\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n"
          "\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n"
          "\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n"
          "\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n"
          "\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n\x01+CREG: 1\r\n" },
        CSIM_OPEN,
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
    };

    EXPECT_RANDOM(script, "?mode=csim", 1);
}

Test(modem, an_answer_that_another_process_is_owed_does_not_reach_us)
{
    static const struct modem_step script[] = {
        CSIM_OPEN,
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
        { "AT+CSIM=10,\"8184000003\"", "\x01\r\n+CSIM: 10,\"1111119000\"\r\n\r\nOK\r\n" },
        { RANDOM_2, "\r\n+CSIM: 8,\"ABCD9000\"\r\n\r\nOK\r\n" },
    };
    static const char command[] = "AT+CSIM=10,\"8184000003\"\r";
    struct pty_modem *m = pty_modem_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = card_at(pty_modem_path(m), "?mode=csim");
    struct at_port other;
    bool interrupted = true;
    uint8_t bytes[2];

    cr_assert_eq(iotsafe_random(card, bytes, 2, NULL), IOTSAFE_OK);
    /* a neighbour begins, asks, and dies */
    at_port_init(&other, open(pty_modem_path(m), O_RDWR | O_NOCTTY));
    cr_assert(at_port_begin(&other, B115200, &interrupted));
    cr_expect_not(interrupted, "we had ended well");
    cr_assert_eq(write(other.fd, command, sizeof(command) - 1), (ssize_t)sizeof(command) - 1);
    (void)close(other.fd);
    cr_expect_eq(iotsafe_random(card, bytes, 2, NULL), IOTSAFE_OK);
    cr_expect_eq(bytes[0], 0xab);
    cr_expect_eq(bytes[1], 0xcd);
    iotsafe_card_free(card);
    cr_expect_str_empty(pty_modem_stop(m));
}

Test(modem, a_refused_command_is_not_tried_until_the_deadline)
{
    static const struct modem_step script[] = {
        CSIM_OPEN,
        { RANDOM_2, "\r\n+CME ERROR: 100\r\n" },
        { ASK, SHOWN }, /* it is our applet */
        { RANDOM_2, "\r\n+CME ERROR: 100\r\n" },
    };
    struct pty_modem *m = pty_modem_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = card_at(pty_modem_path(m), "?mode=csim");
    struct iotsafe_op op = { .text = "" };
    uint8_t bytes[2];

    cr_expect_eq(iotsafe_random(card, bytes, 2, &op), IOTSAFE_ERR_CARD);
    cr_expect_not_null(strstr(op.text, "CME ERROR 100"), "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(pty_modem_stop(m));
}

Test(modem, ok_alone_is_enough_for_init)
{
    static const struct iotsafe_name key = { .id = { 1 }, .id_len = 1 };
    static const struct modem_step script[] = {
        CSIM_OPEN,
        { "AT+CSIM=36,\"812A00010D840101A1010391020001920104\"", "\r\nOK\r\n" },
        { "*", "\r\n+CSIM: 138,\"330040" SIGNATURE "9000\"\r\n\r\nOK\r\n" },
    };
    const uint8_t digest[32] = { 1 };
    const struct iotsafe_input input = { .digest = digest, .hash = IOTSAFE_HASH_SHA256 };
    struct pty_modem *m = pty_modem_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = card_at(pty_modem_path(m), "?mode=csim");
    uint8_t sig[IOTSAFE_SIGNATURE_MAX];
    struct iotsafe_op op = { .text = "" };
    size_t len = 0;

    cr_expect_eq(iotsafe_sign(card, &key, IOTSAFE_ECDSA, &input, sig, &len, &op), IOTSAFE_OK, "%s",
                 op.text);
    cr_expect_eq(len, 64);
    iotsafe_card_free(card);
    cr_expect_str_empty(pty_modem_stop(m));
}

/* --------------------------------------------------------------- failures */

static void expect_failure(const char *path, const char *options, enum iotsafe_err want,
                           const char *word)
{
    struct iotsafe_card *card = card_at(path, options);
    struct iotsafe_op op = { .text = "" };
    uint8_t bytes[2];
    enum iotsafe_err err = iotsafe_random(card, bytes, 2, &op);

    cr_expect_eq(err, want, "%s: %s", iotsafe_strerror(err), op.text);
    cr_expect_not_null(strstr(op.text, word), "%s", op.text);
    iotsafe_card_free(card);
}

Test(modem, a_regular_file_is_left_unchanged)
{
    char path[128];
    struct stat st;
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/file", lock_folder);
    f = fopen(path, "w");
    (void)fputs("precious", f);
    (void)fclose(f);
    expect_failure(path, "", IOTSAFE_ERR_CONFIG, "not a serial port");
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_size, 8);
}

Test(modem, other_wrong_paths_have_clear_errors)
{
    expect_failure("/dev/null", "", IOTSAFE_ERR_CONFIG, "not a serial port");
    expect_failure("/nonexistent/tty", "", IOTSAFE_ERR_NO_SERVICE, "/nonexistent/tty");
}

Test(modem, a_port_where_nobody_answers_has_a_clear_error)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    char path[64];

    cr_assert_geq(master, 0);
    cr_assert_eq(grantpt(master) | unlockpt(master), 0);
    cr_assert_eq(ptsname_r(master, path, sizeof(path)), 0);
    setenv("IOTSAFE_TIMEOUT_MS", "3000", 1);
    expect_failure(path, "", IOTSAFE_ERR_TIMEOUT, "does not answer AT");
    (void)close(master);
}

Test(modem, what_the_modem_refuses_is_told)
{
    static const struct {
        const char *answer;
        enum iotsafe_err err;
        const char *word;
    } rows[] = {
        { "\r\n+CME ERROR: 10\r\n", IOTSAFE_ERR_NO_CARD, "no SIM" },
        { "\r\n+CME ERROR: 11\r\n", IOTSAFE_ERR_NOT_REACHED, "PIN" },
        { "\r\n+CME ERROR: SIM PIN required\r\n", IOTSAFE_ERR_NOT_REACHED, "PIN" },
        { "\r\n+CME ERROR: 3\r\n", IOTSAFE_ERR_NO_CHANNEL, "allow" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct modem_step script[] = { { "*", rows[i].answer }, { "*", rows[i].answer } };
        struct pty_modem *m = pty_modem_start(script, i == 3 ? 2 : 1);

        expect_failure(pty_modem_path(m), "?mode=csim", rows[i].err, rows[i].word);
        (void)pty_modem_stop(m);
    }
}

Test(modem, the_holder_of_the_port_is_named)
{
    struct pty_modem *m = pty_modem_start(NULL, 0);
    int fd = open(pty_modem_path(m), O_RDWR | O_NOCTTY);
    char word[32];

    cr_assert_eq(flock(fd, LOCK_EX), 0);
    setenv("IOTSAFE_TIMEOUT_MS", "200", 1);
    (void)snprintf(word, sizeof(word), "process %ld", (long)getpid());
    expect_failure(pty_modem_path(m), "", IOTSAFE_ERR_TIMEOUT, word);
    (void)close(fd);
    cr_expect_str_empty(pty_modem_stop(m));
}

/* ------------------------------------------- commands that a USIM has as well */

static enum iotsafe_err put_after_random(struct iotsafe_card *card, struct iotsafe_op *op)
{
    static const struct iotsafe_name id_05 = { .id = { 5 }, .id_len = 1 };
    static const uint8_t point[IOTSAFE_POINT_SIZE] = { 4 };
    uint8_t byte;

    cr_assert_eq(iotsafe_random(card, &byte, 1, op), IOTSAFE_OK, "%s", op->text);
    return iotsafe_put_public_key(card, &id_05, point, op);
}

#define CSIM_DONE "\r\n+CSIM: 4,\"9000\"\r\nOK\r\n"
#define CSIM_BYTE "\r\n+CSIM: 6,\"559000\"\r\nOK\r\n"
#define CSIM_CHANNEL                                                      \
    { "AT+CSIM=10,\"0070000001\"", "\r\n+CSIM: 6,\"019000\"\r\nOK\r\n" }, \
    {                                                                     \
        "AT+CSIM=24,\"01A4040007A0000005590010\"", CSIM_DONE              \
    }

/* With class 0N, INS 24 is CHANGE PIN of a USIM. */
Test(modem, asks_before_a_command_that_would_change_a_pin)
{
    static const struct modem_step script[] = {
        CSIM_CHANNEL,
        { "AT+CSIM=10,\"0184000001\"", CSIM_BYTE },
        { "AT+CSIM=10,\"01CB000044\"", SHOWN },
        { "AT+CSIM=16,\"0124000103850105\"", CSIM_DONE },
        { "*", CSIM_DONE },
        { "AT+CSIM=10,\"0124010100\"", CSIM_DONE },
    };
    struct pty_modem *m = pty_modem_start(script, ARRAY_LEN(script));
    struct iotsafe_op op = { .text = "" };
    struct iotsafe_card *card;

    setenv("IOTSAFE_QUIRKS", "cla=0", 1);
    card = card_at(pty_modem_path(m), "?mode=csim");
    cr_expect_eq(put_after_random(card, &op), IOTSAFE_OK, "%s", op.text);
    iotsafe_card_free(card);
    unsetenv("IOTSAFE_QUIRKS");
    cr_expect_str_empty(pty_modem_stop(m));
}

Test(modem, does_not_send_it_with_another_class_than_the_applet_has_shown)
{
    static const struct modem_step script[] = {
        CSIM_CHANNEL,
        { "AT+CSIM=10,\"8184000001\"", CSIM_BYTE },
        { "AT+CSIM=16,\"8124000103850105\"", "\r\n+CSIM: 4,\"6E00\"\r\nOK\r\n" },
        { ASK, SHOWN },
        { "AT+CSIM=16,\"8124000103850105\"", "\r\n+CSIM: 4,\"6E00\"\r\nOK\r\n" },
        { ASK, SHOWN },
        { "AT+CSIM=16,\"8124000103850105\"", "\r\n+CSIM: 4,\"6E00\"\r\nOK\r\n" },
    };
    struct pty_modem *m = pty_modem_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = card_at(pty_modem_path(m), "?mode=csim");
    struct iotsafe_op op = { .text = "" };

    cr_expect_eq(put_after_random(card, &op), IOTSAFE_ERR_CLASS, "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(pty_modem_stop(m));
}

/* A line without an end must not hold anybody beyond the deadline. */
Test(modem, a_line_on_which_something_always_comes_ends_at_the_deadline)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    int64_t start = now_ms();
    char path[64];
    pid_t pid;

    cr_assert_geq(master, 0);
    cr_assert_eq(grantpt(master) | unlockpt(master), 0);
    cr_assert_eq(ptsname_r(master, path, sizeof(path)), 0);
    setenv("IOTSAFE_TIMEOUT_MS", "2500", 1);
    pid = fork();
    if (pid == 0) {
        static const char lines[] = "\r\n+CREG: 1\r\n\r\n+CREG: 2\r\n";

        while (write(master, lines, sizeof(lines) - 1) > 0)
            ;
        _exit(0);
    }
    expect_failure(path, "", IOTSAFE_ERR_TIMEOUT, "");
    cr_expect_lt(now_ms() - start, 6000);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    (void)close(master);
}
