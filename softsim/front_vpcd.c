/* SPDX-License-Identifier: Apache-2.0 */
/* vpcd: the virtual reader of vsmartcard in pcscd. We are the card and connect to it. */
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

#define RETRY_US 200000

enum control { POWER_OFF = 0, POWER_ON = 1, RESET = 2, GET_ATR = 4 };

struct reader {
    struct sim *sim;
    struct addr addr;
    int fd; /* -1: not connected */
    bool connecting;
    bool inserted; /* sim_user_begin() was called */
    bool powered;
    struct watch *watch;
    struct timer retry;
    struct sim_user user;
    struct frame_reader in;
    struct frame_writer out;
    bool waiting;
};

static void connect_later(struct reader *r);

static void disconnect(struct reader *r)
{
    if (r->inserted)
        sim_user_end(r->sim, &r->user);
    r->inserted = false;
    r->powered = false;
    r->waiting = false;
    r->connecting = false;
    loop_unwatch(r->sim->loop, r->watch);
    r->watch = NULL;
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    frame_clear(&r->in);
    frame_writer_clear(&r->out);
}

static void lost(struct reader *r)
{
    disconnect(r);
    if (r->sim->present)
        connect_later(r);
}

static void control(struct reader *r, uint8_t what)
{
    const struct octets *atr = &r->sim->card.profile.atr;

    switch (what) {
    case POWER_OFF:
        r->powered = false;
        sim_reset(r->sim, &r->user, "reader power off");
        break;
    case POWER_ON:
        /* off has reset the card; only a second "on" means something new */
        if (r->powered)
            sim_reset(r->sim, &r->user, "reader power on");
        r->powered = true;
        break;
    case RESET:
        sim_reset(r->sim, &r->user, "reader reset");
        break;
    case GET_ATR:
        frame_put(&r->out, atr->b, atr->len);
        break;
    default:
        break; /* an unknown control is none of the card's business */
    }
}

/* A frame of one byte is the reader's; everything else is for the card. */
static bool feed(struct reader *r)
{
    const uint8_t *frame;
    size_t len;

    while (!r->waiting && frame_next(&r->in, &frame, &len) == FRAME_READY) {
        if (len == 1) {
            control(r, frame[0]);
            continue;
        }
        r->waiting = true;
        if (!sim_submit(r->sim, &r->user, frame, len))
            return false;
        return true; /* answered() goes on from here, if it has not already */
    }
    return frame_send(&r->out, r->fd) != FRAME_FAILED;
}

static void watch_for(struct reader *r)
{
    bool unsent = r->out.out.len != 0;

    loop_watch_events(r->watch, (short)(unsent ? POLLOUT : r->waiting ? 0 : POLLIN));
}

static void answered(void *arg, const uint8_t *rsp, size_t len)
{
    struct reader *r = arg;

    r->waiting = false;
    if (rsp != NULL)
        frame_put(&r->out, rsp, len);
    if (frame_send(&r->out, r->fd) == FRAME_FAILED || !feed(r)) {
        lost(r);
        return;
    }
    watch_for(r);
}

/* vpcd sends length and body apart; without this, set again before each receive, the
 * second part waits 40 ms for our delayed acknowledgement. */
static void quicken(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static bool connected(struct reader *r)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
        return false;
    r->connecting = false;
    r->inserted = true;
    sim_user_begin(r->sim, &r->user, "vpcd", answered, r);
    log_event(&r->sim->log, "vpcd-connected", NULL);
    return true;
}

static void on_reader(void *arg, short revents)
{
    struct reader *r = arg;
    bool ok = true;

    if (r->connecting) {
        ok = connected(r);
    } else if ((revents & POLLOUT) != 0) {
        ok = frame_send(&r->out, r->fd) != FRAME_FAILED;
    } else if ((revents & POLLIN) != 0) {
        quicken(r->fd);
        ok = frame_receive(&r->in, r->fd) != FRAME_FAILED && feed(r);
    } else {
        ok = false;
    }
    if (!ok && r->fd >= 0)
        lost(r);
    if (r->fd >= 0) {
        quicken(r->fd);
        watch_for(r);
    }
}

static void connect_now(void *arg)
{
    struct reader *r = arg;

    r->fd = socket(r->addr.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r->fd < 0) {
        connect_later(r);
        return;
    }
    if (connect(r->fd, (const struct sockaddr *)&r->addr.sa, r->addr.len) != 0
        && errno != EINPROGRESS) {
        lost(r);
        return;
    }
    r->connecting = true;
    r->watch = loop_watch(r->sim->loop, r->fd, POLLOUT, on_reader, r);
    if (r->watch == NULL)
        lost(r);
}

static void connect_later(struct reader *r)
{
    loop_timer(r->sim->loop, &r->retry, RETRY_US, connect_now, r);
}

static void on_presence(void *arg, bool present)
{
    struct reader *r = arg;

    loop_timer_cancel(r->sim->loop, &r->retry);
    disconnect(r);
    if (present)
        connect_now(r);
}

static void stop(void *arg)
{
    struct reader *r = arg;

    loop_timer_cancel(r->sim->loop, &r->retry);
    disconnect(r);
    free(r);
}

bool front_vpcd_open(struct sim *sim, const char *spec, char ret_where[static 160], struct err *err)
{
    struct reader *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return err_set(err, "out of memory");
    r->sim = sim;
    r->fd = -1;
    if (!addr_parse_tcp(spec, &r->addr, err)) {
        free(r);
        return false;
    }
    if (!sim_add_front(sim, on_presence, stop, r)) {
        free(r);
        return err_set(err, "out of memory");
    }
    snprintf(ret_where, 160, "vpcd:%s", spec);
    connect_now(r);
    return true;
}
