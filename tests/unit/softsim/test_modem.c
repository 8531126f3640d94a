/* SPDX-License-Identifier: Apache-2.0 */
/* The modem without a port: command lines in, the text it writes out through a pipe. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "modem.h"

#define SELECT_IN_1 "\"01A4040007A0000005590010\""

static struct fixture f;
static struct sim sim;
static struct loop *loop;
static struct modem modem;
static int out[2];
static struct timer deadline;

static void nothing(void *arg)
{
    (void)arg;
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

static void begin_on_card(void)
{
    struct latency latency;
    struct quirks quirks;
    struct err err;

    loop = loop_new();
    cr_assert(latency_init(&latency, "none", &err));
    sim_init(&sim, loop, &f.card.profile, f.store, &latency);
    quirks_init(&quirks);
    cr_assert_eq(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
    modem_init(&modem, &sim, &quirks, nothing, nothing, NULL);
    modem_power_on(&modem, out[1]);
}

static void begin(void)
{
    fixture_begin(&f, "gsma-strict", "");
    begin_on_card();
}

static void end(void)
{
    modem_power_off(&modem);
    sim_clear(&sim);
    loop_free(loop);
    close(out[0]);
    close(out[1]);
    fixture_end(&f);
}

TestSuite(softsim_modem, .init = begin, .fini = end, .timeout = 60);

/* What the modem has written since the last call. */
static const char *heard(void)
{
    static char text[16384];
    ssize_t n = read(out[0], text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static const char *say(const char *line)
{
    modem_command(&modem, line);
    return heard();
}

static void set(const char *quirk)
{
    struct err err = { "" };

    cr_assert(modem_set(&modem, quirk, &err), "%s", err.text);
}

#define EXPECT_LINE(line, text)                                   \
    do {                                                          \
        const char *said_ = say(line);                            \
        cr_expect_str_eq(said_, text, "%s gave %s", line, said_); \
    } while (0)

static void quiet(void)
{
    EXPECT_LINE("ATE0", "ATE0\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CMEE=1", "\r\nOK\r\n");
}

Test(softsim_modem, echoes_until_told_not_to)
{
    EXPECT_LINE("AT", "AT\r\n\r\nOK\r\n");
    EXPECT_LINE("ATE0V1", "ATE0V1\r\n\r\nOK\r\n");
    EXPECT_LINE("at", "\r\nOK\r\n");
    EXPECT_LINE("ATE1", "\r\nOK\r\n");
    EXPECT_LINE("AT", "AT\r\n\r\nOK\r\n");
}

Test(softsim_modem, terse_results)
{
    quiet();
    EXPECT_LINE("ATV0", "0\r");
    EXPECT_LINE("ATQX", "4\r");
    EXPECT_LINE("AT+CMEE?", "+CMEE: 1\r\n0\r");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "+CSIM: 6,\"019000\"\r\n0\r");
}

Test(softsim_modem, unknown_commands_and_lines)
{
    quiet();
    EXPECT_LINE("AT+FOO", "\r\nERROR\r\n");
    EXPECT_LINE("AT+CSIMX=1", "\r\nERROR\r\n");
    EXPECT_LINE("ATD123", "\r\nERROR\r\n");
    EXPECT_LINE("no command", "");
    EXPECT_LINE("", "");
    EXPECT_LINE("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM=?", "\r\nOK\r\n");
    EXPECT_LINE("AT+CMEE=3", "\r\n+CME ERROR: 50\r\n");
    EXPECT_LINE("AT+CPIN=1234", "\r\nERROR\r\n");
    EXPECT_LINE("AT+CSIM?", "\r\nERROR\r\n");
}

Test(softsim_modem, says_who_it_is_and_goes_back_to_its_settings)
{
    quiet();
    EXPECT_LINE("ATI", "\r\niotsafe software modem " IOTSAFE_VERSION "\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CGMI", "\r\niotsafe\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CGMM", "\r\nsoftware modem\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CGMR", "\r\n" IOTSAFE_VERSION "\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CMEE=?", "\r\n+CMEE: (0-2)\r\n\r\nOK\r\n");
    EXPECT_LINE("AT&F", "\r\nOK\r\n");
    EXPECT_LINE("ATE0", "ATE0\r\n\r\nOK\r\n");
    EXPECT_LINE("AT&G", "\r\nERROR\r\n");
    EXPECT_LINE("ATZ", "\r\nOK\r\n");
    EXPECT_LINE("AT", "AT\r\n\r\nOK\r\n");
}

Test(softsim_modem, csim_in_its_spellings)
{
    quiet();
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n+CSIM: 6,\"019000\"\r\n\r\nOK\r\n");
    EXPECT_LINE("at+csim= 24 , " SELECT_IN_1, "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM=10,0070990001", "\r\n+CSIM: 4,\"6A86\"\r\n\r\nOK\r\n");
}

Test(softsim_modem, csim_refuses_what_is_not_an_apdu)
{
    static const char *const lines[] = {
        "AT+CSIM=12,\"0070000001\"",
        "AT+CSIM=10,\"007000000\"",
        "AT+CSIM=10,\"00700000ZZ\"",
        "AT+CSIM=,\"0070000001\"",
        "AT+CSIM=10",
        "AT+CSIM=",
        "AT+CSIM=4,\"0070\"",
        "AT+CSIM=0,\"\"",
    };

    quiet();
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const char *said = say(lines[i]);

        cr_expect_eq(strncmp(said, "\r\n+CME ERROR: ", 14), 0, "%s gave %s", lines[i], said);
    }
}

Test(softsim_modem, sessions)
{
    quiet();
    EXPECT_LINE("AT+CGLA=1,10,\"80CB000044\"", "\r\n+CME ERROR: 22\r\n");
    EXPECT_LINE("AT+CCHO=\"A0000005590010\"", "\r\n+CCHO: 1\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CCHO=\"A000000559\"", "\r\n+CCHO: 2\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CCHO=\"A0000005599999\"", "\r\n+CME ERROR: 22\r\n");
    EXPECT_LINE("AT+CCHO=\"A0000005590010\"", "\r\n+CCHO: 3\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CCHO=\"A0000005590010\"", "\r\n+CME ERROR: 20\r\n");
    EXPECT_LINE("AT+CCHC=2", "\r\nOK\r\n");
    EXPECT_LINE("AT+CCHC=2", "\r\n+CME ERROR: 22\r\n");
    cr_expect_not_null(strstr(say("AT+CGLA=3,10,\"80CB000044\""), "9000\""));
}

Test(softsim_modem, class_byte_left_to_the_caller_meets_the_basic_channel)
{
    quiet();
    set("class_by=caller");
    say("AT+CCHO=\"A0000005590010\"");
    EXPECT_LINE("AT+CGLA=1,10,\"80CB000044\"", "\r\n+CGLA: 4,\"6E00\"\r\n\r\nOK\r\n");
    cr_expect_not_null(strstr(say("AT+CGLA=1,10,\"81CB000044\""), "9000\""));
}

Test(softsim_modem, a_long_handle_is_a_session)
{
    quiet();
    set("session_id=handle");
    set("session_prefix=off");
    EXPECT_LINE("AT+CCHO=\"A0000005590010\"", "\r\n000000000385a7cf\r\n\r\nOK\r\n");
    cr_expect_not_null(strstr(say("AT+CGLA=000000000385a7cf,10,\"80CB000044\""), "9000\""));
}

Test(softsim_modem, fetches_what_waits)
{
    struct err err;

    quiet();
    cr_assert(profile_set(&sim.card.profile, "answer_mode=61", &err));
    say("AT+CCHO=\"A0000005590010\"");
    cr_expect_not_null(strstr(say("AT+CGLA=1,10,\"80CB000044\""), "+CGLA: 4,\"61"));
    set("fetch=modem");
    cr_expect_not_null(strstr(say("AT+CGLA=1,10,\"80CB000044\""), "9000\""));
}

Test(softsim_modem, spellings_of_answers)
{
    quiet();
    set("quotes=off");
    set("space=off");
    EXPECT_LINE("AT+CSIM=10,\"00709900FF\"", "\r\n+CSIM:4,6A86\r\n\r\nOK\r\n");
    set("hex=lower");
    EXPECT_LINE("AT+CSIM=10,\"0070990001\"", "\r\n+CSIM:4,6a86\r\n\r\nOK\r\n");
    set("old_answers=1");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n4,6a86\r\n\r\n+CSIM:6,019000\r\n\r\nOK\r\n");
    set("old_answers=0");
    set("answer_max=2");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n+CSIM:6,0290\r\n\r\nOK\r\n");
}

/* Its client takes the data behind the first "+CSIM: " and the status word from the end of
 * all that came: both must be those of the new response. */
Test(softsim_modem, sequans_repeats_the_last_response_in_front)
{
    const char *said, *first;

    quiet();
    set("like=sequans");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n+CSIM: 6,019000\r\n\r\nOK\r\n");
    said = say("AT+CSIM=10,\"0070000001\"");
    cr_expect_str_eq(said, "\r\n6,019000\r\n\r\n+CSIM: 6,029000\r\n\r\nOK\r\n");
    first = strstr(said, "+CSIM: ");
    cr_assert_not_null(first);
    cr_expect_eq(strncmp(first, "+CSIM: 6,029000", 15), 0);
}

/* ---- quirks at every N-th response ---- */

#define OPEN "AT+CSIM=10,\"0070990001\""
#define SAYS "\r\n+CSIM: 4,\"6A86\"\r\n\r\nOK\r\n"

Test(softsim_modem, misleading_lines_stand_before_every_nth_response)
{
    quiet();
    set("csim_lines=2");
    EXPECT_LINE(OPEN, SAYS);
    EXPECT_LINE(OPEN, "\r\n+CSIM: 20,\"AAAAAAAAAAAAAAAA9000\"\r\n" SAYS);
    set("csim_lines=0");
    set("stray_codes=2");
    EXPECT_LINE(OPEN, SAYS);
    EXPECT_LINE(OPEN, "\r\nOK\r\n" SAYS);
    EXPECT_LINE(OPEN, SAYS);
    EXPECT_LINE(OPEN, "\r\nERROR\r\n" SAYS);
    EXPECT_LINE("AT+CMEE?", "\r\n+CMEE: 1\r\n\r\nOK\r\n");
}

Test(softsim_modem, restart_lines_without_a_restart)
{
    struct err err;

    quiet();
    set("restart_lines=3");
    EXPECT_LINE(OPEN, SAYS);
    EXPECT_LINE(OPEN, SAYS);
    EXPECT_LINE(OPEN, "\r\nRDY\r\n" SAYS);
    set("restart_lines=stray");
    EXPECT_LINE(OPEN, "\r\n+QUSIM: 1\r\n" SAYS);
    EXPECT_LINE(OPEN, SAYS);
    EXPECT_LINE(OPEN, "\r\n+CFUN: 1\r\n" SAYS);
    set("restart_lines=on");
    EXPECT_LINE(OPEN, SAYS);
    EXPECT_LINE(OPEN, SAYS);
    cr_expect_not(modem_set(&modem, "restart_lines=1", &err));
    cr_expect_not(modem_set(&modem, "no_channels=2", &err));
}

/* What is left of the text of a response after the quirk has had its way with it. */
static size_t length_with(const char *quirk)
{
    set(quirk);
    return strlen(say(OPEN));
}

Test(softsim_modem, digits_are_lost_and_doubled_and_lines_cut)
{
    const char *said;

    quiet();
    cr_expect_eq(length_with("lost_characters=1"), strlen(SAYS) - 1);
    set("lost_characters=0");
    cr_expect_eq(length_with("doubled_characters=1"), strlen(SAYS) + 1);
    set("doubled_characters=0");
    set("cut_lines=1");
    said = say(OPEN);
    cr_expect_str_neq(said, SAYS);
    cr_expect(strlen(said) > strlen(SAYS));
    cr_expect_eq(strncmp(said, SAYS, 12), 0, "%s", said);
    set("cut_lines=0");
    EXPECT_LINE(OPEN, SAYS);
}

Test(softsim_modem, call_ends_before_the_response)
{
    struct err err;

    quiet();
    set("call_ends=1");
    EXPECT_LINE(OPEN, "\r\nRING\r\n\r\nNO CARRIER\r\n");
    loop_timer(loop, &deadline, 500000, stop_loop, loop);
    cr_assert(loop_run(loop, &err));
    cr_expect_str_eq(heard(), SAYS);
}

Test(softsim_modem, channels_can_be_refused)
{
    quiet();
    set("no_channels=on");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\nERROR\r\n");
    EXPECT_LINE("AT+CCHO=\"A0000005590010\"", "\r\nERROR\r\n");
    EXPECT_LINE("AT+CSIM=24,\"00A4040007A0000005590010\"", "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
}

Test(softsim_modem, opened_channels_leak_when_nobody_is_told)
{
    quiet();
    set("no_answer_to_open=2");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n+CSIM: 6,\"019000\"\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "");
    EXPECT_LINE("AT+CCHO=\"A0000005590010\"", "\r\n+CCHO: 3\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n+CSIM: 4,\"6A81\"\r\n\r\nOK\r\n");
}

Test(softsim_modem, what_strikes_is_counted)
{
    quiet();
    say(OPEN);
    cr_expect_eq(sim.n_line_faults, 0);
    set("lost_characters=2");
    say(OPEN);
    say(OPEN);
    cr_expect_eq(sim.n_line_faults, 1);
    set("lost_characters=0");
    set("old_answers=2");
    say(OPEN);
    cr_expect_eq(sim.n_line_faults, 2, "old answers in front of one response count once");
    set("old_answers=0");
    set("no_answer_to_open=1");
    say("AT+CSIM=10,\"0070000001\"");
    cr_expect_eq(sim.n_line_faults, 3);
    set("no_channels=on");
    say("AT+CCHO=\"A0000005590010\"");
    cr_expect_eq(sim.n_line_faults, 4);
    sim_clear_counters(&sim);
    cr_expect_eq(sim.n_line_faults, 0);
}

Test(softsim_modem, refusals)
{
    quiet();
    set("lower_hex=refuse");
    EXPECT_LINE("AT+CSIM=10,\"007000000a\"", "\r\n+CME ERROR: 25\r\n");
    set("short_apdu=refuse");
    EXPECT_LINE("AT+CSIM=8,\"00708001\"", "\r\n+CME ERROR: 50\r\n");
    set("le_after_data=refuse");
    EXPECT_LINE("AT+CSIM=18,\"80B000000383010100\"", "\r\n+CME ERROR: 50\r\n");
    set("csim_channels=refuse");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n+CME ERROR: 3\r\n");
    EXPECT_LINE("AT+CSIM=24," SELECT_IN_1, "\r\n+CME ERROR: 3\r\n");
    set("line_max=12");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n+CME ERROR: 24\r\n");
    set("like=plain");
    set("line_max=0");
    set("commands=cgla");
    EXPECT_LINE("AT+CSIM=?", "\r\nERROR\r\n");
    set("cchc=missing");
    EXPECT_LINE("AT+CCHC=1", "\r\nERROR\r\n");
    set("test_commands=error");
    EXPECT_LINE("AT+CCHO=?", "\r\nERROR\r\n");
}

Test(softsim_modem, a_sim_that_is_busy_locked_or_out)
{
    quiet();
    set("busy=2");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n+CME ERROR: 14\r\n");
    set("cme=text");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n+CME ERROR: SIM busy\r\n");
    set("busy=0");
    set("sim=pin");
    EXPECT_LINE("AT+CCHO=\"A0000005590010\"", "\r\n+CME ERROR: SIM PIN required\r\n");
    EXPECT_LINE("AT+CPIN?", "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n");
    set("sim=ready");
    set("cme=as-asked");
    sim_set_present(&sim, false);
    EXPECT_LINE("AT+CPIN?", "\r\n+CME ERROR: 10\r\n");
    EXPECT_LINE("AT+CMEE=0", "\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\nERROR\r\n");
}

Test(softsim_modem, status_words_as_errors_and_init_by_ok)
{
    quiet();
    say("AT+CSIM=10,\"0070000001\"");
    say("AT+CSIM=24," SELECT_IN_1);
    set("like=m33mu");
    EXPECT_LINE("AT+CSIM=36,\"812A00010D840101A1010391020001920104\"", "\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM=36,\"812A00010D840199A1010391020001920104\"", "\r\nERROR\r\n");
    EXPECT_LINE("AT+CSIM=10,\"812A010100\"", "\r\nOK\r\n");
}

Test(softsim_modem, reset_is_a_restart)
{
    quiet();
    say("AT+CCHO=\"A0000005590010\"");
    sim_reset(&sim, NULL, "test");
    cr_expect_str_eq(heard(), "\r\nRDY\r\n\r\n+CPIN: READY\r\n");
    cr_expect_str_eq(say("AT+CGLA=1,10,\"80CB000044\""),
                     "AT+CGLA=1,10,\"80CB000044\"\r\n\r\nERROR\r\n",
                     "echo and +CMEE as at power-up");
}

Test(softsim_modem, lost_answers)
{
    quiet();
    set("lost=1");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "");
    set("lost_part=ok");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n+CSIM: 6,\"029000\"\r\n");
    EXPECT_LINE("AT", "");
}

/* Late parts come by the loop. */
static const char *say_and_wait(const char *line, uint64_t ms)
{
    struct err err;

    modem_command(&modem, line);
    loop_timer(loop, &deadline, 1000 * ms, stop_loop, loop);
    cr_assert(loop_run(loop, &err));
    return heard();
}

Test(softsim_modem, ok_before_the_answer)
{
    quiet();
    set("ok=first");
    set("ok_gap=1");
    cr_expect_str_eq(say_and_wait("AT+CSIM=10,\"0070000001\"", 50),
                     "\r\nOK\r\n\r\n+CSIM: 6,\"019000\"\r\n");
}

Test(softsim_modem, pieces_and_strangers_leave_the_answer_whole)
{
    const char *said;

    quiet();
    set("pieces=16");
    set("unsolicited=60");
    set("seed=7");
    said = say_and_wait("AT+CSIM=10,\"0070000001\"", 200);
    cr_expect_not_null(strstr(said, "\r\n+CSIM: 6,\"019000\"\r\n"), "%s", said);
    cr_expect_not_null(strstr(said, "\r\nOK\r\n"), "%s", said);
    cr_expect_gt(strlen(said), strlen("\r\n+CSIM: 6,\"019000\"\r\n\r\nOK\r\n"));
}

Test(softsim_modem, quirks_are_checked)
{
    static const char *const wrong[] = {
        "echo",   "echo=", "echo=maybe",  "Echo=on", "pieces=0", "pieces=17", "lost=-1",
        "lost=x", "like=", "like=nobody", "=on",     "",         "seed=0",
    };
    struct quirks q, before;
    struct err err;

    quirks_init(&q);
    before = q;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        cr_expect_not(quirks_set(&q, wrong[i], &err), "%s", wrong[i]);
    cr_expect_eq(memcmp(&q, &before, sizeof(q)), 0);
}

static void refuses(const char *setting, const char *why)
{
    struct quirks q;
    struct err err = { "" };

    quirks_init(&q);
    cr_expect_not(quirks_set(&q, setting, &err), "%s", setting);
    cr_expect_str_eq(err.text, why);
}

/* The only quirk that takes words and numbers; what is said of it is what it takes. */
Test(softsim_modem, restart_lines_takes_what_is_said_of_it)
{
    static const struct {
        const char *setting;
        int value;
    } right[] = {
        { "restart_lines=off", RESTART_OFF }, { "restart_lines=stray", RESTART_STRAY },
        { "restart_lines=2", RESTART_STRAY }, { "restart_lines=1000000", 1000000 },
        { "restart_lines=on", RESTART_ON },
    };
    char *text = NULL;
    size_t len;
    FILE *listing = open_memstream(&text, &len);
    struct quirks q;
    struct err err;

    quirks_print(listing);
    fclose(listing);
    cr_expect_not_null(strstr(text, "restart_lines        off|on|stray, or 2 to 1000000, every so "
                                    "many [on]\n"),
                       "%s", text);
    free(text);
    quirks_init(&q);
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        cr_expect(quirks_set(&q, right[i].setting, &err), "%s", err.text);
        cr_expect_eq(q.v[QUIRK_RESTART_LINES], right[i].value, "%s", right[i].setting);
    }
    refuses("restart_lines=1", "restart_lines=1: the value is one of off|on|stray, or a number "
                               "from 2 to 1000000");
    refuses("restart_lines=1000001", "restart_lines=1000001: the value is one of off|on|stray, or "
                                     "a number from 2 to 1000000");
    refuses("echo=2", "echo=2: the value is one of off|on");
    refuses("pieces=0", "pieces=0: the value is a number from 1 to 16");
}

/* ---- the worked examples, line by line ---- */

#define SIGNATURE "330040" SIG_SAMPLE "9000"
#define UPDATE_HASH "2B8001229E20" HASH_SAMPLE

Test(softsim_modem, opens_and_selects_with_and_without_echo)
{
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"",
                "AT+CSIM=10,\"0070000001\"\r\n\r\n+CSIM: 6,\"019000\"\r\n\r\nOK\r\n");
    EXPECT_LINE("ATE0", "ATE0\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM=24," SELECT_IN_1, "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
}

Test(softsim_modem, signs_by_csim)
{
    quiet();
    (void)say("AT+CSIM=10,\"0070000001\"");
    EXPECT_LINE("AT+CSIM=24," SELECT_IN_1, "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM=36,\"812A00010D840101A1010391020001920104\"",
                "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM=80,\"81" UPDATE_HASH "00\"",
                "\r\n+CSIM: 138,\"" SIGNATURE "\"\r\n\r\nOK\r\n");
}

/* The modem puts the channel into the class byte; GET RESPONSE has either class. */
Test(softsim_modem, signs_by_cgla)
{
    static const char *const get_response[] = { "AT+CGLA=1,10,\"80C0000043\"",
                                                "AT+CGLA=1,10,\"00C0000043\"" };

    end();
    fixture_begin(&f, "gsma-strict", "answer_mode=61");
    begin_on_card();
    quiet();
    for (size_t i = 0; i < ARRAY_LEN(get_response); i++) {
        EXPECT_LINE("AT+CCHO=\"A0000005590010\"", "\r\n+CCHO: 1\r\n\r\nOK\r\n");
        EXPECT_LINE("AT+CGLA=1,36,\"802A00010D840101A1010391020001920104\"",
                    "\r\n+CGLA: 4,\"9000\"\r\n\r\nOK\r\n");
        EXPECT_LINE("AT+CGLA=1,78,\"80" UPDATE_HASH "\"", "\r\n+CGLA: 4,\"6143\"\r\n\r\nOK\r\n");
        EXPECT_LINE(get_response[i], "\r\n+CGLA: 138,\"" SIGNATURE "\"\r\n\r\nOK\r\n");
        EXPECT_LINE("AT+CCHC=1", "\r\nOK\r\n");
    }
}

/* ---- clients that talk to a modem, as they are known to ---- */

/* The modem and the SIM that a client was made with, with the objects of init. */
static void become(const char *profile, const char *modem_name)
{
    end();
    fixture_begin_personalised(&f, profile, "");
    begin_on_card();
    set(modem_name);
    quiet();
}

static void expect_begins(const char *line, const char *begin)
{
    const char *said = say(line);

    cr_expect_eq(strncmp(said, begin, strlen(begin)), 0, "%s gave %s", line, said);
}

/* The class byte carries no channel, GET RESPONSE asks for 256 bytes and gets 66. */
Test(softsim_modem, client_of_ntt_signs_in_a_session)
{
    become("ntt", "like=plain");
    EXPECT_LINE("AT+CCHO=\"A0000001157000000000000049534102\"", "\r\n+CCHO: 1\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CGLA=1,36,\"002A00010D840101A1010391020001920104\"",
                "\r\n+CGLA: 4,\"9000\"\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CGLA=1,80,\"002B8001229E20" HASH_SAMPLE "00\"",
                "\r\n+CGLA: 4,\"6142\"\r\n\r\nOK\r\n");
    expect_begins("AT+CGLA=1,10,\"00C0000000\"", "\r\n+CGLA: 136,\"3340");
    expect_begins("AT+CGLA=1,16,\"00B0000003830102\"", "\r\n+CGLA: 4,\"61");
    expect_begins("AT+CGLA=1,10,\"00C0000000\"", "\r\n+CGLA: 516,\"2D2D2D2D2D424547494E"); /* PEM */
    EXPECT_LINE("AT+CCHC=1", "\r\nOK\r\n");
}

/* It assumes channel 1, waits for OK alone after INIT and then asks AT; a blank stands in
 * front of a length of two digits. */
Test(softsim_modem, client_of_wolfssl_in_the_emulator_m33mu)
{
    become("m33mu", "like=m33mu");
    EXPECT_LINE("AT+CSIM=24," SELECT_IN_1, "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM= 38,\"812A00010E84020100A1010391020001920104\"", "\r\nOK\r\n");
    EXPECT_LINE("AT", "\r\nOK\r\n");
    expect_begins("AT+CSIM= 78,\"812B8001229E20" HASH_SAMPLE "\"", "\r\n+CSIM: 138,\"330040");
    EXPECT_LINE("AT+CSIM= 10,\"812A010100\"", "\r\nOK\r\n");
    /* identifier and size, nothing else */
    expect_begins("AT+CSIM= 18,\"81CBC3000483020200\"", "\r\n+CSIM: 20,\"830202002002");
    expect_begins("AT+CSIM= 18,\"81B000000483020200\"", "\r\n+CSIM: 484,\"3082"); /* 240 bytes */
    expect_begins("AT+CSIM= 18,\"81B900000484020400\"", "\r\n+CSIM: 146,\"3445494386410");
    EXPECT_LINE("AT+CSIM= 18,\"8124000204850205"
                "00\"",
                "\r\nOK\r\n");
    /* nothing waits: no data, and no error either */
    EXPECT_LINE("AT+CSIM= 10,\"81C0000000\"", "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
}

/* It takes the data from the first "+CSIM: " and the status word from the end, whatever
 * else the modem says: here a response from before. */
static void expect_as_orange_reads(const char *line, const char *begin, size_t n_digits)
{
    const char *said = say(line), *first = strstr(said, "+CSIM: "),
               *end = strstr(said, "\r\n\r\nOK");
    char *data = NULL;

    cr_assert(first != NULL && end != NULL && end - said >= 4, "%s gave %s", line, said);
    cr_expect_eq(strtoul(first + 7, &data, 10), n_digits, "%s gave %s", line, said);
    cr_expect_eq(strncmp(data + 1, begin, strlen(begin)), 0, "%s gave %s", line, said);
    cr_expect_eq(strncmp(end - 4, "9000", 4), 0, "%s gave %s", line, said);
}

Test(softsim_modem, client_of_orange_behind_a_sequans)
{
    become("orange", "like=sequans");
    expect_as_orange_reads("AT+CSIM=10,\"0070000001\"", "01", 6);
    expect_as_orange_reads("AT+CSIM=24," SELECT_IN_1, "9000", 4);
    expect_as_orange_reads("AT+CSIM=36,\"012A00010D840101A1010391020001920104\"", "9000", 4);
    expect_as_orange_reads("AT+CSIM=80,\"012B8001229E20" HASH_SAMPLE "00\"", "3340", 136);
    expect_as_orange_reads("AT+CSIM=10,\"012A010100\"", "9000", 4);
    expect_as_orange_reads("AT+CSIM=18,\"01B000000383010232\"", "3082", 104);
    expect_as_orange_reads("AT+CSIM=18,\"01B000320383010232\"", "", 104);
}

Test(softsim_modem, client_of_kigen)
{
    become("kigen", "like=plain");
    EXPECT_LINE("AT", "\r\nOK\r\n");
    EXPECT_LINE("ATE0", "\r\nOK\r\n");
    EXPECT_LINE("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CMEE=1", "\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM=10,\"0070000001\"", "\r\n+CSIM: 6,\"019000\"\r\n\r\nOK\r\n");
    EXPECT_LINE("AT+CSIM=24," SELECT_IN_1, "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
    expect_begins("AT+CSIM=10,\"8184000030\"", "\r\n+CSIM: 100,\"");
    /* {76 BootstrapCert_1}: a file by the tag of secrets */
    expect_begins(
        "AT+CSIM=46,\"81CBC30011760F426F6F747374726170436572745F3100\"",
        "\r\n+CSIM: 74,\"C321730F426F6F747374726170436572745F318301316001014A010121010220");
    EXPECT_LINE("AT+CSIM=10,\"0070800100\"", "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
}

/* Any bytes: an answer or none, never a crash; the card is reached in the end. */
Test(softsim_modem, survives_nonsense)
{
    static const char alphabet[] = "AT+CSIMGLHO=?,\"0123456789ABCDEFabc ;&V\x80\xff";
    char line[64];

    srand(1);
    for (int i = 0; i < 20000; i++) {
        size_t n = (size_t)rand() % (sizeof(line) - 1);

        for (size_t k = 0; k < n; k++)
            line[k] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
        line[n] = '\0';
        if (i % 2 == 0 && n > 9)
            memcpy(line, i % 4 == 0 ? "AT+CSIM=" : "AT+CGLA=", 8);
        (void)say(line);
    }
    say("ATE0");
    say("ATV1");
    cr_expect_not_null(strstr(say("AT+CSIM=10,\"00A4040000\""), "+CSIM: 4,"));
}
