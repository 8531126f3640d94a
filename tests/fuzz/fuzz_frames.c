/* SPDX-License-Identifier: Apache-2.0 */
/* Mutation for inputs that are a row of frames (fuzz_input.h): bytes change inside a frame,
 * whose length goes along, or whole frames come, go, double and change places. Without it
 * most mutations would shift all that follows. */
#include <stdlib.h>
#include <string.h>

#include "fuzz_input.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

#define FRAMES_MAX 256
#define FRAME_MAX 255

struct row {
    struct {
        uint8_t bytes[FRAME_MAX];
        size_t len;
    } frame[FRAMES_MAX];
    size_t n;
};

static void take_apart(const uint8_t *data, size_t size, struct row *row)
{
    struct fuzz_input in = { data, size };

    row->n = 0;
    while (in.left != 0 && row->n < FRAMES_MAX) {
        const uint8_t *bytes = fuzz_frame(&in, &row->frame[row->n].len);

        memcpy(row->frame[row->n].bytes, bytes, row->frame[row->n].len);
        row->n++;
    }
}

static size_t put_together(const struct row *row, uint8_t *data, size_t max_size)
{
    size_t at = 0;

    for (size_t i = 0; i < row->n && at + 1 + row->frame[i].len <= max_size; i++) {
        data[at++] = (uint8_t)row->frame[i].len;
        memcpy(data + at, row->frame[i].bytes, row->frame[i].len);
        at += row->frame[i].len;
    }
    return at;
}

static void insert(struct row *row, size_t at, size_t copy_of)
{
    if (row->n == FRAMES_MAX)
        return;
    memmove(&row->frame[at + 1], &row->frame[at], (row->n - at) * sizeof(row->frame[0]));
    row->n++;
    row->frame[at] = row->frame[copy_of >= at ? copy_of + 1 : copy_of];
}

static void cut_out(struct row *row, size_t at)
{
    row->n--;
    memmove(&row->frame[at], &row->frame[at + 1], (row->n - at) * sizeof(row->frame[0]));
}

static void change_status(struct row *row, size_t at, unsigned chance)
{
    static const uint8_t words[][2] = {
        { 0x90, 0x00 }, { 0x61, 0x10 }, { 0x63, 0x00 }, { 0x63, 0xcf }, { 0x67, 0x00 },
        { 0x68, 0x81 }, { 0x69, 0x82 }, { 0x69, 0x84 }, { 0x69, 0x85 }, { 0x69, 0x89 },
        { 0x69, 0x99 }, { 0x6a, 0x80 }, { 0x6a, 0x82 }, { 0x6a, 0x88 }, { 0x6c, 0x20 },
        { 0x6d, 0x00 }, { 0x6e, 0x00 }, { 0x6f, 0x00 }, { 0x91, 0x10 }, { 0x93, 0x00 },
    };

    if (row->frame[at].len >= 2)
        memcpy(row->frame[at].bytes + row->frame[at].len - 2,
               words[chance % (sizeof(words) / sizeof(words[0]))], 2);
}

static void change_bytes(struct row *row, size_t at)
{
    row->frame[at].len = LLVMFuzzerMutate(row->frame[at].bytes, row->frame[at].len, FRAME_MAX);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static struct row row;
    const unsigned chance = seed / 16;
    size_t at, other;

    take_apart(data, size, &row);
    if (row.n == 0 || seed % 16 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    at = chance % row.n;
    other = chance / 7 % row.n;
    if (seed % 16 < 8)
        change_bytes(&row, at);
    else if (seed % 16 < 11)
        change_status(&row, at, chance);
    else if (seed % 16 < 13)
        insert(&row, at, other);
    else if (seed % 16 < 15)
        cut_out(&row, at);
    else {
        insert(&row, at, other);
        change_bytes(&row, at);
    }
    return put_together(&row, data, max_size);
}
