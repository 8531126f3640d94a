/* see traits.h */
#include "traits.h"

#include <stdio.h>
#include <string.h>

void traits_format(const struct traits *t, char ret_text[static TRAITS_TEXT_MAX])
{
    (void)snprintf(ret_text, TRAITS_TEXT_MAX, "%u,%u,%u,%u,%u,%u,%u,%u,%u,%u", t->class_plain,
                   t->class_confirmed, t->response_as_cmd, (unsigned)t->le, t->session,
                   t->close_after, t->close_forced, t->left_finished, t->hashes_refused,
                   t->no_app_info);
}

bool traits_parse(const char *text, struct traits *ret_traits)
{
    unsigned v[10];
    char end;

    if (sscanf(text, "%u,%u,%u,%u,%u,%u,%u,%u,%u,%u%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
               &v[6], &v[7], &v[8], &v[9], &end) != 10)
        return false;
    if (v[3] > APDU_LE_ALWAYS || v[4] > 0xff || v[8] > 0xffff)
        return false;
    *ret_traits = (struct traits){
        .class_plain = v[0] != 0,
        .class_confirmed = v[1] != 0,
        .response_as_cmd = v[2] != 0,
        .le = (enum apdu_le)v[3],
        .session = (uint8_t)v[4],
        .close_after = v[5] != 0,
        .close_forced = v[6] != 0,
        .left_finished = v[7] != 0,
        .hashes_refused = (uint16_t)v[8],
        .no_app_info = v[9] != 0,
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
