/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: lines NAME=VALUE as a configuration file has them: transports, AIDs, quirks and
 * the rest. A bad one is told, and the setting stays as it was. */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "fuzz.h"
#include "transport.h"

/* The value of a name in the text, which this makes out of the lines. */
static const char *look_up(void *arg, const char *key)
{
    char *line = arg;
    size_t len = strlen(key);

    for (; *line != '\0'; line += strlen(line) + 1)
        if (strncmp(line, key, len) == 0 && line[len] == '=')
            return line + len + 1;
    return NULL;
}

/* Each line becomes a string; an empty one ends them. */
static char *lines_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 2);
    size_t at = 0;

    if (text == NULL)
        abort();
    for (size_t i = 0; i < size; i++) {
        char c = data[i] == '\n' ? '\0' : (char)data[i];

        if (c != '\0' || (at > 0 && text[at - 1] != '\0'))
            text[at++] = c;
    }
    text[at] = text[at + 1] = '\0';
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *lines = lines_of(data, size);
    struct iotsafe_config *cfg = iotsafe_config_new(look_up, lines);
    struct iotsafe_op op = { .text = "" };
    const char *transport = look_up(lines, "transport");

    if (cfg == NULL || cfg->n_aids == 0 || cfg->n_aids > AID_LIST_MAX || cfg->timeout_ms < 1)
        abort();
    for (size_t i = 0; i < cfg->n_aids; i++)
        if (cfg->aids[i].len < IOTSAFE_AID_MIN || cfg->aids[i].len > IOTSAFE_AID_MAX)
            abort();
    if (transport != NULL && transport_check(transport, &op) != IOTSAFE_OK && op.text[0] == '\0')
        abort();
    iotsafe_config_free(cfg);
    free(lines);
    return 0;
}
