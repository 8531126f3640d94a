/* SPDX-License-Identifier: Apache-2.0 */
/* The clients of the bridge: their connections, frames, places and turns. One thread;
 * a command that needs the card is run by the function that the server was
 * given, and that function may turn the loop from within while it waits for
 * the next command of a sequence. Frames: 2-byte big-endian length, then the
 * APDU, in both directions. */
#ifndef BRIDGE_SERVER_H
#define BRIDGE_SERVER_H

#include <poll.h>

#include "users.h"
#include "virtual.h"

#define CLIENTS_MAX 64

struct client {
    int fd; /* -1: this place is free, or the client is gone */
    bool used;
    uint64_t id; /* of this connection, never given again */
    uid_t uid;   /* who made it */
    struct virtual_card card;
    int64_t active_at; /* last command or answer, or the connection's beginning */

    uint8_t in[2 + APDU_CMD_MAX]; /* of one frame: no more is read ahead */
    size_t in_len;
    deadline_t in_until; /* to be whole, once begun */
    uint8_t out[2 + APDU_RSP_MAX];
    size_t out_len, out_at;
    deadline_t out_until; /* to take its answer */

    bool ready; /* `command` waits for the card */
    struct command command;
    uint64_t turn; /* order of arrival */
    int64_t ready_since;
    deadline_t turn_until; /* how long a client that was put off keeps its turn */
};

/** More descriptors for the loop: a GLib main context. All members set, or none. */
struct pump {
    size_t (*fds)(struct pollfd *ret_fds, size_t cap, int *ret_timeout_ms);
    void (*run)(void);
};

struct server;

/** Runs the command of a client that has its turn, with all that follows. */
typedef void serve_fn(struct server *s, struct client *c, void *arg);

struct server {
    int listen_fd, signal_fd; /* borrowed; signal_fd: readable when to end */
    struct pump pump;
    serve_fn *serve;
    void *serve_arg;
    struct aid applet; /* that is selected on the card; length 0: not known */
    int put_off_ms;    /* a client that waits longer is asked to come again */

    struct client clients[CLIENTS_MAX];
    struct client *serving; /* its command or its sequence is at work */
    uint64_t next_turn, last_id;
    struct users users;
    bool stopping;
    deadline_t accept_after; /* when descriptors have run out */
};

/** Zero-initialised; the caller then fills in the first group of members. */
void server_init(struct server *s);

/** Serve until a signal comes. Closes all clients. */
void server_run(struct server *s);

/** Turn the loop until this client has a command for the card, has left a session,
 *  is gone, has been idle for so long, the deadline has passed, or the server shall stop.
 *  @return true if there is a command */
bool server_await(struct server *s, struct client *c, int idle_ms, deadline_t deadline);

/** Give a client its answer, as far as the socket takes it; the rest follows.
 *  Wipes the answer and the data of the command; its header stays until the
 *  loop turns. */
void server_reply(struct server *s, struct client *c, struct reply *reply);

/** End a connection. */
void server_drop(struct client *c);

#endif
