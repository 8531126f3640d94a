/* SPDX-License-Identifier: Apache-2.0 */
/* Traces a few thousand exchanges, as text and as packets: all commands, tags, values and
 * status words, and what chance makes of them. usage: samples TEXT-FILE PCAP-FILE */
#include <stdio.h>
#include <stdlib.h>

#include "instruction.h"
#include "trace.h"

static char text_setting[256], pcap_setting[256];

/* A sequence of its own, so that each run has the same samples. */
static uint32_t chance(uint32_t below)
{
    static uint32_t state = 4711;

    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

static const struct {
    uint8_t ins, n_p1, p1[4];
    bool has_data, iso;
} commands[] = {
    { ISO_INS_MANAGE_CHANNEL, 2, { 0, 0x80 }, false, true },
    { ISO_INS_SELECT, 1, { 4 }, true, true },
    { IOTSAFE_INS_GET_DATA, 2, { 0, 1 }, false, false },
    { IOTSAFE_INS_GET_DATA, 4, { 0xc1, 0xc2, 0xc3, 0xc4 }, true, false },
    { IOTSAFE_INS_GET_RANDOM, 1, { 0 }, false, false },
    { IOTSAFE_INS_READ_FILE, 3, { 0, 1, 0xff }, true, false },
    { IOTSAFE_INS_READ_PUBLIC_KEY, 1, { 0 }, true, false },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, 3, { 0, 1, 2 }, true, false },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE, 3, { 0, 0x80, 0x90 }, true, false },
    { IOTSAFE_INS_GENERATE_KEY_PAIR, 1, { 0 }, true, false },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, 3, { 0, 1, 2 }, true, false },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE, 3, { 0, 0x80, 0x90 }, true, false },
    { IOTSAFE_INS_VERIFY_SIGNATURE_INIT, 2, { 0, 1 }, true, false },
    { IOTSAFE_INS_VERIFY_SIGNATURE_UPDATE, 2, { 0, 0x80 }, true, false },
    { IOTSAFE_INS_COMPUTE_DH, 1, { 0 }, true, false },
    { IOTSAFE_INS_COMPUTE_PRF, 4, { 0, 1, 2, 3 }, true, false },
    { IOTSAFE_INS_COMPUTE_HKDF, 1, { 0 }, true, false },
};

static const uint8_t tags[] = {
    0x10, 0x11, 0x20, 0x21, 0x33, 0x34, 0x49, 0x4a, 0x4b, 0x4e, 0x50, 0x60, 0x61, 0x6f, 0x73, 0x74,
    0x75, 0x76, 0x83, 0x84, 0x85, 0x86, 0x90, 0x91, 0x92, 0x93, 0x94, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e,
    0xa1, 0xb1, 0xb2, 0xb3, 0xb4, 0xb7, 0xc1, 0xc2, 0xc3, 0xc4, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5,
};

#define DATA_MAX 90

static size_t put_object(uint8_t *out, uint8_t tag, size_t len, uint8_t value)
{
    const bool is_label = tag >= IOTSAFE_TAG_FILE_LABEL && tag <= IOTSAFE_TAG_SECRET_LABEL;
    static const char label[] = "a b\"c\\d, e=f";
    size_t n = 0;

    out[n++] = tag;
    out[n++] = (uint8_t)len;
    for (size_t i = 0; i < len; i++)
        out[n++] = is_label ? (uint8_t)label[(value + i) % (sizeof(label) - 1)]
                            : (uint8_t)(i + 1 == len ? value : 0);
    return n;
}

/* A few objects, the last perhaps broken off, or of a length that is more than it seems. */
static size_t put_objects(uint8_t *out)
{
    size_t n = 0;

    while (n < DATA_MAX - 12 && chance(6) != 0)
        n += put_object(out + n, tags[chance(sizeof(tags))], chance(7), (uint8_t)chance(256));
    if (n > 0 && chance(8) == 0)
        n--;
    if (chance(20) == 0 && n < DATA_MAX - 4) {
        out[n++] = tags[chance(sizeof(tags))];
        out[n++] = (uint8_t)(0x81 + chance(2));
        out[n++] = (uint8_t)chance(2);
    }
    return n;
}

static void trace(uint8_t ins, const uint8_t *cmd, size_t cmd_len, const uint8_t *rsp,
                  size_t rsp_len)
{
    trace_exchange(text_setting, "dev", ins, cmd, cmd_len, rsp, rsp_len, 7);
    trace_exchange(pcap_setting, "dev", ins, cmd, cmd_len, rsp, rsp_len, 7);
}

static size_t put_sw(uint8_t *out, unsigned sw)
{
    out[0] = (uint8_t)(sw >> 8);
    out[1] = (uint8_t)sw;
    return 2;
}

static void sample(size_t which, uint8_t p1, unsigned sw)
{
    uint8_t cmd[APDU_CMD_MAX], rsp[DATA_MAX + 2];
    size_t cmd_len = 5, rsp_len = put_objects(rsp);

    cmd[0] = (uint8_t)((commands[which].iso || chance(4) == 0 ? 0x00 : 0x80) + chance(4));
    cmd[1] = commands[which].ins;
    cmd[2] = p1;
    cmd[3] = (uint8_t)chance(3);
    cmd[4] = (uint8_t)chance(256);
    if (commands[which].has_data) {
        cmd_len += cmd[4] = (uint8_t)put_objects(cmd + 5);
        if (chance(2) == 0)
            cmd[cmd_len++] = 0; /* Le */
    }
    rsp_len += put_sw(rsp + rsp_len, sw);
    if (chance(30) == 0)
        rsp_len = chance(2);
    trace(cmd[1], cmd, cmd_len, rsp, rsp_len);
    if (rsp_len < 2 || (sw >> 8 != 0x61 && sw >> 8 != 0x9f))
        return;
    rsp_len = put_objects(rsp);
    rsp_len += put_sw(rsp + rsp_len, SW_OK);
    trace(cmd[1], (uint8_t[]){ cmd[0], ISO_INS_GET_RESPONSE, 0, 0, (uint8_t)sw }, 5, rsp, rsp_len);
}

/* Each tag with each small value, in a response. */
static void sample_objects(void)
{
    static const uint8_t cmd[] = { 0x81, IOTSAFE_INS_GET_DATA, 1, 0, 0 };
    uint8_t rsp[DATA_MAX];
    size_t len;

    for (size_t i = 0; i < sizeof(tags); i++) {
        for (unsigned value = 0; value < 40; value++) {
            len = put_object(rsp, tags[i], 1 + value % 2, (uint8_t)value);
            len += put_sw(rsp + len, SW_OK);
            trace(cmd[1], cmd, sizeof(cmd), rsp, len);
        }
    }
}

static unsigned any_sw(void)
{
    static const uint8_t sw1[] = { 0x61, 0x62, 0x63, 0x64, 0x65, 0x67, 0x68, 0x69, 0x6a,
                                   0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x90, 0x91, 0x93, 0x9f };

    return (unsigned)sw1[chance(sizeof(sw1))] << 8 | chance(256);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    (void)snprintf(text_setting, sizeof(text_setting), "file:%s", argv[1]);
    (void)snprintf(pcap_setting, sizeof(pcap_setting), "pcap:%s", argv[2]);
    sample_objects();
    for (unsigned sw1 = 0x60; sw1 < 0xa0; sw1++) /* each status word that has a meaning */
        for (unsigned sw2 = 0; sw2 < 256; sw2++)
            if (sw2 < 4 || chance(32) == 0 || (sw1 >= 0x62 && sw1 <= 0x6a && (sw2 >= 0x80)))
                sample(2, 1, sw1 << 8 | sw2);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        for (size_t p1 = 0; p1 < commands[i].n_p1; p1++)
            for (int n = 0; n < 60; n++)
                sample(i, commands[i].p1[p1], n % 3 != 0 ? SW_OK : any_sw());
    return EXIT_SUCCESS;
}
