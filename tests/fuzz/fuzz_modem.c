/* SPDX-License-Identifier: Apache-2.0 */
/* A session with a modem on its AT port, from the opening to the end: the choice of the
 * family of commands, channels, exchanges, and the line brought into step again. The first
 * byte chooses the setting; each frame after it is what the modem says when it is waited
 * for. Its first byte tells how the rest becomes lines, so that most of what the fuzzer
 * makes is an answer that a modem might give. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "fuzz.h"
#include "fuzz_clock.h"
#include "fuzz_input.h"
#include "iotsafe.h"
#include "util.h"

static struct fuzz_input input;
static int modem = -1; /* its side of the pseudo-terminal */
static int port = -1;  /* ours, kept open so that it does not hang up between inputs */
static char port_name[64];
static struct termios as_new;
static uint8_t setting;

static void open_pty(void)
{
    modem = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (modem < 0 || grantpt(modem) != 0 || unlockpt(modem) != 0
        || ptsname_r(modem, port_name, sizeof(port_name)) != 0)
        abort();
    port = open(port_name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (port < 0 || tcgetattr(port, &as_new) != 0)
        abort();
    cfmakeraw(&as_new);
}

/* Answers as modems give them. */
enum saying {
    SAY_OK,
    SAY_CSIM,     /* the rest: the response */
    SAY_CGLA,     /* the same */
    SAY_CCHO,     /* the rest: the session, a digit each */
    SAY_ERROR,    /* +CME ERROR, the rest: its number; plain without */
    SAY_RESTART,  /* as after a reset */
    SAY_OK_FIRST, /* OK, and the line behind it */
    SAY_CUT_OFF,  /* a +CSIM line that is shorter than it says */
    SAY_RAW,      /* the rest as it is */
    SAY_OK_TWICE,
    N_SAYINGS
};

static void say(const char *text, size_t len)
{
    (void)!write(modem, text, len); /* what the line does not take is lost */
}

static void say_apdu(const char *prefix, const uint8_t *bytes, size_t n, size_t missing,
                     const char *behind)
{
    char hex[2 * 255 + 1], line[700];
    int len;

    hex_encode(bytes, n, hex);
    if (missing < 2 * n)
        hex[2 * n - missing] = '\0';
    len = snprintf(line, sizeof(line), "\r\n%s: %zu,\"%s\"\r\n%s", prefix, 2 * n, hex, behind);
    say(line, (size_t)len);
}

static void say_error(const uint8_t *bytes, size_t n)
{
    char line[64];
    int len = n == 0 ? snprintf(line, sizeof(line), "\r\nERROR\r\n")
                     : snprintf(line, sizeof(line), "\r\n+CME ERROR: %u\r\n", bytes[0]);

    say(line, (size_t)len);
}

static void say_session(const uint8_t *bytes, size_t n)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "\r\n%s%u\r\n\r\nOK\r\n", n > 1 ? "+CCHO: " : "",
                       n == 0 ? 1u : bytes[0]);

    say(line, (size_t)len);
}

#define OK_LINE "\r\nOK\r\n"

static void speak(const uint8_t *frame, size_t n)
{
    const enum saying what = n == 0 ? SAY_OK : (enum saying)(frame[0] % N_SAYINGS);
    const uint8_t *rest = frame + 1;

    n = n == 0 ? 0 : n - 1;
    switch (what) {
    case SAY_CSIM:
        say_apdu("+CSIM", rest, n, 0, OK_LINE);
        break;
    case SAY_CGLA:
        say_apdu("+CGLA", rest, n, 0, OK_LINE);
        break;
    case SAY_CCHO:
        say_session(rest, n);
        break;
    case SAY_ERROR:
        say_error(rest, n);
        break;
    case SAY_RESTART:
        say("\r\nRDY\r\n\r\n+CPIN: READY\r\n", 22);
        break;
    case SAY_OK_FIRST:
        say(OK_LINE, 6);
        say_apdu("+CSIM", rest, n, 0, "");
        break;
    case SAY_CUT_OFF:
        say_apdu("+CSIM", rest, n, 4, OK_LINE);
        break;
    case SAY_RAW:
        say((const char *)rest, n);
        break;
    case SAY_OK_TWICE:
        say(OK_LINE OK_LINE, 12);
        break;
    default:
        say(OK_LINE, 6);
        break;
    }
}

/* Commands are lines that begin with AT, no other bytes ever. */
static void check_commands(void)
{
    static char heard[4096];
    ssize_t n = read(modem, heard, sizeof(heard));

    for (ssize_t i = 0; i < n; i++)
        if ((heard[i] < ' ' || heard[i] > '~') && heard[i] != '\r')
            abort();
}

static bool answer(void)
{
    const uint8_t *frame;
    size_t n;

    check_commands();
    if (input.left == 0)
        return false;
    frame = fuzz_frame(&input, &n);
    if (n == 1 && frame[0] == 0xff)
        return false; /* silence */
    speak(frame, n);
    return true;
}

static const char *look_up(void *arg, const char *key)
{
    static const char *const modes[] = { "", "?mode=csim", "?mode=cgla", "?baud=9600" };
    static char transport[100];

    (void)arg;
    (void)snprintf(transport, sizeof(transport), "at:%s%s", port_name, modes[setting % 4]);
    return strcmp(key, "transport") == 0    ? transport
           : strcmp(key, "lock-dir") == 0   ? "/nonexistent"
           : strcmp(key, "timeout-ms") == 0 ? "4000"
                                            : NULL;
}

static void use(struct iotsafe_card *card)
{
    static const struct iotsafe_name by_id = { .id = { 1 }, .id_len = 1 };
    static const uint8_t digest[32] = { 0 };
    struct iotsafe_object *objects = NULL;
    struct iotsafe_input message;
    struct iotsafe_generated generated;
    struct iotsafe_op op = { .text = "" };
    uint8_t sig[IOTSAFE_SIGNATURE_MAX], random[16];
    size_t n = 0;

    if (iotsafe_random(card, random, sizeof(random), &op) != IOTSAFE_OK && op.text[0] == '\0')
        abort();
    if (iotsafe_list(card, &objects, &n, &op) == IOTSAFE_OK && n > IOTSAFE_OBJECTS_MAX)
        abort();
    free(objects);
    if (iotsafe_input_from_digest(digest, sizeof(digest), &message, &op) != IOTSAFE_OK)
        abort();
    (void)!iotsafe_sign(card, &by_id, IOTSAFE_ECDSA, &message, sig, &n, &op);
    (void)!iotsafe_generate(card, &by_id, &generated, &op);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct iotsafe_config *cfg;
    struct iotsafe_card *card = NULL;
    struct iotsafe_op op = { .text = "" };

    if (modem < 0)
        open_pty();
    (void)tcsetattr(port, TCSANOW, &as_new);
    (void)tcflush(port, TCIOFLUSH);
    input = (struct fuzz_input){ data, size };
    setting = fuzz_byte(&input);
    fuzz_clock_start(answer);
    cfg = iotsafe_config_new(look_up, NULL);
    if (cfg == NULL || iotsafe_card_new(cfg, NULL, &card, &op) != IOTSAFE_OK)
        abort();
    use(card);
    iotsafe_card_free(card);
    iotsafe_config_free(cfg);
    check_commands();
    fuzz_clock_stop();
    return 0;
}
