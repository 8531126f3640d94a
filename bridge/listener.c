/* SPDX-License-Identifier: Apache-2.0 */
/* see listener.h */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_PASSED_FD 3
#define BACKLOG 64

/* ------------------------------------------------------------- handed over */

static bool int_option_is(int fd, int option, int wanted)
{
    int value = 0;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

bool listener_inherit(struct listener *ret, struct iotsafe_op *op)
{
    const char *pid = getenv("LISTEN_PID");
    const char *n = getenv("LISTEN_FDS");
    bool ours = pid != NULL && n != NULL && strtol(pid, NULL, 10) == (long)getpid();
    int flags;

    op->text[0] = '\0';
    *ret = (struct listener){ .fd = -1 };
    if (!ours || strtol(n, NULL, 10) < 1)
        return false;
    if (strtol(n, NULL, 10) > 1) {
        op_set(op, "%s sockets were passed on: want one", n);
        return false;
    }
    if (!int_option_is(FIRST_PASSED_FD, SO_DOMAIN, AF_UNIX)
        || !int_option_is(FIRST_PASSED_FD, SO_TYPE, SOCK_STREAM)
        || !int_option_is(FIRST_PASSED_FD, SO_ACCEPTCONN, 1)) {
        op_set(op, "what systemd passed on is not a listening Unix stream socket");
        return false;
    }
    flags = fcntl(FIRST_PASSED_FD, F_GETFL);
    (void)fcntl(FIRST_PASSED_FD, F_SETFD, FD_CLOEXEC);
    (void)fcntl(FIRST_PASSED_FD, F_SETFL, flags | O_NONBLOCK);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    ret->fd = FIRST_PASSED_FD;
    return true;
}

/* ------------------------------------------------------------------ our own */

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* True if this socket file has nobody behind it. */
static bool is_dead(const struct sockaddr_un *addr)
{
    int fd = new_socket();
    bool dead;

    if (fd < 0)
        return false;
    dead = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return dead;
}

/* Make room for the new file. */
static bool clear_name(const struct sockaddr_un *addr, struct iotsafe_op *op)
{
    struct stat st;

    if (lstat(addr->sun_path, &st) != 0)
        return true;
    if (!S_ISSOCK(st.st_mode)) {
        op_set(op, "%s exists and is not a socket", addr->sun_path);
        return false;
    }
    if (!is_dead(addr)) {
        op_set(op, "%s is in use: is another iotsafe-bridge running?", addr->sun_path);
        return false;
    }
    (void)unlink(addr->sun_path);
    return true;
}

/* The file is for nobody but us until its group is right. */
static bool bind_as(int fd, const struct sockaddr_un *addr, mode_t mode, gid_t gid,
                    struct iotsafe_op *op)
{
    mode_t before = umask(0177);
    bool ok = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;

    (void)umask(before);
    if (!ok) {
        op_set(op, "cannot make the socket %s: %s", addr->sun_path, strerror(errno));
        return false;
    }
    if ((gid != (gid_t)-1 && lchown(addr->sun_path, (uid_t)-1, gid) != 0)
        || chmod(addr->sun_path, mode) != 0) {
        op_set(op, "cannot set group and mode of %s: %s", addr->sun_path, strerror(errno));
        (void)unlink(addr->sun_path);
        return false;
    }
    return true;
}

bool listener_open(const char *path, mode_t mode, gid_t gid, struct listener *ret,
                   struct iotsafe_op *op)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct stat st;
    int fd;

    *ret = (struct listener){ .fd = -1 };
    if (path[0] != '/' || strlen(path) >= sizeof(addr.sun_path)) {
        op_set(op, "socket \"%.120s\": want an absolute path of at most %zu bytes", path,
               sizeof(addr.sun_path) - 1);
        return false;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    if (!clear_name(&addr, op))
        return false;
    fd = new_socket();
    if (fd < 0 || !bind_as(fd, &addr, mode, gid, op)) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    ret->fd = fd;
    memcpy(ret->path, addr.sun_path, sizeof(ret->path));
    if (lstat(path, &st) == 0) {
        ret->dev = st.st_dev;
        ret->ino = st.st_ino;
    }
    if (listen(fd, BACKLOG) != 0) {
        op_set(op, "cannot listen on %s: %s", path, strerror(errno));
        listener_close(ret);
        return false;
    }
    return true;
}

void listener_close(struct listener *l)
{
    struct stat st;

    if (l->path[0] != '\0' && lstat(l->path, &st) == 0 && st.st_dev == l->dev
        && st.st_ino == l->ino)
        (void)unlink(l->path);
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    l->path[0] = '\0';
}
