/* SPDX-License-Identifier: Apache-2.0 */
/* see fuzz_transport.h */
#include "fuzz_transport.h"

#include <stdlib.h>
#include <string.h>

#include "transport.h"

struct fuzz_input fuzz_input;
static size_t shortest;

static enum iotsafe_err feed(struct transport *t, const struct transmission *tx, size_t *ret_len,
                             struct iotsafe_op *op)
{
    const uint8_t *frame;
    size_t n;

    (void)t;
    if (tx->cmd_len < shortest || tx->cmd_len > APDU_CMD_MAX || tx->cmd[0] == 0xff)
        abort(); /* never a malformed command, whatever the card says */
    if (fuzz_input.left == 0) {
        op_set(op, "no more answers");
        return IOTSAFE_ERR_TRANSPORT;
    }
    frame = fuzz_frame(&fuzz_input, &n);
    if (n > tx->rsp_cap)
        return IOTSAFE_ERR_SPACE;
    memcpy(tx->rsp, frame, n);
    *ret_len = n;
    return IOTSAFE_OK;
}

static enum iotsafe_err fake_open(const char *address, const char *lock_dir,
                                  struct transport **ret_transport, struct iotsafe_op *op)
{
    struct transport *t = calloc(1, sizeof(*t));

    (void)address, (void)lock_dir, (void)op;
    if (t == NULL)
        return IOTSAFE_ERR_MEMORY;
    t->ops = &transport_socket;
    t->one_device = true;
    *ret_transport = t;
    return IOTSAFE_OK;
}

static enum iotsafe_err fake_connect(struct transport *t, unsigned n, deadline_t deadline,
                                     struct iotsafe_op *op)
{
    (void)deadline, (void)op;
    t->connected = n == 0;
    return n == 0 ? IOTSAFE_OK : IOTSAFE_ERR_NOT_FOUND;
}

static enum iotsafe_err fake_acquire(struct transport *t, deadline_t deadline,
                                     enum card_reset *ret_reset, struct iotsafe_op *op)
{
    (void)t, (void)deadline, (void)op;
    *ret_reset = RESET_NONE;
    return IOTSAFE_OK;
}

static void fake_release(struct transport *t)
{
    (void)t;
}

static void fake_disconnect(struct transport *t)
{
    t->connected = false;
}

static void fake_close(struct transport *t)
{
    free(t);
}

const struct transport_ops transport_socket = {
    .scheme = "socket",
    .open = fake_open,
    .connect = fake_connect,
    .acquire = fake_acquire,
    .release = fake_release,
    .transmit = feed,
    .disconnect = fake_disconnect,
    .drop = fake_disconnect,
    .close = fake_close,
};

static const char *look_up(void *arg, const char *key)
{
    const char *timeout_ms = arg;

    return strcmp(key, "transport") == 0    ? "socket:/fuzzer"
           : strcmp(key, "timeout-ms") == 0 ? timeout_ms
                                            : NULL;
}

struct iotsafe_card *fuzz_transport_card(const char *timeout_ms, size_t cmd_min,
                                         struct iotsafe_config **ret_config)
{
    struct iotsafe_card *card = NULL;

    shortest = cmd_min;
    *ret_config = iotsafe_config_new(look_up, (void *)(uintptr_t)timeout_ms);
    if (*ret_config == NULL || iotsafe_card_new(*ret_config, NULL, &card, NULL) != IOTSAFE_OK)
        abort();
    return card;
}
