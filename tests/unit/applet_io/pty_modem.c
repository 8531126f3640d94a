/* SPDX-License-Identifier: Apache-2.0 */
/* see pty_modem.h */
#include "pty_modem.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

struct pty_modem {
    const struct modem_step *script;
    size_t n, at;
    int master, slave; /* the slave stays open: no hang-up between clients */
    int stop_pipe[2];
    pthread_t thread;
    char path[64];
    char wrong[1024];
};

static void say(int fd, const char *text)
{
    for (; *text != '\0'; text++) {
        const long ms = *text == '\x01' ? 30 : *text == '\x02' ? 400 : 0;
        const struct timespec ts = { .tv_nsec = ms * 1000000L };

        if (ms != 0)
            (void)nanosleep(&ts, NULL);
        else if (write(fd, text, 1) != 1)
            return;
    }
}

static int is_housekeeping(const char *line)
{
    static const char *const known[] = { "", "AT", "ATE0", "ATV1", "AT+CMEE=1" };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(line, known[i]) == 0)
            return 1;
    return 0;
}

static void react(struct pty_modem *m, const char *line)
{
    const struct modem_step *s = &m->script[m->at];

    if (m->at < m->n
        && (strcmp(s->command, line) == 0
            || (strcmp(s->command, "*") == 0 && !is_housekeeping(line)))) {
        m->at++;
        say(m->master, s->answer);
    } else if (is_housekeeping(line)) {
        if (line[0] != '\0')
            say(m->master, "\r\nOK\r\n");
    } else {
        if (m->wrong[0] == '\0')
            (void)snprintf(m->wrong, sizeof(m->wrong), "step %zu: got %.400s, want %.400s", m->at,
                           line, m->at < m->n ? s->command : "nothing more");
        say(m->master, "\r\nERROR\r\n");
    }
}

static void *run_modem(void *arg)
{
    struct pty_modem *m = arg;
    char line[2048];
    size_t len = 0;

    for (;;) {
        struct pollfd pfd[2] = { { .fd = m->master, .events = POLLIN },
                                 { .fd = m->stop_pipe[0], .events = POLLIN } };
        char c;

        (void)poll(pfd, 2, -1);
        if ((pfd[0].revents & POLLIN) == 0)
            return NULL;
        if (read(m->master, &c, 1) != 1)
            return NULL;
        if (c != '\r') {
            if (len < sizeof(line) - 1)
                line[len++] = c;
            continue;
        }
        line[len] = '\0';
        len = 0;
        react(m, line);
    }
}

struct pty_modem *pty_modem_start(const struct modem_step *script, size_t n)
{
    struct pty_modem *m = calloc(1, sizeof(*m));
    struct termios tio;

    if (m == NULL)
        abort();
    m->script = script;
    m->n = n;
    m->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (m->master < 0 || grantpt(m->master) != 0 || unlockpt(m->master) != 0
        || ptsname_r(m->master, m->path, sizeof(m->path)) != 0 || pipe(m->stop_pipe) != 0)
        abort();
    m->slave = open(m->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (m->slave < 0 || tcgetattr(m->slave, &tio) != 0)
        abort();
    cfmakeraw(&tio);
    (void)tcsetattr(m->slave, TCSANOW, &tio);
    if (pthread_create(&m->thread, NULL, run_modem, m) != 0)
        abort();
    return m;
}

const char *pty_modem_path(const struct pty_modem *m)
{
    return m->path;
}

const char *pty_modem_stop(struct pty_modem *m)
{
    static char result[1100];

    if (write(m->stop_pipe[1], "x", 1) != 1)
        abort();
    (void)pthread_join(m->thread, NULL);
    (void)close(m->master);
    (void)close(m->slave);
    (void)close(m->stop_pipe[0]);
    (void)close(m->stop_pipe[1]);
    if (m->wrong[0] != '\0')
        (void)snprintf(result, sizeof(result), "%s", m->wrong);
    else if (m->at < m->n)
        (void)snprintf(result, sizeof(result), "stopped before step %zu: %s", m->at,
                       m->script[m->at].command);
    else
        result[0] = '\0';
    free(m);
    return result;
}
