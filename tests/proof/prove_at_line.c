/* SPDX-License-Identifier: Apache-2.0 */
/* The cutting of what a modem sends into lines: for as long as it sends, whatever it sends,
 * in whatever pieces. */
/* eva: -eva-slevel 20 -eva-split-return-function fill:0,next_line:0,end_line:0 */
#include "proof.h"

/* what Frama-C's headers lack */
#include <termios.h>
#define CRTSCTS 020000000000
void cfmakeraw(struct termios *tio);
int cfsetspeed(struct termios *tio, speed_t speed);
void explicit_bzero(void *bytes, size_t n);

#include "at.c"

void explicit_bzero(void *bytes, size_t n)
{
    memset(bytes, 0, n);
}

static struct at_port port;

/* What the device gives: 1 to `count` bytes, or an end, or an error. */
ssize_t read(int fd, void *buf, size_t count)
{
    const int n = Frama_C_interval(-1, (int)count);

    (void)fd;
    if (n > 0)
        Frama_C_make_unknown(buf, (size_t)n);
    errno = Frama_C_interval(0, 133);
    return n;
}

int poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
    (void)fds, (void)nfds, (void)timeout;
    errno = Frama_C_interval(0, 133);
    return Frama_C_interval(-1, 1);
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    (void)id;
    ret->tv_sec = Frama_C_interval(0, INT32_MAX);
    ret->tv_nsec = Frama_C_interval(0, 999999999);
    return 0;
}

int main(void)
{
    //@ widen_hints global:"all", 255, 256, 8447, 8448;
    at_port_init(&port, 3);
    while (Frama_C_interval(0, 1) != 0)
        if (next_line(&port, deadline_in(Frama_C_interval(0, 60000))) == IOTSAFE_OK) {
            //@ assert port.len == 0 && \valid_read(&port.line[0]);
            at_port_wipe(&port);
        }
    //@ assert port.len <= AT_LINE_MAX && port.at <= sizeof(port.pending);
    return 0;
}
