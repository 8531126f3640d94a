/* SPDX-License-Identifier: Apache-2.0 */
/* Length-framed messages over a non-blocking socket. */
#include "frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { HEADER = 2 };

/* Move what is left to the front, so that the buffer does not grow with the connection. */
static void compact(struct frame_reader *r)
{
    if (r->at == 0)
        return;
    if (r->in.len > r->at)
        memmove(r->in.data, r->in.data + r->at, r->in.len - r->at);
    r->in.len -= r->at;
    r->at = 0;
}

enum frame_status frame_receive(struct frame_reader *r, int fd)
{
    uint8_t bytes[4096];
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? FRAME_MORE : FRAME_FAILED;
    if (n == 0)
        return FRAME_FAILED;
    compact(r);
    buf_put(&r->in, bytes, (size_t)n);
    return r->in.failed ? FRAME_FAILED : FRAME_MORE;
}

enum frame_status frame_next(struct frame_reader *r, const uint8_t **ret, size_t *ret_len)
{
    size_t left = r->in.len - r->at;
    size_t len;

    if (left < HEADER)
        return FRAME_MORE;
    len = u16_be(r->in.data + r->at);
    if (left - HEADER < len)
        return FRAME_MORE;
    *ret = r->in.data + r->at + HEADER;
    *ret_len = len;
    r->at += HEADER + len;
    return FRAME_READY;
}

void frame_clear(struct frame_reader *r)
{
    buf_clear(&r->in);
    r->at = 0;
}

void frame_put(struct frame_writer *w, const uint8_t *p, size_t len)
{
    buf_u8(&w->out, (uint8_t)(len >> 8));
    buf_u8(&w->out, (uint8_t)len);
    buf_put(&w->out, p, len);
}

enum frame_status frame_send(struct frame_writer *w, int fd)
{
    while (w->at < w->out.len) {
        ssize_t n = send(fd, w->out.data + w->at, w->out.len - w->at, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return FRAME_MORE;
        if (n <= 0)
            return FRAME_FAILED;
        w->at += (size_t)n;
    }
    if (w->out.failed)
        return FRAME_FAILED;
    w->at = 0;
    w->out.len = 0;
    return FRAME_READY;
}

void frame_writer_clear(struct frame_writer *w)
{
    buf_clear(&w->out);
    w->at = 0;
}
