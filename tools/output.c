/* SPDX-License-Identifier: Apache-2.0 */
/* stdout, and text that is safe to print. What is printed is decided elsewhere. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iotsafe.h"
#include "report.h"

/* ---- stdout ---- */

static int write_error; /* errno of the first failed write; 0: none */

void output_init(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            /* the lowest free number is fd; read-only, so that writing fails */
            if (open("/dev/null", O_RDONLY) < 0)
                _exit(EXIT_FAILURE);
    signal(SIGPIPE, SIG_IGN);
}

static void note_failure(bool failed)
{
    if (failed && write_error == 0)
        write_error = errno != 0 ? errno : EIO;
}

bool output_finish(void)
{
    errno = 0;
    note_failure(fflush(stdout) != 0);
    note_failure(fclose(stdout) != 0);
    if (write_error != 0)
        report_error("cannot write to standard output: %s", strerror(write_error));
    return write_error == 0;
}

void output_bytes(const void *bytes, size_t len)
{
    errno = 0;
    note_failure(len != 0 && fwrite(bytes, 1, len, stdout) != len);
}

void output_bio(BIO *bio)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);

    if (len > 0)
        output_bytes(bytes, (size_t)len);
}

/* ---- JSON ---- */

bool output_json(json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;

    json_decref(json);
    if (text == NULL) {
        report_error("cannot make the JSON output: out of memory");
        return false;
    }
    output_bytes(text, strlen(text));
    output_bytes("\n", 1);
    free(text);
    return true;
}

json_t *json_from_bio(BIO *bio)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);

    return len > 0 ? json_stringn(bytes, (size_t)len) : json_string("");
}

/* ---- text ---- */

/* Length of the well-formed UTF-8 character at the start, and its code point;
 * 0 if there is none. See RFC 3629: no overlong forms, no surrogates. */
static size_t utf8_next(const uint8_t *bytes, size_t len, uint32_t *ret_point)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = bytes[0] < 0x80   ? 1
               : bytes[0] < 0xc2 ? 0
               : bytes[0] < 0xe0 ? 2
               : bytes[0] < 0xf0 ? 3
               : bytes[0] < 0xf5 ? 4
                                 : 0;
    uint32_t point = n == 1 ? bytes[0] : n == 0 ? 0 : bytes[0] & (0x7fU >> n);

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (bytes[i] & 0x3f);
    }
    if (point < smallest[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *ret_point = point;
    return n;
}

char *text_escape(const char *bytes, size_t len)
{
    const uint8_t *in = (const uint8_t *)bytes;
    char *text = malloc(4 * len + 1), *out = text;

    if (text == NULL)
        return NULL;
    while (len > 0) {
        uint32_t point = 0;
        size_t n = utf8_next(in, len, &point);

        if (n != 0 && iotsafe_char_is_harmless(point) && point != '\\') {
            memcpy(out, in, n);
            out += n;
        } else {
            n = n != 0 ? n : 1;
            for (size_t i = 0; i < n; i++)
                out += sprintf(out, "\\x%02x", in[i]);
        }
        in += n;
        len -= n;
    }
    *out = '\0';
    return text;
}

bool text_is_harmless(const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        uint32_t point = 0;
        size_t n = utf8_next(bytes, len, &point);

        if (n == 0
            || (!iotsafe_char_is_harmless(point) && point != '\n' && point != '\t'
                && point != '\r'))
            return false;
        bytes += n;
        len -= n;
    }
    return true;
}

void text_hex(const uint8_t *bytes, size_t len, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *ret_text++ = digits[bytes[i] >> 4];
        *ret_text++ = digits[bytes[i] & 0x0f];
    }
    *ret_text = '\0';
}

/* ---- tables ---- */

struct table {
    size_t n_columns;
    char **cell;
    size_t n_cells, cap;
    bool failed;
};

struct table *table_new(size_t n_columns)
{
    struct table *table = calloc(1, sizeof(*table));

    if (table != NULL)
        table->n_columns = n_columns;
    return table;
}

void table_free(struct table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->n_cells; i++)
        free(table->cell[i]);
    free(table->cell);
    free(table);
}

static bool table_grow(struct table *table)
{
    size_t cap = table->cap == 0 ? 64 : 2 * table->cap;
    char **cell = reallocarray(table->cell, cap, sizeof(*cell));

    if (cell == NULL)
        return false;
    table->cell = cell;
    table->cap = cap;
    return true;
}

void table_add(struct table *table, const char *cell)
{
    char *copy = cell != NULL ? strdup(cell) : NULL;

    if (copy == NULL || (table->n_cells == table->cap && !table_grow(table))) {
        free(copy);
        table->failed = true;
        return;
    }
    table->cell[table->n_cells++] = copy;
}

/* Columns on the screen: characters, not bytes. */
static size_t text_width(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = 0;

    for (size_t i = column; i < table->n_cells; i += table->n_columns) {
        size_t w = text_width(table->cell[i]);

        width = w > width ? w : width;
    }
    return width;
}

bool table_print(const struct table *table)
{
    if (table->failed)
        return false;
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t column = i % table->n_columns;
        size_t pad = column_width(table, column) - text_width(table->cell[i]) + 2;

        output_bytes(table->cell[i], strlen(table->cell[i]));
        if (column + 1 == table->n_columns)
            output_bytes("\n", 1);
        else
            while (pad-- > 0)
                output_bytes(" ", 1);
    }
    return true;
}
