/* SPDX-License-Identifier: Apache-2.0 */
/* see fake_transport.h */
#include "fake_transport.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_clock.h"
#include "transport.h"

struct fake_transport {
    struct transport base;
    struct fake_world *world; /* borrowed */
    int client;
    const char *lock_dir;
    struct device_lock lock;
};

static struct fake_world *current; /* that new transports lead to */

static const struct transport_ops transport_fake;

static struct fake_transport *self_of(struct transport *t)
{
    return (struct fake_transport *)(void *)t;
}

static bool owns_channels(const struct fake_world *w)
{
    return w->device == FAKE_MODEM_FILLS || w->device == FAKE_CALLER_FILLS;
}

/* ------------------------------------------------------------- connection */

static enum iotsafe_err fake_open(const char *address, const char *lock_dir,
                                  struct transport **ret_transport, struct iotsafe_op *op)
{
    struct fake_transport *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return IOTSAFE_ERR_MEMORY;
    if (current == NULL || address[0] < '0' || address[0] >= '0' + FAKE_CLIENTS) {
        op_set(op, "transport \"fake:%.20s\": want a client's number", address);
        free(self);
        return IOTSAFE_ERR_CONFIG;
    }
    self->world = current;
    self->client = address[0] - '0';
    self->lock_dir = lock_dir;
    self->lock.dir_fd = self->lock.lock_fd = self->lock.device_fd = -1;
    self->base.ops = &transport_fake;
    self->base.opens_channels = owns_channels(current);
    self->base.one_device = self->base.no_turns = current->device == FAKE_SOCKET;
    self->base.lock = current->device != FAKE_SOCKET ? &self->lock : NULL;
    (void)snprintf(self->base.device, sizeof(self->base.device), "fake");
    *ret_transport = &self->base;
    return IOTSAFE_OK;
}

/* A server of sockets closes what a connection has opened when that ends. */
static void close_own_channels(struct fake_transport *self)
{
    struct fake_uicc *u = &self->world->uicc;

    for (uint8_t n = 1; n < FAKE_CHANNELS && self->world->device == FAKE_SOCKET; n++)
        if (u->channels[n].app != FAKE_CLOSED && u->channels[n].opener == self->client)
            fake_uicc_close(u, self->client, n);
}

static void fake_disconnect(struct transport *t)
{
    struct fake_transport *self = self_of(t);

    if (t->connected)
        close_own_channels(self);
    device_lock_give(&self->lock);
    t->connected = false;
}

static enum iotsafe_err fake_connect(struct transport *t, unsigned n, deadline_t deadline,
                                     struct iotsafe_op *op)
{
    struct fake_transport *self = self_of(t);
    struct fake_world *w = self->world;
    enum iotsafe_err err = IOTSAFE_OK;

    if (n > 0)
        return IOTSAFE_ERR_NOT_FOUND;
    if (w->connect_ms > 500 && t->brief) {
        t->stirred = true;
        op_set(op, "%s: slow", t->device);
        return IOTSAFE_ERR_TIMEOUT;
    }
    fake_clock_pass(w->connect_ms);
    if (w->refuse_connects > 0) {
        w->refuse_connects--;
        op_set(op, "%s: no card", t->device);
        return IOTSAFE_ERR_NO_CARD;
    }
    if (t->lock != NULL)
        err = device_lock_init(&self->lock, self->lock_dir, "fake", op);
    if (err == IOTSAFE_OK && t->lock != NULL)
        err = device_lock_take(&self->lock, deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    (void)transport_taken(t, deadline);
    w->reset_seen[self->client] = false;
    if (!owns_channels(w)) { /* modems do not tell it */
        static const uint8_t atr[] = { 0x3b, 0x9f, 0x96, 0x80 };

        memcpy(t->atr, atr, sizeof(atr));
        t->atr_len = sizeof(atr);
    }
    t->connected = true;
    return IOTSAFE_OK;
}

static enum iotsafe_err fake_acquire(struct transport *t, deadline_t deadline,
                                     enum card_reset *ret_reset, struct iotsafe_op *op)
{
    struct fake_transport *self = self_of(t);
    struct fake_world *w = self->world;
    enum iotsafe_err err = IOTSAFE_OK;

    *ret_reset = RESET_NONE;
    if (t->lock != NULL)
        err = device_lock_take(&self->lock, deadline, op);
    if (err == IOTSAFE_OK) {
        *ret_reset = !w->reset_seen[self->client] || w->device == FAKE_SOCKET ? RESET_NONE
                     : t->opens_channels ? RESET_SUSPECTED /* as modems tell it */
                                         : RESET_CERTAIN;
        w->reset_seen[self->client] = false;
    }
    return err;
}

static void fake_release(struct transport *t)
{
    device_lock_give(&self_of(t)->lock);
}

static void fake_drop(struct transport *t)
{
    struct fake_transport *self = self_of(t);

    self->lock.dir_fd = self->lock.lock_fd = self->lock.device_fd = -1;
    t->connected = false;
}

static void fake_close(struct transport *t)
{
    free(t);
}

/* ---------------------------------------------------------------- exchange */

/* The fault of this exchange, after what happens before it. */
static enum fake_fault next_fault(struct fake_world *w, uint8_t ins)
{
    const bool is_now = w->planned && w->n_exchanges == w->at;

    w->n_exchanges++;
    fake_clock_pass(w->exchange_ms);
    if (!is_now)
        return w->mute ? FAKE_FAULT_MUTE : FAKE_FAULT_NONE;
    w->planned = false;
    w->hit_ins = ins;
    if (w->event != NULL)
        w->event(w);
    return w->fault;
}

static enum iotsafe_err no_response(const struct transport *t, deadline_t deadline,
                                    struct iotsafe_op *op)
{
    fake_clock_pass(deadline_left_ms(deadline) + 1);
    op_set(op, "%s: no response in time", t->device);
    return IOTSAFE_ERR_TIMEOUT;
}

/* PC/SC refuses a handle whose card was reset, until that was acknowledged. */
static bool is_refused(const struct fake_transport *self)
{
    return self->world->device == FAKE_READER && self->world->reset_seen[self->client];
}

/* Faults that keep the command from the card. */
static enum iotsafe_err fail_before(struct fake_transport *self, enum fake_fault fault,
                                    deadline_t deadline, struct iotsafe_op *op)
{
    if (fault == FAKE_FAULT_MUTE)
        return no_response(&self->base, deadline, op);
    if (fault == FAKE_FAULT_CUT && self->world->refuse_connects == 0)
        self->world->refuse_connects = 1;
    if (fault == FAKE_FAULT_CUT || fault == FAKE_FAULT_BROKEN || is_refused(self)) {
        op_set(op, "%s: the exchange failed", self->base.device);
        return IOTSAFE_ERR_TRANSPORT;
    }
    return IOTSAFE_OK;
}

/* Faults that keep the response from us. */
static enum iotsafe_err fail_after(struct fake_transport *self, enum fake_fault fault,
                                   deadline_t deadline, struct iotsafe_op *op)
{
    if (fault == FAKE_FAULT_LOST)
        return no_response(&self->base, deadline, op);
    if (fault == FAKE_FAULT_DAMAGED) {
        op_set(op, "%s: the response is damaged", self->base.device);
        return IOTSAFE_ERR_DAMAGED;
    }
    return IOTSAFE_OK;
}

/* A modem writes the session's number over the channel in the class byte. */
static void fill_class(const struct fake_world *w, const char *session, uint8_t *cmd)
{
    const unsigned long number = strtoul(session, NULL, 10);

    if (w->device == FAKE_MODEM_FILLS)
        cmd[0] = (uint8_t)((cmd[0] & ~0x03u) | (number & 0x03));
}

static enum iotsafe_err fake_transmit(struct transport *t, const struct transmission *tx,
                                      size_t *ret_len, struct iotsafe_op *op)
{
    struct fake_transport *self = self_of(t);
    struct fake_world *w = self->world;
    uint8_t cmd[APDU_CMD_MAX], rsp[APDU_RSP_MAX];
    enum fake_fault fault;
    enum iotsafe_err err;
    size_t len;

    if (!t->connected || tx->cmd_len < APDU_HEADER_SIZE || tx->cmd_len > sizeof(cmd))
        abort(); /* never without a connection, never a malformed command */
    if (deadline_left_ms(tx->deadline) == 0)
        return no_response(t, tx->deadline, op);
    fault = next_fault(w, tx->cmd[1]);
    memcpy(cmd, tx->cmd, tx->cmd_len);
    fill_class(w, tx->session, cmd);
    err = fail_before(self, fault, tx->deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    len = fake_uicc_exchange(&w->uicc, self->client, cmd, tx->cmd_len, rsp);
    if (cmd[1] == ISO_INS_MANAGE_CHANNEL && cmd[2] == 0 && len == 3
        && (fault == FAKE_FAULT_LOST || fault == FAKE_FAULT_DAMAGED))
        w->lost_opens++;
    err = fail_after(self, fault, tx->deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    if (len > tx->rsp_cap)
        return IOTSAFE_ERR_SPACE;
    memcpy(tx->rsp, rsp, len);
    *ret_len = len;
    return IOTSAFE_OK;
}

/* ---------------------------------------------------------------- channels */

/* As modems tell it: by a +CME code, never by the status word. */
static enum iotsafe_err open_error(uint16_t sw)
{
    return sw == SW_OK                     ? IOTSAFE_OK
           : sw == SW_FUNCTION_UNSUPPORTED ? IOTSAFE_ERR_NO_CHANNEL
           : sw == SW_NOT_FOUND            ? IOTSAFE_ERR_NO_APPLET
                                           : IOTSAFE_ERR_CARD;
}

static enum iotsafe_err fake_open_channel(struct transport *t, const uint8_t *aid, size_t aid_len,
                                          deadline_t deadline,
                                          char ret_session[static SESSION_TEXT_MAX],
                                          struct iotsafe_op *op)
{
    struct fake_transport *self = self_of(t);
    struct fake_uicc *u = &self->world->uicc;
    const enum fake_fault fault = next_fault(self->world, ISO_INS_MANAGE_CHANNEL);
    uint8_t number = 0;
    enum iotsafe_err err = fail_before(self, fault, deadline, op);

    if (err != IOTSAFE_OK)
        return err;
    if (u->refuse_n > 0) {
        u->refuse_n--;
        err = open_error(u->refuse_sw);
    } else {
        err = open_error(fake_uicc_open(u, self->client, aid, aid_len, &number));
    }
    if (err == IOTSAFE_OK && (fault == FAKE_FAULT_LOST || fault == FAKE_FAULT_DAMAGED))
        self->world->lost_opens++;
    if (err == IOTSAFE_OK)
        err = fail_after(self, fault, deadline, op);
    if (err == IOTSAFE_OK)
        (void)snprintf(ret_session, SESSION_TEXT_MAX, "%u", number);
    else if (op != NULL && op->text[0] == '\0')
        op_set(op, "%s: the modem opens no channel", t->device);
    return err;
}

static void fake_close_channel(struct transport *t, const char *session, deadline_t deadline)
{
    struct fake_transport *self = self_of(t);

    if (fail_before(self, next_fault(self->world, ISO_INS_MANAGE_CHANNEL), deadline, NULL)
        == IOTSAFE_OK)
        fake_uicc_close(&self->world->uicc, self->client, (uint8_t)strtoul(session, NULL, 10));
}

static const struct transport_ops transport_fake = {
    .scheme = "fake",
    .open = fake_open,
    .connect = fake_connect,
    .acquire = fake_acquire,
    .release = fake_release,
    .open_channel = fake_open_channel,
    .close_channel = fake_close_channel,
    .transmit = fake_transmit,
    .disconnect = fake_disconnect,
    .drop = fake_drop,
    .close = fake_close,
};

/* ------------------------------------------------------------------- world */

void fake_world_install(struct fake_world *w)
{
    if (current == NULL)
        transport_add(&transport_fake);
    current = w;
    /* a record is written in nearly every use: where there is one, on a disk of memory */
    (void)snprintf(w->lock_dir, sizeof(w->lock_dir), "%s/iotsafe-fake-XXXXXX",
                   access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(w->lock_dir) == NULL)
        abort();
}

/* Files whose name contains a text; all of them with "". */
static void remove_files(const char *folder, const char *part)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strstr(entry->d_name, part) != NULL)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        (void)closedir(dir);
}

void fake_world_remove(struct fake_world *w)
{
    remove_files(w->lock_dir, "");
    (void)rmdir(w->lock_dir);
}

void fake_world_begin(struct fake_world *w, enum fake_device device,
                      const struct fake_behaviour *behaviour)
{
    struct fake_world fresh = { .device = device,
                                .connect_ms = 1,
                                .exchange_ms = FAKE_EXCHANGE_MS };

    memcpy(fresh.lock_dir, w->lock_dir, sizeof(fresh.lock_dir));
    *w = fresh;
    fake_uicc_init(&w->uicc, behaviour);
    remove_files(w->lock_dir, ".channel2");
}

void fake_plan(struct fake_world *w, unsigned at, enum fake_fault fault,
               void (*event)(struct fake_world *))
{
    w->planned = true;
    w->n_exchanges = 0;
    w->at = at;
    w->fault = fault;
    w->event = event;
}

void fake_world_reset(struct fake_world *w)
{
    fake_uicc_reset(&w->uicc);
    for (int i = 0; i < FAKE_CLIENTS; i++)
        w->reset_seen[i] = true;
}

struct client_settings {
    const struct fake_world *world;
    int client;
};

static const char *look_up(void *arg, const char *key)
{
    static const char *const transports[FAKE_CLIENTS] = { "fake:0", "fake:1" };
    const struct client_settings *s = arg;

    return strcmp(key, "transport") == 0  ? transports[s->client]
           : strcmp(key, "lock-dir") == 0 ? s->world->lock_dir
                                          : NULL;
}

struct iotsafe_card *fake_world_card(struct fake_world *w, int client)
{
    struct client_settings settings = { w, client };
    struct iotsafe_config *cfg = iotsafe_config_new(look_up, &settings);
    struct iotsafe_card *card = NULL;
    struct iotsafe_op op = { .text = "" };

    if (cfg == NULL || iotsafe_card_new(cfg, NULL, &card, &op) != IOTSAFE_OK) {
        (void)fprintf(stderr, "fake_world_card: %s\n", op.text);
        abort();
    }
    iotsafe_config_free(cfg);
    return card;
}
