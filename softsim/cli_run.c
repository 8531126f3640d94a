/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe-softsim run: open the front ends, serve until a signal comes. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "admin.h"
#include "cli.h"
#include "front.h"
#include "sim.h"

#define FRONTS_MAX 16
#define QUIRKS_MAX 64

struct run_options {
    const char *dir;
    const char *listen[FRONTS_MAX];
    size_t n_listen;
    const char *vpcd[FRONTS_MAX];
    size_t n_vpcd;
    const char *admin;
    const char *at[FRONTS_MAX];
    size_t n_at;
    const char *at_set[QUIRKS_MAX];
    size_t n_at_set;
    unsigned at_mode;
    const char *log;
    const char *latency;
    const char *latency_set[FRONTS_MAX];
    size_t n_latency_set;
    const char *settings[STORE_SETTINGS_MAX];
    size_t n_settings;
    char *atr_setting;
    unsigned listen_mode;
    bool no_turns;
};

static bool push(const char **list, size_t *n, size_t max)
{
    if (*n == max)
        return false;
    list[(*n)++] = optarg;
    return true;
}

static bool parse_mode(const char *text, unsigned *ret)
{
    char *end;
    unsigned long v = strtoul(text, &end, 8);

    if (end == text || *end != '\0' || v > 0777)
        return false;
    *ret = (unsigned)v;
    return true;
}

static bool take_option(struct run_options *o, int c)
{
    switch (c) {
    case 's':
        o->dir = optarg;
        return true;
    case 'l':
        return push(o->listen, &o->n_listen, FRONTS_MAX);
    case 'v':
        return push(o->vpcd, &o->n_vpcd, FRONTS_MAX);
    case 'a':
        o->admin = optarg;
        return true;
    case 'A':
        return push(o->at, &o->n_at, FRONTS_MAX);
    case 'h':
        return push(o->at_set, &o->n_at_set, QUIRKS_MAX);
    case 'M':
        return parse_mode(optarg, &o->at_mode);
    case 'g':
        o->log = optarg;
        return true;
    case 't':
        o->latency = optarg;
        return true;
    case 'T':
        return push(o->latency_set, &o->n_latency_set, FRONTS_MAX);
    case 'S':
        return push(o->settings, &o->n_settings, STORE_SETTINGS_MAX);
    case 'r':
        free(o->atr_setting);
        return asprintf(&o->atr_setting, "atr=%s", optarg) > 0;
    case 'n':
        o->no_turns = true;
        return true;
    case 'm':
        return parse_mode(optarg, &o->listen_mode);
    default:
        return false;
    }
}

static bool parse_run(int argc, char **argv, struct run_options *o)
{
    static const struct option options[] = {
        { "store", required_argument, NULL, 's' },
        { "listen", required_argument, NULL, 'l' },
        { "listen-mode", required_argument, NULL, 'm' },
        { "vpcd", required_argument, NULL, 'v' },
        { "admin", required_argument, NULL, 'a' },
        { "at", required_argument, NULL, 'A' },
        { "at-set", required_argument, NULL, 'h' },
        { "at-mode", required_argument, NULL, 'M' },
        { "log", required_argument, NULL, 'g' },
        { "latency", required_argument, NULL, 't' },
        { "latency-set", required_argument, NULL, 'T' },
        { "set", required_argument, NULL, 'S' },
        { "no-turns", no_argument, NULL, 'n' },
        { "atr", required_argument, NULL, 'r' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    *o = (struct run_options){ .latency = "none", .listen_mode = 0600, .at_mode = 0600 };
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!take_option(o, c))
            return false;
    return optind == argc && o->dir != NULL;
}

static bool configure(const struct run_options *o, const struct store *s, struct profile *profile,
                      struct latency *latency, struct err *err)
{
    if (!store_profile(s, profile, err) || !latency_init(latency, o->latency, err))
        return false;
    for (size_t i = 0; i < o->n_settings; i++) {
        if (profile_at_init_only(o->settings[i]))
            return err_set(err, "%s: only at init, it shapes the objects", o->settings[i]);
        if (!profile_set(profile, o->settings[i], err))
            return false;
    }
    if (o->atr_setting != NULL && !profile_set(profile, o->atr_setting, err))
        return false;
    for (size_t i = 0; i < o->n_latency_set; i++)
        if (!latency_set(latency, o->latency_set[i], err))
            return false;
    if (o->n_listen == 0 && o->n_vpcd == 0 && o->n_at == 0)
        return err_set(err, "nothing to serve: give --listen, --vpcd or --at");
    return true;
}

static void announce(struct buf *ready, const char *where)
{
    buf_u8(ready, ' ');
    buf_put(ready, where, strlen(where));
}

static bool open_modems(struct sim *sim, const struct run_options *o, struct buf *ready,
                        struct err *err)
{
    struct quirks quirks;
    char where[160];

    quirks_init(&quirks);
    for (size_t i = 0; i < o->n_at_set; i++)
        if (!quirks_set(&quirks, o->at_set[i], err))
            return false;
    for (size_t i = 0; i < o->n_at; i++) {
        if (!front_at_open(sim, o->at[i], o->at_mode, &quirks, where, err))
            return false;
        announce(ready, where);
    }
    return true;
}

static bool open_fronts(struct sim *sim, const struct run_options *o, struct buf *ready,
                        struct err *err)
{
    char where[160];

    for (size_t i = 0; i < o->n_listen; i++) {
        if (!front_socket_open(sim, o->listen[i], o->listen_mode, where, err))
            return false;
        announce(ready, where);
    }
    for (size_t i = 0; i < o->n_vpcd; i++) {
        if (!front_vpcd_open(sim, o->vpcd[i], where, err))
            return false;
        announce(ready, where);
    }
    if (!open_modems(sim, o, ready, err))
        return false;
    if (o->admin != NULL) {
        if (!admin_open(sim, o->admin, where, err))
            return false;
        announce(ready, where);
    }
    return true;
}

static void on_signal(void *arg, short revents)
{
    (void)revents;
    loop_stop(arg);
}

/* SIGTERM and SIGINT come as readable bytes, so that they end the loop and not the process. */
static int watch_signals(struct loop *loop)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd >= 0 && loop_watch(loop, fd, POLLIN, on_signal, loop) == NULL) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool serve(struct sim *sim, const struct run_options *o, struct err *err)
{
    struct buf ready = { 0 };
    int fd = watch_signals(sim->loop);
    bool ok = fd >= 0 || err_set(err, "signalfd: %s", strerror(errno));

    ok = ok && log_open(&sim->log, o->log, err) && open_fronts(sim, o, &ready, err);
    if (ok) {
        log_event(&sim->log, "start", NULL);
        printf("iotsafe-softsim: ready%.*s\n", (int)ready.len, (const char *)ready.data);
        fflush(stdout);
        ok = loop_run(sim->loop, err);
        log_event(&sim->log, "stop", NULL);
    }
    buf_clear(&ready);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool run(const struct run_options *o, struct err *err)
{
    struct store *s = store_load_locked(o->dir, err);
    struct sim *sim = calloc(1, sizeof(*sim));
    struct loop *loop = loop_new();
    struct profile profile;
    struct latency latency;
    bool ok = s != NULL && sim != NULL && loop != NULL;

    ok = ok && configure(o, s, &profile, &latency, err);
    if (ok) {
        sim_init(sim, loop, &profile, s, &latency);
        sim->no_turns = o->no_turns;
        ok = serve(sim, o, err);
        sim_clear(sim);
    }
    loop_free(loop);
    free(sim);
    store_free(s);
    return ok;
}

int cli_run(int argc, char **argv)
{
    struct run_options o;
    struct err err = { "out of memory" };
    int status;

    if (!parse_run(argc, argv, &o)) {
        free(o.atr_setting);
        return cli_usage("run");
    }
    signal(SIGPIPE, SIG_IGN);
    status = run(&o, &err) ? CLI_OK : cli_fail(&err);
    free(o.atr_setting);
    return status;
}
