/* SPDX-License-Identifier: Apache-2.0 */
/* see at_modem.h */
#include "at_modem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMAND_MAX (2 * APDU_CMD_MAX + 96) /* characters of a command line */
#define BUSY_PAUSE_MS 300
#define PIECE_MIN 16 /* bytes of a response that every modem must get through */

/* ------------------------------------------------------------------- port */

void at_modem_init(struct at_modem *m, const char *device)
{
    memset(m, 0, sizeof(*m));
    m->device = device;
    m->speed = B115200;
    at_port_init(&m->port, -1);
}

enum iotsafe_err at_modem_open(struct at_modem *m, struct iotsafe_op *op)
{
    struct stat st;
    int fd = open(m->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        op_set(op, "cannot open the modem port %s: %s%s", m->path, strerror(errno),
               errno == EACCES   ? "; is this user in the group of the port (dialout)?"
               : errno == EBUSY  ? "; another program (ModemManager?) has exclusive access"
               : errno == ENOENT ? "; is the modem connected?"
                                 : "");
        return IOTSAFE_ERR_NO_SERVICE;
    }
    if (fstat(fd, &st) != 0 || !S_ISCHR(st.st_mode) || !isatty(fd)) {
        (void)close(fd);
        op_set(op, "%s is not a serial port: nothing was written to it", m->path);
        return IOTSAFE_ERR_CONFIG;
    }
    at_port_init(&m->port, fd);
    m->dev = st.st_dev;
    m->ino = st.st_ino;
    m->step = AT_STEP_UNKNOWN;
    return IOTSAFE_OK;
}

bool at_modem_is_ours(const struct at_modem *m)
{
    struct stat st;

    return m->port.fd >= 0 && fstat(m->port.fd, &st) == 0 && st.st_dev == m->dev
           && st.st_ino == m->ino;
}

bool at_modem_is_there(const struct at_modem *m)
{
    struct stat named;

    return at_modem_is_ours(m) && stat(m->path, &named) == 0 && named.st_rdev != 0;
}

void at_modem_close(struct at_modem *m)
{
    if (at_modem_is_ours(m))
        (void)close(m->port.fd);
    at_port_init(&m->port, -1);
    m->in_use = false;
}

enum iotsafe_err at_modem_begin(struct at_modem *m, struct iotsafe_op *op)
{
    bool interrupted = false;

    if (!at_port_begin(&m->port, m->speed, &interrupted)) {
        op_set(op, "cannot set up the port %s: %s", m->path, strerror(errno));
        return IOTSAFE_ERR_TRANSPORT;
    }
    m->in_use = true;
    if (interrupted)
        m->step = AT_STEP_OWES;
    return IOTSAFE_OK;
}

void at_modem_end(struct at_modem *m)
{
    if (m->in_use && m->step == AT_STEP_IN)
        at_port_end(&m->port);
    m->in_use = false;
}

/* ------------------------------------------------------------------ in step */

enum iotsafe_err at_modem_synchronise(struct at_modem *m, deadline_t deadline,
                                      struct iotsafe_op *op)
{
    /* a port that its last user left in step needs to be asked once only */
    const bool doubtful = m->talked || m->step == AT_STEP_OWES;
    enum iotsafe_err err = at_synchronise(&m->port, doubtful, deadline);

    m->step = err == IOTSAFE_OK ? AT_STEP_IN : AT_STEP_OWES;
    m->talked = m->talked || err == IOTSAFE_OK;
    if (err == IOTSAFE_ERR_TIMEOUT && m->talked)
        op_set(op, "%s: the modem has stopped answering", m->device);
    else if (err == IOTSAFE_ERR_TIMEOUT)
        op_set(op, "%s does not answer AT: not the modem's AT port, or another speed?", m->device);
    else if (err != IOTSAFE_OK)
        op_set(op, "%s: the modem is gone (%s)", m->device, strerror(errno));
    return err;
}

bool at_modem_restarted(struct at_modem *m, deadline_t deadline)
{
    if (!m->port.restarted)
        return false;
    m->port.restarted = false;
    if (m->step == AT_STEP_IN && at_set_up(&m->port, deadline) != IOTSAFE_OK)
        m->step = AT_STEP_UNKNOWN;
    return true;
}

/* Refusals that only a command about the SIM gets. Plain ERROR and the vague ones may as
 * well be the end of something else. */
static bool refusal_is_certain(int failure)
{
    return (failure >= 3 && failure <= 12) || (failure >= 15 && failure <= 22) || failure == 14;
}

static void describe(const struct at_modem *m, enum iotsafe_err err, int failure,
                     struct iotsafe_op *op)
{
    if (err == IOTSAFE_ERR_TIMEOUT)
        op_set(op, "%s: the modem gave no answer in time", m->device);
    else if (err == IOTSAFE_ERR_TRANSPORT)
        op_set(op, "%s: the modem is gone (%s)", m->device, strerror(errno));
    else if (err == IOTSAFE_ERR_DAMAGED)
        op_set(op, "%s: two different answers to one command", m->device);
    else if (err == IOTSAFE_ERR_CARD && failure > 0)
        op_set(op, "%s: +CME ERROR %d: %s", m->device, failure == AT_FAIL_PHONE ? 0 : failure,
               at_failure_text(failure));
    else if (err == IOTSAFE_ERR_CARD)
        op_set(op, "%s: %s", m->device, at_failure_text(failure));
}

/* After a vague refusal: if the response comes all the same, the refusal belonged to
 * something else, and the card has done what it was asked. */
static enum iotsafe_err question_refusal(struct at_modem *m, deadline_t deadline,
                                         struct iotsafe_op *op)
{
    enum iotsafe_err err = at_modem_synchronise(m, deadline, NULL);

    if (err == IOTSAFE_OK && !m->port.response_passed)
        return IOTSAFE_ERR_CARD;
    op_set(op, "%s: a stray result code preceded the response", m->device);
    return err == IOTSAFE_OK ? IOTSAFE_ERR_DAMAGED : err;
}

enum iotsafe_err at_modem_command(struct at_modem *m, const char *text, const char *prefix,
                                  char *ret_line, int *ret_failure, deadline_t deadline,
                                  struct iotsafe_op *op)
{
    enum iotsafe_err err = IOTSAFE_OK;

    ret_line[0] = '\0';
    *ret_failure = AT_FAIL_NONE;
    for (;;) {
        if (at_port_skim(&m->port)) /* a result code that no command of ours waits for */
            m->step = AT_STEP_UNKNOWN;
        if (m->step != AT_STEP_IN)
            err = at_modem_synchronise(m, deadline, op);
        if (err != IOTSAFE_OK)
            return err;
        m->step = AT_STEP_OWES;
        err = at_command(&m->port, text, prefix, ret_line, ret_failure, deadline);
        if (err == IOTSAFE_OK)
            m->step = AT_STEP_IN;
        else if (err == IOTSAFE_ERR_CARD)
            m->step = refusal_is_certain(*ret_failure) ? AT_STEP_IN : AT_STEP_UNKNOWN;
        else if (err == IOTSAFE_ERR_DAMAGED)
            m->step = AT_STEP_UNKNOWN;
        if (err != IOTSAFE_ERR_CARD || *ret_failure != 14 || deadline_left_ms(deadline) == 0)
            break;
        sleep_ms(BUSY_PAUSE_MS, deadline);
        err = IOTSAFE_OK;
    }
    describe(m, err, *ret_failure, op);
    if (err == IOTSAFE_ERR_CARD && m->step != AT_STEP_IN && prefix != NULL)
        err = question_refusal(m, deadline, op);
    return err;
}

/* --------------------------------------------------------------- exchange */

/* How an exchange failed, where that matters for another try. */
struct outcome {
    int failure;   /* what the modem refused it with */
    size_t cut_at; /* bytes after which the response lacks its end; 0: it does not */
};

static enum iotsafe_err exchange(struct at_modem *m, const char *id, const uint8_t *cmd,
                                 size_t cmd_len, const struct transmission *tx, size_t *ret_len,
                                 struct outcome *ret_outcome, struct iotsafe_op *op)
{
    const char *prefix = id == NULL ? "+CSIM" : "+CGLA";
    const bool ok_alone = (tx->flags & INS_OK_ALONE) != 0 && !tx->rest;
    char text[COMMAND_MAX], line[AT_LINE_MAX + 1];
    enum iotsafe_err err;
    int n;

    at_format_apdu(text, sizeof(text), id, cmd, cmd_len);
    m->port.no_late_line = ok_alone && m->init_by_ok;
    err = at_modem_command(m, text, prefix, line, &ret_outcome->failure, tx->deadline, op);
    explicit_bzero(text, sizeof(text));
    at_port_wipe(&m->port);
    if (err == IOTSAFE_ERR_CARD)
        return at_failure_error(ret_outcome->failure);
    if (err != IOTSAFE_OK)
        return err;
    if (line[0] == '\0' && ok_alone && tx->rsp_cap >= 2) {
        m->init_by_ok = true;
        tx->rsp[0] = 0x90;
        tx->rsp[1] = 0;
        *ret_len = 2;
        return IOTSAFE_OK;
    }
    n = at_parse_apdu(line, prefix, tx->rsp, tx->rsp_cap, &ret_outcome->cut_at);
    explicit_bzero(line + 1, sizeof(line) - 1); /* whether there was a line still shows */
    if (n >= 0) {
        *ret_len = (size_t)n;
        return IOTSAFE_OK;
    }
    op_set(op, "%s: %s", m->device,
           line[0] == '\0' ? "OK without a response from the card"
                           : "the modem's answer is damaged or cut off");
    m->step = AT_STEP_UNKNOWN;
    return IOTSAFE_ERR_DAMAGED;
}

static bool has_le_behind_data(const uint8_t *cmd, size_t cmd_len)
{
    return cmd_len > 6 && cmd_len == 6 + (size_t)cmd[4];
}

/* The Le of a command whose response may come in smaller pieces; 0 for others. */
static size_t wanted_piece(const struct transmission *tx, const uint8_t *cmd, size_t cmd_len)
{
    if ((tx->flags & INS_IN_PIECES) == 0 || (cmd_len != 5 && !has_le_behind_data(cmd, cmd_len)))
        return 0;
    return cmd[cmd_len - 1] != 0 ? cmd[cmd_len - 1] : APDU_NE_MAX;
}

/* ERROR alone may also be a modem that lost patience with a card that makes a key, and
 * nobody makes a second one unasked. */
static bool may_be_about_le(const struct at_modem *m, const struct transmission *tx)
{
    return (tx->flags & INS_ONCE) == 0 || !m->le_works;
}

static enum iotsafe_err transmit(struct at_modem *m, const char *id, uint8_t *cmd, size_t cmd_len,
                                 const struct transmission *tx, size_t *ret_len,
                                 struct iotsafe_op *op)
{
    bool without_le = false;

    for (;;) {
        struct outcome outcome = { AT_FAIL_NONE, 0 };
        size_t piece = wanted_piece(tx, cmd, cmd_len);
        enum iotsafe_err err;

        if (m->piece_max != 0 && piece > m->piece_max) {
            piece = m->piece_max;
            cmd[cmd_len - 1] = (uint8_t)piece;
        }
        err = exchange(m, id, cmd, cmd_len, tx, ret_len, &outcome, op);
        if (outcome.cut_at != 0)
            m->cut_at = outcome.cut_at;
        if (outcome.cut_at != 0 && piece > PIECE_MIN) {
            m->piece_max = piece / 2;
            if (tx->rest)
                return err; /* it is gone: the whole command once more */
        } else if (at_failure_is_syntax(outcome.failure) && has_le_behind_data(cmd, cmd_len)
                   && err != IOTSAFE_ERR_DAMAGED && may_be_about_le(m, tx)) {
            cmd_len--;
            without_le = true;
        } else {
            if (err == IOTSAFE_OK && without_le)
                m->le_never = true; /* this modem's rule, from now on */
            if (err == IOTSAFE_OK && has_le_behind_data(cmd, cmd_len))
                m->le_works = true;
            return err;
        }
    }
}

enum iotsafe_err at_modem_transmit(struct at_modem *m, const char *id,
                                   const struct transmission *tx, size_t *ret_len,
                                   struct iotsafe_op *op)
{
    uint8_t bytes[APDU_CMD_MAX];
    enum iotsafe_err err;

    if (tx->cmd_len < APDU_HEADER_SIZE || tx->cmd_len > sizeof(bytes))
        return IOTSAFE_ERR_ARGUMENT;
    memcpy(bytes, tx->cmd, tx->cmd_len);
    err = transmit(m, id, bytes, tx->cmd_len, tx, ret_len, op);
    explicit_bzero(bytes, sizeof(bytes));
    return err;
}
