/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the socket and vpcd front ends: two length bytes, big-endian, then so
 * many bytes, in both directions. */
#ifndef SOFTSIM_FRAME_H
#define SOFTSIM_FRAME_H

#include "util.h"

#define FRAME_BYTES_MAX 65535

/** Bytes received and not yet used. Zero-initialise; frame_clear() at the end. */
struct frame_reader {
    struct buf in;
    size_t at;
};

enum frame_status { FRAME_MORE, FRAME_READY, FRAME_FAILED };

/** Receive what is there. FRAME_MORE: nothing yet or something; FRAME_FAILED: closed or broken. */
enum frame_status frame_receive(struct frame_reader *r, int fd);
/** The next whole frame; it stays valid until the next frame_receive(). */
enum frame_status frame_next(struct frame_reader *r, const uint8_t **ret, size_t *ret_len);
void frame_clear(struct frame_reader *r);

/** Bytes to be sent. Zero-initialise; frame_writer_clear() at the end. */
struct frame_writer {
    struct buf out;
    size_t at;
};

void frame_put(struct frame_writer *w, const uint8_t *p, size_t len);
/** Send what goes. FRAME_READY: all sent; FRAME_MORE: wait for POLLOUT; FRAME_FAILED: broken. */
enum frame_status frame_send(struct frame_writer *w, int fd);
void frame_writer_clear(struct frame_writer *w);

#endif
