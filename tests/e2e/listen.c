/* SPDX-License-Identifier: Apache-2.0 */
/* Starts a program on a listening Unix socket, as systemd would: descriptor 3,
 * LISTEN_FDS, LISTEN_PID. With it the tests give each pcscd a socket of its
 * own, apart from the one of the system. What the program does is its affair.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3 /* sd_listen_fds(3) */

static int listen_at(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = -1;

    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);

    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 64) != 0
        || chmod(path, 0666) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int main(int argc, char **argv)
{
    char pid[24];
    int fd = -1;

    if (argc < 3) {
        fprintf(stderr, "usage: listen SOCKET PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    fd = listen_at(argv[1]);
    if (fd < 0) {
        fprintf(stderr, "listen: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    if (fd != FIRST_FD) {
        if (dup2(fd, FIRST_FD) < 0) {
            perror("listen: dup2");
            return 1;
        }
        close(fd);
    }
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    if (setenv("LISTEN_PID", pid, 1) != 0 || setenv("LISTEN_FDS", "1", 1) != 0) {
        perror("listen: setenv");
        return 1;
    }
    execvp(argv[2], argv + 2);
    fprintf(stderr, "listen: %s: %s\n", argv[2], strerror(errno));
    return 1;
}
