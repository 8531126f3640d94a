/* SPDX-License-Identifier: Apache-2.0 */
/* see masked_trace.h */
#include "masked_trace.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iotsafe.h"

#define TAIL_MAX 262144 /* bytes of the file that are read */
#define BYTES_MAX 300   /* of a command */

/* ---- fields of a line ---- */

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The bytes at the beginning of a text; returns their number. */
static size_t hex_bytes(const char *text, uint8_t *ret, size_t max)
{
    size_t n = 0;

    while (n < max && nibble(text[2 * n]) >= 0 && nibble(text[2 * n + 1]) >= 0) {
        ret[n] = (uint8_t)(nibble(text[2 * n]) << 4 | nibble(text[2 * n + 1]));
        n++;
    }
    return n;
}

static void set_hex(json_t *json, const char *key, const uint8_t *bytes, size_t n)
{
    char text[2 * 16 + 1] = "";

    for (size_t i = 0; i < n && i < 16; i++)
        snprintf(text + 2 * i, 3, "%02X", bytes[i]);
    json_object_set_new(json, key, json_string(text));
}

/* Tags of command data: docs/references.md. */
static bool is_known_tag(uint8_t tag)
{
    static const uint8_t tags[] = {
        IOTSAFE_TAG_FILE_LABEL,        IOTSAFE_TAG_PRIVATE_KEY_LABEL, IOTSAFE_TAG_PUBLIC_KEY_LABEL,
        IOTSAFE_TAG_SECRET_LABEL,      IOTSAFE_TAG_FILE_ID,           IOTSAFE_TAG_PRIVATE_KEY_ID,
        IOTSAFE_TAG_PUBLIC_KEY_ID,     IOTSAFE_TAG_SECRET_ID,         IOTSAFE_TAG_HASH,
        IOTSAFE_TAG_SIGNATURE_ALG,     IOTSAFE_TAG_SIGNATURE,         IOTSAFE_TAG_PUBLIC_KEY_DATA,
        IOTSAFE_TAG_LAST_BLOCK,        IOTSAFE_TAG_FULL_TEXT,         IOTSAFE_TAG_INTERMEDIATE_HASH,
        IOTSAFE_TAG_HASHED_LENGTH,     IOTSAFE_TAG_FINAL_HASH,        IOTSAFE_TAG_MODE,
        IOTSAFE_TAG_DERIVE_LABEL_SEED, IOTSAFE_TAG_DERIVE_LENGTH,     IOTSAFE_TAG_DERIVE_SALT,
    };

    return memchr(tags, tag, sizeof(tags)) != NULL;
}

/* "84:01 A1:01": tags and lengths, up to the first that is none. */
static void set_tags(json_t *json, const uint8_t *data, size_t len)
{
    char text[200] = "";
    size_t used = 0;

    for (size_t i = 0; i + 2 <= len && is_known_tag(data[i]) && used + 8 < sizeof(text);
         i += 2 + (size_t)data[i + 1])
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%02X:%02X",
                                 used > 0 ? " " : "", data[i], data[i + 1]);
    if (used > 0)
        json_object_set_new(json, "tags", json_string(text));
}

/* ---- lines ---- */

/* What a person would count: the text between the first hexadecimal digits and the next space
 * may be shortened in the trace, so that the length is that of Lc. */
static void add_command(json_t *json, const char *text)
{
    uint8_t apdu[BYTES_MAX];
    const size_t n = hex_bytes(text, apdu, sizeof(apdu));

    if (n < 4)
        return;
    set_hex(json, "command", apdu, 4);
    if (n < 6)
        return;
    json_object_set_new(json, "lc", json_integer(apdu[4]));
    if (apdu[1] == ISO_INS_SELECT && apdu[2] == 0x04 && apdu[4] <= n - 5)
        set_hex(json, "aid", apdu + 5, apdu[4]);
    else
        set_tags(json, apdu + 5, n - 5 < apdu[4] ? n - 5 : apdu[4]);
}

/* "DATA SW  text (N ms), ...", or "SW  text": the status word is the last of the words in
 * front of two spaces. */
static void add_response(json_t *json, const char *text)
{
    const char *gap = strstr(text, "  ");
    const char *ms = strstr(text, " ms)");
    uint8_t sw[2];

    if (gap != NULL && gap - text >= 4 && (gap - text == 4 || gap[-5] == ' ')
        && hex_bytes(gap - 4, sw, sizeof(sw)) == 2) {
        set_hex(json, "status", sw, sizeof(sw));
        json_object_set_new(json, "bytes",
                            json_integer(gap - text == 4 ? 0 : (gap - text - 5) / 2));
    } else {
        json_object_set_new(json, "status", json_null());
    }
    while (ms != NULL && ms > text && isdigit((unsigned char)ms[-1]))
        ms--;
    if (ms != NULL && isdigit((unsigned char)*ms))
        json_object_set_new(json, "ms", json_integer(strtol(ms, NULL, 10)));
}

/* The reason alone: what follows has names in it. */
static bool add_error(json_t *json, const char *text)
{
    for (enum iotsafe_err err = IOTSAFE_ERR_ARGUMENT; err < IOTSAFE_ERR_MAX; err++) {
        const char *reason = iotsafe_strerror(err);

        if (strncmp(text, reason, strlen(reason)) == 0) {
            json_object_set_new(json, "error", json_string(reason));
            return true;
        }
    }
    return false;
}

/* "HH:MM:SS.mmm PID DEVICE >> ...": NULL if there is nothing in it to tell. */
static json_t *masked_line(const char *line)
{
    static const struct {
        const char *mark;
        void (*add)(json_t *, const char *);
    } kinds[] = { { " >> ", add_command }, { " << ", add_response } };
    static const char error[] = " error -- ";
    const char *at = strstr(line, error);
    int h, m, s, ms, n = 0;
    char time[16];
    json_t *json;

    if (sscanf(line, "%2d:%2d:%2d.%3d %n", &h, &m, &s, &ms, &n) != 4 || n == 0)
        return NULL;
    snprintf(time, sizeof(time), "%02u:%02u:%02u.%03u", (unsigned)h % 24, (unsigned)m % 60,
             (unsigned)s % 61, (unsigned)ms % 1000);
    json = json_pack("{s:s}", "at", time);
    if (at != NULL && add_error(json, at + strlen(error)))
        return json;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        at = strstr(line, kinds[i].mark);
        if (at != NULL) {
            kinds[i].add(json, at + strlen(kinds[i].mark));
            if (json_object_size(json) > 1)
                return json;
        }
    }
    json_decref(json);
    return NULL;
}

/* ---- the file ---- */

/* The end of it, NUL-terminated; what may be half a line in front is left out. */
static char *read_tail(const char *path, const char **ret_why)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *text = malloc(TAIL_MAX + 1);
    struct stat st;
    ssize_t n = -1;
    off_t from = 0;

    *ret_why = "the file of the trace cannot be read";
    if (fd >= 0 && text != NULL && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        from = st.st_size > TAIL_MAX ? st.st_size - TAIL_MAX : 0;
        n = pread(fd, text, TAIL_MAX, from);
    }
    if (fd >= 0)
        (void)close(fd);
    if (n < 0) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

json_t *masked_trace(const char *path, const char **ret_why)
{
    char *text = read_tail(path, ret_why);
    json_t *lines = text != NULL ? json_array() : NULL;
    char *line, *rest = text;

    while (lines != NULL && (line = strsep(&rest, "\n")) != NULL) {
        json_t *masked = masked_line(line);

        if (masked != NULL)
            json_array_append_new(lines, masked);
        if (json_array_size(lines) > MASKED_TRACE_LINES)
            (void)json_array_remove(lines, 0);
    }
    free(text);
    return lines;
}
