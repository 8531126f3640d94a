/* SPDX-License-Identifier: Apache-2.0 */
/* The admin socket: connections, request lines, replies. */
#include "admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"

#define CONNECTIONS_MAX 32

struct admin_connection {
    struct admin_server *server;
    int fd;
    struct watch *watch;
    struct buf in;
    struct buf out;
    size_t sent;
    struct admin_connection *next;
};

struct admin_server {
    struct sim *sim;
    int fd;
    struct watch *watch;
    struct addr addr;
    struct admin_connection *connections;
    size_t n;
};

static void drop(struct admin_connection *c)
{
    struct admin_connection **at = &c->server->connections;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->server->n--;
    loop_unwatch(c->server->sim->loop, c->watch);
    close(c->fd);
    buf_clear(&c->in);
    buf_clear(&c->out);
    free(c);
}

static void drop_all(struct admin_server *s)
{
    struct admin_connection *next;

    for (struct admin_connection *c = s->connections; c != NULL; c = next) {
        next = c->next;
        drop(c);
    }
}

/* False when the connection is broken. */
static bool send_some(struct admin_connection *c)
{
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            return false;
        c->sent += (size_t)n;
    }
    if (c->sent == c->out.len) {
        c->sent = 0;
        c->out.len = 0;
    }
    loop_watch_events(c->watch, c->out.len != 0 ? POLLOUT : POLLIN);
    return !c->out.failed;
}

/* Execute every whole line; a line that never ends ends the connection. */
static bool run_lines(struct admin_connection *c)
{
    uint8_t *end;

    while (c->in.len != 0 && (end = memchr(c->in.data, '\n', c->in.len)) != NULL) {
        size_t used = (size_t)(end - c->in.data) + 1;
        char *reply = admin_execute(c->server->sim, (const char *)c->in.data, used - 1);

        if (reply == NULL)
            return false;
        buf_put(&c->out, reply, strlen(reply));
        buf_u8(&c->out, '\n');
        free(reply);
        memmove(c->in.data, c->in.data + used, c->in.len - used);
        c->in.len -= used;
    }
    return c->in.len <= ADMIN_LINE_MAX && send_some(c);
}

static bool receive(struct admin_connection *c)
{
    uint8_t bytes[8192];
    ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    buf_put(&c->in, bytes, (size_t)n);
    return !c->in.failed && run_lines(c);
}

static void on_connection(void *arg, short revents)
{
    struct admin_connection *c = arg;
    bool ok = true;

    if ((revents & POLLOUT) != 0)
        ok = send_some(c);
    else if ((revents & POLLIN) != 0)
        ok = receive(c);
    else
        ok = false;
    if (!ok)
        drop(c);
}

static bool admit(struct admin_server *s, int fd)
{
    struct admin_connection *c;

    if (s->n == CONNECTIONS_MAX)
        return false;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return false;
    c->server = s;
    c->fd = fd;
    c->watch = loop_watch(s->sim->loop, fd, POLLIN, on_connection, c);
    if (c->watch == NULL) {
        free(c);
        return false;
    }
    c->next = s->connections;
    s->connections = c;
    s->n++;
    return true;
}

static void on_listener(void *arg, short revents)
{
    struct admin_server *s = arg;
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)revents;
    if (fd >= 0 && !admit(s, fd))
        close(fd);
}

static void on_presence(void *arg, bool present)
{
    (void)arg, (void)present; /* the operator stays */
}

static void stop(void *arg)
{
    struct admin_server *s = arg;

    drop_all(s);
    loop_unwatch(s->sim->loop, s->watch);
    close(s->fd);
    unlink(s->addr.path);
    free(s);
}

bool admin_open(struct sim *sim, const char *spec, char ret_where[static 160], struct err *err)
{
    struct admin_server *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return err_set(err, "out of memory");
    s->sim = sim;
    s->fd = -1;
    if (addr_parse_unix(spec, &s->addr, err))
        s->fd = addr_listen(&s->addr, 0600, err);
    if (s->fd < 0) {
        free(s);
        return false;
    }
    s->watch = loop_watch(sim->loop, s->fd, POLLIN, on_listener, s);
    snprintf(ret_where, 160, "admin unix:%s", s->addr.path);
    if (s->watch == NULL || !sim_add_front(sim, on_presence, stop, s)) {
        stop(s);
        return err_set(err, "out of memory");
    }
    return true;
}
