/* SPDX-License-Identifier: Apache-2.0 */
/* see cmd.h */
#include "cmd.h"

enum iotsafe_err cmd_named(struct apdu_cmd *cmd, uint8_t ins, enum iotsafe_kind kind,
                           const struct iotsafe_name *name, size_t ne)
{
    struct tlv_writer w = { .out = cmd->data, .cap = sizeof(cmd->data) };

    cmd->ins = ins;
    cmd->ne = ne;
    name_put(&w, kind, name);
    return tlv_finish(&w, &cmd->data_len);
}

size_t cmd_cache_key(const struct apdu_cmd *cmd, uint8_t ret_key[static CACHE_KEY_MAX])
{
    if (cmd->data_len + 2 > CACHE_KEY_MAX)
        return 0;
    ret_key[0] = cmd->ins;
    ret_key[1] = cmd->p1;
    memcpy(ret_key + 2, cmd->data, cmd->data_len);
    return cmd->data_len + 2;
}

/* Put what it is about in front of what happened. */
static void name_failure(struct iotsafe_op *op, enum iotsafe_kind kind,
                         const struct iotsafe_name *name)
{
    struct iotsafe_op what;
    char text[NAME_TEXT_MAX];

    if (op == NULL)
        return;
    what = *op;
    name_text(name, text);
    op_set(op, "%s %s: %s", iotsafe_kind_name(kind), text, what.text);
}

/* The name that addresses the same object the other way; false if there is none. */
static bool other_form(const struct iotsafe_name *tried, const struct iotsafe_object *found,
                       struct iotsafe_name *ret_name)
{
    memset(ret_name, 0, sizeof(*ret_name));
    if (tried->id_len == 0 && found->name.id_len != 0) {
        memcpy(ret_name->id, found->name.id, found->name.id_len);
        ret_name->id_len = found->name.id_len;
        return true;
    }
    if (tried->id_len != 0 && found->name.label_len != 0) {
        memcpy(ret_name->label, found->name.label, sizeof(ret_name->label));
        ret_name->label_len = found->name.label_len;
        return true;
    }
    return false;
}

enum iotsafe_err cmd_addressed(struct iotsafe_card *card, enum iotsafe_kind kind,
                               const struct iotsafe_name *name, named_fn *fn, void *arg,
                               struct iotsafe_op *op)
{
    struct iotsafe_op search = iotsafe_op_within(op);
    struct iotsafe_object found;
    struct iotsafe_name other;
    enum iotsafe_err err = fn(card, name, arg, op);
    enum iotsafe_err found_err;

    if (err == IOTSAFE_OK)
        return IOTSAFE_OK;
    if (err == IOTSAFE_ERR_NOT_FOUND || err == IOTSAFE_ERR_DATA) {
        found_err = iotsafe_find(card, kind, name, &found, &search);
        if (found_err == IOTSAFE_ERR_NOT_FOUND || found_err == IOTSAFE_ERR_AMBIGUOUS) {
            op_set(op, "%s", search.text);
            return found_err;
        }
        if (found_err == IOTSAFE_OK && other_form(name, &found, &other))
            err = fn(card, &other, arg, op);
    }
    if (err != IOTSAFE_OK)
        name_failure(op, kind, name);
    return err;
}
