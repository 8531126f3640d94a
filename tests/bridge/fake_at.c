/* SPDX-License-Identifier: Apache-2.0 */
/* A modem on a pseudo terminal that speaks AT commands: +CCHO, +CGLA, +CCHC and
 * +CSIM (3GPP TS 27.007), with a software SIM behind its socket.
 *
 * usage: fake_at SIM-SOCKET [csim]
 * Prints the name of the terminal and serves until it is killed. With csim it
 * has +CSIM alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fake_modem.h"

#define LINE_MAX_BYTES 700
#define ANSWER_MAX 5000

static struct fake_sim sim = { .fd = -1 };
static bool csim_only;

static size_t unhex(const char *text, uint8_t *out, size_t cap)
{
    size_t n = 0;
    unsigned byte;

    for (; n < cap && sscanf(text, "%2x", &byte) == 1 && text[1] != '\0'; text += 2)
        out[n++] = (uint8_t)byte;
    return n;
}

static void put_hex(char *out, const char *before, const uint8_t *bytes, size_t n)
{
    int at = sprintf(out, "%s%zu,\"", before, 2 * n);

    for (size_t i = 0; i < n; i++)
        at += sprintf(out + at, "%02X", bytes[i]);
    strcpy(out + at, "\"");
}

/* What is in quotes, as bytes. */
static size_t quoted(const char *line, uint8_t *out, size_t cap)
{
    const char *q = strchr(line, '"');

    return q != NULL ? unhex(q + 1, out, cap) : 0;
}

static const char *open_channel(const char *line, char *answer)
{
    static const uint8_t manage[5] = { 0x00, 0x70, 0x00, 0x00, 0x01 };
    uint8_t select[5 + 16] = { 0x00, 0xa4, 0x04, 0x00 }, rsp[600];
    size_t aid_len = quoted(line, select + 5, 16);

    if (fake_sim_collect(&sim, manage, sizeof(manage), rsp, sizeof(rsp)) != 3)
        return sim.fd < 0 ? "+CME ERROR: 10" : "+CME ERROR: 20";
    select[0] = rsp[0];
    select[4] = (uint8_t)aid_len;
    if (fake_sim_collect(&sim, select, 5 + aid_len, rsp, sizeof(rsp)) < 2)
        return "+CME ERROR: 10";
    if (rsp[0] != 0x90) {
        uint8_t close_it[5] = { 0x00, 0x70, 0x80, select[0], 0x00 };

        (void)fake_sim_collect(&sim, close_it, sizeof(close_it), rsp, sizeof(rsp));
        return "+CME ERROR: 22";
    }
    sprintf(answer, "+CCHO: %u", select[0]);
    return "OK";
}

static const char *exchange(const char *line, bool cgla, char *answer)
{
    static uint8_t cmd[300], rsp[2000];
    size_t n = quoted(line, cmd, sizeof(cmd));

    if (n < 5)
        return "+CME ERROR: 50";
    if (cgla)
        cmd[0] = (uint8_t)((cmd[0] & 0xfc) | (strtoul(line + 8, NULL, 10) & 0x03));
    n = fake_sim_exchange(&sim, cmd, n, rsp, sizeof(rsp));
    if (n == 0)
        return "+CME ERROR: 13";
    put_hex(answer, cgla ? "+CGLA: " : "+CSIM: ", rsp, n);
    return "OK";
}

static const char *close_channel(const char *line)
{
    uint8_t cmd[5] = { 0x00, 0x70, 0x80, (uint8_t)strtoul(line + 8, NULL, 10), 0x00 }, rsp[300];

    return fake_sim_collect(&sim, cmd, sizeof(cmd), rsp, sizeof(rsp)) > 0 ? "OK" : "+CME ERROR: 13";
}

static bool is(const char *line, const char *command)
{
    return strncasecmp(line, command, strlen(command)) == 0;
}

static const char *run(const char *line, char *answer)
{
    if (is(line, "AT+CSIM="))
        return exchange(line, false, answer);
    if (!csim_only && is(line, "AT+CCHO="))
        return open_channel(line, answer);
    if (!csim_only && is(line, "AT+CGLA="))
        return exchange(line, true, answer);
    if (!csim_only && is(line, "AT+CCHC="))
        return close_channel(line);
    return is(line, "AT+C") && !is(line, "AT+CMEE") ? "ERROR" : "OK";
}

int main(int argc, char **argv)
{
    static char line[LINE_MAX_BYTES], answer[ANSWER_MAX], text[ANSWER_MAX + 64];
    size_t n = 0;
    uint8_t c;
    int pty;

    if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "csim") != 0)) {
        fprintf(stderr, "usage: fake_at SIM-SOCKET [csim]\n");
        return 2;
    }
    sim.path = argv[1];
    csim_only = argc == 3;
    pty = fake_pty();
    while (pty >= 0 && fake_move(pty, false, &c, 1)) {
        if (c != '\r' && c != '\n' && n + 1 < sizeof(line)) {
            line[n++] = (char)c;
            continue;
        }
        line[n] = '\0';
        answer[0] = '\0';
        if (n > 0) {
            const char *final = run(line, answer);
            int len = sprintf(text, "%s%s%s\r\n%s\r\n", answer[0] != '\0' ? "\r\n" : "", answer,
                              answer[0] != '\0' ? "\r\n" : "", final);

            if (!fake_move(pty, true, (uint8_t *)text, (size_t)len))
                break;
        }
        n = 0;
    }
    perror("fake_at");
    return 1;
}
