/* SPDX-License-Identifier: Apache-2.0 */
/* SIMs in cellular modems, by AT commands over a serial port: +CCHO/+CGLA, where
 * the modem owns channel and SELECT, or +CSIM, where we do. Which of both a
 * modem offers is found out once, by trying. The port is shared with our other
 * processes by flock() on the device node. */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "at.h"

#define COMMAND_MAX (2 * APDU_CMD_MAX + 96) /* characters of a command line */
#define BUSY_PAUSE_MS 300
#define PIECE_MIN 16  /* bytes of a file that every modem must get through */
#define FILL_MARK '!' /* behind a session id: this modem leaves the class byte to us */

enum at_mode { MODE_AUTO, MODE_CGLA, MODE_CSIM };

struct at_transport {
    struct transport base;
    char path[100];
    char lock_dir[128];
    speed_t speed;
    enum at_mode wanted, known, current; /* configured; worked before; in use */
    struct device_lock lock;
    struct at_port port;
    dev_t dev; /* which file the port was when opened */
    ino_t ino;
    bool talked;      /* it has answered AT once */
    bool out_of_step; /* an answer is still owed to us */
    bool in_use;      /* we hold the lock and have marked the port */
    bool init_by_ok;  /* INIT is answered by OK alone */
    bool le_works;    /* a command with Le behind data has gone through */
    size_t piece_max; /* bytes of a file in one answer; 0: no limit seen */
};

static const struct transport_ops transport_at_cgla;

static struct at_transport *self_of(struct transport *t)
{
    return (struct at_transport *)(void *)t;
}

/* ---------------------------------------------------------------- address */

static const struct {
    const char *word;
    enum at_mode mode;
} modes[] = { { "auto", MODE_AUTO }, { "cgla", MODE_CGLA }, { "csim", MODE_CSIM } };

static const struct {
    long baud;
    speed_t speed;
} speeds[] = {
    { 9600, B9600 },     { 19200, B19200 },   { 38400, B38400 },   { 57600, B57600 },
    { 115200, B115200 }, { 230400, B230400 }, { 460800, B460800 }, { 921600, B921600 },
};

static bool set_option(struct at_transport *self, const char *word, size_t len)
{
    char *end;
    long baud;

    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (len == 5 + strlen(modes[i].word) && strncmp(word, "mode=", 5) == 0
            && strncmp(word + 5, modes[i].word, len - 5) == 0) {
            self->wanted = modes[i].mode;
            return true;
        }
    if (strncmp(word, "baud=", 5) != 0)
        return false;
    baud = strtol(word + 5, &end, 10);
    for (size_t i = 0; i < ARRAY_LEN(speeds); i++)
        if (end == word + len && speeds[i].baud == baud) {
            self->speed = speeds[i].speed;
            return true;
        }
    return false;
}

static bool parse_address(struct at_transport *self, const char *address)
{
    size_t path_len = strcspn(address, "?");
    const char *p = address + path_len;

    if (address[0] != '/' || path_len >= sizeof(self->path))
        return false;
    memcpy(self->path, address, path_len);
    while (*p != '\0') {
        size_t len = strcspn(++p, "&");

        if (!set_option(self, p, len))
            return false;
        p += len;
    }
    return true;
}

static enum iotsafe_err at_open(const char *address, const char *lock_dir,
                                struct transport **ret_transport, struct iotsafe_op *op)
{
    struct at_transport *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return IOTSAFE_ERR_MEMORY;
    self->base.ops = &transport_at;
    self->base.lock = &self->lock;
    self->speed = B115200;
    self->lock.dir_fd = self->lock.lock_fd = self->lock.device_fd = -1;
    at_port_init(&self->port, -1);
    if (!parse_address(self, address)) {
        op_set(op,
               "transport \"at:%.100s\": want at:/dev/NAME, then ?mode=auto|csim|cgla and "
               "&baud=9600...921600 as needed",
               address);
        free(self);
        return IOTSAFE_ERR_CONFIG;
    }
    (void)snprintf(self->lock_dir, sizeof(self->lock_dir), "%s", lock_dir);
    (void)snprintf(self->base.device, sizeof(self->base.device), "at:%s", self->path);
    *ret_transport = &self->base;
    return IOTSAFE_OK;
}

/* ------------------------------------------------------------------- port */

/* Open without writing a byte; only a terminal is good enough. */
static enum iotsafe_err open_port(struct at_transport *self, struct iotsafe_op *op)
{
    struct stat st;
    int fd = open(self->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        op_set(op, "cannot open the modem port %s: %s%s", self->path, strerror(errno),
               errno == EACCES   ? "; is this user in the group of the port (dialout)?"
               : errno == EBUSY  ? "; another program (ModemManager?) has it for itself"
               : errno == ENOENT ? "; is the modem connected?"
                                 : "");
        return IOTSAFE_ERR_NO_SERVICE;
    }
    if (fstat(fd, &st) != 0 || !S_ISCHR(st.st_mode) || !isatty(fd)) {
        (void)close(fd);
        op_set(op, "%s is not a serial port: nothing was written to it", self->path);
        return IOTSAFE_ERR_CONFIG;
    }
    at_port_init(&self->port, fd);
    self->dev = st.st_dev;
    self->ino = st.st_ino;
    self->lock.device_fd = fd;
    return IOTSAFE_OK;
}

static bool port_is_ours(const struct at_transport *self)
{
    struct stat st;

    return self->port.fd >= 0 && fstat(self->port.fd, &st) == 0 && st.st_dev == self->dev
           && st.st_ino == self->ino;
}

static enum iotsafe_err begin_use(struct at_transport *self, struct iotsafe_op *op)
{
    bool interrupted = false;

    if (!at_port_begin(&self->port, self->speed, &interrupted)) {
        op_set(op, "cannot set up the port %s: %s", self->path, strerror(errno));
        return IOTSAFE_ERR_TRANSPORT;
    }
    self->in_use = true;
    self->out_of_step = self->out_of_step || interrupted;
    return IOTSAFE_OK;
}

/* An answer that is owed stays marked, for whoever is next. */
static void end_use(struct at_transport *self)
{
    if (self->in_use && !self->out_of_step)
        at_port_end(&self->port);
    self->in_use = false;
}

static void close_port(struct at_transport *self)
{
    bool ours = port_is_ours(self);

    if (ours)
        end_use(self);
    else
        self->lock.device_fd = -1;
    device_lock_give(&self->lock);
    if (ours)
        (void)close(self->port.fd);
    self->lock.device_fd = -1;
    at_port_init(&self->port, -1);
    self->base.connected = false;
}

/* ------------------------------------------------------------- AT commands */

/* One command; waits while the SIM is busy. IOTSAFE_ERR_CARD stands for what
 * the modem refused: *ret_failure tells why. */
static enum iotsafe_err command(struct at_transport *self, const char *text, const char *prefix,
                                char *ret_line, int *ret_failure, deadline_t deadline,
                                struct iotsafe_op *op)
{
    enum iotsafe_err err;

    if (self->out_of_step) { /* what comes first would belong to another command */
        ret_line[0] = '\0';
        *ret_failure = AT_FAIL_NONE;
        op_set(op, "%s: the modem still owes an answer", self->base.device);
        return IOTSAFE_ERR_TIMEOUT;
    }
    for (;;) {
        err = at_command(&self->port, text, prefix, ret_line, ret_failure, deadline);
        if (err != IOTSAFE_ERR_CARD || *ret_failure != 14 || deadline_left_ms(deadline) == 0)
            break;
        sleep_ms(BUSY_PAUSE_MS, deadline);
    }
    self->out_of_step = err == IOTSAFE_ERR_TIMEOUT;
    if (err == IOTSAFE_ERR_TIMEOUT)
        op_set(op, "%s: the modem gave no answer in time", self->base.device);
    else if (err == IOTSAFE_ERR_TRANSPORT)
        op_set(op, "%s: the modem is gone (%s)", self->base.device, strerror(errno));
    else if (err == IOTSAFE_ERR_CARD && *ret_failure > 0)
        op_set(op, "%s: +CME ERROR %d: %s", self->base.device,
               *ret_failure == AT_FAIL_PHONE ? 0 : *ret_failure, at_failure_text(*ret_failure));
    else if (err == IOTSAFE_ERR_CARD)
        op_set(op, "%s: %s", self->base.device, at_failure_text(*ret_failure));
    return err;
}

static enum iotsafe_err synchronise(struct at_transport *self, deadline_t deadline,
                                    struct iotsafe_op *op)
{
    enum iotsafe_err err = at_synchronise(&self->port, deadline);

    self->out_of_step = err != IOTSAFE_OK;
    self->talked = self->talked || err == IOTSAFE_OK;
    if (err == IOTSAFE_ERR_TIMEOUT && self->talked)
        op_set(op, "%s: the modem has stopped answering", self->base.device);
    else if (err == IOTSAFE_ERR_TIMEOUT)
        op_set(op, "%s does not answer AT: not the modem's AT port, or another speed?",
               self->base.device);
    else if (err != IOTSAFE_OK)
        op_set(op, "%s: the modem is gone (%s)", self->base.device, strerror(errno));
    return err;
}

/* ------------------------------------------------------------- connection */

/* Candidates of "auto" in the order to try them; what worked stands alone. */
static bool choose_mode(struct at_transport *self, unsigned n)
{
    static const enum at_mode order[] = { MODE_CGLA, MODE_CSIM };
    enum at_mode fixed = self->wanted != MODE_AUTO ? self->wanted : self->known;

    if (n > 0 && !self->talked)
        return false; /* nobody there: other commands would not be answered either */
    if (fixed != MODE_AUTO ? n > 0 : n >= ARRAY_LEN(order))
        return false;
    self->current = fixed != MODE_AUTO ? fixed : order[n];
    self->base.ops = self->current == MODE_CGLA ? &transport_at_cgla : &transport_at;
    return true;
}

/* The folder is for the queue and the record; without it all works, slower. */
static void init_lock(struct at_transport *self)
{
    char name[sizeof(self->path) + 8];

    (void)snprintf(name, sizeof(name), "at-%s-%s", self->path + 1,
                   self->current == MODE_CGLA ? "cgla" : "csim");
    if (device_lock_init(&self->lock, self->lock_dir, name, NULL) != IOTSAFE_OK)
        self->lock.folder[0] = '\0';
    self->lock.device_fd = self->port.fd;
}

static enum iotsafe_err at_connect(struct transport *t, unsigned n, deadline_t deadline,
                                   struct iotsafe_op *op)
{
    struct at_transport *self = self_of(t);
    enum iotsafe_err err;

    if (!choose_mode(self, n))
        return IOTSAFE_ERR_NOT_FOUND;
    err = open_port(self, op);
    if (err != IOTSAFE_OK)
        return err;
    init_lock(self);
    err = device_lock_take(&self->lock, deadline, op);
    if (err == IOTSAFE_OK)
        err = begin_use(self, op);
    if (err == IOTSAFE_OK)
        err = synchronise(self, deadline_min(deadline, 5000), op);
    if (err != IOTSAFE_OK)
        close_port(self);
    else
        t->connected = true;
    return err;
}

static enum iotsafe_err at_acquire(struct transport *t, deadline_t deadline, bool *ret_reset,
                                   struct iotsafe_op *op)
{
    struct at_transport *self = self_of(t);
    struct stat named;
    enum iotsafe_err err;

    /* a modem that was plugged in again has a new device node */
    if (!port_is_ours(self) || stat(self->path, &named) != 0 || named.st_rdev == 0) {
        op_set(op, "%s: the modem is gone", t->device);
        return IOTSAFE_ERR_TRANSPORT;
    }
    err = device_lock_take(&self->lock, deadline, op);
    if (err == IOTSAFE_OK)
        err = begin_use(self, op);
    if (err == IOTSAFE_OK)
        at_port_skim(&self->port);
    if (err == IOTSAFE_OK && (self->out_of_step || self->port.restarted))
        err = synchronise(self, deadline, op);
    if (err != IOTSAFE_OK) {
        end_use(self);
        device_lock_give(&self->lock);
        return err;
    }
    *ret_reset = self->port.restarted;
    self->port.restarted = false;
    return IOTSAFE_OK;
}

static void at_release(struct transport *t)
{
    struct at_transport *self = self_of(t);

    self->known = self->current; /* the channel was opened: this is how this modem works */
    end_use(self);
    device_lock_give(&self->lock);
}

static void at_disconnect(struct transport *t)
{
    close_port(self_of(t));
}

/* The parent holds its lock through the same open file: closing our copy only. */
static void at_drop(struct transport *t)
{
    struct at_transport *self = self_of(t);

    self->in_use = false;
    self->lock.device_fd = -1; /* LOCK_UN here would unlock the parent */
    self->lock.dir_fd = self->lock.lock_fd = -1;
    close_port(self);
}

static void at_close(struct transport *t)
{
    free(t);
}

/* --------------------------------------------------------------- exchange */

/* How an exchange failed, where that matters for another try. */
struct outcome {
    int failure;  /* what the modem refused it with */
    bool cut_off; /* the answer lacks its end */
};

/* An emulated modem is known that answers these with OK and no status word. */
static bool may_be_answered_by_ok(const uint8_t *cmd)
{
    return cmd[1] == IOTSAFE_INS_PUT_PUBLIC_KEY_INIT || cmd[1] == IOTSAFE_INS_COMPUTE_SIGNATURE_INIT
           || cmd[1] == IOTSAFE_INS_VERIFY_SIGNATURE_INIT;
}

static enum iotsafe_err exchange(struct at_transport *self, const char *id, const uint8_t *cmd,
                                 size_t cmd_len, uint8_t *ret_rsp, size_t cap, size_t *ret_len,
                                 struct outcome *ret_outcome, deadline_t deadline,
                                 struct iotsafe_op *op)
{
    const char *prefix = id == NULL ? "+CSIM" : "+CGLA";
    bool init = may_be_answered_by_ok(cmd);
    char text[COMMAND_MAX], line[AT_LINE_MAX + 1];
    enum iotsafe_err err;
    int n;

    at_format_apdu(text, sizeof(text), id, cmd, cmd_len);
    self->port.no_late_line = init && self->init_by_ok;
    err = command(self, text, prefix, line, &ret_outcome->failure, deadline, op);
    explicit_bzero(text, sizeof(text));
    at_port_wipe(&self->port);
    if (err == IOTSAFE_ERR_CARD)
        return at_failure_error(ret_outcome->failure);
    if (err != IOTSAFE_OK)
        return err;
    if (line[0] == '\0' && init && cap >= 2) {
        self->init_by_ok = true;
        ret_rsp[0] = 0x90;
        ret_rsp[1] = 0;
        *ret_len = 2;
        return IOTSAFE_OK;
    }
    n = at_parse_apdu(line, prefix, ret_rsp, cap);
    explicit_bzero(line + 1, sizeof(line) - 1); /* whether there was a line still shows */
    if (n < 0) {
        op_set(op, "%s: %s", self->base.device,
               line[0] == '\0' ? "OK without an answer of the card"
                               : "the modem's answer is damaged or cut off");
        ret_outcome->cut_off = line[0] != '\0';
        self->out_of_step = true;
        return IOTSAFE_ERR_PROTOCOL;
    }
    *ret_len = (size_t)n;
    return IOTSAFE_OK;
}

static bool has_le_behind_data(const uint8_t *cmd, size_t cmd_len)
{
    return cmd_len > 6 && cmd_len == 6 + (size_t)cmd[4];
}

/* Files can be read in smaller pieces where the modem cuts off long answers, and a piece
 * can be asked for again. */
static size_t wanted_piece(const uint8_t *cmd, size_t cmd_len)
{
    size_t le;

    if (cmd[1] != IOTSAFE_INS_READ_FILE || !has_le_behind_data(cmd, cmd_len))
        return 0;
    le = cmd[cmd_len - 1];
    return le != 0 ? le : APDU_NE_MAX;
}

/* ERROR alone may also be a modem that lost patience with a card that makes a key, and
 * nobody makes a second one unasked. */
static bool may_be_about_le(const struct at_transport *self, const uint8_t *cmd)
{
    return cmd[1] != IOTSAFE_INS_GENERATE_KEY_PAIR || !self->le_works;
}

/* The exchange, again in another way where the modem shows that it cannot do it. */
static enum iotsafe_err transmit(struct at_transport *self, const char *id, uint8_t *cmd,
                                 size_t cmd_len, uint8_t *ret_rsp, size_t cap, size_t *ret_len,
                                 deadline_t deadline, struct iotsafe_op *op)
{
    bool without_le = false;

    for (;;) {
        struct outcome outcome = { AT_FAIL_NONE, false };
        size_t piece = wanted_piece(cmd, cmd_len);
        enum iotsafe_err err;

        if (self->piece_max != 0 && piece > self->piece_max) {
            piece = self->piece_max;
            cmd[cmd_len - 1] = (uint8_t)piece;
        }
        err = exchange(self, id, cmd, cmd_len, ret_rsp, cap, ret_len, &outcome, deadline, op);
        if (outcome.cut_off && piece > PIECE_MIN) {
            self->piece_max = piece / 2;
            self->out_of_step = false; /* the end of the answer was its OK */
        } else if (at_failure_is_syntax(outcome.failure) && has_le_behind_data(cmd, cmd_len)
                   && may_be_about_le(self, cmd)) {
            cmd_len--;
            without_le = true;
        } else {
            if (err == IOTSAFE_OK && without_le)
                self->base.le_never = true; /* this modem's rule, from now on */
            if (err == IOTSAFE_OK && has_le_behind_data(cmd, cmd_len))
                self->le_works = true;
            return err;
        }
    }
}

static enum iotsafe_err csim_transmit(struct transport *t, const struct transmission *tx,
                                      size_t *ret_len, struct iotsafe_op *op)
{
    uint8_t bytes[APDU_CMD_MAX];
    enum iotsafe_err err;

    if (tx->cmd_len < APDU_HEADER_SIZE || tx->cmd_len > sizeof(bytes))
        return IOTSAFE_ERR_ARGUMENT;
    memcpy(bytes, tx->cmd, tx->cmd_len);
    err = transmit(self_of(t), NULL, bytes, tx->cmd_len, tx->rsp, tx->rsp_cap, ret_len,
                   tx->deadline, op);
    explicit_bzero(bytes, sizeof(bytes));
    return err;
}

/* The session as the modem named it, and whether we fill the class byte. */
static bool split_session(const char *session, char ret_id[static SESSION_TEXT_MAX])
{
    size_t len = strlen(session);
    bool fill = len > 0 && session[len - 1] == FILL_MARK;

    (void)snprintf(ret_id, SESSION_TEXT_MAX, "%s", session);
    if (fill)
        ret_id[len - 1] = '\0';
    return fill;
}

static enum iotsafe_err cgla_transmit(struct transport *t, const struct transmission *tx,
                                      size_t *ret_len, struct iotsafe_op *op)
{
    char id[SESSION_TEXT_MAX];
    bool fill = split_session(tx->session, id);
    uint8_t bytes[APDU_CMD_MAX];
    enum iotsafe_err err;

    if (tx->cmd_len < APDU_HEADER_SIZE || tx->cmd_len > sizeof(bytes))
        return IOTSAFE_ERR_ARGUMENT;
    memcpy(bytes, tx->cmd, tx->cmd_len);
    if (fill)
        bytes[0] = (uint8_t)(bytes[0] | (strtoul(id, NULL, 10) & 0x03));
    err = transmit(self_of(t), id, bytes, tx->cmd_len, tx->rsp, tx->rsp_cap, ret_len, tx->deadline,
                   op);
    explicit_bzero(bytes, sizeof(bytes));
    return err;
}

/* --------------------------------------------------------------- channels */

/*
 * Some modems send the class byte as it is, so that a command meant for the
 * session lands on the basic channel. GET DATA - application with class 80 does
 * no harm there, and the answers of applet and USIM differ.
 */
static void find_who_fills_class(struct at_transport *self, deadline_t deadline,
                                 char session[static SESSION_TEXT_MAX])
{
    static const uint8_t probe[] = { 0x80, 0xcb, 0x00, 0x00, 0x44 };
    char marked[SESSION_TEXT_MAX + 1];
    uint8_t rsp[1024];
    size_t len = 0;
    unsigned long number = strtoul(session, NULL, 10);
    struct transmission tx = {
        .cmd = probe,
        .cmd_len = sizeof(probe),
        .session = session,
        .rsp = rsp,
        .rsp_cap = sizeof(rsp),
        .deadline = deadline,
    };

    if (number < 1 || number > 3 || strlen(session) > 1)
        return; /* an opaque handle: only the modem can know the channel */
    if (cgla_transmit(&self->base, &tx, &len, NULL) != IOTSAFE_OK || len < 2
        || (rsp[len - 2] != 0x6d && rsp[len - 2] != 0x6e))
        return;
    (void)snprintf(marked, sizeof(marked), "%s%c", session, FILL_MARK);
    tx.session = marked;
    if (cgla_transmit(&self->base, &tx, &len, NULL) == IOTSAFE_OK && len >= 2
        && rsp[len - 2] != 0x6d && rsp[len - 2] != 0x6e && rsp[len - 2] != 0x68)
        strcpy(session, marked);
}

static enum iotsafe_err cgla_open_channel(struct transport *t, const uint8_t *aid, size_t aid_len,
                                          deadline_t deadline,
                                          char ret_session[static SESSION_TEXT_MAX],
                                          struct iotsafe_op *op)
{
    struct at_transport *self = self_of(t);
    char text[64], line[AT_LINE_MAX + 1];
    enum iotsafe_err err;
    int failure;
    int n = snprintf(text, sizeof(text), "AT+CCHO=\"");

    hex_encode(aid, aid_len, text + n);
    strcat(text, "\"");
    err = command(self, text, "+CCHO", line, &failure, deadline, op);
    if (err == IOTSAFE_ERR_CARD) {
        err = at_failure_error(failure);
        /* modems have no word for an AID that is not there */
        return err == IOTSAFE_ERR_CARD || err == IOTSAFE_ERR_UNSUPPORTED ? IOTSAFE_ERR_NO_APPLET
                                                                         : err;
    }
    if (err == IOTSAFE_OK && !at_parse_session(line, ret_session, SESSION_TEXT_MAX)) {
        op_set(op, "%s: AT+CCHO answered no session (\"%.40s\")", self->base.device, line);
        err = IOTSAFE_ERR_PROTOCOL;
    }
    if (err == IOTSAFE_OK)
        find_who_fills_class(self, deadline, ret_session);
    return err;
}

static void cgla_close_channel(struct transport *t, const char *session, deadline_t deadline)
{
    struct at_transport *self = self_of(t);
    char text[64], id[SESSION_TEXT_MAX], line[AT_LINE_MAX + 1];
    enum iotsafe_err err;
    int failure;

    (void)split_session(session, id);
    (void)snprintf(text, sizeof(text), "AT+CCHC=%s", id);
    err = command(self, text, NULL, line, &failure, deadline, NULL);
    (void)err; /* some modems lack it */
}

const struct transport_ops transport_at = {
    .scheme = "at",
    .open = at_open,
    .connect = at_connect,
    .acquire = at_acquire,
    .release = at_release,
    .transmit = csim_transmit,
    .disconnect = at_disconnect,
    .drop = at_drop,
    .close = at_close,
};

static const struct transport_ops transport_at_cgla = {
    .scheme = "at",
    .open = at_open,
    .connect = at_connect,
    .acquire = at_acquire,
    .release = at_release,
    .open_channel = cgla_open_channel,
    .close_channel = cgla_close_channel,
    .transmit = cgla_transmit,
    .disconnect = at_disconnect,
    .drop = at_drop,
    .close = at_close,
};
