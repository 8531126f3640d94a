/* SPDX-License-Identifier: Apache-2.0 */
/* An input that is taken piece by piece. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_input {
    const uint8_t *p;
    size_t left;
};

/** The next byte; 0 behind the end. */
static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

/** The next frame: a byte that tells the length, and so many more, or what is left. */
static inline const uint8_t *fuzz_frame(struct fuzz_input *in, size_t *ret_len)
{
    size_t n = fuzz_byte(in);
    const uint8_t *frame = in->p;

    if (n > in->left)
        n = in->left;
    in->p += n;
    in->left -= n;
    *ret_len = n;
    return frame;
}

#endif
