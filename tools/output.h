/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to stdout: safe text, aligned tables, JSON, bytes. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <jansson.h>
#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** Before anything is opened: makes sure that descriptors 0 to 2 are taken,
 *  so that no device of ours becomes stdout by accident, and that a closed
 *  pipe is an error instead of a signal. */
void output_init(void);

/** Flush and close stdout.
 *  @return false after a failed write was reported (disk full, pipe closed) */
bool output_finish(void);

/** Bytes as they are. Failures show in output_finish(). */
void output_bytes(const void *bytes, size_t len);

/** All of a memory BIO. */
void output_bio(BIO *bio);

/** Indented JSON and a newline, in ASCII. Takes over the reference; NULL, from
 *  a failed allocation on the way, is reported.
 *  @return false if nothing could be printed */
bool output_json(json_t *json);

/** A JSON string of all of a memory BIO, which must be text; NULL if it cannot
 *  be made. */
json_t *json_from_bio(BIO *bio);

/**
 * Untrusted text made safe for a terminal: control characters, characters that
 * are invisible or change the writing direction, backslashes, and bytes that
 * are no UTF-8 become `\xNN`.
 * @return allocated, NUL-terminated; NULL when out of memory
 */
char *text_escape(const char *bytes, size_t len);

/** True for valid UTF-8 that text_escape() would leave alone, newlines and
 *  tabs allowed. */
bool text_is_harmless(const uint8_t *bytes, size_t len);

#define HEX_SIZE(n) (2 * (n) + 1)

/** Lower-case hex digits and a NUL: HEX_SIZE(len) bytes. */
void text_hex(const uint8_t *bytes, size_t len, char *ret_text);

/** Rows of cells, printed as aligned columns. */
struct table;

struct table *table_new(size_t n_columns); /* NULL when out of memory */
void table_free(struct table *table);      /* NULL accepted */

/** The next cell, from left to right, row after row. The text is copied. A
 *  failed allocation is remembered for table_print(). NULL is such a failure. */
void table_add(struct table *table, const char *cell);

/** @return false when memory was lacking; nothing is printed then */
bool table_print(const struct table *table);

#endif
