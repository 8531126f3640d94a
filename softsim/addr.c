/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing addresses and listening on them. */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

static bool set_ipv4(struct addr *a, const char *host, uint16_t port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &in.sin_addr) != 1)
        return false;
    if (ntohl(in.sin_addr.s_addr) >> 24 != 127)
        return false;
    memcpy(&a->sa, &in, sizeof(in));
    a->len = sizeof(in);
    return true;
}

static bool set_ipv6(struct addr *a, const char *host, uint16_t port)
{
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

    if (strcmp(host, "[::1]") != 0)
        return false;
    in6.sin6_addr = in6addr_loopback;
    memcpy(&a->sa, &in6, sizeof(in6));
    a->len = sizeof(in6);
    return true;
}

bool addr_parse_tcp(const char *text, struct addr *ret, struct err *err)
{
    const char *colon = strrchr(text, ':');
    struct addr a = { .is_tcp = true };
    char host[64];
    long port;

    if (colon == NULL || (size_t)(colon - text) >= sizeof(host)
        || !number_parse(colon + 1, 0, 65535, &port))
        return err_set(err, "%s: not HOST:PORT", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    if (!set_ipv4(&a, host, (uint16_t)port) && !set_ipv6(&a, host, (uint16_t)port))
        return err_set(err, "%s: only loopback (127.0.0.1, localhost, [::1])", text);
    *ret = a;
    return true;
}

bool addr_parse_unix(const char *text, struct addr *ret, struct err *err)
{
    const char *path = strncmp(text, "unix:", 5) == 0 ? text + 5 : text;
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct addr a = { .is_tcp = false };

    if (path[0] == '\0' || strlen(path) >= sizeof(un.sun_path))
        return err_set(err, "%s: path of a unix socket is empty or longer than %zu bytes", text,
                       sizeof(un.sun_path) - 1);
    strcpy(un.sun_path, path);
    strcpy(a.path, path);
    memcpy(&a.sa, &un, sizeof(un));
    a.len = sizeof(un);
    *ret = a;
    return true;
}

bool addr_parse(const char *text, struct addr *ret, struct err *err)
{
    if (strncmp(text, "unix:", 5) == 0)
        return addr_parse_unix(text, ret, err);
    if (strncmp(text, "tcp:", 4) == 0)
        return addr_parse_tcp(text + 4, ret, err);
    return err_set(err, "%s: not unix:PATH or tcp:127.0.0.1:PORT", text);
}

/* True if the path is free now. */
static bool clear_stale(const struct addr *a, struct err *err)
{
    struct stat st;
    int fd, rc;

    if (lstat(a->path, &st) != 0)
        return errno == ENOENT || err_set(err, "%s: %s", a->path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, "%s: exists and is not a socket", a->path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&a->sa, a->len);
    if (rc != 0 && errno == ECONNREFUSED)
        rc = unlink(a->path);
    else
        rc = -1;
    if (fd >= 0)
        close(fd);
    return rc == 0 || err_set(err, "%s: in use by another process", a->path);
}

static bool bind_unix(int fd, const struct addr *a, unsigned mode, struct err *err)
{
    mode_t old;
    int rc;

    if (!clear_stale(a, err))
        return false;
    old = umask(0777 & ~(mode_t)mode);
    rc = bind(fd, (const struct sockaddr *)&a->sa, a->len);
    umask(old);
    return rc == 0 || err_set(err, "%s: %s", a->path, strerror(errno));
}

static bool bind_tcp(int fd, const struct addr *a, struct err *err)
{
    int on = 1;

    return (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0
            && bind(fd, (const struct sockaddr *)&a->sa, a->len) == 0)
           || err_set(err, "bind: %s", strerror(errno));
}

int addr_listen(const struct addr *a, unsigned mode, struct err *err)
{
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        err_set(err, "socket: %s", strerror(errno));
        return -1;
    }
    if (!(a->is_tcp ? bind_tcp(fd, a, err) : bind_unix(fd, a, mode, err))
        || (listen(fd, BACKLOG) != 0 && !err_set(err, "listen: %s", strerror(errno)))) {
        close(fd);
        return -1;
    }
    return fd;
}

unsigned addr_port(int fd)
{
    struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(sa);
    struct sockaddr_in in = { .sin_port = 0 };
    struct sockaddr_in6 in6 = { .sin6_port = 0 };

    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
        return 0;
    if (sa.ss_family == AF_INET6) {
        memcpy(&in6, &sa, sizeof(in6));
        return ntohs(in6.sin6_port);
    }
    memcpy(&in, &sa, sizeof(in));
    return ntohs(in.sin_port);
}
