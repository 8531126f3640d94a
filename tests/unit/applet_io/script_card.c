/* SPDX-License-Identifier: Apache-2.0 */
/* see script_card.h */
#include "script_card.h"

#include <ctype.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct script_card {
    const struct exchange *script;
    size_t n, at;
    int listen_fd;
    int stop_pipe[2];
    pthread_t thread;
    char folder[64], path[96];
    char settings[512];
    struct iotsafe_config *cfg;
    char wrong[1024];
    int any; /* the last row, for any command, was reached */
};

static size_t unhex(const char *text, unsigned char *out, size_t cap)
{
    size_t n = 0;

    while (*text != '\0' && n < cap) {
        unsigned byte;

        if (isspace((unsigned char)*text)) {
            text++;
            continue;
        }
        if (sscanf(text, "%2x", &byte) != 1)
            abort();
        out[n++] = (unsigned char)byte;
        text += 2;
    }
    return n;
}

static int read_exactly(struct script_card *sc, int fd, unsigned char *out, size_t n)
{
    size_t done = 0;

    while (done < n) {
        struct pollfd pfd[2] = { { .fd = fd, .events = POLLIN },
                                 { .fd = sc->stop_pipe[0], .events = POLLIN } };
        ssize_t got;

        (void)poll(pfd, 2, -1);
        if (pfd[0].revents == 0)
            return -1; /* told to stop */
        got = recv(fd, out + done, n - done, 0);
        if (got <= 0)
            return -1;
        done += (size_t)got;
    }
    return 0;
}

static void send_frame(int fd, const unsigned char *bytes, size_t n)
{
    unsigned char frame[70000];

    frame[0] = (unsigned char)(n >> 8);
    frame[1] = (unsigned char)n;
    memcpy(frame + 2, bytes, n);
    (void)send(fd, frame, n + 2, MSG_NOSIGNAL);
}

static void complain(struct script_card *sc, const unsigned char *cmd, size_t n)
{
    size_t used;

    if (sc->wrong[0] != '\0')
        return;
    used = (size_t)snprintf(sc->wrong, sizeof(sc->wrong), "exchange %zu: got ", sc->at);
    for (size_t i = 0; i < n && used + 3 < sizeof(sc->wrong); i++)
        used += (size_t)snprintf(sc->wrong + used, sizeof(sc->wrong) - used, "%02X", cmd[i]);
    (void)snprintf(sc->wrong + used, sizeof(sc->wrong) - used, ", want %s",
                   sc->at < sc->n ? sc->script[sc->at].command : "nothing more");
}

/* One command; -1 ends the connection. */
static int play_one(struct script_card *sc, int fd)
{
    static _Thread_local unsigned char cmd[70000], answer[66000]; /* more than some stacks hold */
    unsigned char head[2], want[600];
    const struct exchange *e = &sc->script[sc->at];
    size_t n;

    if (read_exactly(sc, fd, head, 2) != 0)
        return -1;
    n = (size_t)(head[0] << 8 | head[1]);
    if (read_exactly(sc, fd, cmd, n) != 0)
        return -1;
    if (sc->at < sc->n && strcmp(e->command, "*") == 0) {
        sc->any = 1;
        return strcmp(e->answer, "mute") == 0 ? 0 : -1;
    }
    if (sc->at >= sc->n || unhex(e->command, want, sizeof(want)) != n
        || memcmp(cmd, want, n) != 0) {
        complain(sc, cmd, n);
        send_frame(fd, (const unsigned char *)"\x6f\x00", 2);
        return 0;
    }
    sc->at++;
    if (strcmp(e->answer, "close") == 0)
        return -1;
    if (strcmp(e->answer, "mute") == 0)
        return 0;
    if (strncmp(e->answer, "raw:", 4) == 0) {
        n = unhex(e->answer + 4, answer, sizeof(answer));
        (void)send(fd, answer, n, MSG_NOSIGNAL);
        return 0;
    }
    send_frame(fd, answer, unhex(e->answer, answer, sizeof(answer)));
    return 0;
}

static void *serve(void *arg)
{
    struct script_card *sc = arg;

    for (;;) {
        struct pollfd pfd[2] = { { .fd = sc->listen_fd, .events = POLLIN },
                                 { .fd = sc->stop_pipe[0], .events = POLLIN } };
        int fd;

        (void)poll(pfd, 2, -1);
        if (pfd[0].revents == 0)
            return NULL;
        fd = accept(sc->listen_fd, NULL, NULL);
        while (fd >= 0 && play_one(sc, fd) == 0)
            ;
        if (fd >= 0)
            (void)close(fd);
    }
}

struct script_card *script_card_start(const struct exchange *script, size_t n)
{
    struct script_card *sc = calloc(1, sizeof(*sc));
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    if (sc == NULL)
        abort();
    sc->script = script;
    sc->n = n;
    strcpy(sc->folder, "/tmp/script_card.XXXXXX");
    if (mkdtemp(sc->folder) == NULL || pipe(sc->stop_pipe) != 0)
        abort();
    (void)snprintf(sc->path, sizeof(sc->path), "%s/s", sc->folder);
    memcpy(addr.sun_path, sc->path, strlen(sc->path) + 1);
    sc->listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(sc->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) != 0
        || listen(sc->listen_fd, 8) != 0 || pthread_create(&sc->thread, NULL, serve, sc) != 0)
        abort();
    return sc;
}

const char *script_card_stop(struct script_card *sc)
{
    static char result[1100];

    if (write(sc->stop_pipe[1], "x", 1) != 1)
        abort();
    (void)pthread_join(sc->thread, NULL);
    (void)close(sc->listen_fd);
    (void)close(sc->stop_pipe[0]);
    (void)close(sc->stop_pipe[1]);
    (void)unlink(sc->path);
    (void)rmdir(sc->folder);
    iotsafe_config_free(sc->cfg);
    if (sc->wrong[0] != '\0')
        (void)snprintf(result, sizeof(result), "%s", sc->wrong);
    else if (sc->at < sc->n && !sc->any)
        (void)snprintf(result, sizeof(result), "stopped before exchange %zu: %s", sc->at,
                       sc->script[sc->at].command);
    else
        result[0] = '\0';
    free(sc);
    return result;
}

/* Settings are kept as "key=value\0key=value\0\0". */
static const char *look_up(void *arg, const char *key)
{
    const struct script_card *sc = arg;

    for (const char *p = sc->settings; *p != '\0'; p += strlen(p) + 1)
        if (strncmp(p, key, strlen(key)) == 0 && p[strlen(key)] == '=')
            return p + strlen(key) + 1;
    return NULL;
}

struct iotsafe_card *script_card_connect(struct script_card *sc, const char *settings)
{
    struct iotsafe_op op = { .text = "" };
    struct iotsafe_card *card = NULL;
    int n = snprintf(sc->settings, sizeof(sc->settings) - 1, "transport=socket:%s %s", sc->path,
                     settings);

    sc->settings[n + 1] = '\0';
    for (char *p = sc->settings; *p != '\0'; p++)
        if (*p == ' ')
            *p = '\0';
    if (n > 0 && sc->settings[n - 1] == ' ')
        sc->settings[n - 1] = '\0';
    sc->cfg = iotsafe_config_new(look_up, sc);
    if (sc->cfg == NULL || iotsafe_card_new(sc->cfg, NULL, &card, &op) != IOTSAFE_OK) {
        (void)fprintf(stderr, "script_card_connect: %s\n", op.text);
        abort();
    }
    return card;
}
