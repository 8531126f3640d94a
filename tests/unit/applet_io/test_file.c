/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script_card.h"
#include "util.h"

/* A card with one file, played by a script that is made to measure. */
struct file_script {
    struct exchange rows[300];
    size_t n;
};

static char *hex_of(const uint8_t *bytes, size_t n, const char *sw)
{
    char *text = malloc(2 * n + 8);

    if (text == NULL)
        abort();
    hex_encode(bytes, n, text);
    strcat(text, sw);
    return text;
}

static void add(struct file_script *s, char *command, char *answer)
{
    s->rows[s->n].command = command;
    s->rows[s->n++].answer = answer;
}

static void add_open(struct file_script *s)
{
    static const struct exchange open[] = { SCRIPT_OPEN };

    for (size_t i = 0; i < ARRAY_LEN(open); i++)
        add(s, strdup(open[i].command), strdup(open[i].answer));
}

static void add_read(struct file_script *s, size_t offset, size_t ne, char *answer)
{
    char command[64];

    (void)snprintf(command, sizeof(command), "81 B0 %04zX 03 830102 %02zX", offset, ne & 0xff);
    add(s, strdup(command), answer);
}

/* DER certificate of `total` bytes (header and filler), `size` bytes in all. */
static void make_file(uint8_t *file, size_t size, size_t total, uint8_t padding)
{
    memset(file, padding, size);
    file[0] = 0x30;
    file[1] = 0x82;
    file[2] = (uint8_t)((total - 4) >> 8);
    file[3] = (uint8_t)(total - 4);
    for (size_t i = 4; i < total; i++)
        file[i] = (uint8_t)(i * 7 + 1);
}

static void expect_file(struct file_script *s, enum iotsafe_extent extent, size_t size_hint,
                        const uint8_t *want, size_t want_len)
{
    static const struct iotsafe_name file_02 = { .id = { 2 }, .id_len = 1 };
    struct script_card *sc = script_card_start(s->rows, s->n);
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };
    uint8_t *data = NULL;
    size_t len = 0;
    enum iotsafe_err err = iotsafe_read_file(card, &file_02, extent, size_hint, &data, &len, &op);

    cr_assert_eq(err, IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(len, want_len, "got %zu bytes, want %zu", len, want_len);
    if (len == want_len)
        cr_expect_arr_eq(data, want, len);
    free(data);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
    for (size_t i = 0; i < s->n; i++) {
        free((void *)(uintptr_t)s->rows[i].command);
        free((void *)(uintptr_t)s->rows[i].answer);
    }
}

static void read_in_chunks(size_t chunk)
{
    struct file_script s = { .n = 0 };
    uint8_t file[700];
    size_t at = 0;

    make_file(file, sizeof(file), sizeof(file), 0);
    add_open(&s);
    while (at < sizeof(file)) {
        size_t n = sizeof(file) - at < chunk ? sizeof(file) - at : chunk;

        add_read(&s, at, 0, hex_of(file + at, n, "9000"));
        at += n;
    }
    if (sizeof(file) % chunk == 0) /* nothing shows that this is the end */
        add_read(&s, sizeof(file), 0, strdup("6A86"));
    expect_file(&s, IOTSAFE_CERTIFICATES, 0, file, sizeof(file));
}

Test(file, advances_by_what_arrives_and_stops_at_the_der_length)
{
    read_in_chunks(256);
    read_in_chunks(255);
    read_in_chunks(240);
    read_in_chunks(128);
    read_in_chunks(50);
}

static void padded(uint8_t padding)
{
    struct file_script s = { .n = 0 };
    uint8_t file[1024];

    make_file(file, sizeof(file), 700, padding);
    add_open(&s);
    add_read(&s, 0, 0, hex_of(file, 256, "9000"));
    add_read(&s, 256, 0, hex_of(file + 256, 256, "9000"));
    add_read(&s, 512, 0, hex_of(file + 512, 256, "9000"));
    expect_file(&s, IOTSAFE_CERTIFICATES, 0, file, 700);
}

Test(file, cuts_padding_behind_a_certificate)
{
    padded(0x00);
    padded(0xff);
}

Test(file, ends_as_each_kind_of_card_says_it)
{
    static const char *const ends[] = { "9000", "6981", "6A86", "6B00" };

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct file_script s = { .n = 0 };
        uint8_t file[512];

        make_file(file, sizeof(file), sizeof(file), 0);
        add_open(&s);
        add_read(&s, 0, 0, hex_of(file, 256, "9000"));
        add_read(&s, 256, 0, hex_of(file + 256, 256, "9000"));
        add_read(&s, 512, 0, strdup(ends[i]));
        expect_file(&s, IOTSAFE_CERTIFICATES, 0, file, sizeof(file));
    }
}

/* A warning with the bytes that are there. */
Test(file, ends_with_a_warning)
{
    struct file_script s = { .n = 0 };
    uint8_t file[300];

    make_file(file, sizeof(file), sizeof(file), 0);
    add_open(&s);
    add_read(&s, 0, 0, hex_of(file, 256, "9000"));
    add_read(&s, 256, 0, hex_of(file + 256, 44, "6282"));
    expect_file(&s, IOTSAFE_CERTIFICATES, 0, file, sizeof(file));
}

Test(file, reads_a_chain)
{
    struct file_script s = { .n = 0 };
    uint8_t file[600];

    make_file(file, 300, 300, 0);
    make_file(file + 300, 300, 300, 0);
    add_open(&s);
    add_read(&s, 0, 0, hex_of(file, 256, "9000"));
    add_read(&s, 256, 0, hex_of(file + 256, 256, "9000"));
    add_read(&s, 512, 0, hex_of(file + 512, 88, "9000"));
    expect_file(&s, IOTSAFE_CERTIFICATES, 0, file, sizeof(file));
}

Test(file, reads_a_known_size_whole_and_asks_for_no_more)
{
    struct file_script s = { .n = 0 };
    uint8_t file[300];

    memset(file, 0x5a, sizeof(file));
    add_open(&s);
    add_read(&s, 0, 256, hex_of(file, 256, "9000"));
    add_read(&s, 256, 44, hex_of(file + 256, 44, "9000"));
    expect_file(&s, IOTSAFE_WHOLE, sizeof(file), file, sizeof(file));
}

Test(file, an_empty_file_is_empty)
{
    struct file_script s = { .n = 0 };

    add_open(&s);
    add_read(&s, 0, 0, strdup("9000"));
    expect_file(&s, IOTSAFE_CERTIFICATES, 0, (const uint8_t *)"", 0);
}

Test(file, does_not_read_the_padding_of_a_large_container)
{
    struct file_script s = { .n = 0 };
    uint8_t file[8192];

    make_file(file, sizeof(file), 300, 0);
    add_open(&s);
    add_read(&s, 0, 256, hex_of(file, 256, "9000"));
    add_read(&s, 256, 256, hex_of(file + 256, 256, "9000"));
    expect_file(&s, IOTSAFE_CERTIFICATES, 8192, file, 300);
}

Test(file, asks_for_the_rest_of_a_certificate_that_just_fills_its_container)
{
    struct file_script s = { .n = 0 };
    uint8_t file[300];

    make_file(file, sizeof(file), 300, 0);
    add_open(&s);
    add_read(&s, 0, 256, hex_of(file, 256, "9000"));
    add_read(&s, 256, 44, hex_of(file + 256, 44, "9000"));
    expect_file(&s, IOTSAFE_CERTIFICATES, 300, file, 300);
}

Test(file, believes_the_certificate_more_than_the_size_in_the_list)
{
    struct file_script s = { .n = 0 };
    uint8_t file[300];

    make_file(file, sizeof(file), 300, 0);
    add_open(&s);
    add_read(&s, 0, 100, hex_of(file, 100, "9000"));
    add_read(&s, 100, 200, hex_of(file + 100, 200, "9000"));
    expect_file(&s, IOTSAFE_CERTIFICATES, 100, file, 300);
}

Test(file, gives_pem_whole)
{
    static const char pem[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    struct file_script s = { .n = 0 };

    add_open(&s);
    add_read(&s, 0, 0, hex_of((const uint8_t *)pem, sizeof(pem) - 1, "9000"));
    add_read(&s, sizeof(pem) - 1, 0, strdup("6A86"));
    expect_file(&s, IOTSAFE_CERTIFICATES, 0, (const uint8_t *)pem, sizeof(pem) - 1);
}

/* The end of a response was lost, and what stands there now would be the end of the file. */
Test(file, data_before_an_error_is_damaged_and_no_end)
{
    struct file_script s = { .n = 0 };
    uint8_t file[300];

    make_file(file, sizeof(file), sizeof(file), 0);
    add_open(&s);
    add_read(&s, 0, 0, hex_of(file, 256, "9000"));
    add_read(&s, 256, 0, hex_of(file + 256, 20, "6B00"));
    add_open(&s);
    add_read(&s, 0, 0, hex_of(file, 256, "9000"));
    add_read(&s, 256, 0, hex_of(file + 256, 44, "9000"));
    add_read(&s, 300, 0, strdup("6B00"));
    expect_file(&s, IOTSAFE_WHOLE, 0, file, sizeof(file));
}

/* The card was reset, and now another application has the channel: READ BINARY in class 0N is
 * a command of its own. */
Test(file, is_not_continued_in_another_class_without_a_proof)
{
    struct file_script s = { .n = 0 };
    uint8_t file[300], other[44];

    make_file(file, sizeof(file), sizeof(file), 0);
    memset(other, 0x55, sizeof(other));
    add_open(&s);
    add_read(&s, 0, 0, hex_of(file, 256, "9000"));
    add_read(&s, 256, 0, strdup("6E00"));
    add(&s, strdup("01 B0 01 00 03 830102 00"), hex_of(other, sizeof(other), "9000"));
    for (int i = 0; i < 2; i++) {
        add(&s, strdup("01 CB 00 00 44"), strdup("6D00"));
        add(&s, strdup("01 CB 01 00 00"), strdup("6D00"));
        add(&s, strdup("81 CB 00 00 44"), strdup("6E00"));
    }
    add_open(&s);
    add(&s, strdup("01 CB 00 00 44"), strdup("6E00"));
    add(&s, strdup("81 CB 00 00 44"), strdup("100110B701019000"));
    add_read(&s, 0, 0, hex_of(file, 256, "9000"));
    add_read(&s, 256, 0, hex_of(file + 256, 44, "9000"));
    expect_file(&s, IOTSAFE_CERTIFICATES, 0, file, sizeof(file));
}
