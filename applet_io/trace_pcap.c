/* SPDX-License-Identifier: Apache-2.0 */
/* see trace_format.h */
#include "trace_format.h"

#define LINK_IPV4 101 /* LINKTYPE_RAW */
#define GSMTAP_PORT 4729

const struct trace_pcap_head trace_pcap_head = {
    .magic = 0xa1b2c3d4,
    .major = 2,
    .minor = 4,
    .longest_packet = 65535,
    .link_type = LINK_IPV4,
};

static void put_be16(struct trace_packet *p, size_t v)
{
    p->bytes[p->len++] = (uint8_t)(v >> 8);
    p->bytes[p->len++] = (uint8_t)v;
}

static void put_host32(struct trace_packet *p, uint32_t v)
{
    memcpy(p->bytes + p->len, &v, sizeof(v)); /* pcap is in the writer's byte order */
    p->len += sizeof(v);
}

static void put_bytes(struct trace_packet *p, const uint8_t *bytes, size_t n)
{
    if (n > 0)
        memcpy(p->bytes + p->len, bytes, n);
    p->len += n;
}

/* Those from `visible` on as zeros. */
static void put_masked(struct trace_packet *p, const uint8_t *bytes, size_t n, size_t visible)
{
    if (visible > n)
        visible = n;
    put_bytes(p, bytes, visible);
    memset(p->bytes + p->len, 0, n - visible);
    p->len += n - visible;
}

static uint16_t ip_checksum(const uint8_t *head)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < 20; i += 2)
        sum += (uint32_t)(head[i] << 8 | head[i + 1]);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put_ip_udp(struct trace_packet *p, size_t payload)
{
    static const uint8_t ip[] = { 0x40, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1 };
    size_t start = p->len;
    uint16_t sum;

    put_be16(p, 0x4500);
    put_be16(p, 20 + 8 + payload);
    put_be16(p, 0);
    put_be16(p, 0);
    put_bytes(p, ip, sizeof(ip));
    sum = ip_checksum(p->bytes + start);
    p->bytes[start + 10] = (uint8_t)(sum >> 8);
    p->bytes[start + 11] = (uint8_t)sum;
    put_be16(p, GSMTAP_PORT);
    put_be16(p, GSMTAP_PORT);
    put_be16(p, 8 + payload);
    put_be16(p, 0);
}

/* The length of the command as with T=0, whose form GSMTAP has: a fifth byte always, and no Le
 * behind data. Nobody could tell otherwise where the response begins. */
static size_t t0_length(const struct traced *x)
{
    const size_t head = APDU_HEADER_SIZE + 1;

    if (x->cmd_len == APDU_HEADER_SIZE)
        return head;
    return x->cmd_len > head && x->cmd_len > head + x->cmd[head - 1] ? head + x->cmd[head - 1]
                                                                     : x->cmd_len;
}

bool trace_packet(struct trace_packet *ret_packet, const struct traced *x)
{
    static const uint8_t gsmtap[16] = { 2, 4, 4 };
    const size_t sw_len = x->rsp_len < 2 ? 0 : 2;
    struct trace_packet *p = ret_packet;
    const size_t cmd_len = t0_length(x);
    const size_t payload = sizeof(gsmtap) + cmd_len + x->rsp_len;
    struct timespec ts;

    if (x->cmd_len > APDU_CMD_MAX || x->rsp_len > TRACE_RSP_MAX)
        return false;
    p->len = 0;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    put_host32(p, (uint32_t)ts.tv_sec);
    put_host32(p, (uint32_t)(ts.tv_nsec / 1000));
    put_host32(p, (uint32_t)(28 + payload));
    put_host32(p, (uint32_t)(28 + payload));
    put_ip_udp(p, payload);
    put_bytes(p, gsmtap, sizeof(gsmtap));
    put_masked(p, x->cmd, cmd_len, traced_cmd_visible(x));
    put_masked(p, x->rsp, x->rsp_len - sw_len, traced_rsp_visible(x));
    if (sw_len > 0)
        put_bytes(p, x->rsp + x->rsp_len - sw_len, sw_len);
    return true;
}
