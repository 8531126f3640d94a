/* SPDX-License-Identifier: Apache-2.0 */
/* A modem on a pseudo terminal that speaks QMI: just enough for libqmi to open
 * it and to use the SIM by APDUs, which is a software SIM behind its socket.
 *
 * usage: fake_qmi SIM-SOCKET [QUIRK]
 * Prints the name of the terminal and serves until it is killed. It passes the
 * class byte as it comes and leaves responses waiting, as the AT modem does.
 * QUIRK is what some modems do: see the table.
 * A frame: 01, length, flags, service, client; then flags, transaction, message,
 * length; then values of tag, length, bytes; numbers little-endian. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_modem.h"

enum { SERVICE_CTL = 0, SERVICE_UIM = 11 };
enum { CTL_ALLOCATE = 0x22, CTL_RELEASE = 0x23, CTL_SYNC = 0x27 };
enum { UIM_SEND_APDU = 0x3b, UIM_CLOSE = 0x3f, UIM_OPEN = 0x42 };
enum {
    ERROR_NONE = 0,
    ERROR_INTERNAL = 3,
    ERROR_ARGUMENT = 48,
    ERROR_COMMAND = 71,
    ERROR_ACCESS_DENIED = 82,
    ERROR_NO_SIM = 0x6f
};
#define FRAME_MAX_BYTES 2048

enum quirk { NO_QUIRK, DENIES_GSMA, DENIES_ALL, IN_PIECES };

static const char *const quirk_names[] = {
    [DENIES_GSMA] = "denies-gsma", /* no channel to applications of the GSMA's RID */
    [DENIES_ALL] = "denies-all",   /* nor to any other */
    [IN_PIECES] = "in-pieces",     /* frames are written in pieces of 7 bytes */
};

static enum quirk quirk;
static struct fake_sim sim = { .fd = -1 };
static bool open_channels[20];

struct values {
    uint8_t bytes[FRAME_MAX_BYTES];
    size_t len;
};

static size_t get16(const uint8_t *p)
{
    return (size_t)(p[0] | p[1] << 8);
}

static void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static const uint8_t *find(const struct values *v, uint8_t tag, size_t *ret_len)
{
    for (size_t at = 0; at + 3 <= v->len; at += 3 + get16(v->bytes + at + 1))
        if (v->bytes[at] == tag) {
            *ret_len = get16(v->bytes + at + 1);
            return v->bytes + at + 3;
        }
    *ret_len = 0;
    return NULL;
}

static void put(struct values *v, uint8_t tag, const uint8_t *bytes, size_t len)
{
    v->bytes[v->len] = tag;
    put16(v->bytes + v->len + 1, len);
    memcpy(v->bytes + v->len + 3, bytes, len);
    v->len += 3 + len;
}

/* ------------------------------------------------------------------ the SIM */

static size_t exchange(const uint8_t *cmd, size_t len, uint8_t *rsp, size_t cap)
{
    size_t n = fake_sim_exchange(&sim, cmd, len, rsp, cap);

    if (sim.fresh || n == 0)
        memset(open_channels, 0, sizeof(open_channels));
    sim.fresh = false;
    return n;
}

static unsigned open_channel(const struct values *in, struct values *out)
{
    static const uint8_t manage[5] = { 0x00, 0x70, 0x00, 0x00, 0x01 };
    uint8_t select[5 + 32] = { 0x00, 0xa4, 0x04 }, rsp[600];
    size_t n, aid_len;
    const uint8_t *aid = find(in, 0x10, &aid_len); /* with a length byte of its own */

    if (aid == NULL || aid_len < 2 || aid_len > 33)
        return ERROR_ARGUMENT;
    if (quirk == DENIES_ALL
        || (quirk == DENIES_GSMA && aid_len > 5 && memcmp(aid + 1, "\xa0\x00\x00\x05\x59", 5) == 0))
        return ERROR_ACCESS_DENIED;
    n = exchange(manage, sizeof(manage), rsp, sizeof(rsp));
    if (n == 0)
        return ERROR_NO_SIM;
    if (n != 3 || rsp[0] >= sizeof(open_channels)) {
        put(out, 0x11, rsp + n - 2, 2);
        return ERROR_INTERNAL;
    }
    select[0] = rsp[0];
    select[4] = (uint8_t)(aid_len - 1);
    memcpy(select + 5, aid + 1, aid_len - 1);
    n = exchange(select, 5 + aid_len - 1, rsp, sizeof(rsp));
    if (n == 0)
        return ERROR_NO_SIM;
    put(out, 0x11, rsp + n - 2, 2);
    if (rsp[n - 2] == 0x90) {
        open_channels[select[0]] = true;
        put(out, 0x10, select, 1);
        return ERROR_NONE;
    }
    (void)exchange((const uint8_t[]){ 0x00, 0x70, 0x80, select[0], 0x00 }, 5, rsp, sizeof(rsp));
    return ERROR_INTERNAL;
}

static unsigned close_channel(const struct values *in)
{
    size_t len;
    const uint8_t *channel = find(in, 0x11, &len);
    uint8_t cmd[5] = { 0x00, 0x70, 0x80 }, rsp[300];

    if (channel == NULL || len != 1 || *channel >= sizeof(open_channels)
        || !open_channels[*channel])
        return ERROR_ARGUMENT;
    open_channels[*channel] = false;
    cmd[3] = *channel;
    return exchange(cmd, sizeof(cmd), rsp, sizeof(rsp)) == 0 ? ERROR_NO_SIM : ERROR_NONE;
}

static unsigned send_apdu(const struct values *in, struct values *out)
{
    static uint8_t rsp[2 + 1024];
    size_t len, channel_len, n;
    const uint8_t *apdu = find(in, 0x02, &len); /* with two length bytes of its own */
    const uint8_t *channel = find(in, 0x10, &channel_len);

    if (apdu == NULL || len < 6 || len > 263 || channel == NULL || channel_len != 1
        || *channel >= sizeof(open_channels) || !open_channels[*channel])
        return ERROR_ARGUMENT;
    n = exchange(apdu + 2, len - 2, rsp + 2, sizeof(rsp) - 2);
    if (n == 0)
        return ERROR_NO_SIM;
    put16(rsp, n);
    put(out, 0x10, rsp, 2 + n);
    return ERROR_NONE;
}

/* ----------------------------------------------------------------- messages */

static unsigned run(uint8_t service, size_t message, const struct values *in, struct values *out)
{
    size_t len;
    const uint8_t *v = find(in, 0x01, &len);

    if (service == SERVICE_CTL && message == CTL_SYNC)
        return ERROR_NONE;
    if (service == SERVICE_CTL && message == CTL_ALLOCATE && len == 1) {
        put(out, 0x01, (const uint8_t[]){ *v, 1 }, 2);
        return ERROR_NONE;
    }
    if (service == SERVICE_CTL && message == CTL_RELEASE && len == 2) {
        put(out, 0x01, v, 2);
        return ERROR_NONE;
    }
    if (service == SERVICE_UIM && message == UIM_OPEN)
        return open_channel(in, out);
    if (service == SERVICE_UIM && message == UIM_CLOSE)
        return close_channel(in);
    if (service == SERVICE_UIM && message == UIM_SEND_APDU)
        return send_apdu(in, out);
    return ERROR_COMMAND;
}

static bool send_frame(int pty, uint8_t *frame, size_t len)
{
    bool ok = true;

    for (size_t at = 0, n; ok && at < len; at += n) {
        n = quirk == IN_PIECES && len - at > 7 ? 7 : len - at;
        ok = fake_move(pty, true, frame + at, n);
    }
    return ok;
}

static bool serve(int pty)
{
    static struct values in, out;
    static uint8_t frame[FRAME_MAX_BYTES + 32];
    size_t len, head, body;
    unsigned error;

    if (!fake_move(pty, false, frame, 3) || frame[0] != 1)
        return false;
    len = get16(frame + 1);
    if (len < 11 || len > FRAME_MAX_BYTES || !fake_move(pty, false, frame + 3, len - 2))
        return false;
    head = frame[4] == SERVICE_CTL ? 8 : 9; /* up to the message number */
    body = get16(frame + head + 2);
    if (head + 4 + body > len + 1)
        return false;
    memcpy(in.bytes, frame + head + 4, body);
    in.len = body;
    out.len = 7; /* the result goes first */
    error = run(frame[4], get16(frame + head), &in, &out);
    memcpy(out.bytes, (const uint8_t[]){ 0x02, 4, 0, error != 0, 0, 0, 0 }, 7);
    put16(out.bytes + 5, error);
    frame[3] = 0x80;                            /* from the service */
    frame[6] = frame[4] == SERVICE_CTL ? 1 : 2; /* a response */
    put16(frame + head + 2, out.len);
    memcpy(frame + head + 4, out.bytes, out.len);
    put16(frame + 1, head + 4 + out.len - 1);
    return send_frame(pty, frame, head + 4 + out.len);
}

int main(int argc, char **argv)
{
    int pty;

    for (enum quirk q = DENIES_GSMA; argc == 3 && q <= IN_PIECES; q++)
        if (strcmp(argv[2], quirk_names[q]) == 0)
            quirk = q;
    if (argc < 2 || argc > 3 || (argc == 3 && quirk == NO_QUIRK)) {
        fprintf(stderr, "usage: fake_qmi SIM-SOCKET [QUIRK]\n");
        return 2;
    }
    sim.path = argv[1];
    pty = fake_pty();
    while (pty >= 0 && serve(pty))
        ;
    perror("fake_qmi");
    return 1;
}
