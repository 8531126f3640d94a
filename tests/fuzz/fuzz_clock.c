/* SPDX-License-Identifier: Apache-2.0 */
/* see fuzz_clock.h */
#include "fuzz_clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* Shared libraries that use these are told of them by some linkers. */
#pragma GCC visibility push(default)
int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __real_nanosleep(const struct timespec *wanted, struct timespec *ret_left);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *ret_left);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t size);
ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
#pragma GCC visibility pop
void fake_clock_pass(int64_t ms); /* see tests/unit/applet_io/fake_clock.h */

static bool running;
static int64_t now_ns;
static bool (*when_idle)(void);

void fuzz_clock_start(bool (*idle)(void))
{
    now_ns = 1000000000;
    when_idle = idle;
    running = true;
}

void fuzz_clock_stop(void)
{
    running = false;
}

void fake_clock_pass(int64_t ms)
{
    now_ns += ms * 1000000;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    if (!running)
        return __real_clock_gettime(clock, ret_time);
    ret_time->tv_sec = (time_t)(now_ns / 1000000000);
    ret_time->tv_nsec = (long)(now_ns % 1000000000);
    return 0;
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *ret_left)
{
    if (!running)
        return __real_nanosleep(wanted, ret_left);
    now_ns += (int64_t)wanted->tv_sec * 1000000000 + wanted->tv_nsec;
    return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    int ready;

    if (!running)
        return __real_poll(fds, n, timeout_ms);
    do
        ready = __real_poll(fds, n, 0);
    while (ready == 0 && timeout_ms != 0 && when_idle != NULL && when_idle());
    if (ready == 0 && timeout_ms < 0)
        abort(); /* would wait for ever */
    if (ready == 0)
        fake_clock_pass(timeout_ms);
    return ready;
}

/* poll() as a build with _FORTIFY_SOURCE calls it. */
int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t size)
{
    if (n > size / sizeof(*fds))
        abort();
    return __wrap_poll(fds, n, timeout_ms);
}

/* As with SO_RCVTIMEO, but that it is our clock by which it gives up. */
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    if (running && __wrap_poll(&pfd, 1, 200) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return __real_recvmsg(fd, msg, flags);
}
