/* SPDX-License-Identifier: Apache-2.0 */
/* A card that is no farther away than memory, for LD_PRELOAD: what is left of the time of a
 * signature is the work of the module and of libcrypto. A connection to the Unix socket that
 * BENCH_CARD names is answered in here, without a system call: channels, SELECT, and
 * signatures, which are always the one of BENCH_SIGNATURE (64 bytes, r and s, in hex). The card
 * answers directly and closes a session with the last block.
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "iotsafe_defs.h"

#define EXPORT __attribute__((visibility("default")))
#define FDS_MAX 1024
#define FRAME_HEAD 2 /* big-endian length in front of each command and each response */
#define RESPONSE_MAX 80
#define SIGNATURE_SIZE 64

struct line {
    uint8_t in[FRAME_HEAD + APDU_CMD_MAX];
    size_t in_len;
    uint8_t out[FRAME_HEAD + RESPONSE_MAX];
    size_t out_len, out_done;
};

static struct line *lines[FDS_MAX]; /* by file descriptor; NULL: not ours */

/* ------------------------------------------------------------------ the card */

static size_t put_signature(uint8_t *out)
{
    static uint8_t tlv[3 + SIGNATURE_SIZE]; /* the same for all threads */
    const char *hex = getenv("BENCH_SIGNATURE");

    if (tlv[0] == 0 && hex != NULL && strlen(hex) == 2 * SIGNATURE_SIZE) {
        for (size_t i = 0; i < SIGNATURE_SIZE; i++) {
            const char digits[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

            tlv[3 + i] = (uint8_t)strtoul(digits, NULL, 16);
        }
        tlv[2] = SIGNATURE_SIZE;
        tlv[0] = IOTSAFE_TAG_SIGNATURE;
    }
    memcpy(out, tlv, sizeof(tlv));
    return sizeof(tlv);
}

/* The response without its status word. */
static size_t answer(const uint8_t *cmd, uint8_t *out, uint16_t *ret_sw)
{
    *ret_sw = 0x9000;
    switch (cmd[1]) {
    case ISO_INS_MANAGE_CHANNEL:
        out[0] = 1;
        return 1;
    case ISO_INS_SELECT:
    case IOTSAFE_INS_COMPUTE_SIGNATURE_INIT:
        return 0;
    case IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE:
        return put_signature(out);
    default:
        *ret_sw = 0x6d00;
        return 0;
    }
}

static void take(struct line *line, const uint8_t *bytes, size_t n)
{
    size_t len;
    uint16_t sw;

    if (n > sizeof(line->in) - line->in_len)
        abort();
    memcpy(line->in + line->in_len, bytes, n);
    line->in_len += n;
    if (line->in_len < FRAME_HEAD
        || line->in_len < FRAME_HEAD + (size_t)(line->in[0] << 8 | line->in[1]))
        return;
    len = answer(line->in + FRAME_HEAD, line->out + FRAME_HEAD, &sw);
    line->out[FRAME_HEAD + len] = (uint8_t)(sw >> 8);
    line->out[FRAME_HEAD + len + 1] = (uint8_t)sw;
    line->out[0] = 0;
    line->out[1] = (uint8_t)(len + 2);
    line->out_len = FRAME_HEAD + len + 2;
    line->out_done = 0;
    line->in_len = 0;
}

/* ------------------------------------------------------------ the C library */

static struct line *line_of(int fd)
{
    return fd >= 0 && fd < FDS_MAX ? lines[fd] : NULL;
}

/* The function of the C library behind ours. */
#define BEHIND(name)                 \
    static __typeof__(&name) behind; \
    if (behind == NULL)              \
    *(void **)&behind = dlsym(RTLD_NEXT, #name)

EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    const char *path = getenv("BENCH_CARD");
    BEHIND(connect);

    if (path == NULL || addr->sa_family != AF_UNIX || fd >= FDS_MAX
        || strcmp(((const struct sockaddr_un *)(const void *)addr)->sun_path, path) != 0)
        return behind(fd, addr, len);
    lines[fd] = calloc(1, sizeof(struct line));
    return lines[fd] != NULL ? 0 : -1;
}

EXPORT int close(int fd)
{
    BEHIND(close);

    if (line_of(fd) != NULL) {
        free(lines[fd]);
        lines[fd] = NULL;
    }
    return behind(fd);
}

/* Writable always; readable when there is a response. Nobody waits in vain. By another name for
 * the compiler, which is told by glibc that poll() does not read what it is given. */
EXPORT int answer_poll(struct pollfd *fds, nfds_t n, int timeout) __asm__("poll");
EXPORT int answer_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    struct line *line = n == 1 ? line_of(fds->fd) : NULL;
    BEHIND(poll);

    if (line == NULL)
        return behind(fds, n, timeout);
    fds->revents = (short)(fds->events & POLLOUT);
    if ((fds->events & POLLIN) != 0 && line->out_done < line->out_len)
        fds->revents |= POLLIN;
    return fds->revents != 0;
}

EXPORT ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    struct line *line = line_of(fd);
    BEHIND(send);

    if (line == NULL)
        return behind(fd, bytes, n, flags);
    take(line, bytes, n);
    return (ssize_t)n;
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    struct line *line = line_of(fd);
    size_t got = 0;
    BEHIND(recvmsg);

    if (line == NULL)
        return behind(fd, msg, flags);
    if (line->out_done == line->out_len) {
        errno = EAGAIN;
        return -1;
    }
    for (size_t i = 0; i < (size_t)msg->msg_iovlen; i++) {
        const size_t left = line->out_len - line->out_done, room = msg->msg_iov[i].iov_len;
        const size_t n = left < room ? left : room;

        memcpy(msg->msg_iov[i].iov_base, line->out + line->out_done, n);
        line->out_done += n;
        got += n;
    }
    return (ssize_t)got;
}
