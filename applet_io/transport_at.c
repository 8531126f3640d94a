/* SPDX-License-Identifier: Apache-2.0 */
/* SIMs in cellular modems, by AT commands over a serial port. Two families of commands
 * reach the card, +CCHO/+CGLA (at_cgla.c) and +CSIM (at_csim.c); which one a modem offers is
 * found out by trying, and kept once our applet has answered through it. The port is
 * shared with our other processes by flock() on the device node. */
#include <stdio.h>
#include <stdlib.h>

#include "at_modem.h"

struct at_transport {
    struct transport base;
    char lock_dir[128];
    struct device_lock lock;
    struct at_modem modem;
    const struct at_family *wanted; /* configured; NULL: any */
    const struct at_family *known;  /* our applet has answered through it; NULL: none yet */
    const struct at_family *family; /* in use */
};

/* In the order in which they are tried. */
static const struct at_family *const families[] = { &at_cgla, &at_csim };

static struct at_transport *self_of(struct transport *t)
{
    return (struct at_transport *)(void *)t;
}

/* ---------------------------------------------------------------- address */

static const struct {
    long baud;
    speed_t speed;
} speeds[] = {
    { 9600, B9600 },     { 19200, B19200 },   { 38400, B38400 },   { 57600, B57600 },
    { 115200, B115200 }, { 230400, B230400 }, { 460800, B460800 }, { 921600, B921600 },
};

static bool is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncmp(text, word, len) == 0;
}

static bool set_mode(struct at_transport *self, const char *word, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (is_word(word, len, families[i]->word)) {
            self->wanted = families[i];
            return true;
        }
    return is_word(word, len, "auto");
}

static bool set_option(struct at_transport *self, const char *word, size_t len)
{
    char *end;
    long baud;

    if (strncmp(word, "mode=", 5) == 0)
        return len >= 5 && set_mode(self, word + 5, len - 5);
    if (strncmp(word, "baud=", 5) != 0)
        return false;
    baud = strtol(word + 5, &end, 10);
    for (size_t i = 0; i < ARRAY_LEN(speeds); i++)
        if (end == word + len && speeds[i].baud == baud) {
            self->modem.speed = speeds[i].speed;
            return true;
        }
    return false;
}

static bool parse_address(struct at_transport *self, const char *address)
{
    size_t path_len = strcspn(address, "?");
    const char *p = address + path_len;

    if (address[0] != '/' || path_len >= sizeof(self->modem.path))
        return false;
    memcpy(self->modem.path, address, path_len);
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
    self->base.refusal_advice = "; try ?mode=cgla, or another firmware of the modem";
    self->base.channel_advice = ": such a card cannot be used beside a modem; try it in a reader";
    self->lock.dir_fd = self->lock.lock_fd = self->lock.device_fd = -1;
    at_modem_init(&self->modem, self->base.device);
    if (!parse_address(self, address)) {
        op_set(op,
               "transport \"at:%.100s\": want at:/dev/NAME, then ?mode=auto|csim|cgla and "
               "&baud=9600...921600 as needed",
               address);
        free(self);
        return IOTSAFE_ERR_CONFIG;
    }
    (void)snprintf(self->lock_dir, sizeof(self->lock_dir), "%s", lock_dir);
    (void)snprintf(self->base.device, sizeof(self->base.device), "at:%s", self->modem.path);
    *ret_transport = &self->base;
    return IOTSAFE_OK;
}

/* ------------------------------------------------------------- connection */

/* Candidates of "auto" in the order to try them. What is known comes first; the others
 * follow, since the modem at this port may be another one by now. */
static bool choose_family(struct at_transport *self, unsigned n)
{
    const struct at_family *first = self->wanted != NULL ? self->wanted : self->known;

    if (n > 0 && (!self->modem.talked || self->wanted != NULL))
        return false; /* nobody there: other commands would not be answered either */
    if (n == 0 && first != NULL) {
        self->family = first;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (families[i] != first && (first == NULL ? i == n : n == 1)) {
            self->family = families[i];
            return true;
        }
    return false;
}

/* The folder is for the queue and the record; without it all works, slower. */
static void init_lock(struct at_transport *self)
{
    char name[sizeof(self->modem.path) + 8];

    (void)snprintf(name, sizeof(name), "at-%s-%s", self->modem.path + 1, self->family->word);
    if (device_lock_init(&self->lock, self->lock_dir, name, NULL) != IOTSAFE_OK)
        self->lock.folder[0] = '\0';
    self->lock.device_fd = self->modem.port.fd;
}

static void close_port(struct at_transport *self)
{
    if (at_modem_is_ours(&self->modem))
        at_modem_end(&self->modem);
    else
        self->lock.device_fd = -1;
    device_lock_give(&self->lock);
    at_modem_close(&self->modem);
    self->lock.device_fd = -1;
    self->base.connected = false;
}

static enum iotsafe_err at_connect(struct transport *t, unsigned n, deadline_t deadline,
                                   struct iotsafe_op *op)
{
    struct at_transport *self = self_of(t);
    enum iotsafe_err err;

    if (!choose_family(self, n))
        return IOTSAFE_ERR_NOT_FOUND;
    t->opens_channels = self->family->opens_channels;
    err = at_modem_open(&self->modem, op);
    if (err != IOTSAFE_OK)
        return err;
    init_lock(self);
    err = device_lock_take(&self->lock, deadline, op);
    if (err == IOTSAFE_OK) {
        deadline = transport_taken(t, deadline);
        err = at_modem_begin(&self->modem, op);
    }
    if (err == IOTSAFE_OK)
        err = at_modem_synchronise(&self->modem, deadline_min(deadline, 5000), op);
    t->stirred = t->brief && err == IOTSAFE_ERR_TIMEOUT && self->modem.port.heard;
    if (err != IOTSAFE_OK)
        close_port(self);
    else
        t->connected = true;
    return err;
}

static enum iotsafe_err at_acquire(struct transport *t, deadline_t deadline,
                                   enum card_reset *ret_reset, struct iotsafe_op *op)
{
    struct at_transport *self = self_of(t);
    enum iotsafe_err err;

    *ret_reset = RESET_NONE;
    if (!at_modem_is_there(&self->modem)) {
        op_set(op, "%s: the modem is gone", t->device);
        return IOTSAFE_ERR_TRANSPORT;
    }
    err = device_lock_take(&self->lock, deadline, op);
    if (err == IOTSAFE_OK) {
        deadline = transport_taken(t, deadline);
        err = at_modem_begin(&self->modem, op);
    }
    if (err == IOTSAFE_OK && at_port_skim(&self->modem.port))
        self->modem.step = AT_STEP_UNKNOWN;
    if (err == IOTSAFE_OK && self->modem.step != AT_STEP_IN)
        err = at_modem_synchronise(&self->modem, deadline, op);
    if (err != IOTSAFE_OK) {
        at_modem_end(&self->modem);
        device_lock_give(&self->lock);
        return err;
    }
    /* such lines come for other reasons as well */
    if (at_modem_restarted(&self->modem, deadline))
        *ret_reset = RESET_SUSPECTED;
    return IOTSAFE_OK;
}

static void at_release(struct transport *t)
{
    struct at_transport *self = self_of(t);

    if (t->proved)
        self->known = self->family;
    at_modem_end(&self->modem);
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

    self->modem.in_use = false;
    self->lock.device_fd = -1; /* LOCK_UN here would unlock the parent */
    self->lock.dir_fd = self->lock.lock_fd = -1;
    close_port(self);
}

static void at_close(struct transport *t)
{
    free(t);
}

/* ----------------------------------------------------------------- exchange */

static enum iotsafe_err at_transmit(struct transport *t, const struct transmission *tx,
                                    size_t *ret_len, struct iotsafe_op *op)
{
    struct at_transport *self = self_of(t);
    enum iotsafe_err err = self->family->transmit(&self->modem, tx, ret_len, op);

    t->le_never = self->modem.le_never;
    t->cut_at = self->modem.cut_at;
    return err;
}

static enum iotsafe_err at_open_channel(struct transport *t, const uint8_t *aid, size_t aid_len,
                                        deadline_t deadline,
                                        char ret_session[static SESSION_TEXT_MAX],
                                        struct iotsafe_op *op)
{
    struct at_transport *self = self_of(t);

    return self->family->open_channel(&self->modem, aid, aid_len, deadline, ret_session, op);
}

static void at_close_channel(struct transport *t, const char *session, deadline_t deadline)
{
    struct at_transport *self = self_of(t);

    self->family->close_channel(&self->modem, session, deadline);
}

const struct transport_ops transport_at = {
    .scheme = "at",
    .open = at_open,
    .connect = at_connect,
    .acquire = at_acquire,
    .release = at_release,
    .open_channel = at_open_channel,
    .close_channel = at_close_channel,
    .transmit = at_transmit,
    .disconnect = at_disconnect,
    .drop = at_drop,
    .close = at_close,
};
