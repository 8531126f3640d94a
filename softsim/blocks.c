/* SPDX-License-Identifier: Apache-2.0 */
/* Values in several blocks; see blocks.h. */
#include "blocks.h"

bool blocks_take(struct session *s, uint8_t tag, const uint8_t *data, size_t len,
                 struct tlv_list *ret_rest)
{
    size_t raw = s->text_missing < len ? s->text_missing : len;

    buf_put(&s->text, data, raw);
    s->text_missing -= raw;
    if (!softsim_tlv_parse(data + raw, len - raw, ret_rest))
        return false;
    for (size_t i = 0; i < ret_rest->n; i++)
        if (ret_rest->item[i].tag == tag)
            buf_put(&s->text, ret_rest->item[i].val, ret_rest->item[i].len);
    if (ret_rest->missing != 0) {
        if (ret_rest->item[ret_rest->n - 1].tag != tag)
            return false;
        s->text_missing = ret_rest->missing;
    }
    return !s->text.failed && s->text_missing <= BUF_MAX;
}
