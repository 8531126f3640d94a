/* SPDX-License-Identifier: Apache-2.0 */
/* see modem.h */
#include "modem.h"

#include <stdio.h>
#include <stdlib.h>

#include "apdu.h"

static bool set_option(struct modem_address *a, bool slots, const char *word, size_t len)
{
    if (len == 9 && strncmp(word, "proxy=yes", len) == 0)
        a->proxy = true;
    else if (len == 8 && strncmp(word, "proxy=no", len) == 0)
        a->proxy = false;
    else if (slots && len == 6 && strncmp(word, "slot=", 5) == 0 && word[5] >= '1'
             && word[5] <= '5')
        a->slot = (unsigned)(word[5] - '0');
    else
        return false;
    return true;
}

bool modem_address_parse(const char *scheme, bool slots, const char *address,
                         struct modem_address *ret, struct iotsafe_op *op)
{
    size_t path_len = strcspn(address, "?");
    const char *p = address + path_len;
    bool ok = address[0] == '/' && path_len < sizeof(ret->path);

    *ret = (struct modem_address){ .proxy = true, .slot = 1 };
    if (ok)
        memcpy(ret->path, address, path_len);
    while (ok && *p != '\0') {
        size_t len = strcspn(++p, "&");

        ok = set_option(ret, slots, p, len);
        p += len;
    }
    if (!ok)
        op_set(op, "transport \"%s:%.100s\": want %s:/dev/NAME, then ?proxy=yes|no%s as needed",
               scheme, address, scheme, slots ? " and &slot=1...5" : "");
    return ok;
}

void modem_session_format(unsigned channel, char ret_session[static SESSION_TEXT_MAX])
{
    (void)snprintf(ret_session, SESSION_TEXT_MAX, "%u", channel);
}

unsigned modem_session_parse(const char *session)
{
    char *end;
    unsigned long number = strtoul(session, &end, 10);

    return *session >= '0' && *session <= '9' && *end == '\0' && number <= IOTSAFE_CHANNEL_MAX
               ? (unsigned)number
               : 0;
}

uint8_t modem_class(uint8_t cla, unsigned channel)
{
    return apdu_class((cla & 0x80) != 0, (uint8_t)channel);
}
