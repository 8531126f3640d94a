/* SPDX-License-Identifier: Apache-2.0 */
/* The switches and the known modems, both as tables. */
#include "modem_quirks.h"

#include <limits.h>
#include <string.h>

#define EVERY "every so many, 0: none"

/* A row is either a set of words (value = index) or a number with bounds. The first
 * word and the number `preset` are the defaults. Words with bounds: numbers within them
 * are values as well, and `min` is the value of the last word. */
static const struct {
    const char *name;
    const char *words; /* separated by '|'; NULL for a number */
    int min, max, preset;
    const char *unit; /* of a number, for people */
} switches[QUIRK_COUNT] = {
    [QUIRK_ECHO] = { .name = "echo", .words = "off|on", .preset = YES },
    [QUIRK_QUOTES] = { .name = "quotes", .words = "off|on", .preset = YES },
    [QUIRK_SPACE] = { .name = "space", .words = "off|on", .preset = YES },
    [QUIRK_SESSION_PREFIX] = { .name = "session_prefix", .words = "off|on", .preset = YES },
    [QUIRK_SESSION_ID] = { .name = "session_id", .words = "channel|handle" },
    [QUIRK_HEX] = { .name = "hex", .words = "upper|lower" },
    [QUIRK_LOWER_HEX] = { .name = "lower_hex", .words = "accept|refuse" },
    [QUIRK_COMMANDS] = { .name = "commands", .words = "both|csim|cgla" },
    [QUIRK_TEST_COMMANDS] = { .name = "test_commands", .words = "ok|error" },
    [QUIRK_CCHC] = { .name = "cchc", .words = "present|missing" },
    [QUIRK_CSIM_CHANNELS] = { .name = "csim_channels", .words = "accept|refuse" },
    [QUIRK_NO_CHANNELS] = { .name = "no_channels", .words = "off|on" },
    [QUIRK_CLASS_BY] = { .name = "class_by", .words = "modem|caller" },
    [QUIRK_FETCH] = { .name = "fetch", .words = "caller|modem" },
    [QUIRK_LINE_MAX] = { .name = "line_max", .max = 4000, .unit = "characters, 0: no limit" },
    [QUIRK_ANSWER_MAX] = { .name = "answer_max", .max = 4096, .unit = "bytes, 0: no limit" },
    [QUIRK_SHORT_APDU] = { .name = "short_apdu", .words = "accept|refuse" },
    [QUIRK_LE_AFTER_DATA] = { .name = "le_after_data", .words = "accept|refuse" },
    [QUIRK_OK] = { .name = "ok", .words = "behind|late|first" },
    [QUIRK_OK_GAP] = { .name = "ok_gap", .max = 60000, .preset = 50, .unit = "ms" },
    [QUIRK_OLD_ANSWERS] = { .name = "old_answers", .max = 4, .unit = "answers" },
    [QUIRK_UNSOLICITED] = { .name = "unsolicited", .max = 100, .unit = "% of the places" },
    [QUIRK_UNSOLICITED_EVERY] = { .name = "unsolicited_every",
                                  .max = 60000,
                                  .unit = "ms, 0: never" },
    [QUIRK_PIECES] = { .name = "pieces", .min = 1, .max = 16, .preset = 1, .unit = "at most" },
    [QUIRK_PIECE_GAP] = { .name = "piece_gap",
                          .max = 1000000,
                          .preset = 100,
                          .unit = "microseconds" },
    [QUIRK_LOST] = { .name = "lost", .max = 1000000, .unit = "one in so many, 0: none" },
    [QUIRK_LOST_PART] = { .name = "lost_part", .words = "all|ok" },
    [QUIRK_NO_ANSWER_TO_OPEN] = { .name = "no_answer_to_open", .max = 1000000, .unit = EVERY },
    [QUIRK_LOST_CHARACTERS] = { .name = "lost_characters", .max = 1000000, .unit = EVERY },
    [QUIRK_DOUBLED_CHARACTERS] = { .name = "doubled_characters", .max = 1000000, .unit = EVERY },
    [QUIRK_CUT_LINES] = { .name = "cut_lines", .max = 1000000, .unit = EVERY },
    [QUIRK_CSIM_LINES] = { .name = "csim_lines", .max = 1000000, .unit = EVERY },
    [QUIRK_STRAY_CODES] = { .name = "stray_codes", .max = 1000000, .unit = EVERY },
    [QUIRK_CALL_ENDS] = { .name = "call_ends", .max = 1000000, .unit = EVERY },
    [QUIRK_DELAY] = { .name = "delay", .max = 600000, .unit = "ms" },
    [QUIRK_DELAY_ONE_IN] = { .name = "delay_one_in",
                             .min = 1,
                             .max = 1000000,
                             .preset = 1,
                             .unit = "answers" },
    [QUIRK_BUSY] = { .name = "busy", .max = 1000, .unit = "first commands to the SIM" },
    [QUIRK_CME] = { .name = "cme", .words = "as-asked|number|text|plain" },
    [QUIRK_SIM] = { .name = "sim", .words = "ready|pin|none" },
    [QUIRK_ERROR_STYLE] = { .name = "error_style", .words = "sw|error" },
    [QUIRK_INIT_REPLY] = { .name = "init_reply", .words = "sw|ok" },
    [QUIRK_RESTART_LINES] = { .name = "restart_lines",
                              .words = "off|on|stray",
                              .preset = RESTART_ON,
                              .min = RESTART_STRAY,
                              .max = 1000000,
                              .unit = "every so many" },
    [QUIRK_SEED] = { .name = "seed", .min = 1, .max = INT_MAX, .preset = 1, .unit = "of chance" },
};

/* What their users report of them, see docs/modems.md. */
static const struct {
    const char *name;
    const char *settings;
} known[] = {
    { "plain", "" },
    { "sequans", "quotes=off;old_answers=1;answer_max=256" },
    { "ublox", "commands=csim;unsolicited=30" },
    { "eg25", "csim_channels=refuse" },
    { "fm350", "session_prefix=off" },
    { "em9191", "cchc=missing" },
    { "foxconn", "lower_hex=refuse" },
    { "wavecom", "commands=csim;short_apdu=refuse;line_max=540" },
    { "m33mu", "commands=csim;error_style=error;init_reply=ok;le_after_data=refuse;"
               "short_apdu=refuse" },
};

static int word_index(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (int i = 0;; i++) {
        size_t n = strcspn(words, "|");

        if (n == len && strncmp(words, word, len) == 0)
            return i;
        if (words[n] == '\0')
            return -1;
        words += n + 1;
    }
}

static bool takes_numbers(size_t i)
{
    return switches[i].words == NULL || switches[i].max != 0;
}

static bool bad_value(size_t i, const char *value, struct err *err)
{
    if (switches[i].words == NULL)
        return err_set(err, "%s=%s: the value is a number from %d to %d", switches[i].name, value,
                       switches[i].min, switches[i].max);
    if (!takes_numbers(i))
        return err_set(err, "%s=%s: the value is one of %s", switches[i].name, value,
                       switches[i].words);
    return err_set(err, "%s=%s: the value is one of %s, or a number from %d to %d",
                   switches[i].name, value, switches[i].words, switches[i].min, switches[i].max);
}

static bool parse_value(size_t i, const char *value, int *ret, struct err *err)
{
    int word = switches[i].words == NULL ? -1 : word_index(switches[i].words, value);
    long number;

    if (word >= 0)
        *ret = word;
    else if (takes_numbers(i) && number_parse(value, switches[i].min, switches[i].max, &number))
        *ret = (int)number;
    else
        return bad_value(i, value, err);
    return true;
}

static bool set_one(struct quirks *q, const char *name, size_t name_len, const char *value,
                    struct err *err)
{
    for (size_t i = 0; i < QUIRK_COUNT; i++)
        if (strlen(switches[i].name) == name_len && strncmp(switches[i].name, name, name_len) == 0)
            return parse_value(i, value, &q->v[i], err);
    return err_set(err, "%.*s: no such quirk of a modem (see --help-settings)", (int)name_len,
                   name);
}

static bool set_like(struct quirks *q, const char *name, struct err *err)
{
    const char *p = NULL;
    char one[64];

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i].name, name) == 0)
            p = known[i].settings;
    if (p == NULL)
        return err_set(err, "like=%s: no such modem (see --help-settings)", name);
    while (*p != '\0') {
        int n = (int)strcspn(p, ";");

        snprintf(one, sizeof(one), "%.*s", n, p);
        if (!quirks_set(q, one, err))
            return false;
        p += n;
        p += *p == ';';
    }
    return true;
}

void quirks_init(struct quirks *q)
{
    for (size_t i = 0; i < QUIRK_COUNT; i++)
        q->v[i] = switches[i].preset;
}

bool quirks_set(struct quirks *q, const char *setting, struct err *err)
{
    struct quirks changed = *q;
    size_t len = strcspn(setting, "=");
    bool ok;

    if (setting[len] != '=')
        return err_set(err, "%s: not of the form NAME=VALUE", setting);
    if (len == 4 && strncmp(setting, "like", 4) == 0)
        ok = set_like(&changed, setting + 5, err);
    else
        ok = set_one(&changed, setting, len, setting + len + 1, err);
    if (ok)
        *q = changed;
    return ok;
}

static void print_words(size_t i, FILE *out)
{
    const char *word = switches[i].words;

    for (int n = switches[i].preset; n > 0; n--)
        word += strcspn(word, "|") + 1;
    fprintf(out, "  %-20s %s", switches[i].name, switches[i].words);
    if (takes_numbers(i))
        fprintf(out, ", or %d to %d, %s", switches[i].min, switches[i].max, switches[i].unit);
    fprintf(out, " [%.*s]\n", (int)strcspn(word, "|"), word);
}

void quirks_print(FILE *out)
{
    for (size_t i = 0; i < QUIRK_COUNT; i++) {
        if (switches[i].words != NULL)
            print_words(i, out);
        else
            fprintf(out, "  %-20s %d to %d, %s [%d]\n", switches[i].name, switches[i].min,
                    switches[i].max, switches[i].unit, switches[i].preset);
    }
    fprintf(out, "  like=NAME sets several, as reported of a modem:\n");
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        fprintf(out, "    %-10s %s\n", known[i].name, known[i].settings);
}
