/* SPDX-License-Identifier: Apache-2.0 */
/* see at.h */
#include "at.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define QUIET_MS 150         /* silence after which the line is taken to be empty */
#define DRAIN_MS 700         /* a line on which something always comes is never silent */
#define HOUSEKEEPING_MS 1500 /* for the answer to a command that needs no card */
#define AFTER_OK_MS 1000     /* an information line may come so long after OK */

/* ---------------------------------------------------------------- classes */

/* 27.007 clause 9.2: numbers and texts that mean something to us. */
static const struct {
    int number;
    const char *text; /* as AT+CMEE=2 prints it, lower case */
    const char *meaning;
    enum iotsafe_err err;
} cme[] = {
    { AT_FAIL_PHONE, "phone failure", "phone failure", IOTSAFE_ERR_CARD },
    { 3, "operation not allowed", "the modem does not allow this command or APDU",
      IOTSAFE_ERR_UNSUPPORTED },
    { 4, "operation not supported", "the modem does not know this command",
      IOTSAFE_ERR_UNSUPPORTED },
    { 10, "sim not inserted", "no SIM in the modem", IOTSAFE_ERR_NO_CARD },
    { 11, "sim pin required", "the SIM is locked: it wants its PIN", IOTSAFE_ERR_ACCESS },
    { 12, "sim puk required", "the SIM is locked: it wants its PUK", IOTSAFE_ERR_ACCESS },
    { 13, "sim failure", "SIM failure", IOTSAFE_ERR_CARD },
    { 14, "sim busy", "the SIM is busy", IOTSAFE_ERR_BUSY },
    { 15, "sim wrong", "wrong SIM", IOTSAFE_ERR_NO_CARD },
    { 16, "incorrect password", "incorrect password", IOTSAFE_ERR_CARD },
    { 17, "sim pin2 required", "the SIM wants its PIN2", IOTSAFE_ERR_ACCESS },
    { 18, "sim puk2 required", "the SIM wants its PUK2", IOTSAFE_ERR_ACCESS },
    { 20, "memory full", "no logical channel free", IOTSAFE_ERR_NO_CHANNEL },
    { 22, "not found", "no such application on the SIM", IOTSAFE_ERR_CARD },
    { 23, "memory failure", "no logical channel free", IOTSAFE_ERR_NO_CHANNEL },
    { 24, "text string too long", "the command line is too long for this modem", IOTSAFE_ERR_CARD },
    { 25, "invalid characters in text string", "the modem does not understand the command",
      IOTSAFE_ERR_CARD },
    { 50, "incorrect parameters", "the modem does not understand the command", IOTSAFE_ERR_CARD },
    { 100, "unknown", "unknown error of the modem", IOTSAFE_ERR_CARD },
};

const char *at_failure_text(int failure)
{
    for (size_t i = 0; i < ARRAY_LEN(cme); i++)
        if (cme[i].number == failure)
            return cme[i].meaning;
    return "the modem refused the command";
}

enum iotsafe_err at_failure_error(int failure)
{
    for (size_t i = 0; i < ARRAY_LEN(cme); i++)
        if (cme[i].number == failure)
            return cme[i].err;
    return IOTSAFE_ERR_CARD;
}

bool at_failure_is_syntax(int failure)
{
    return failure == AT_FAIL_PLAIN || failure == 3 || (failure >= 24 && failure <= 25)
           || failure == 50;
}

static int cme_number(const char *text)
{
    char *end;
    long number;

    while (*text == ' ')
        text++;
    number = strtol(text, &end, 10);
    if (end != text && *end == '\0' && number >= 0 && number < AT_FAIL_PHONE)
        return number == 0 ? AT_FAIL_PHONE : (int)number;
    for (size_t i = 0; i < ARRAY_LEN(cme); i++)
        if (strcasecmp(text, cme[i].text) == 0)
            return cme[i].number;
    return AT_FAIL_UNNAMED;
}

/* NO CARRIER, BUSY, RING and the like are reports about a call: no result of any command
 * that we send. */
static const struct {
    const char *text;
    bool whole; /* else: the line begins so */
    enum at_line what;
} line_table[] = {
    { "OK", true, AT_LINE_OK },
    { "0", true, AT_LINE_OK }, /* ATV0 */
    { "ERROR", true, AT_LINE_ERROR },
    { "4", true, AT_LINE_ERROR },
    { "+CMS ERROR", false, AT_LINE_ERROR },
    { "COMMAND NOT SUPPORT", false, AT_LINE_ERROR },
    { "TOO MANY PARAMETERS", true, AT_LINE_ERROR },
    { "RDY", true, AT_LINE_RESTART },
    { "+CFUN:", false, AT_LINE_RESTART },
    { "+CPIN:", false, AT_LINE_RESTART },
    { "+QUSIM:", false, AT_LINE_RESTART },
};

enum at_line at_classify(const char *line, int *ret_failure)
{
    static const char cme_prefix[] = "+CME ERROR:";

    if (strncasecmp(line, cme_prefix, sizeof(cme_prefix) - 1) == 0) {
        *ret_failure = cme_number(line + sizeof(cme_prefix) - 1);
        return AT_LINE_ERROR;
    }
    for (size_t i = 0; i < ARRAY_LEN(line_table); i++) {
        const char *text = line_table[i].text;

        if (line_table[i].whole ? strcasecmp(line, text) != 0
                                : strncasecmp(line, text, strlen(text)) != 0)
            continue;
        if (line_table[i].what == AT_LINE_ERROR)
            *ret_failure = AT_FAIL_PLAIN;
        return line_table[i].what;
    }
    return AT_LINE_OTHER;
}

/* ------------------------------------------------------------------- APDU */

static const char *skip_blanks(const char *p)
{
    while (*p == ' ')
        p++;
    return p;
}

/* Behind the prefix and its colon; NULL if the line has another one. */
static const char *behind_prefix(const char *line, const char *prefix)
{
    size_t n = strlen(prefix);

    if (strncasecmp(line, prefix, n) != 0)
        return NULL;
    line = skip_blanks(line + n);
    return *line == ':' ? skip_blanks(line + 1) : NULL;
}

/* The hex text is believed when its length is as announced: in characters, or in bytes as
 * some modems count. A single character that was lost or doubled shows by that. */
static bool length_fits(unsigned long declared, size_t digits)
{
    return declared == digits || (declared <= SIZE_MAX / 2 && 2 * declared == digits);
}

int at_parse_apdu(const char *line, const char *prefix, uint8_t *ret_bytes, size_t cap,
                  size_t *ret_cut_at)
{
    const char *p = behind_prefix(line, prefix);
    unsigned long declared;
    size_t digits;
    bool quoted, ended;
    char *end;
    int n;

    *ret_cut_at = 0;
    if (p == NULL)
        return -1;
    declared = strtoul(p, &end, 10);
    p = skip_blanks(end);
    if (*p != ',')
        return -2;
    p = skip_blanks(p + 1);
    quoted = *p == '"';
    p += quoted;
    for (digits = 0; isxdigit((unsigned char)p[digits]);)
        digits++;
    ended = p[digits] == '"';
    if (*skip_blanks(p + digits + ended) != '\0' || ended != quoted)
        return -2;
    n = hex_decode(p, digits, ret_bytes, cap);
    /* a modem's buffer ends at whole bytes, and the line is whole but for what is missing */
    if (n >= 0 && declared >= digits + 2 && declared % 2 == 0)
        *ret_cut_at = digits / 2;
    return n >= 0 && length_fits(declared, digits) ? n : -2;
}

void at_format_apdu(char *ret_text, size_t cap, const char *id, const uint8_t *apdu, size_t len)
{
    int n = id == NULL ? snprintf(ret_text, cap, "AT+CSIM=%zu,\"", 2 * len)
                       : snprintf(ret_text, cap, "AT+CGLA=%s,%zu,\"", id, 2 * len);

    hex_encode(apdu, len, ret_text + n);
    strcat(ret_text, "\"");
}

bool at_parse_session(const char *line, char *ret_id, size_t cap)
{
    const char *p = strchr(line, ':');
    size_t n;

    p = p != NULL ? p + 1 : line;
    while (*p == ' ' || *p == '"')
        p++;
    n = strcspn(p, "\" ");
    if (n < 1 || n > 20 || n >= cap || strspn(p, "0123456789abcdefABCDEF") < n)
        return false;
    (void)snprintf(ret_id, cap, "%.*s", (int)n, p);
    return true;
}

/* ------------------------------------------------------------------ lines */

void at_port_init(struct at_port *port, int fd)
{
    memset(port, 0, sizeof(*port));
    port->fd = fd;
}

/* A special character that raw mode does not look at: room for the mark. */
#define MARK_PLACE VLNEXT
#define MARK_IN_USE 0xa5
#define MARK_FREE 0x16 /* as a terminal begins */

bool at_port_begin(struct at_port *port, speed_t speed, bool *ret_interrupted)
{
    struct termios tio;
    bool marked;

    if (tcgetattr(port->fd, &tio) != 0)
        return false;
    marked = tio.c_cc[MARK_PLACE] == MARK_IN_USE;
    cfmakeraw(&tio);
    tio.c_cflag |= CLOCAL | CREAD; /* closing the port must not hang up */
    tio.c_cflag &= ~(tcflag_t)(HUPCL | CRTSCTS | CSTOPB);
    tio.c_cc[VMIN] = 1;
    tio.c_cc[VTIME] = 0;
    tio.c_cc[MARK_PLACE] = MARK_IN_USE;
    if (cfsetspeed(&tio, speed) != 0 || tcsetattr(port->fd, TCSANOW, &tio) != 0)
        return false;
    *ret_interrupted = marked;
    return true;
}

void at_port_end(struct at_port *port)
{
    struct termios tio;

    if (tcgetattr(port->fd, &tio) != 0)
        return;
    tio.c_cc[MARK_PLACE] = MARK_FREE;
    (void)tcsetattr(port->fd, TCSANOW, &tio);
}

/* More bytes into pending, where none is left to look at. */
static enum iotsafe_err fill(struct at_port *port, deadline_t deadline)
{
    struct pollfd pfd = { .fd = port->fd, .events = POLLIN };
    ssize_t n;

    port->at = port->n_pending = 0;
    explicit_bzero(port->pending, sizeof(port->pending)); /* at_port_wipe() sees the new ones */
    for (;;) {
        int ready = poll(&pfd, 1, deadline_left_ms(deadline));

        if (ready == 0)
            return IOTSAFE_ERR_TIMEOUT;
        if (ready < 0 && errno == EINTR)
            continue;
        n = read(port->fd, port->pending, sizeof(port->pending));
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return IOTSAFE_ERR_TRANSPORT;
        port->n_pending = (size_t)n;
        port->heard = true;
        return IOTSAFE_OK;
    }
}

static bool end_line(struct at_port *port)
{
    bool whole = port->len != 0 && !port->overlong;

    while (port->len != 0 && port->line[port->len - 1] == ' ')
        port->len--;
    port->line[port->len] = '\0';
    port->len = 0;
    port->overlong = false;
    return whole;
}

/* The next line that is not empty, in port->line. After the deadline what has come
 * already is looked at, once: a line on which something always comes has no end. */
static enum iotsafe_err next_line(struct at_port *port, deadline_t deadline)
{
    bool late = false;

    for (;;) {
        char c;

        if (port->at >= port->n_pending) {
            enum iotsafe_err err;

            if (late)
                return IOTSAFE_ERR_TIMEOUT;
            err = fill(port, deadline);
            if (err != IOTSAFE_OK)
                return err;
            late = deadline_left_ms(deadline) == 0;
        }
        c = (char)port->pending[port->at++];
        if (c == '\r' || c == '\n') {
            if (end_line(port))
                return IOTSAFE_OK;
        } else if (port->len >= AT_LINE_MAX) {
            port->overlong = true;
        } else if (c != '\0' && (port->len != 0 || c != ' ')) {
            port->line[port->len++] = c;
        }
    }
}

void at_port_wipe(struct at_port *port)
{
    explicit_bzero(port->line + port->len, sizeof(port->line) - port->len);
    explicit_bzero(port->pending, port->at);
}

/* What a line that no command waits for shows of the port; true if it was an answer. */
static bool look_at_stray(struct at_port *port)
{
    int failure;

    switch (at_classify(port->line, &failure)) {
    case AT_LINE_OK:
    case AT_LINE_ERROR:
        return true;
    case AT_LINE_RESTART:
        port->restarted = true;
        return false;
    default:
        if (behind_prefix(port->line, "+CSIM") == NULL && behind_prefix(port->line, "+CGLA") == NULL
            && behind_prefix(port->line, "+CCHO") == NULL)
            return false;
        port->response_passed = true;
        return true;
    }
}

bool at_port_skim(struct at_port *port)
{
    deadline_t limit = deadline_in(DRAIN_MS);
    bool answer = false;

    while (deadline_left_ms(limit) > 0 && next_line(port, deadline_in(0)) == IOTSAFE_OK)
        answer = look_at_stray(port) || answer;
    return answer;
}

static enum iotsafe_err write_all(struct at_port *port, const char *text, size_t len,
                                  deadline_t deadline)
{
    while (len != 0) {
        struct pollfd pfd = { .fd = port->fd, .events = POLLOUT };
        int ready = poll(&pfd, 1, deadline_left_ms(deadline));
        ssize_t n;

        if (ready == 0)
            return IOTSAFE_ERR_TIMEOUT;
        if (ready < 0 && errno == EINTR)
            continue;
        n = write(port->fd, text, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return IOTSAFE_ERR_TRANSPORT;
        text += n;
        len -= (size_t)n;
    }
    return IOTSAFE_OK;
}

/* --------------------------------------------------------------- commands */

/* A session id without its prefix, as 27.007 shows it: digits and letters. */
static bool is_bare_value(const char *line)
{
    size_t n = strspn(line, "0123456789abcdefABCDEF");

    return n != 0 && line[n] == '\0' && isdigit((unsigned char)line[0]);
}

static bool is_information(const char *line, const char *prefix)
{
    if (prefix == NULL)
        return false;
    return behind_prefix(line, prefix) != NULL
           || (strcmp(prefix, "+CCHO") == 0 && is_bare_value(line));
}

/* True when the time is over and nothing read before is left to look at. */
static bool late_for_next(const struct at_port *port, deadline_t deadline)
{
    return port->at >= port->n_pending && deadline_left_ms(deadline) == 0;
}

/* The information line of a command. Two that differ: one of them is not ours. */
static enum iotsafe_err take_information(const struct at_port *port, char *ret_line)
{
    if (ret_line[0] != '\0' && strcmp(ret_line, port->line) != 0)
        return IOTSAFE_ERR_DAMAGED;
    strcpy(ret_line, port->line);
    return IOTSAFE_OK;
}

/* Wait for an information line that comes after its OK. */
static enum iotsafe_err wait_for_late_line(struct at_port *port, const char *prefix, char *ret_line,
                                           int *ret_failure, deadline_t deadline)
{
    deadline_t limit = deadline_min(deadline, AFTER_OK_MS);
    enum iotsafe_err err = IOTSAFE_OK;

    while (!late_for_next(port, limit) && (err = next_line(port, limit)) == IOTSAFE_OK) {
        if (is_information(port->line, prefix))
            return take_information(port, ret_line);
        if (at_classify(port->line, ret_failure) == AT_LINE_ERROR)
            return IOTSAFE_ERR_CARD; /* the OK was another command's */
    }
    return err == IOTSAFE_ERR_TIMEOUT ? IOTSAFE_OK : err;
}

enum iotsafe_err at_command(struct at_port *port, const char *command, const char *prefix,
                            char *ret_line, int *ret_failure, deadline_t deadline)
{
    enum iotsafe_err err = IOTSAFE_OK;

    ret_line[0] = '\0';
    *ret_failure = AT_FAIL_NONE;
    if (command != NULL)
        err = write_all(port, command, strlen(command), deadline);
    if (command != NULL && err == IOTSAFE_OK)
        err = write_all(port, "\r", 1, deadline);
    while (err == IOTSAFE_OK) {
        if (late_for_next(port, deadline))
            return IOTSAFE_ERR_TIMEOUT;
        err = next_line(port, deadline);
        if (err != IOTSAFE_OK || (command != NULL && strcmp(port->line, command) == 0))
            continue; /* the echo */
        if (is_information(port->line, prefix)) {
            err = take_information(port, ret_line);
            continue;
        }
        switch (at_classify(port->line, ret_failure)) {
        case AT_LINE_OK:
            if (prefix != NULL && ret_line[0] == '\0' && !port->no_late_line)
                return wait_for_late_line(port, prefix, ret_line, ret_failure, deadline);
            return IOTSAFE_OK;
        case AT_LINE_ERROR:
            return IOTSAFE_ERR_CARD;
        case AT_LINE_RESTART:
            port->restarted = true;
            break;
        case AT_LINE_OTHER:
            (void)look_at_stray(port);
            break;
        }
    }
    return err;
}

/* ---------------------------------------------------------------- in step */

/* Throw away what comes until it is quiet. `answers` grows by the result codes and
 * responses among it. */
static enum iotsafe_err drain(struct at_port *port, unsigned *answers, deadline_t deadline)
{
    deadline_t limit = deadline_min(deadline, DRAIN_MS);
    enum iotsafe_err err = IOTSAFE_OK;

    while (err == IOTSAFE_OK && deadline_left_ms(limit) > 0) {
        err = next_line(port, deadline_min(limit, QUIET_MS));
        if (err == IOTSAFE_OK)
            *answers += look_at_stray(port);
    }
    port->len = 0;
    port->overlong = false;
    if (deadline_left_ms(deadline) == 0)
        return IOTSAFE_ERR_TIMEOUT;
    return err == IOTSAFE_ERR_TIMEOUT ? IOTSAFE_OK : err;
}

/* AT, its OK, and silence behind it. *ret_alone: nothing else was answered meanwhile. */
static enum iotsafe_err ask_attention(struct at_port *port, bool *ret_alone, deadline_t deadline)
{
    char line[AT_LINE_MAX + 1];
    unsigned answers = 0;
    int failure;
    enum iotsafe_err err = at_command(port, "AT", NULL, line, &failure,
                                      deadline_min(deadline, HOUSEKEEPING_MS));

    if (err == IOTSAFE_OK)
        err = drain(port, &answers, deadline);
    *ret_alone = answers == 0;
    return err;
}

/* Commands are answered in their order. One OK may be that of an earlier command; two,
 * each with silence behind it, are those of our two AT. */
static enum iotsafe_err catch_up(struct at_port *port, bool doubtful, deadline_t deadline)
{
    enum iotsafe_err err;
    bool alone = false;
    unsigned before = 0;

    do {
        err = write_all(port, "\r", 1, deadline); /* end whatever line was begun */
        if (err == IOTSAFE_OK)
            err = drain(port, &before, deadline);
        if (err == IOTSAFE_OK)
            err = ask_attention(port, &alone, deadline);
        if (err == IOTSAFE_OK && (doubtful || before > 0 || !alone))
            err = ask_attention(port, &alone, deadline);
    } while (
        (err == IOTSAFE_ERR_TIMEOUT || err == IOTSAFE_ERR_CARD || (err == IOTSAFE_OK && !alone))
        && deadline_left_ms(deadline) > 0);
    return err;
}

enum iotsafe_err at_set_up(struct at_port *port, deadline_t deadline)
{
    static const char *const settings[] = { "ATE0", "ATV1", "AT+CMEE=1" };
    char line[AT_LINE_MAX + 1];
    enum iotsafe_err err = IOTSAFE_OK;
    int failure;

    for (size_t i = 0; i < ARRAY_LEN(settings) && err == IOTSAFE_OK; i++) {
        err = at_command(port, settings[i], NULL, line, &failure,
                         deadline_min(deadline, HOUSEKEEPING_MS));
        if (err == IOTSAFE_ERR_CARD)
            err = IOTSAFE_OK; /* a modem without this setting is one we can still read */
    }
    return err;
}

enum iotsafe_err at_synchronise(struct at_port *port, bool doubtful, deadline_t deadline)
{
    enum iotsafe_err err;

    port->response_passed = false;
    do {
        err = catch_up(port, doubtful, deadline);
        if (err == IOTSAFE_OK)
            err = at_set_up(port, deadline);
    } while (err == IOTSAFE_ERR_TIMEOUT && deadline_left_ms(deadline) > 0);
    return err;
}
