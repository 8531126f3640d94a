/* SPDX-License-Identifier: Apache-2.0 */
/* see traits.h */
#include "traits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 14

static void to_numbers(const struct traits *t, unsigned v[static FIELDS])
{
    const unsigned all[FIELDS] = {
        t->class_plain, t->class_confirmed,     t->response_as_cmd,  (unsigned)t->le,
        t->session,     t->close_after,         t->close_forced,     t->left_finished,
        t->left_open,   t->text_per_block,      t->short_sig_length, t->verify_confirmed,
        t->question,    t->file_by_secret_tags,
    };

    memcpy(v, all, sizeof(all));
}

void traits_format(const struct traits *t, char ret_text[static TRAITS_TEXT_MAX])
{
    unsigned v[FIELDS];
    int n = 0;

    to_numbers(t, v);
    for (size_t i = 0; i < FIELDS; i++)
        n += snprintf(ret_text + n, (size_t)(TRAITS_TEXT_MAX - n), "%s%u", i > 0 ? "," : "", v[i]);
}

/* 0: no session is left. */
static bool opens_a_session(unsigned long ins)
{
    return ins == 0 || (ins <= 0xff && instruction_of((uint8_t)ins)->ins_init == ins);
}

bool traits_parse(const char *text, struct traits *ret_traits)
{
    unsigned long v[FIELDS];

    for (size_t i = 0; i < FIELDS; i++) {
        char *end;

        v[i] = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || v[i] > 0xff || *end != (i < FIELDS - 1 ? ',' : '\0'))
            return false;
        text = end + 1;
    }
    /* a record may be another user's: no instruction is sent that it makes up */
    if (v[3] > APDU_LE_ALWAYS || v[12] >= N_QUESTIONS || !opens_a_session(v[7])
        || !opens_a_session(v[8]))
        return false;
    *ret_traits = (struct traits){
        .class_plain = v[0] != 0,
        .class_confirmed = v[1] != 0,
        .response_as_cmd = v[2] != 0,
        .le = (enum apdu_le)v[3],
        .session = (uint8_t)v[4],
        .close_after = v[5] != 0,
        .close_forced = v[6] != 0,
        .left_finished = (uint8_t)v[7],
        .left_open = (uint8_t)v[8],
        .text_per_block = v[9] != 0,
        .short_sig_length = v[10] != 0,
        .verify_confirmed = v[11] != 0,
        .question = (uint8_t)v[12],
        .file_by_secret_tags = v[13] != 0,
    };
    return true;
}

bool traits_equal(const struct traits *a, const struct traits *b)
{
    char text_a[TRAITS_TEXT_MAX], text_b[TRAITS_TEXT_MAX];

    traits_format(a, text_a);
    traits_format(b, text_b);
    return strcmp(text_a, text_b) == 0;
}

static bool apply_quirk(const char *word, size_t len, struct traits *t)
{
    unsigned session;
    char copy[16];
    char end;

    if (len >= sizeof(copy))
        return false;
    memcpy(copy, word, len);
    copy[len] = '\0';
    if (strcmp(copy, "cla=0") == 0) {
        t->class_plain = t->class_confirmed = true;
    } else if (strcmp(copy, "cla=8") == 0) {
        t->class_plain = false;
        t->class_confirmed = true;
    } else if (strcmp(copy, "le=none") == 0) {
        t->le = APDU_LE_NONE;
    } else if (strcmp(copy, "le=always") == 0) {
        t->le = APDU_LE_ALWAYS;
    } else if (strcmp(copy, "close=always") == 0) {
        t->close_after = t->close_forced = true;
    } else if (sscanf(copy, "session=%3u%c", &session, &end) == 1 && session <= 0xff) {
        t->session = (uint8_t)session;
    } else {
        return false;
    }
    return true;
}

bool traits_from_quirks(const char *quirks, struct traits *ret_traits, const char **ret_bad)
{
    struct traits t = TRAITS_DEFAULT;

    while (*quirks != '\0') {
        size_t len = strcspn(quirks, ",");

        if (!apply_quirk(quirks, len, &t)) {
            *ret_bad = quirks;
            return false;
        }
        quirks += len + (quirks[len] == ',');
    }
    *ret_traits = t;
    return true;
}
