/* SPDX-License-Identifier: Apache-2.0 */
/* see fake_modem.h */
#include "fake_modem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

int fake_pty(void)
{
    struct termios tio;
    int fd = posix_openpt(O_RDWR | O_NOCTTY), slave;

    if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0)
        return -1;
    slave = open(ptsname(fd), O_RDWR | O_NOCTTY); /* stays open: no end between users */
    if (slave < 0 || tcgetattr(slave, &tio) != 0)
        return -1;
    cfmakeraw(&tio);
    if (tcsetattr(slave, TCSANOW, &tio) != 0)
        return -1;
    printf("%s\n", ptsname(fd));
    fflush(stdout);
    return fd;
}

bool fake_move(int fd, bool out, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t done = out ? write(fd, p, n) : read(fd, p, n);

        if (done <= 0)
            return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

void fake_sim_lose(struct fake_sim *sim)
{
    if (sim->fd >= 0)
        close(sim->fd);
    sim->fd = -1;
}

bool fake_sim_find(struct fake_sim *sim)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    if (sim->fd >= 0)
        return true;
    strncpy(addr.sun_path, sim->path, sizeof(addr.sun_path) - 1);
    sim->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sim->fresh = true;
    if (connect(sim->fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
        return true;
    fake_sim_lose(sim);
    return false;
}

static size_t exchange_once(struct fake_sim *sim, const uint8_t *cmd, size_t len, uint8_t *rsp,
                            size_t cap)
{
    uint8_t frame[2 + 300] = { (uint8_t)(len >> 8), (uint8_t)len }, head[2];
    size_t n;

    if (len > 300 || !fake_sim_find(sim))
        return 0;
    memcpy(frame + 2, cmd, len);
    if (send(sim->fd, frame, 2 + len, MSG_NOSIGNAL) != (ssize_t)(2 + len)
        || !fake_move(sim->fd, false, head, 2))
        return 0;
    n = (size_t)(head[0] << 8 | head[1]);
    return n >= 2 && n <= cap && fake_move(sim->fd, false, rsp, n) ? n : 0;
}

size_t fake_sim_exchange(struct fake_sim *sim, const uint8_t *cmd, size_t len, uint8_t *rsp,
                         size_t cap)
{
    size_t n = exchange_once(sim, cmd, len, rsp, cap);

    if (n == 0)
        fake_sim_lose(sim);
    return n;
}

size_t fake_sim_collect(struct fake_sim *sim, const uint8_t *cmd, size_t len, uint8_t *rsp,
                        size_t cap)
{
    size_t total = fake_sim_exchange(sim, cmd, len, rsp, cap);

    while (total >= 2 && rsp[total - 2] == 0x61) {
        uint8_t more[5] = { cmd[0], 0xc0, 0, 0, rsp[total - 1] };
        size_t n = fake_sim_exchange(sim, more, sizeof(more), rsp + total - 2, cap - total + 2);

        if (n == 0)
            return 0;
        total += n - 2;
    }
    return total;
}
