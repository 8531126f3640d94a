/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines are written whole, in one write(), so that readers never see half a line
 * and other processes may append to the same file. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES (2 * 65536 + 2 * 4096 + 512)

bool log_open(struct log *log, const char *path, struct err *err)
{
    *log = (struct log){ .fd = -1 };
    if (path == NULL)
        return true;
    log->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log->fd < 0)
        return err_set(err, "%s: %s", path, strerror(errno));
    return true;
}

void log_close(struct log *log)
{
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
}

static double wall_clock(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void append(char *line, size_t *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void append(char *line, size_t *at, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line + *at, LINE_MAX_BYTES - *at, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < LINE_MAX_BYTES - *at)
        *at += (size_t)n;
}

static void append_hex(char *line, size_t *at, const uint8_t *p, size_t n)
{
    if (p == NULL || 2 * n + 1 > LINE_MAX_BYTES - *at)
        return;
    softsim_hex_encode(p, n, line + *at);
    *at += 2 * n;
}

/* A log that cannot be written must not stop the card. */
static void put_line(const struct log *log, const char *line, size_t len)
{
    ssize_t done = write(log->fd, line, len);

    (void)done;
}

void log_exchange(struct log *log, const struct log_exchange *e)
{
    char *line;
    size_t at = 0;

    log->n++;
    if (log->fd < 0 || (line = malloc(LINE_MAX_BYTES)) == NULL)
        return;
    append(line, &at,
           "{\"t\":%.6f,\"n\":%lu,\"front\":\"%s\",\"client\":%u,\"ins\":\"%s\",\"cmd\":\"",
           wall_clock(), log->n, e->front, e->client, e->ins);
    append_hex(line, &at, e->cmd, e->cmd_len);
    append(line, &at, "\",\"rsp\":\"");
    append_hex(line, &at, e->rsp, e->rsp_len);
    append(line, &at, "\",\"sw\":\"");
    if (e->rsp != NULL && e->rsp_len >= 2)
        append_hex(line, &at, e->rsp + e->rsp_len - 2, 2);
    append(line, &at, "\",\"ms\":%.3f}\n", (double)e->us / 1000.0);
    put_line(log, line, at);
    free(line);
}

void log_event(struct log *log, const char *event, const char *detail)
{
    char line[512];
    int n;

    if (log->fd < 0)
        return;
    n = snprintf(line, sizeof(line), "{\"t\":%.6f,\"event\":\"%s\"%s%s%s}\n", wall_clock(), event,
                 detail == NULL ? "" : ",\"detail\":\"", detail == NULL ? "" : detail,
                 detail == NULL ? "" : "\"");
    if (n > 0 && (size_t)n < sizeof(line))
        put_line(log, line, (size_t)n);
}
