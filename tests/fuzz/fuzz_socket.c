/* SPDX-License-Identifier: Apache-2.0 */
/* The framing of the socket transport, in front of a server that says anything: a frame of
 * the input is what comes while a response is awaited, cut wherever the input cuts it; an
 * empty one ends the connection. A response is taken only where one was owed, and only
 * whole. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "fuzz_clock.h"
#include "fuzz_input.h"
#include "transport.h"

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len);

static struct fuzz_input input;
static int server = -1; /* its end of the connection */
static size_t n_sent;   /* bytes by the server on this connection */

static void hang_up(void)
{
    if (server >= 0)
        (void)close(server);
    server = -1;
}

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    int ends[2];

    (void)addr, (void)len;
    hang_up();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0
        || dup3(ends[0], fd, O_CLOEXEC) < 0)
        abort();
    (void)close(ends[0]);
    server = ends[1];
    n_sent = 0;
    return 0;
}

static bool say_more(void)
{
    const uint8_t *bytes;
    size_t n;

    if (server < 0 || input.left == 0)
        return false;
    bytes = fuzz_frame(&input, &n);
    if (n == 0)
        hang_up();
    else if (send(server, bytes, n, MSG_NOSIGNAL) == (ssize_t)n)
        n_sent += n;
    return true;
}

/* What the client sent is a frame whose length fits. */
static void check_command(const uint8_t *cmd, size_t cmd_len)
{
    uint8_t got[2 + APDU_CMD_MAX + 1];
    ssize_t n = recv(server, got, sizeof(got), 0);

    if (n != (ssize_t)(2 + cmd_len) || got[0] != cmd_len >> 8 || got[1] != (cmd_len & 0xff)
        || memcmp(got + 2, cmd, cmd_len) != 0)
        abort();
}

static void exchange(struct transport *t)
{
    static const uint8_t cmd[] = { 0x80, 0xcb, 0x01, 0x00, 0x00 };
    static uint8_t rsp[APDU_RSP_MAX];
    enum card_reset reset;
    struct iotsafe_op op = { .text = "" };
    const struct transmission tx = { .cmd = cmd,
                                     .cmd_len = sizeof(cmd),
                                     .session = "",
                                     .rsp = rsp,
                                     .rsp_cap = sizeof(rsp),
                                     .deadline = deadline_in(1000) };
    size_t before, n = SIZE_MAX;
    enum iotsafe_err err;

    if (t->ops->acquire(t, deadline_in(1000), &reset, &op) != IOTSAFE_OK) {
        t->ops->disconnect(t);
        if (t->ops->connect(t, 0, deadline_in(1000), &op) != IOTSAFE_OK)
            abort();
    }
    before = n_sent;
    err = t->ops->transmit(t, &tx, &n, &op);
    if (server >= 0)
        check_command(cmd, sizeof(cmd));
    if (err == IOTSAFE_OK && (n > sizeof(rsp) || n_sent - before < 2 + n))
        abort(); /* not all of it was said after the command */
    if (err != IOTSAFE_OK && op.text[0] == '\0')
        abort();
    if (err != IOTSAFE_OK && t->ops->transmit(t, &tx, &n, &op) == IOTSAFE_OK)
        abort(); /* whose response would that be? */
    t->ops->release(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct transport *t = NULL;
    struct iotsafe_op op = { .text = "" };

    input = (struct fuzz_input){ data, size };
    fuzz_clock_start(say_more);
    if (transport_open("socket:/fuzzer", "/", &t, &op) != IOTSAFE_OK
        || t->ops->connect(t, 0, deadline_in(1000), &op) != IOTSAFE_OK)
        abort();
    do
        exchange(t);
    while (input.left != 0);
    t->ops->disconnect(t);
    t->ops->close(t);
    hang_up();
    fuzz_clock_stop();
    return 0;
}
