/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe-bridge: serves a SIM that this process owns to the processes that
 * connect to its socket. Start and end; the work is in server.c and service.c. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "listener.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "service.h"
#ifdef HAVE_GLIB
#include "glib_call.h"
#include "modem.h"
#endif

#include "config.h"

static void add_transports(struct server *s)
{
#ifdef HAVE_MBIM
    transport_add(&transport_mbim);
#endif
#ifdef HAVE_QMI
    transport_add(&transport_qmi);
#endif
#ifdef HAVE_GLIB
    s->pump = (struct pump){ .fds = glib_pump_fds, .run = glib_pump_run };
#else
    (void)s;
#endif
}

/* A descriptor that becomes readable when we shall end. */
static int catch_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool start_listening(const struct options *opts, struct listener *ret)
{
    struct iotsafe_op op;

    if (listener_inherit(ret, &op))
        return true;
    if (op.text[0] == '\0' && opts->listen == NULL)
        op_set(&op, "no socket: use --listen unix:PATH, or start it with a systemd socket");
    if (op.text[0] == '\0' && listener_open(opts->listen, opts->mode, opts->gid, ret, &op))
        return true;
    log_line("%s", op.text);
    return false;
}

static struct iotsafe_card *find_card(int *ret_timeout_ms)
{
    struct iotsafe_config *cfg = iotsafe_config_new(NULL, NULL);
    struct iotsafe_card *card = NULL;
    struct iotsafe_op op = { .text = "" };

    if (cfg == NULL || iotsafe_card_new(cfg, NULL, &card, &op) != IOTSAFE_OK)
        log_line("%s", op.text[0] != '\0' ? op.text : "out of memory");
    else
        *ret_timeout_ms = cfg->timeout_ms;
    iotsafe_config_free(cfg);
    return card;
}

/* Both are too large for the stack. */
static struct server server;
static struct service service;

static int serve(struct iotsafe_card *card, int timeout_ms, const struct options *opts)
{
    struct listener listener;

    server.signal_fd = catch_signals();
    if (server.signal_fd < 0) {
        log_line("cannot catch signals: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    if (!start_listening(opts, &listener)) {
        (void)close(server.signal_fd);
        return EXIT_FAILURE;
    }
    service_init(&service, card, timeout_ms);
    server.listen_fd = listener.fd;
    server.serve = service_run;
    server.serve_arg = &service;
    server.put_off_ms = timeout_ms / 5;
    log_line("serving %s", iotsafe_card_transport(card));
    notify("READY=1");
    server_run(&server);
    notify("STOPPING=1");
    listener_close(&listener);
    (void)close(server.signal_fd);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct options opts;
    struct iotsafe_card *card;
    int timeout_ms = 0;
    int status = options_read(argc, argv, &opts);

    if (status >= 0)
        return status;
    server_init(&server);
    add_transports(&server);
    card = find_card(&timeout_ms);
    if (card == NULL)
        return 2;
    status = serve(card, timeout_ms, &opts);
    iotsafe_card_free(card);
    return status;
}
