/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge with three clients and a card that all say anything. Each frame of the input
 * is bytes of a client, told by its first byte (cut wherever the input cuts them), or what
 * the card answers next. This file stands in for the socket transport at link time. Every
 * answer to a client is a whole response, and there are no more of them than commands. */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "card.h"
#include "fuzz.h"
#include "fuzz_clock.h"
#include "fuzz_input.h"
#include "service.h"

#define CLIENTS 3

static struct fuzz_input input;
static struct server server;
static struct service service;
static struct peer {
    int fd; /* the client's end */
    uint8_t heard[8192];
    size_t n_heard;
} peers[CLIENTS];

/* ------------------------------------------------------------------ the card */

/* The next frame with an odd first byte is the card's. */
static enum iotsafe_err feed(struct transport *t, const struct transmission *tx, size_t *ret_len,
                             struct iotsafe_op *op)
{
    const uint8_t *frame;
    size_t n;

    (void)t;
    if (tx->cmd_len < 4 || tx->cmd_len > APDU_CMD_MAX || tx->cmd[0] == 0xff)
        abort(); /* never a malformed command, whatever clients send */
    if (input.left == 0) {
        op_set(op, "no more answers");
        return IOTSAFE_ERR_TRANSPORT;
    }
    frame = fuzz_frame(&input, &n);
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
    (void)arg;
    return strcmp(key, "transport") == 0    ? "socket:/fuzzer"
           : strcmp(key, "timeout-ms") == 0 ? "1000"
                                            : NULL;
}

/* --------------------------------------------------------------- the clients */

static void join(struct peer *peer, struct client *c)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        abort();
    *peer = (struct peer){ .fd = ends[0] };
    c->used = true;
    c->fd = ends[1];
    c->id = ++server.last_id;
    c->uid = (uid_t)c->id;
    c->active_at = now_ms();
}

static void leave(struct peer *peer)
{
    if (peer->fd >= 0)
        (void)close(peer->fd);
    peer->fd = -1;
}

/* Whole responses come out, one behind another. */
static void listen_to_server(struct peer *peer)
{
    size_t at = 0;
    ssize_t n = peer->fd < 0 ? 0
                             : recv(peer->fd, peer->heard + peer->n_heard,
                                    sizeof(peer->heard) - peer->n_heard, 0);

    if (n > 0)
        peer->n_heard += (size_t)n;
    while (peer->n_heard - at >= 2) {
        size_t len = (size_t)(peer->heard[at] << 8 | peer->heard[at + 1]);

        if (len < 2 || len > APDU_RSP_MAX)
            abort();
        if (peer->n_heard - at < 2 + len)
            break;
        at += 2 + len;
    }
    memmove(peer->heard, peer->heard + at, peer->n_heard - at);
    peer->n_heard -= at;
}

/* The next frame is some client's; an empty one, or what a gone one would say, ends a
 * connection. When all is said, the bridge is told to end. */
static bool speak(void)
{
    const uint8_t *frame;
    struct peer *peer;
    size_t n;

    for (size_t i = 0; i < CLIENTS; i++)
        listen_to_server(&peers[i]);
    if (input.left == 0)
        return eventfd_write(server.signal_fd, 1) == 0;
    frame = fuzz_frame(&input, &n);
    peer = &peers[n == 0 ? 0 : frame[0] % CLIENTS];
    if (n <= 1 || peer->fd < 0)
        leave(peer);
    else if (send(peer->fd, frame + 1, n - 1, MSG_NOSIGNAL) < 0)
        leave(peer);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct iotsafe_config *cfg;
    struct iotsafe_card *card = NULL;
    struct iotsafe_op op = { .text = "" };

    input = (struct fuzz_input){ data, size };
    fuzz_clock_start(speak);
    cfg = iotsafe_config_new(look_up, NULL);
    if (cfg == NULL || iotsafe_card_new(cfg, NULL, &card, &op) != IOTSAFE_OK)
        abort();
    server_init(&server);
    server.signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    service_init(&service, card, 1000);
    server.serve = service_run;
    server.serve_arg = &service;
    server.put_off_ms = 200;
    for (size_t i = 0; i < CLIENTS; i++)
        join(&peers[i], &server.clients[i]);
    server_run(&server);
    for (size_t i = 0; i < CLIENTS; i++)
        leave(&peers[i]);
    (void)close(server.signal_fd);
    iotsafe_card_free(card);
    iotsafe_config_free(cfg);
    fuzz_clock_stop();
    return 0;
}
