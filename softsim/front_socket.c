/* SPDX-License-Identifier: Apache-2.0 */
/* Unix and TCP sockets: any number of clients, framed APDUs, no control frames. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "frame.h"
#include "front.h"

#define CONNECTIONS_MAX 256

struct connection {
    struct server *server;
    int fd;
    struct watch *watch;
    struct sim_user user;
    struct frame_reader reader;
    struct frame_writer writer;
    bool waiting; /* for the card's answer */
    struct connection *next;
};

struct server {
    struct sim *sim;
    int fd;
    struct watch *watch;
    struct addr addr;
    struct connection *connections;
    size_t n_connections;
};

static void drop(struct connection *c)
{
    struct connection **at = &c->server->connections;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->server->n_connections--;
    sim_user_end(c->server->sim, &c->user);
    loop_unwatch(c->server->sim->loop, c->watch);
    close(c->fd);
    frame_clear(&c->reader);
    frame_writer_clear(&c->writer);
    free(c);
}

static void drop_all(struct server *s)
{
    struct connection *next;

    for (struct connection *c = s->connections; c != NULL; c = next) {
        next = c->next;
        drop(c);
    }
}

/* One command at a time goes to the card; the next one waits in the buffer, and the
 * socket is not read meanwhile, so a client cannot fill our memory. The loop ends by
 * itself: after sim_submit() either the answer is there or `waiting` stays set. */
static bool feed(struct connection *c)
{
    const uint8_t *cmd;
    size_t len;

    if (c->waiting || frame_next(&c->reader, &cmd, &len) != FRAME_READY)
        return true;
    c->waiting = true;
    loop_watch_events(c->watch, 0); /* before the answer, which may come at once */
    return sim_submit(c->server->sim, &c->user, cmd, len);
}

static void watch_for(struct connection *c)
{
    bool unsent = c->writer.out.len != 0;

    loop_watch_events(c->watch, unsent ? POLLOUT : c->waiting ? 0 : POLLIN);
}

static void answered(void *arg, const uint8_t *rsp, size_t len)
{
    struct connection *c = arg;

    c->waiting = false;
    if (rsp != NULL)
        frame_put(&c->writer, rsp, len);
    if (frame_send(&c->writer, c->fd) == FRAME_FAILED || !feed(c)) {
        drop(c);
        return;
    }
    watch_for(c);
}

/* A client that closes while the card thinks shows as POLLHUP, which poll reports unasked. */
static void on_connection(void *arg, short revents)
{
    struct connection *c = arg;

    if ((revents & POLLOUT) != 0 && frame_send(&c->writer, c->fd) == FRAME_FAILED) {
        drop(c);
        return;
    }
    if ((revents & POLLIN) != 0) {
        if (frame_receive(&c->reader, c->fd) == FRAME_FAILED) {
            drop(c);
            return;
        }
        watch_for(c);
        if (!feed(c))
            drop(c);
        return; /* c may be gone: the answer may have failed already */
    }
    if ((revents & (POLLHUP | POLLERR)) != 0) {
        drop(c);
        return;
    }
    watch_for(c);
}

static bool admit(struct server *s, int fd)
{
    struct connection *c;
    int on = 1;

    if (!s->sim->present || s->n_connections == CONNECTIONS_MAX)
        return false;
    if (s->addr.is_tcp)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
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
    sim_user_begin(s->sim, &c->user, s->addr.is_tcp ? "tcp" : "unix", answered, c);
    c->next = s->connections;
    s->connections = c;
    s->n_connections++;
    return true;
}

static void on_listener(void *arg, short revents)
{
    struct server *s = arg;
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)revents;
    if (fd >= 0 && !admit(s, fd))
        close(fd);
}

static void on_presence(void *arg, bool present)
{
    struct server *s = arg;

    if (!present)
        drop_all(s);
}

static void stop(void *arg)
{
    struct server *s = arg;

    drop_all(s);
    loop_unwatch(s->sim->loop, s->watch);
    close(s->fd);
    if (!s->addr.is_tcp)
        unlink(s->addr.path);
    free(s);
}

static void describe(const struct server *s, const char *spec, char where[static 160])
{
    if (s->addr.is_tcp)
        snprintf(where, 160, "%.*s:%u", (int)(strrchr(spec, ':') - spec), spec, addr_port(s->fd));
    else
        snprintf(where, 160, "unix:%s", s->addr.path);
}

bool front_socket_open(struct sim *sim, const char *spec, unsigned mode, char ret_where[static 160],
                       struct err *err)
{
    struct server *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return err_set(err, "out of memory");
    s->sim = sim;
    s->fd = -1;
    if (addr_parse(spec, &s->addr, err))
        s->fd = addr_listen(&s->addr, mode, err);
    if (s->fd < 0) {
        free(s);
        return false;
    }
    s->watch = loop_watch(sim->loop, s->fd, POLLIN, on_listener, s);
    describe(s, spec, ret_where);
    if (s->watch == NULL || !sim_add_front(sim, on_presence, stop, s)) {
        stop(s);
        return err_set(err, "out of memory");
    }
    return true;
}
