/* SPDX-License-Identifier: Apache-2.0 */
/* A modem's AT port as a pty. The name that clients use is a symbolic link, as udev
 * makes them, so that a modem plugged in again keeps it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "front.h"
#include "modem.h"

#define PTY_NAME_MAX 64

struct port {
    struct sim *sim;
    struct modem modem;
    char *path;             /* the link */
    char tty[PTY_NAME_MAX]; /* what it leads to; "" while unplugged */
    unsigned mode;
    int fd;     /* the modem's end */
    int far_fd; /* the clients' end, kept open: no hang-up between them */
    struct watch *watch;
    struct timer stranger_timer;
    char line[MODEM_LINE_MAX + 1];
    size_t len;
    bool overlong;
    bool feeding;
    uint8_t in[512];
    size_t n_in, at;
};

/* ---- the pty ---- */

static bool set_raw(int fd)
{
    struct termios tio;

    if (tcgetattr(fd, &tio) != 0)
        return false;
    cfmakeraw(&tio);
    return tcsetattr(fd, TCSANOW, &tio) == 0;
}

static bool open_pty(struct port *p, struct err *err)
{
    p->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (p->fd >= 0 && grantpt(p->fd) == 0 && unlockpt(p->fd) == 0
        && ptsname_r(p->fd, p->tty, sizeof(p->tty)) == 0)
        p->far_fd = open(p->tty, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (p->far_fd < 0 || !set_raw(p->far_fd) || fchmod(p->far_fd, p->mode) != 0)
        return err_set(err, "no pseudo-terminal: %s", strerror(errno));
    return true;
}

static void close_pty(struct port *p)
{
    if (p->fd >= 0)
        close(p->fd);
    if (p->far_fd >= 0)
        close(p->far_fd);
    p->fd = p->far_fd = -1;
}

/* ---- the link ---- */

/* Where it leads; "" if it is no link. */
static void read_link(const char *path, char ret_target[static PTY_NAME_MAX])
{
    ssize_t n = readlink(path, ret_target, PTY_NAME_MAX - 1);

    ret_target[n > 0 ? n : 0] = '\0';
}

static bool make_link(const struct port *p, struct err *err)
{
    char target[PTY_NAME_MAX];
    struct stat st;
    char *fresh = NULL;
    bool ok;

    read_link(p->path, target);
    if (lstat(p->path, &st) == 0 && strncmp(target, "/dev/pts/", 9) != 0)
        return err_set(err, "%s: exists and is not a link to a pty", p->path);
    if (asprintf(&fresh, "%s.%ld", p->path, (long)getpid()) < 0)
        return err_set(err, "out of memory");
    ok = symlink(p->tty, fresh) == 0;
    if (ok && rename(fresh, p->path) != 0) {
        unlink(fresh);
        ok = false;
    }
    if (!ok)
        err_set(err, "%s: %s", p->path, strerror(errno));
    free(fresh);
    return ok;
}

static void remove_link(const struct port *p)
{
    char target[PTY_NAME_MAX];

    if (p->tty[0] == '\0')
        return; /* nothing was plugged */
    read_link(p->path, target);
    if (strcmp(target, p->tty) == 0)
        unlink(p->path); /* still ours */
}

/* ---- bytes to lines ---- */

static void end_line(struct port *p)
{
    p->line[p->len] = '\0';
    p->len = 0;
    if (!p->overlong)
        modem_command(&p->modem, p->line);
    else
        modem_error(&p->modem, CME_TOO_LONG);
    p->overlong = false;
}

static void take_byte(struct port *p, char c)
{
    if (c == '\r')
        end_line(p);
    else if (c == '\n' || c == '\0')
        return; /* an LF behind the CR belongs to no line */
    else if (p->len == MODEM_LINE_MAX)
        p->overlong = true;
    else
        p->line[p->len++] = c;
}

static bool ready_for_input(const struct port *p)
{
    return !modem_busy(&p->modem) && line_idle(&p->modem.line);
}

/* A modem looks at the next command when the answer to the last one is out. The guard
 * turns answers that come at once into this loop. */
static void feed(struct port *p)
{
    if (p->feeding)
        return;
    p->feeding = true;
    while (p->at < p->n_in && ready_for_input(p))
        take_byte(p, (char)p->in[p->at++]);
    p->feeding = false;
}

static void watch_for(struct port *p)
{
    if (p->watch == NULL)
        return;
    loop_watch_events(p->watch, (short)(p->modem.line.blocked ? POLLOUT
                                        : ready_for_input(p)  ? POLLIN
                                                              : 0));
}

static void go_on(void *arg)
{
    struct port *p = arg;

    feed(p);
    watch_for(p);
}

static void on_port(void *arg, short revents)
{
    struct port *p = arg;

    if ((revents & POLLOUT) != 0)
        line_writable(&p->modem.line);
    if ((revents & POLLIN) != 0 && p->at == p->n_in) {
        ssize_t n = read(p->fd, p->in, sizeof(p->in));

        p->at = 0;
        p->n_in = n > 0 ? (size_t)n : 0;
    }
    go_on(p);
}

/* ---- lines that nobody asked for ---- */

static void schedule_stranger(struct port *p);

static void say_something(void *arg)
{
    struct port *p = arg;

    line_unsolicited(&p->modem.line);
    watch_for(p);
    schedule_stranger(p);
}

static void schedule_stranger(struct port *p)
{
    int every_ms = modem_quirk(&p->modem, QUIRK_UNSOLICITED_EVERY);

    loop_timer_cancel(p->sim->loop, &p->stranger_timer);
    if (every_ms > 0 && p->fd >= 0)
        loop_timer(p->sim->loop, &p->stranger_timer, 1000u * (uint64_t)every_ms, say_something, p);
}

/* ---- plugging ---- */

static void unplug(struct port *p)
{
    loop_timer_cancel(p->sim->loop, &p->stranger_timer);
    modem_power_off(&p->modem);
    remove_link(p);
    loop_unwatch(p->sim->loop, p->watch);
    p->watch = NULL;
    close_pty(p);
    p->tty[0] = '\0';
    p->len = p->at = p->n_in = 0;
    p->overlong = false;
}

static bool plug(struct port *p, struct err *err)
{
    if (!open_pty(p, err))
        return false;
    p->watch = loop_watch(p->sim->loop, p->fd, POLLIN, on_port, p);
    if (p->watch == NULL)
        return err_set(err, "out of memory");
    modem_power_on(&p->modem, p->fd);
    schedule_stranger(p);
    return make_link(p, err);
}

static bool replug(void *arg, struct err *err)
{
    struct port *p = arg;

    unplug(p);
    if (plug(p, err))
        return true;
    unplug(p);
    return false;
}

static bool set_quirk(void *arg, const char *setting, struct err *err)
{
    struct port *p = arg;

    if (!modem_set(&p->modem, setting, err))
        return false;
    schedule_stranger(p);
    return true;
}

static void on_presence(void *arg, bool present)
{
    struct port *p = arg;

    modem_sim_changed(&p->modem, present);
    watch_for(p);
}

static void stop(void *arg)
{
    struct port *p = arg;

    unplug(p);
    free(p->path);
    free(p);
}

bool front_at_open(struct sim *sim, const char *path, unsigned mode, const struct quirks *quirks,
                   char ret_where[static 160], struct err *err)
{
    static const struct modem_ops ops = { replug, set_quirk };
    struct port *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return err_set(err, "out of memory");
    p->sim = sim;
    p->mode = mode;
    p->fd = p->far_fd = -1;
    p->path = strdup(path);
    modem_init(&p->modem, sim, quirks, go_on, go_on, p);
    if (p->path == NULL ? !err_set(err, "out of memory") : !plug(p, err)) {
        stop(p);
        return false;
    }
    if (!sim_add_front(sim, on_presence, stop, p)) {
        stop(p);
        return err_set(err, "out of memory");
    }
    sim_front_is_modem(sim, &ops);
    snprintf(ret_where, 160, "at:%s", path);
    return true;
}
