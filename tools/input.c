/* SPDX-License-Identifier: Apache-2.0 */
/* see input.h */
#include "input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define PIECE_SIZE 65536

struct input {
    FILE *file;
    const char *name; /* for messages */
    unsigned char piece[PIECE_SIZE];
};

static bool is_stdin(const char *path)
{
    return strcmp(path, "-") == 0;
}

struct input *input_open(const char *path)
{
    struct input *input = malloc(sizeof(*input));

    if (input != NULL) {
        input->name = is_stdin(path) ? "standard input" : path;
        input->file = is_stdin(path) ? stdin : fopen(path, "rbe");
    }
    if (input == NULL || input->file == NULL) {
        report_error("%s: %s", path, strerror(errno));
        free(input);
        return NULL;
    }
    return input;
}

void input_close(struct input *input)
{
    if (input == NULL)
        return;
    fclose(input->file);
    free(input);
}

/* fread() that tells the end, 0 bytes, from a failure, which it reports. */
static bool read_piece(struct input *input, unsigned char *ret_bytes, size_t max, size_t *ret_len)
{
    errno = 0;
    *ret_len = fread(ret_bytes, 1, max, input->file);
    if (!ferror(input->file))
        return true;
    report_error("%s: %s", input->name, strerror(errno));
    return false;
}

unsigned char *input_read(const char *path, size_t max, size_t *ret_len)
{
    struct input *input = input_open(path);
    unsigned char *data = NULL;
    bool done = false;

    if (input == NULL)
        return NULL;
    data = malloc(max);
    if (data == NULL)
        report_error("%s: out of memory", path);
    else
        done = read_piece(input, data, max, ret_len);
    input_close(input);
    if (done)
        return data;
    free(data);
    return NULL;
}

bool input_digest(struct input *input, input_update_fn *update, EVP_MD_CTX *ctx, bool *ret_read)
{
    size_t len;

    do {
        *ret_read = read_piece(input, input->piece, sizeof(input->piece), &len);
        if (!*ret_read || (len != 0 && update(ctx, input->piece, len) <= 0))
            return false;
    } while (len != 0);
    return true;
}
