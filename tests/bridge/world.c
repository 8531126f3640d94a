/* SPDX-License-Identifier: Apache-2.0 */
/* see world.h */
#include "world.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 24

struct world {
    char dir[40];
    char sim_socket[80], admin_socket[80], bridge_socket[80], log[80], store[80];
    pid_t sim, bridge;
};

/* ---------------------------------------------------------------- processes */

static pid_t start(const char *const *words)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    cr_assert_gt(pid, 0);
    return pid;
}

static int finish(pid_t pid, int sig)
{
    int status = 0;

    if (sig != 0)
        (void)kill(pid, sig);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *program(const char *variable)
{
    const char *path = getenv(variable);

    cr_assert_not_null(path, "%s is not set: run this by meson test", variable);
    return path;
}

/* words, then more, NULL at the end */
static void join(const char **ret, const char *const *words, const char *const *more)
{
    size_t n = 0;

    while (*words != NULL && n + 1 < WORDS_MAX)
        ret[n++] = *words++;
    while (more != NULL && *more != NULL && n + 1 < WORDS_MAX)
        ret[n++] = *more++;
    ret[n] = NULL;
}

static int connect_to(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static void wait_for(const char *path)
{
    int fd = -1;

    for (int i = 0; i < 500 && fd < 0; i++) {
        fd = connect_to(path);
        if (fd < 0)
            (void)usleep(10000);
    }
    cr_assert_geq(fd, 0, "nobody listens on %s", path);
    (void)close(fd);
}

void world_sim_up(struct world *w)
{
    char listen_on[100], admin[100];
    const char *words[] = { program("IOTSAFE_SOFTSIM"),
                            "run",
                            "--store",
                            w->store,
                            "--listen",
                            listen_on,
                            "--admin",
                            admin,
                            "--log",
                            w->log,
                            NULL };

    (void)snprintf(listen_on, sizeof(listen_on), "unix:%s", w->sim_socket);
    (void)snprintf(admin, sizeof(admin), "unix:%s", w->admin_socket);
    w->sim = start(words);
    wait_for(w->sim_socket);
}

void world_sim_down(struct world *w)
{
    (void)finish(w->sim, SIGKILL);
}

struct world *world_start(const char *const *sim, const char *const *bridge)
{
    struct world *w = calloc(1, sizeof(*w));
    char transport[100], listen_on[100];
    const char *words[WORDS_MAX];

    cr_assert_not_null(w);
    strcpy(w->dir, "/tmp/iotsafe-bridge.XXXXXX");
    cr_assert_not_null(mkdtemp(w->dir));
    (void)snprintf(w->store, sizeof(w->store), "%s/store", w->dir);
    (void)snprintf(w->log, sizeof(w->log), "%s/log", w->dir);
    (void)snprintf(w->sim_socket, sizeof(w->sim_socket), "%s/sim", w->dir);
    (void)snprintf(w->admin_socket, sizeof(w->admin_socket), "%s/admin", w->dir);
    (void)snprintf(w->bridge_socket, sizeof(w->bridge_socket), "%s/bridge", w->dir);
    join(words,
         (const char *const[]){ program("IOTSAFE_SOFTSIM"), "init", "--store", w->store, NULL },
         sim);
    cr_assert_eq(finish(start(words), 0), 0, "no SIM made");
    world_sim_up(w);
    (void)snprintf(transport, sizeof(transport), "socket:%s", w->sim_socket);
    (void)snprintf(listen_on, sizeof(listen_on), "unix:%s", w->bridge_socket);
    join(words,
         (const char *const[]){ program("IOTSAFE_BRIDGE"), "--transport", transport, "--listen",
                                listen_on, NULL },
         bridge);
    w->bridge = start(words);
    wait_for(w->bridge_socket);
    return w;
}

int world_stop(struct world *w)
{
    int status = finish(w->bridge, SIGTERM);
    const char *const rm[] = { "/bin/rm", "-rf", w->dir, NULL };

    cr_expect_neq(access(w->bridge_socket, F_OK), 0, "the bridge left its socket");
    (void)finish(w->sim, SIGKILL);
    (void)finish(start(rm), 0);
    free(w);
    return status;
}

bool world_admin(struct world *w, const char *const *more)
{
    const char *words[WORDS_MAX];

    join(words, (const char *const[]){ program("IOTSAFE_SOFTSIM"), "admin", w->admin_socket, NULL },
         more);
    return finish(start(words), 0) == 0;
}

/* ---------------------------------------------------------------- the log */

static unsigned count_lines(struct world *w, const char *with)
{
    FILE *f = fopen(w->log, "re");
    char *line = NULL;
    size_t cap = 0;
    unsigned n = 0;

    cr_assert_not_null(f);
    while (getline(&line, &cap, f) > 0)
        n += strstr(line, with) != NULL;
    free(line);
    (void)fclose(f);
    return n;
}

/* The bridge may be closing a session behind an answer: wait until all is quiet. */
static unsigned settled(struct world *w, const char *with)
{
    unsigned n = count_lines(w, with), before;

    do {
        before = n;
        (void)usleep(40000);
        n = count_lines(w, with);
    } while (n != before);
    return n;
}

unsigned world_exchanges(struct world *w)
{
    return settled(w, "\"cmd\":");
}

unsigned world_count(struct world *w, const char *name)
{
    char with[80];

    (void)snprintf(with, sizeof(with), "\"ins\":\"%s\"", name);
    return settled(w, with);
}

/* ---------------------------------------------------------------- clients */

void world_open_to_all(struct world *w)
{
    cr_assert_eq(chmod(w->dir, 0711), 0);
}

int world_connect(struct world *w)
{
    int fd = connect_to(w->bridge_socket);

    cr_assert_geq(fd, 0);
    return fd;
}

void say_raw(int fd, const void *bytes, size_t n)
{
    ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

    (void)sent; /* the bridge may have closed: hear() tells */
}

void say(int fd, const char *hex)
{
    unsigned char frame[2 + 600];
    size_t n = 2;
    unsigned byte;

    while (*hex != '\0')
        if (isspace((unsigned char)*hex)) {
            hex++;
        } else {
            cr_assert(n < sizeof(frame) && sscanf(hex, "%2x", &byte) == 1);
            frame[n++] = (unsigned char)byte;
            hex += 2;
        }
    frame[0] = (unsigned char)((n - 2) >> 8);
    frame[1] = (unsigned char)(n - 2);
    say_raw(fd, frame, n);
}

/* 1: all there; 0: nothing in time; -1: the end */
static int receive(int fd, unsigned char *out, size_t n, int timeout_ms)
{
    size_t done = 0;

    while (done < n) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        ssize_t got;

        if (poll(&pfd, 1, timeout_ms) == 0)
            return 0;
        got = recv(fd, out + done, n - done, 0);
        if (got <= 0)
            return -1;
        done += (size_t)got;
    }
    return 1;
}

const char *hear(int fd, int timeout_ms)
{
    static char text[4][2 * 700];
    static unsigned turn;
    char *here = text[turn++ % 4];
    unsigned char bytes[700];
    int there = receive(fd, bytes, 2, timeout_ms);
    size_t n = (size_t)(bytes[0] << 8 | bytes[1]);

    if (there <= 0)
        return there == 0 ? "silent" : "closed";
    cr_assert_leq(n, sizeof(bytes));
    there = receive(fd, bytes, n, 5000);
    if (there <= 0)
        return there == 0 ? "half an answer" : "closed in an answer";
    for (size_t i = 0; i < n; i++)
        (void)sprintf(here + 2 * i, "%02X", bytes[i]);
    here[2 * n] = '\0';
    return here;
}

const char *ask(int fd, const char *hex)
{
    say(fd, hex);
    return hear(fd, 20000);
}

int world_client(struct world *w)
{
    int fd = world_connect(w);

    cr_assert_str_eq(ask(fd, "00 70 00 00 01"), "019000");
    cr_assert_str_eq(ask(fd, "01 A4 04 00 07 A0000005590010"), "9000");
    return fd;
}
