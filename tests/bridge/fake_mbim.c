/* SPDX-License-Identifier: Apache-2.0 */
/* A modem on a pseudo terminal that speaks MBIM: just enough for libmbim to open
 * it and to use Microsoft's low level access to the SIM, which is a software SIM
 * behind its socket.
 *
 * usage: fake_mbim SIM-SOCKET [QUIRK...]
 * Prints the name of the terminal and serves until it is killed. It makes the
 * class byte from type and channel and fetches responses that wait, as the
 * extension wants it; QUIRK is what some modems do instead: see the table.
 * Messages: USB-IF MBIM 1.0 errata 1, chapter 9. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_modem.h"

enum { MSG_OPEN = 1, MSG_CLOSE = 2, MSG_COMMAND = 3, MSG_ERROR = 4, MSG_DONE = (int)0x80000000 };
enum {
    STATUS_OK = 0,

    STATUS_FAILURE = 2,
    STATUS_NO_SIM = 3,
    STATUS_NO_SUPPORT = 9
};
#define STATUS_NO_CHANNELS 0x87430001u
#define STATUS_SELECT_FAILED 0x87430002u
#define STATUS_INVALID_CHANNEL 0x87430003u

#define MESSAGE_MAX 4096
#define INFO_MAX 20000
#define CHANNELS 20

enum quirk {
    KEEP_CLASS = 1 << 0,     /* the class byte goes out as it comes */
    EXTENDED_ONLY = 1 << 1,  /* and the type "inter-industry" is answered 6E00 */
    P2_0C = 1 << 2,          /* SELECT with another P2 fails, without a word of the card */
    INVALID_OPEN = 1 << 3,   /* what fails so is told as an invalid channel */
    NEVER_OPENS = 1 << 4,    /* no P2 will do */
    LOSES_CHANNELS = 1 << 5, /* every 7th APDU finds its channel invalid */
    IN_PIECES = 1 << 6,      /* short fragments, written in shorter pieces */
    LEAVES_WAITING = 1 << 7, /* 61xx is left to the host */
    SILENT = 1 << 8,         /* no APDU is answered */
    NO_PROTOCOL = 1 << 9,    /* each is answered by a message on the protocol */
    OPENS_0 = 1 << 10,       /* success, and channel 0, where it is not opened */
};

static const struct {
    const char *name;
    unsigned quirks;
} quirk_names[] = {
    { "keep-class", KEEP_CLASS },
    { "extended-only", KEEP_CLASS | EXTENDED_ONLY },
    { "p2-0c", P2_0C },
    { "invalid-open", P2_0C | INVALID_OPEN },
    { "never-opens", P2_0C | INVALID_OPEN | NEVER_OPENS },
    { "loses-channels", LOSES_CHANNELS },
    { "in-pieces", IN_PIECES },
    { "leaves-waiting", KEEP_CLASS | LEAVES_WAITING },
    { "silent", SILENT },
    { "protocol-errors", NO_PROTOCOL },
    { "opens-0", OPENS_0 },
};

static const uint8_t basic_connect[16] = { 0xa2, 0x89, 0xcc, 0x33, 0xbc, 0xbb, 0x8b, 0x4f,
                                           0xb6, 0xb0, 0x13, 0x3e, 0xc2, 0xaa, 0xe6, 0xdf };
static const uint8_t low_level_uicc[16] = { 0xc2, 0xf6, 0x58, 0x8e, 0xf0, 0x37, 0x4b, 0xc9,
                                            0x86, 0x65, 0xf4, 0xd4, 0x4b, 0xd0, 0x93, 0x67 };

static struct {
    int pty;
    struct fake_sim sim;
    unsigned quirks;
    unsigned n_apdus;
    uint32_t max_message;     /* what the host takes in one piece */
    uint32_t group[CHANNELS]; /* of an open channel, plus one; 0: not open */
} modem = { .pty = -1, .sim.fd = -1, .max_message = MESSAGE_MAX };

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static bool has(enum quirk quirk)
{
    return (modem.quirks & quirk) != 0;
}

static size_t sim(const uint8_t *cmd, size_t len, uint8_t *rsp, size_t cap)
{
    size_t n = has(LEAVES_WAITING) ? fake_sim_exchange(&modem.sim, cmd, len, rsp, cap)
                                   : fake_sim_collect(&modem.sim, cmd, len, rsp, cap);

    if (modem.sim.fresh || n == 0)
        memset(modem.group, 0, sizeof(modem.group));
    modem.sim.fresh = false;
    return n;
}

/* -------------------------------------------------------- low level access */

struct info {
    uint8_t bytes[INFO_MAX];
    uint32_t len;
};

static uint32_t open_channel(const uint8_t *in, uint32_t in_len, struct info *out)
{
    static const uint8_t manage[5] = { 0x00, 0x70, 0x00, 0x00, 0x01 };
    uint8_t select[5 + 32] = { 0x00, 0xa4, 0x04 }, close_it[5] = { 0x00, 0x70, 0x80 }, rsp[600];
    uint32_t aid_len = get32(in), aid_at = get32(in + 4);
    size_t n;

    if (in_len < 16 || aid_len > 32 || aid_at > in_len || aid_len > in_len - aid_at)
        return STATUS_FAILURE;
    if (has(OPENS_0)) {
        out->len = 16;
        return STATUS_OK;
    }
    if (has(P2_0C) && (has(NEVER_OPENS) || get32(in + 8) != 0x0c))
        return has(INVALID_OPEN) ? STATUS_INVALID_CHANNEL : STATUS_SELECT_FAILED;
    out->len = 16;
    n = sim(manage, sizeof(manage), rsp, sizeof(rsp));
    if (n == 0)
        return STATUS_NO_SIM;
    out->bytes[0] = rsp[n - 2];
    out->bytes[1] = rsp[n - 1];
    if (n != 3 || rsp[0] == 0 || rsp[0] >= CHANNELS)
        return STATUS_NO_CHANNELS;
    select[0] = close_it[3] = rsp[0];
    select[3] = (uint8_t)get32(in + 8);
    select[4] = (uint8_t)aid_len;
    memcpy(select + 5, in + aid_at, aid_len);
    n = sim(select, 5 + aid_len, rsp, sizeof(rsp));
    if (n == 0)
        return STATUS_NO_SIM;
    out->bytes[0] = rsp[n - 2];
    out->bytes[1] = rsp[n - 1];
    if (rsp[n - 2] != 0x90 && rsp[n - 2] != 0x91) {
        (void)sim(close_it, sizeof(close_it), rsp, sizeof(rsp));
        return STATUS_SELECT_FAILED;
    }
    modem.group[select[0]] = get32(in + 12) + 1;
    put32(out->bytes + 4, select[0]);
    put32(out->bytes + 8, (uint32_t)(n - 2));
    put32(out->bytes + 12, n > 2 ? 16 : 0);
    memcpy(out->bytes + 16, rsp, n - 2);
    out->len += (uint32_t)(n - 2);
    return STATUS_OK;
}

static uint32_t close_channel(const uint8_t *in, uint32_t in_len, struct info *out)
{
    uint32_t channel = get32(in), group = get32(in + 4) + 1;
    uint8_t rsp[600] = { 0x90, 0x00 };
    size_t n = 2;

    if (in_len < 8)
        return STATUS_FAILURE;
    if (channel != 0 && (channel >= CHANNELS || modem.group[channel] == 0))
        return STATUS_INVALID_CHANNEL;
    for (uint32_t i = 1; i < CHANNELS && n != 0; i++) {
        uint8_t cmd[5] = { 0x00, 0x70, 0x80, (uint8_t)i };

        if (modem.group[i] == 0 || (channel != 0 ? i != channel : modem.group[i] != group))
            continue;
        modem.group[i] = 0;
        n = sim(cmd, sizeof(cmd), rsp, sizeof(rsp));
    }
    if (n == 0)
        return STATUS_NO_SIM;
    out->len = 4;
    out->bytes[0] = rsp[n - 2];
    out->bytes[1] = rsp[n - 1];
    return STATUS_OK;
}

static uint32_t apdu(const uint8_t *in, uint32_t in_len, struct info *out)
{
    uint32_t channel = get32(in), type = get32(in + 8), len = get32(in + 12), at = get32(in + 16);
    uint8_t cmd[261];
    size_t n;

    if (in_len < 20 || len < 4 || len > sizeof(cmd) || at > in_len || len > in_len - at)
        return STATUS_FAILURE;
    if (channel >= CHANNELS || modem.group[channel] == 0)
        return STATUS_INVALID_CHANNEL;
    /* but GENERATE KEY PAIR: rightly nobody repeats that */
    if (has(LOSES_CHANNELS) && in[at + 1] != 0xb9 && ++modem.n_apdus % 7 == 0) {
        uint8_t close_it[5] = { 0x00, 0x70, 0x80, (uint8_t)channel }, rsp[300];

        (void)sim(close_it, sizeof(close_it), rsp, sizeof(rsp));
        modem.group[channel] = 0;
        return STATUS_INVALID_CHANNEL;
    }
    if (has(EXTENDED_ONLY) && type != 1) {
        out->bytes[0] = 0x6e;
        out->len = 12;
        return STATUS_OK;
    }
    memcpy(cmd, in + at, len);
    if (!has(KEEP_CLASS))
        cmd[0] = (uint8_t)((type == 1 ? 0x80 : 0x00)
                           | (channel < 4 ? channel : 0x40 | (channel - 4)));
    n = sim(cmd, len, out->bytes + 12, INFO_MAX - 12);
    if (n == 0)
        return STATUS_NO_SIM;
    out->bytes[0] = out->bytes[12 + n - 2];
    out->bytes[1] = out->bytes[12 + n - 1];
    put32(out->bytes + 4, (uint32_t)(n - 2));
    put32(out->bytes + 8, n > 2 ? 12 : 0);
    out->len = (uint32_t)(12 + n - 2);
    return STATUS_OK;
}

static uint32_t run_uicc(uint32_t cid, const uint8_t *in, uint32_t in_len, struct info *out)
{
    static const uint8_t atr[] = {
        0x3b, 0x9f, 0x96, 0x80, 0x1f, 0xc7, 0x80, 0x31, 0xa0, 0x73, 0xbe,
        0x21, 0x13, 0x67, 0x43, 0x20, 0x07, 0x18, 0x00, 0x00, 0x01, 0xa5
    };

    switch (cid) {
    case 1:
        put32(out->bytes, sizeof(atr));
        put32(out->bytes + 4, 8);
        memcpy(out->bytes + 8, atr, sizeof(atr));
        out->len = 8 + sizeof(atr);
        return STATUS_OK;
    case 2:
        return open_channel(in, in_len, out);
    case 3:
        return close_channel(in, in_len, out);
    case 4:
        return apdu(in, in_len, out);
    case 6:
        fake_sim_lose(&modem.sim); /* a connection of the software SIM is a power-up */
        out->len = 4;
        return STATUS_OK;
    default:
        return STATUS_NO_SUPPORT;
    }
}

/* ----------------------------------------------------------- basic connect */

/* Where a structure wants strings, it may say that it has none. */
static uint32_t run_basic(uint32_t cid, struct info *out)
{
    switch (cid) {
    case 1: /* device capabilities */
        out->len = 64;
        put32(out->bytes, 1);
        put32(out->bytes + 4, 1);
        put32(out->bytes + 8, 1);
        put32(out->bytes + 12, 2);
        put32(out->bytes + 28, 1);
        return STATUS_OK;
    case 2: /* subscriber ready status */
        out->len = 28;
        put32(out->bytes, fake_sim_find(&modem.sim) ? 1 : 2);
        return STATUS_OK;
    default:
        return STATUS_NO_SUPPORT;
    }
}

/* ----------------------------------------------------------------- messages */

static void send_message(uint8_t *msg, uint32_t type, uint32_t len, uint32_t transaction)
{
    put32(msg, type);
    put32(msg + 4, len);
    put32(msg + 8, transaction);
    for (uint32_t at = 0, n; at < len; at += n) {
        n = has(IN_PIECES) && len - at > 7 ? 7 : len - at;
        if (!fake_move(modem.pty, true, msg + at, n))
            exit(1);
    }
}

static void send_status(uint32_t type, uint32_t transaction)
{
    uint8_t msg[16] = { 0 };

    send_message(msg, type, sizeof(msg), transaction);
}

/* FUNCTION_ERROR: "not opened". */
static void send_error(uint32_t transaction)
{
    uint8_t msg[16] = { 0 };

    put32(msg + 12, 5);
    send_message(msg, (uint32_t)MSG_DONE | MSG_ERROR, sizeof(msg), transaction);
}

/* COMMAND_DONE, in as many fragments as the host's size asks for. */
static void send_done(const uint8_t *service, uint32_t cid, uint32_t status,
                      const struct info *info, uint32_t transaction)
{
    static uint8_t body[28 + INFO_MAX];
    uint8_t msg[MESSAGE_MAX];
    uint32_t len = 28 + info->len, room = has(IN_PIECES) ? 44 : modem.max_message - 20;
    uint32_t total = (len + room - 1) / room;

    memcpy(body, service, 16);
    put32(body + 16, cid);
    put32(body + 20, status);
    put32(body + 24, info->len);
    memcpy(body + 28, info->bytes, info->len);
    for (uint32_t i = 0; i < total; i++) {
        uint32_t n = len - i * room < room ? len - i * room : room;

        put32(msg + 12, total);
        put32(msg + 16, i);
        memcpy(msg + 20, body + i * room, n);
        send_message(msg, (uint32_t)MSG_DONE | MSG_COMMAND, 20 + n, transaction);
    }
}

/* Some modems fail on questions about slots, and more: nobody is to ask. */
static void log_other_service(void)
{
    puts("asked for another service");
    fflush(stdout);
}

static void run_command(const uint8_t *msg, uint32_t len, uint32_t transaction)
{
    static struct info out;
    const uint8_t *service = msg + 20;
    uint32_t cid = get32(msg + 36), in_len = get32(msg + 44), status = STATUS_NO_SUPPORT;

    if (len < 48 || get32(msg + 12) != 1 || in_len > len - 48)
        return; /* nothing that the tests send needs fragments */
    if (has(SILENT) && memcmp(service, low_level_uicc, 16) == 0 && cid == 4)
        return;
    if (has(NO_PROTOCOL) && memcmp(service, low_level_uicc, 16) == 0 && cid == 4) {
        send_error(transaction);
        return;
    }
    memset(&out, 0, sizeof(out));
    if (memcmp(service, low_level_uicc, 16) == 0)
        status = run_uicc(cid, msg + 48, in_len, &out);
    else if (memcmp(service, basic_connect, 16) == 0)
        status = run_basic(cid, &out);
    else
        log_other_service();
    send_done(service, cid, status, &out, transaction);
}

static void serve_message(void)
{
    static uint8_t msg[MESSAGE_MAX + 64];
    uint32_t len, transaction;

    if (!fake_move(modem.pty, false, msg, 12))
        exit(1);
    len = get32(msg + 4);
    transaction = get32(msg + 8);
    if (len < 12 || len > MESSAGE_MAX || !fake_move(modem.pty, false, msg + 12, len - 12))
        exit(1);
    memset(msg + len, 0, 64); /* what a command that is too short seems to hold */
    switch (get32(msg)) {
    case MSG_OPEN:
        modem.max_message = get32(msg + 12) >= 64 && get32(msg + 12) < MESSAGE_MAX ? get32(msg + 12)
                                                                                   : MESSAGE_MAX;
        send_status((uint32_t)MSG_DONE | MSG_OPEN, transaction);
        break;
    case MSG_CLOSE:
        send_status((uint32_t)MSG_DONE | MSG_CLOSE, transaction);
        break;
    case MSG_COMMAND:
        run_command(msg, len, transaction);
        break;
    default:
        break;
    }
}

static unsigned quirks_of(const char *name)
{
    for (size_t i = 0; i < sizeof(quirk_names) / sizeof(quirk_names[0]); i++)
        if (strcmp(quirk_names[i].name, name) == 0)
            return quirk_names[i].quirks;
    fprintf(stderr, "fake_mbim: %s: no such quirk\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: fake_mbim SIM-SOCKET [QUIRK...]\n");
        return 2;
    }
    modem.sim.path = argv[1];
    for (int i = 2; i < argc; i++)
        modem.quirks |= quirks_of(argv[i]);
    modem.pty = fake_pty();
    if (modem.pty < 0) {
        perror("fake_mbim: pseudo terminal");
        return 1;
    }
    for (;;)
        serve_message();
}
