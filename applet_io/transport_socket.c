/* SPDX-License-Identifier: Apache-2.0 */
/* APDUs over a stream socket, each behind a 2-byte big-endian length: the
 * software SIM and the bridge serve this. One connection is one client; its
 * channels end with it, so that no lock and no record are needed. */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define FRAME_MAX 65535
#define START_MS 1000 /* a server that was started together with us is there by then */
#define START_PAUSE_MS 20

struct socket_transport {
    struct transport base;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* or empty: TCP */
    char host[128];
    char port[8];
    int fd;      /* -1: not connected */
    bool looked; /* connected, or tried in vain for START_MS: the server is not starting */
    bool owed;   /* an exchange was broken off, or more than its response came: whatever
                    comes next may not be what was asked for */
    dev_t dev;   /* which file fd was when it was opened */
    ino_t ino;
};

static struct socket_transport *self_of(struct transport *t)
{
    return (struct socket_transport *)(void *)t;
}

/* ---------------------------------------------------------------- address */

static bool parse_tcp(const char *address, struct socket_transport *self)
{
    const char *host = address;
    const char *host_end;
    const char *port;
    char *end;
    long number;

    if (*address == '[') {
        host = address + 1;
        host_end = strchr(host, ']');
        if (host_end == NULL || host_end[1] != ':')
            return false;
        port = host_end + 2;
    } else {
        host_end = strrchr(address, ':');
        if (host_end == NULL)
            return false;
        port = host_end + 1;
    }
    number = strtol(port, &end, 10);
    if (*port < '0' || *port > '9' || *end != '\0' || number < 1 || number > 65535
        || host_end == host || (size_t)(host_end - host) >= sizeof(self->host))
        return false;
    memcpy(self->host, host, (size_t)(host_end - host));
    (void)snprintf(self->port, sizeof(self->port), "%ld", number);
    return true;
}

/* Takes "?turns=no" off the end: this server lets other clients in between commands that
 * belong together. False: some other option. */
static bool take_options(char *address, bool *ret_no_turns)
{
    char *options = strchr(address, '?');

    *ret_no_turns = false;
    if (options == NULL)
        return true;
    *ret_no_turns = strcmp(options, "?turns=no") == 0;
    if (!*ret_no_turns && strcmp(options, "?turns=yes") != 0)
        return false;
    *options = '\0';
    return true;
}

static bool parse_address(const char *text, struct socket_transport *self)
{
    char address[256];

    if (strlen(text) >= sizeof(address))
        return false;
    (void)snprintf(address, sizeof(address), "%s", text);
    if (!take_options(address, &self->base.no_turns))
        return false;
    if (address[0] != '/')
        return parse_tcp(address, self);
    if (strlen(address) >= sizeof(self->path))
        return false;
    memcpy(self->path, address, strlen(address) + 1);
    return true;
}

static enum iotsafe_err socket_open(const char *address, const char *lock_dir,
                                    struct transport **ret_transport, struct iotsafe_op *op)
{
    struct socket_transport *self = calloc(1, sizeof(*self));

    (void)lock_dir;
    if (self == NULL)
        return IOTSAFE_ERR_MEMORY;
    self->base.ops = &transport_socket;
    self->base.one_device = true;
    self->fd = -1;
    if (!parse_address(address, self)) {
        op_set(op,
               "transport \"socket:%.200s\": want socket:/path (up to %zu bytes), "
               "socket:HOST:PORT or socket:[ADDRESS]:PORT, then ?turns=no|yes as needed",
               address, sizeof(self->path) - 1);
        free(self);
        return IOTSAFE_ERR_CONFIG;
    }
    (void)snprintf(self->base.device, sizeof(self->base.device), "socket:%.110s", address);
    *ret_transport = &self->base;
    return IOTSAFE_OK;
}

/* ------------------------------------------------------------- connection */

/* True while fd is still the file that we opened: a daemon that closes all
 * descriptors may since have opened another one of that number. */
static bool fd_is_ours(const struct socket_transport *self)
{
    struct stat st;

    return self->fd >= 0 && fstat(self->fd, &st) == 0 && st.st_dev == self->dev
           && st.st_ino == self->ino;
}

static void socket_disconnect(struct transport *t)
{
    struct socket_transport *self = self_of(t);

    if (fd_is_ours(self))
        (void)close(self->fd);
    self->fd = -1;
    t->connected = false;
}

static bool finish_connect(int fd, deadline_t deadline)
{
    struct pollfd pfd = { .fd = fd, .events = POLLOUT };
    int error = 0;
    socklen_t len = sizeof(error);
    int n;

    do
        n = poll(&pfd, 1, deadline_left_ms(deadline));
    while (n < 0 && errno == EINTR);
    if (n == 0) {
        errno = ETIMEDOUT;
        return false;
    }
    if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return false;
    errno = error;
    return error == 0;
}

/* Connect one socket; -1 with errno set. */
static int connect_to(int family, const struct sockaddr *addr, socklen_t addr_len,
                      deadline_t deadline)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int saved;

    if (fd < 0)
        return -1;
    if (connect(fd, addr, addr_len) == 0
        || ((errno == EINPROGRESS || errno == EINTR) && finish_connect(fd, deadline)))
        return fd;
    saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static int connect_unix(const struct socket_transport *self, deadline_t deadline)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd;

    memcpy(addr.sun_path, self->path, strlen(self->path) + 1);
    /* EAGAIN: the server's queue of new connections is full just now */
    while ((fd = connect_to(AF_UNIX, (const struct sockaddr *)&addr, sizeof(addr), deadline)) < 0
           && errno == EAGAIN && deadline_left_ms(deadline) > 0)
        sleep_ms(5, deadline);
    return fd;
}

static int connect_tcp(const struct socket_transport *self, deadline_t deadline)
{
    static const int on = 1;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    int fd = -1;

    if (getaddrinfo(self->host, self->port, &hints, &list) != 0) {
        errno = EHOSTUNREACH;
        return -1;
    }
    for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next)
        fd = connect_to(a->ai_family, a->ai_addr, a->ai_addrlen, deadline);
    freeaddrinfo(list);
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* Where nobody listens yet, the first time waits for a server that is just starting. Later
 * nothing is waited for: a dead server must not stall each operation. errno is that of the
 * last try. */
static int connect_server(struct socket_transport *self, deadline_t deadline)
{
    int (*const try)(const struct socket_transport *,
                     deadline_t) = self->path[0] != '\0' ? connect_unix : connect_tcp;
    const int left = deadline_left_ms(deadline) / 2; /* the rest is for the operation */
    const deadline_t until = deadline_in(left < START_MS ? left : START_MS);
    int fd;

    while ((fd = try(self, deadline)) < 0 && (errno == ENOENT || errno == ECONNREFUSED)
           && !self->looked && deadline_left_ms(until) > 0)
        sleep_ms(START_PAUSE_MS, until);
    self->looked = true;
    return fd;
}

/* A call that moves bytes waits for so long by itself (allow_waiting()), so that none is
 * needed only to wait. When less is left, poll() waits first. */
#define WAIT_MS 200

static bool allow_waiting(int fd)
{
    static const struct timeval slice = { .tv_usec = WAIT_MS * 1000 };
    const int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof(slice)) == 0
           && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &slice, sizeof(slice)) == 0
           && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

static enum iotsafe_err socket_connect(struct transport *t, unsigned n, deadline_t deadline,
                                       struct iotsafe_op *op)
{
    struct socket_transport *self = self_of(t);
    struct stat st;

    if (n > 0)
        return IOTSAFE_ERR_NOT_FOUND;
    self->owed = false;
    deadline = transport_taken(t, deadline);
    self->fd = connect_server(self, deadline);
    if (self->fd < 0 || !allow_waiting(self->fd) || fstat(self->fd, &st) != 0) {
        op_set(op, "cannot connect to %s: %s; is the software SIM or the bridge running there?",
               t->device, strerror(errno));
        return errno == ETIMEDOUT || errno == EAGAIN ? IOTSAFE_ERR_TIMEOUT : IOTSAFE_ERR_NO_SERVICE;
    }
    self->dev = st.st_dev;
    self->ino = st.st_ino;
    t->connected = true;
    return IOTSAFE_OK;
}

/* Nothing in a frame tells to which command it belongs. */
static enum iotsafe_err check_step(const struct socket_transport *self, struct iotsafe_op *op)
{
    if (!self->owed)
        return IOTSAFE_OK;
    op_set(op, "%s is out of step: an earlier command has no answer, or has two",
           self->base.device);
    return IOTSAFE_ERR_TRANSPORT;
}

static enum iotsafe_err socket_acquire(struct transport *t, deadline_t deadline,
                                       enum card_reset *ret_reset, struct iotsafe_op *op)
{
    struct pollfd pfd = { .fd = self_of(t)->fd, .events = POLLIN };

    (void)transport_taken(t, deadline);
    *ret_reset = RESET_NONE;
    if (check_step(self_of(t), op) != IOTSAFE_OK)
        return IOTSAFE_ERR_TRANSPORT;
    /* between uses the line is silent: bytes or an end now belong to no command */
    if (fd_is_ours(self_of(t)) && poll(&pfd, 1, 0) == 0)
        return IOTSAFE_OK;
    op_set(op, "%s closed the connection", t->device);
    return IOTSAFE_ERR_TRANSPORT;
}

static void socket_release(struct transport *t)
{
    (void)t; /* the connection is ours alone */
}

/* --------------------------------------------------------------- exchange */

/* After a call that moved nothing, or in front of one: whether to try (again).
 * @param moved  what the call returned; a number above 0 if there was none */
static enum iotsafe_err may_move(const struct socket_transport *self, short events, ssize_t moved,
                                 deadline_t deadline, struct iotsafe_op *op)
{
    struct pollfd pfd = { .fd = self->fd, .events = events };
    int left;

    if (moved == 0 || (moved < 0 && errno != EINTR && errno != EAGAIN)) {
        op_set(op, "%s: connection lost in an exchange (%s)", self->base.device,
               moved == 0 ? "closed by the other side" : strerror(errno));
        return IOTSAFE_ERR_TRANSPORT;
    }
    while ((left = deadline_left_ms(deadline)) < WAIT_MS) {
        const int n = poll(&pfd, 1, left);

        if (n > 0)
            return IOTSAFE_OK;
        if (n == 0 || errno != EINTR) {
            op_set(op, "%s gave no answer in time", self->base.device);
            return IOTSAFE_ERR_TIMEOUT;
        }
    }
    return IOTSAFE_OK;
}

static enum iotsafe_err send_bytes(const struct socket_transport *self, const uint8_t *bytes,
                                   size_t n, deadline_t deadline, struct iotsafe_op *op)
{
    ssize_t moved = 1;
    enum iotsafe_err err = IOTSAFE_OK;

    for (size_t done = 0; done < n && err == IOTSAFE_OK;) {
        err = may_move(self, POLLOUT, moved, deadline, op);
        if (err != IOTSAFE_OK)
            break;
        moved = send(self->fd, bytes + done, n - done, MSG_NOSIGNAL);
        if (moved > 0)
            done += (size_t)moved;
    }
    return err;
}

/* One call as a rule: length and response together. */
static enum iotsafe_err receive_response(struct socket_transport *self,
                                         const struct transmission *tx, size_t *ret_len,
                                         struct iotsafe_op *op)
{
    uint8_t head[2] = { 0 }, beyond;
    size_t done = 0, len = 0;
    ssize_t moved = 1;
    enum iotsafe_err err;

    do {
        struct iovec parts[] = {
            { head + (done < 2 ? done : 2), done < 2 ? 2 - done : 0 },
            { tx->rsp + (done < 2 ? 0 : done - 2), tx->rsp_cap - (done < 2 ? 0 : done - 2) },
            { &beyond, 1 },
        };
        struct msghdr msg = { .msg_iov = parts, .msg_iovlen = 3 };

        err = may_move(self, POLLIN, moved, tx->deadline, op);
        if (err != IOTSAFE_OK)
            return err;
        moved = recvmsg(self->fd, &msg, 0);
        if (moved > 0)
            done += (size_t)moved;
        if (done >= 2)
            len = (size_t)(head[0] << 8 | head[1]);
        if (done >= 2 && len > tx->rsp_cap) {
            op_set(op, "%s: answer of %zu bytes, at most %zu allowed", self->base.device, len,
                   tx->rsp_cap);
            return IOTSAFE_ERR_SPACE;
        }
    } while (done < 2 + len);
    self->owed = done > 2 + len;
    if (self->owed)
        explicit_bzero(tx->rsp + len, tx->rsp_cap - len);
    *ret_len = len;
    return IOTSAFE_OK;
}

static enum iotsafe_err socket_transmit(struct transport *t, const struct transmission *tx,
                                        size_t *ret_len, struct iotsafe_op *op)
{
    struct socket_transport *self = self_of(t);
    uint8_t frame[2 + APDU_CMD_MAX];
    enum iotsafe_err err = check_step(self, op);

    if (err != IOTSAFE_OK)
        return err;
    if (tx->cmd_len > APDU_CMD_MAX)
        return IOTSAFE_ERR_ARGUMENT;
    frame[0] = (uint8_t)(tx->cmd_len >> 8);
    frame[1] = (uint8_t)tx->cmd_len;
    memcpy(frame + 2, tx->cmd, tx->cmd_len);
    self->owed = true;
    err = send_bytes(self, frame, 2 + tx->cmd_len, tx->deadline, op);
    explicit_bzero(frame, sizeof(frame));
    if (err == IOTSAFE_OK)
        err = receive_response(self, tx, ret_len, op);
    return err;
}

static void socket_close(struct transport *t)
{
    free(t);
}

const struct transport_ops transport_socket = {
    .scheme = "socket",
    .open = socket_open,
    .connect = socket_connect,
    .acquire = socket_acquire,
    .release = socket_release,
    .transmit = socket_transmit,
    .disconnect = socket_disconnect,
    .drop = socket_disconnect, /* closing our copy says nothing to the server */
    .close = socket_close,
};
