/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of a trace: lines for people, packets for Wireshark. What is secret is
 * masked here, for both. No files: trace.c writes. */
#ifndef APPLET_IO_TRACE_FORMAT_H
#define APPLET_IO_TRACE_FORMAT_H

#include "util.h"

/** One exchange. The bytes are the caller's. */
struct traced {
    uint8_t ins; /* the command that it serves: of a GET RESPONSE, the one before */
    const uint8_t *cmd;
    size_t cmd_len;
    const uint8_t *rsp;
    size_t rsp_len; /* with the status word; 0: no response came */
    int64_t ms;     /* how long it took */
};

/** How many bytes of the command may be seen, from the first on. */
size_t traced_cmd_visible(const struct traced *x);
/** The same of the response; of one that is secret the status word is seen all the same. */
size_t traced_rsp_visible(const struct traced *x);

/** Lines that end with a line feed. No more than a pipe takes in one piece (PIPE_BUF). */
struct trace_text {
    char text[4096];
    size_t len, end; /* bytes written; where this line has to end */
};

void trace_text_exchange(struct trace_text *t, const char *device, const struct traced *x);
void trace_text_note(struct trace_text *t, const char *device, const char *remark);

/** What a pcap file begins with, in the byte order of this machine. */
struct trace_pcap_head {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, precision;
    uint32_t longest_packet;
    uint32_t link_type;
};
extern const struct trace_pcap_head trace_pcap_head;

#define TRACE_RSP_MAX 4098 /* a modem that fetches 61xx itself gives more than 258 */

/** A record of a pcap file: IPv4, UDP, GSMTAP, then command and response. */
struct trace_packet {
    uint8_t bytes[16 + 20 + 8 + 16 + APDU_CMD_MAX + TRACE_RSP_MAX];
    size_t len;
};

/** @return false if there are more bytes than an exchange has */
bool trace_packet(struct trace_packet *ret_packet, const struct traced *x);

#endif
