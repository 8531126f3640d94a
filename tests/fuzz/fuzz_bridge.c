/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge with three clients and a card that all say anything. Each frame of the input
 * is bytes of a client, told by its first byte (cut wherever the input cuts them), or what
 * the card answers next. Every answer to a client is a whole response, and there are no more of
 * them than commands. */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "card.h"
#include "fuzz.h"
#include "fuzz_clock.h"
#include "fuzz_transport.h"
#include "service.h"

#define CLIENTS 3

static struct server server;
static struct service service;
static struct peer {
    int fd; /* the client's end */
    uint8_t heard[8192];
    size_t n_heard;
} peers[CLIENTS];

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
    if (fuzz_input.left == 0)
        return eventfd_write(server.signal_fd, 1) == 0;
    frame = fuzz_frame(&fuzz_input, &n);
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
    struct iotsafe_card *card;

    fuzz_input = (struct fuzz_input){ data, size };
    fuzz_clock_start(speak);
    card = fuzz_transport_card("1000", 4, &cfg);
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
