/* SPDX-License-Identifier: Apache-2.0 */
/* Command APDUs and class bytes. */
#include "apdu.h"

#include "iotsafe_defs.h"

static size_t le_value(uint8_t byte)
{
    return byte == 0 ? APDU_NE_MAX : byte;
}

bool apdu_parse(const uint8_t *cmd, size_t len, struct apdu *ret)
{
    struct apdu a = { 0 };
    size_t end;

    if (len < APDU_HEADER_SIZE)
        return false;
    a = (struct apdu){ .cla = cmd[0], .ins = cmd[1], .p1 = cmd[2], .p2 = cmd[3] };
    if (len == APDU_HEADER_SIZE + 1) {
        a.has_le = true;
        a.le = le_value(cmd[APDU_HEADER_SIZE]);
    } else if (len > APDU_HEADER_SIZE + 1) {
        a.lc = cmd[APDU_HEADER_SIZE];
        a.data = cmd + APDU_HEADER_SIZE + 1;
        end = APDU_HEADER_SIZE + 1 + a.lc;
        if (a.lc == 0 || end > len)
            return false;
        a.has_le = len > end;
        a.le = a.has_le ? le_value(cmd[end]) : 0;
        a.stray = len > end + 1 ? len - end - 1 : 0;
        a.last = le_value(cmd[len - 1]);
    }
    *ret = a;
    return true;
}

bool apdu_class_parse(uint8_t cla, struct apdu_class *ret)
{
    bool further = (cla & 0x40) != 0; /* channels 4 to 19 */

    if (!further && (cla & 0x20) != 0)
        return false; /* 2X, 3X, AX, BX */
    if (cla >= 0xe0)
        return false;
    *ret = (struct apdu_class){
        .proprietary = (cla & 0x80) != 0,
        .secure = further ? (cla & 0x20) != 0 : (cla & 0x0c) != 0,
        .chained = (cla & 0x10) != 0,
        .channel = (uint8_t)(further ? 4 + (cla & 0x0f) : cla & 0x03),
    };
    return true;
}
