/* SPDX-License-Identifier: Apache-2.0 */
/* Cards in readers, by pcsc-lite. Our own processes wait for each other on the
 * device lock, which is fair and ends at the deadline; the PC/SC transaction
 * inside it keeps foreign programs out. A call into pcscd itself - a foreign
 * transaction, a reader that does not answer - cannot be given a deadline. */
#include "transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <winscard.h>

#define READERS_MAX 4096 /* bytes of the multi-string of reader names */

struct pcsc_transport {
    struct transport base;
    const char *lock_dir;
    char wanted[128]; /* part of the reader's name; empty: any reader */
    SCARDCONTEXT context;
    SCARDHANDLE card;
    bool have_context, have_card, in_transaction;
    DWORD protocol;
    struct device_lock lock;
};

static struct pcsc_transport *self_of(struct transport *t)
{
    return (struct pcsc_transport *)(void *)t;
}

static enum iotsafe_err pcsc_open(const char *address, const char *lock_dir,
                                  struct transport **ret_transport, struct iotsafe_op *op)
{
    struct pcsc_transport *self;

    if (strlen(address) >= sizeof(self->wanted)) {
        op_set(op, "transport \"pcsc:%.40s...\": the reader's name is longer than %zu bytes",
               address, sizeof(self->wanted) - 1);
        return IOTSAFE_ERR_CONFIG;
    }
    self = calloc(1, sizeof(*self));
    if (self == NULL)
        return IOTSAFE_ERR_MEMORY;
    self->base.ops = &transport_pcsc;
    self->base.lock = &self->lock;
    self->base.one_device = address[0] != '\0';
    self->base.channel_advice = ": a card without them is used when the transport names its reader";
    self->lock_dir = lock_dir;
    self->lock.dir_fd = self->lock.lock_fd = self->lock.device_fd = -1;
    (void)snprintf(self->wanted, sizeof(self->wanted), "%s", address);
    (void)snprintf(self->base.device, sizeof(self->base.device), "pcsc%s%.100s",
                   address[0] != '\0' ? ":" : "", address);
    *ret_transport = &self->base;
    return IOTSAFE_OK;
}

/* ----------------------------------------------------------------- errors */

static const struct {
    LONG code;
    enum iotsafe_err err;
    const char *advice;
} code_map[] = {
    { SCARD_E_NO_SERVICE, IOTSAFE_ERR_NO_SERVICE, "is pcscd installed and running?" },
    { SCARD_E_SERVICE_STOPPED, IOTSAFE_ERR_NO_SERVICE, "pcscd has stopped" },
    { SCARD_W_SECURITY_VIOLATION, IOTSAFE_ERR_NO_SERVICE,
      "this user may not use pcscd: see conf/polkit/49-iotsafe-pcscd.rules" },
    { SCARD_E_NO_READERS_AVAILABLE, IOTSAFE_ERR_NO_READER, "connect a card reader" },
    { SCARD_E_READER_UNAVAILABLE, IOTSAFE_ERR_NO_READER, "the reader was removed" },
    { SCARD_E_UNKNOWN_READER, IOTSAFE_ERR_NO_READER, "the reader was removed" },
    { SCARD_E_NO_SMARTCARD, IOTSAFE_ERR_NO_CARD, "insert the SIM" },
    { SCARD_W_REMOVED_CARD, IOTSAFE_ERR_NO_CARD, "the SIM was removed" },
    { SCARD_W_UNRESPONSIVE_CARD, IOTSAFE_ERR_NO_CARD, "the card does not answer to reset" },
    { SCARD_W_UNPOWERED_CARD, IOTSAFE_ERR_NO_CARD, "the card has no power" },
    { SCARD_E_SHARING_VIOLATION, IOTSAFE_ERR_TRANSPORT,
      "another program has exclusive access to the reader" },
    { SCARD_E_NOT_TRANSACTED, IOTSAFE_ERR_TRANSPORT, "is the SIM still in the reader?" },
    { SCARD_W_RESET_CARD, IOTSAFE_ERR_TRANSPORT, "the card was reset" },
};

static enum iotsafe_err code_error(const struct pcsc_transport *self, const char *call, LONG code,
                                   struct iotsafe_op *op)
{
    for (size_t i = 0; i < ARRAY_LEN(code_map); i++) {
        if (code_map[i].code != code)
            continue;
        op_set(op, "%s: %s: %s (%08lX); %s", self->base.device, call, pcsc_stringify_error(code),
               (unsigned long)code & 0xffffffffUL, code_map[i].advice);
        return code_map[i].err;
    }
    op_set(op, "%s: %s: %s (%08lX)", self->base.device, call, pcsc_stringify_error(code),
           (unsigned long)code & 0xffffffffUL);
    return IOTSAFE_ERR_TRANSPORT;
}

/* ----------------------------------------------------------------- reader */

/* The n-th reader whose name contains the wanted text. */
static enum iotsafe_err find_reader(struct pcsc_transport *self, unsigned n,
                                    char ret_name[static MAX_READERNAME], struct iotsafe_op *op)
{
    char names[READERS_MAX];
    DWORD names_len = sizeof(names);
    LONG code = SCardListReaders(self->context, NULL, names, &names_len);
    unsigned seen = 0;

    if (code == SCARD_S_SUCCESS)
        for (const char *p = names; p < names + names_len && *p != '\0'; p += strlen(p) + 1)
            if (strstr(p, self->wanted) != NULL && seen++ == n) {
                (void)snprintf(ret_name, MAX_READERNAME, "%.*s", MAX_READERNAME - 1, p);
                return IOTSAFE_OK;
            }
    if (n > 0)
        return IOTSAFE_ERR_NOT_FOUND;
    if (code != SCARD_S_SUCCESS)
        return code_error(self, "list readers", code, op);
    op_set(op, "no reader's name contains \"%s\"; there are:", self->wanted);
    for (const char *p = names; p < names + names_len && *p != '\0'; p += strlen(p) + 1)
        op_add(op, " \"%s\"", p);
    return IOTSAFE_ERR_NO_READER;
}

static LONG begin_transaction(struct pcsc_transport *self)
{
    LONG code = SCardBeginTransaction(self->card);

    self->in_transaction = code == SCARD_S_SUCCESS;
    return code;
}

static void read_status(struct pcsc_transport *self)
{
    BYTE atr[ATR_MAX];
    DWORD atr_len = sizeof(atr);
    DWORD name_len = 0, state = 0, protocol = 0;

    self->base.atr_len = 0;
    if (SCardStatus(self->card, NULL, &name_len, &state, &protocol, atr, &atr_len)
            == SCARD_S_SUCCESS
        && atr_len <= ATR_MAX) {
        memcpy(self->base.atr, atr, atr_len);
        self->base.atr_len = atr_len;
    }
    self->base.le_never = self->protocol == SCARD_PROTOCOL_T0;
}

static enum iotsafe_err connect_card(struct pcsc_transport *self, const char *reader,
                                     struct iotsafe_op *op)
{
    LONG code = SCardConnect(self->context, reader, SCARD_SHARE_SHARED,
                             SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &self->card, &self->protocol);

    if (code != SCARD_S_SUCCESS)
        return code_error(self, "connect to the card", code, op);
    self->have_card = true;
    code = begin_transaction(self);
    if (code == SCARD_W_RESET_CARD
        && SCardReconnect(self->card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1,
                          SCARD_LEAVE_CARD, &self->protocol)
               == SCARD_S_SUCCESS)
        code = begin_transaction(self);
    if (code != SCARD_S_SUCCESS)
        return code_error(self, "begin a transaction", code, op);
    read_status(self);
    self->base.connected = true;
    return IOTSAFE_OK;
}

static void pcsc_disconnect(struct transport *t)
{
    struct pcsc_transport *self = self_of(t);

    if (self->in_transaction)
        (void)SCardEndTransaction(self->card, SCARD_LEAVE_CARD);
    if (self->have_card)
        (void)SCardDisconnect(self->card, SCARD_LEAVE_CARD);
    if (self->have_context)
        (void)SCardReleaseContext(self->context);
    device_lock_give(&self->lock);
    self->in_transaction = self->have_card = self->have_context = false;
    t->connected = false;
}

/* The parent's context and handle stay the parent's; the library's own list of
 * contexts outlives this. */
static void pcsc_drop(struct transport *t)
{
    struct pcsc_transport *self = self_of(t);

    self->in_transaction = self->have_card = self->have_context = false;
    self->lock.dir_fd = self->lock.lock_fd = self->lock.device_fd = -1;
    t->connected = false;
}

static enum iotsafe_err pcsc_connect(struct transport *t, unsigned n, deadline_t deadline,
                                     struct iotsafe_op *op)
{
    struct pcsc_transport *self = self_of(t);
    char reader[MAX_READERNAME];
    enum iotsafe_err err;
    LONG code = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &self->context);

    if (code != SCARD_S_SUCCESS)
        return code_error(self, "reach pcscd", code, op);
    self->have_context = true;
    err = find_reader(self, n, reader, op);
    if (err == IOTSAFE_OK) {
        (void)snprintf(t->device, sizeof(t->device), "pcsc:%.120s", reader);
        err = device_lock_init(&self->lock, self->lock_dir, reader, op);
    }
    if (err == IOTSAFE_OK)
        err = device_lock_take(&self->lock, deadline, op);
    if (err == IOTSAFE_OK) {
        (void)transport_taken(t, deadline); /* how long pcscd may take is its own affair */
        err = connect_card(self, reader, op);
    }
    if (err != IOTSAFE_OK)
        pcsc_disconnect(t);
    return err;
}

/* -------------------------------------------------------------------- use */

static enum iotsafe_err pcsc_acquire(struct transport *t, deadline_t deadline,
                                     enum card_reset *ret_reset, struct iotsafe_op *op)
{
    struct pcsc_transport *self = self_of(t);
    enum iotsafe_err err = device_lock_take(&self->lock, deadline, op);
    LONG code;

    *ret_reset = RESET_NONE;
    if (err != IOTSAFE_OK)
        return err;
    (void)transport_taken(t, deadline);
    code = begin_transaction(self);
    if (code == SCARD_W_RESET_CARD) {
        *ret_reset = RESET_CERTAIN;
        code = SCardReconnect(self->card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1,
                              SCARD_LEAVE_CARD, &self->protocol);
        if (code == SCARD_S_SUCCESS)
            code = begin_transaction(self);
        if (code == SCARD_S_SUCCESS)
            read_status(self);
    }
    if (code == SCARD_S_SUCCESS)
        return IOTSAFE_OK;
    device_lock_give(&self->lock);
    err = code_error(self, "begin a transaction", code, op);
    return err == IOTSAFE_ERR_NO_SERVICE ? IOTSAFE_ERR_TRANSPORT : err;
}

static void pcsc_release(struct transport *t)
{
    struct pcsc_transport *self = self_of(t);

    if (self->in_transaction)
        (void)SCardEndTransaction(self->card, SCARD_LEAVE_CARD);
    self->in_transaction = false;
    device_lock_give(&self->lock);
}

static enum iotsafe_err pcsc_transmit(struct transport *t, const struct transmission *tx,
                                      size_t *ret_len, struct iotsafe_op *op)
{
    struct pcsc_transport *self = self_of(t);
    const SCARD_IO_REQUEST *pci = self->protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1;
    DWORD len = (DWORD)tx->rsp_cap;
    LONG code;

    if (deadline_left_ms(tx->deadline) == 0) {
        op_set(op, "%s: no time left for an exchange", t->device);
        return IOTSAFE_ERR_TIMEOUT;
    }
    code = SCardTransmit(self->card, pci, tx->cmd, (DWORD)tx->cmd_len, NULL, tx->rsp, &len);
    if (code == SCARD_E_INSUFFICIENT_BUFFER) {
        op_set(op, "%s: answer longer than %zu bytes", t->device, tx->rsp_cap);
        return IOTSAFE_ERR_SPACE;
    }
    if (code != SCARD_S_SUCCESS)
        return code_error(self, "exchange", code, op);
    if (len == 0) { /* how some drivers report a card that has just gone */
        op_set(op, "%s: the reader gave no answer; is the card still there?", t->device);
        return IOTSAFE_ERR_TRANSPORT;
    }
    *ret_len = len;
    return IOTSAFE_OK;
}

static void pcsc_close(struct transport *t)
{
    free(t);
}

const struct transport_ops transport_pcsc = {
    .scheme = "pcsc",
    .open = pcsc_open,
    .connect = pcsc_connect,
    .acquire = pcsc_acquire,
    .release = pcsc_release,
    .transmit = pcsc_transmit,
    .disconnect = pcsc_disconnect,
    .drop = pcsc_drop,
    .close = pcsc_close,
};
