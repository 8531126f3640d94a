/* SPDX-License-Identifier: Apache-2.0 */
/* What is traced of any exchange: two lines without control characters and a packet of the
 * length that its head says, neither of which depends on a byte that is secret. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "fuzz_input.h"
#include "instruction.h"
#include "trace_format.h"

#define STAMP 12       /* the time, in front of each line */
#define PACKET_STAMP 8 /* and of a packet */

/* The end of the line that begins at `line`. */
static const char *check_line(const struct trace_text *t, const char *line)
{
    const char *end = memchr(line, '\n', (size_t)(t->text + t->len - line));

    if (end == NULL || end - line < STAMP)
        abort();
    for (const char *p = line; p < end; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            abort();
    return end + 1;
}

static void check_text(const struct trace_text *t)
{
    if (t->len > sizeof(t->text) || check_line(t, check_line(t, t->text)) != t->text + t->len)
        abort();
}

static void check_packet(const struct trace_packet *p)
{
    uint32_t len;

    memcpy(&len, p->bytes + 8, sizeof(len));
    if (p->len > sizeof(p->bytes) || p->len != len + 16)
        abort();
}

static bool same_text(const struct trace_text *a, const struct trace_text *b)
{
    const size_t first = (size_t)(check_line(a, a->text) - a->text);

    return a->len == b->len && check_line(b, b->text) == b->text + first
           && memcmp(a->text + STAMP, b->text + STAMP, first - STAMP) == 0
           && memcmp(a->text + first + STAMP, b->text + first + STAMP, a->len - first - STAMP) == 0;
}

/* All bytes that are not to be seen, changed. */
static void change_secrets(const struct traced *x, uint8_t *cmd, uint8_t *rsp)
{
    const size_t data_len = x->rsp_len < 2 ? x->rsp_len : x->rsp_len - 2;

    for (size_t i = traced_cmd_visible(x); i < x->cmd_len; i++)
        cmd[i] = (uint8_t)~cmd[i];
    if ((instruction_of(x->ins)->flags & INS_RESPONSE_SECRET) != 0)
        for (size_t i = 0; i < data_len; i++)
            rsp[i] = (uint8_t)~rsp[i];
}

/* Memory of its own for each, so that a byte too many is seen. */
static uint8_t *copy(const uint8_t *bytes, size_t len)
{
    uint8_t *own = malloc(len + (len == 0));

    if (own == NULL)
        abort();
    if (len > 0)
        memcpy(own, bytes, len);
    return own;
}

static void check(uint8_t ins, uint8_t *cmd, size_t cmd_len, uint8_t *rsp, size_t rsp_len)
{
    const struct traced x = { ins, cmd, cmd_len, rsp, rsp_len, 7 };
    static struct trace_text text, other_text;
    static struct trace_packet packet, other_packet;
    const bool packed = trace_packet(&packet, &x);
    const size_t visible = traced_cmd_visible(&x);

    trace_text_exchange(&text, "dev", &x);
    check_text(&text);
    if (packed)
        check_packet(&packet);
    change_secrets(&x, cmd, rsp);
    if (traced_cmd_visible(&x) != visible)
        return; /* what was no name, and masked for that, has become one */
    trace_text_exchange(&other_text, "dev", &x);
    if (!same_text(&text, &other_text))
        abort();
    if (packed
        && (!trace_packet(&other_packet, &x) || packet.len != other_packet.len
            || memcmp(packet.bytes + PACKET_STAMP, other_packet.bytes + PACKET_STAMP,
                      packet.len - PACKET_STAMP)
                   != 0))
        abort();
}

/* The instruction that is served, the command, the response. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    const uint8_t ins = fuzz_byte(&in);
    size_t cmd_len;
    const uint8_t *bytes = fuzz_frame(&in, &cmd_len);
    uint8_t *cmd, *rsp;

    if (cmd_len == 0) /* no transport sends that */
        return 0;
    cmd = copy(bytes, cmd_len);
    rsp = copy(in.p, in.left);
    check(ins, cmd, cmd_len, rsp, in.left);
    free(cmd);
    free(rsp);
    return 0;
}
