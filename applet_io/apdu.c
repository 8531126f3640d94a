/* SPDX-License-Identifier: Apache-2.0 */
/* see apdu.h */
#include "apdu.h"

#include <string.h>

size_t apdu_encode(const struct apdu_cmd *cmd, uint8_t cla, enum apdu_le le,
                   uint8_t ret_bytes[static APDU_CMD_MAX])
{
    size_t n = 0;

    if (cmd->data_len > APDU_DATA_MAX || cmd->ne > APDU_NE_MAX)
        return 0;
    ret_bytes[n++] = cla;
    ret_bytes[n++] = cmd->ins;
    ret_bytes[n++] = cmd->p1;
    ret_bytes[n++] = cmd->p2;
    if (cmd->data_len == 0) {
        ret_bytes[n++] = (uint8_t)cmd->ne; /* 256 is coded 00 */
        return n;
    }
    ret_bytes[n++] = (uint8_t)cmd->data_len;
    memcpy(ret_bytes + n, cmd->data, cmd->data_len);
    n += cmd->data_len;
    if (le == APDU_LE_ALWAYS || (le == APDU_LE_AUTO && cmd->ne != 0))
        ret_bytes[n++] = (uint8_t)cmd->ne;
    return n;
}

uint8_t apdu_class(bool proprietary, uint8_t channel)
{
    uint8_t base = proprietary ? 0x80 : 0x00;

    if (channel <= 3)
        return (uint8_t)(base | channel);
    return (uint8_t)(base | 0x40 | (channel - 4));
}
