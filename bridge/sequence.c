/* SPDX-License-Identifier: Apache-2.0 */
/* see sequence.h */
#include "sequence.h"

#include "tlv.h"
#include "util.h"

/* ----------------------------------------------------------------- containers */

/* A length that takes more than one byte is read differently by different applets. */
static bool plain_next(struct tlv_reader *r, struct tlv *ret)
{
    const uint8_t *start = r->in;

    return tlv_next(r, ret) == IOTSAFE_OK && ret->val == start + 2 && ret->len < 0x80;
}

/* One name in one form, written once: else applets differ in which counts. */
struct iotsafe_name container_of(const struct command *cmd)
{
    struct tlv_reader r = { cmd->apdu.data, cmd->apdu.data_len };
    struct iotsafe_name name = { .id_len = 0 }, none = { .id_len = 0 };
    unsigned names = 0;
    struct tlv tlv;

    while (r.len != 0) {
        if (!plain_next(&r, &tlv))
            return none;
        if (tlv.tag != IOTSAFE_TAG_PUBLIC_KEY_ID && tlv.tag != IOTSAFE_TAG_PUBLIC_KEY_LABEL)
            continue;
        names++;
        if (tlv.tag == IOTSAFE_TAG_PUBLIC_KEY_ID && tlv.len <= sizeof(name.id)) {
            memcpy(name.id, tlv.val, tlv.len);
            name.id_len = tlv.len;
        } else if (tlv.tag == IOTSAFE_TAG_PUBLIC_KEY_LABEL && tlv.len < sizeof(name.label)) {
            memcpy(name.label, tlv.val, tlv.len);
            name.label_len = tlv.len;
        }
    }
    return names == 1 ? name : none;
}

static bool equal_names(const struct iotsafe_name *a, const struct iotsafe_name *b)
{
    return a->id_len == b->id_len && memcmp(a->id, b->id, a->id_len) == 0
           && a->label_len == b->label_len && memcmp(a->label, b->label, a->label_len) == 0;
}

/* Only two names of the same form can tell two containers apart. */
static bool may_be_same(const struct iotsafe_name *a, const struct iotsafe_name *b)
{
    bool by_id = a->id_len != 0 && b->id_len != 0;
    bool by_label = a->label_len != 0 && b->label_len != 0;

    return (!by_id && !by_label) || equal_names(a, b);
}

static void disown(struct containers *list, const struct iotsafe_name *name, uint64_t client)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->list[i].owner != client && may_be_same(&list->list[i].name, name))
            list->list[i].owner = 0;
}

void containers_before(struct containers *list, const struct command *cmd, uint64_t client)
{
    static const struct iotsafe_name any = { .id_len = 0 };
    struct iotsafe_name name;

    if (cmd->kind == COMMAND_OPEN && cmd->instruction->sequence == SEQUENCE_PUT) {
        name = container_of(cmd);
        disown(list, &name, client);
    } else if (cmd->apdu.ins == IOTSAFE_INS_GENERATE_KEY_PAIR) {
        disown(list, &any, client); /* the pair has a public key container, unknown which */
        list->generated_by = client;
    }
}

void containers_put(struct containers *list, const struct iotsafe_name *name, uint64_t client)
{
    size_t i = 0;

    disown(list, name, client);
    while (i < list->n && !equal_names(&list->list[i].name, name))
        i++;
    if (i == CONTAINERS_MAX) {
        memmove(&list->list[0], &list->list[1], sizeof(list->list) - sizeof(list->list[0]));
        list->overflowed = true;
        i = --list->n;
    }
    list->list[i] = (struct container){ *name, client };
    if (i == list->n)
        list->n++;
}

void containers_forget(struct containers *list)
{
    for (size_t i = 0; i < list->n; i++)
        list->list[i].owner = 0;
}

bool containers_fit(const struct containers *list, const struct iotsafe_name *name, uint64_t client)
{
    bool foreign = list->overflowed;

    for (size_t i = 0; i < list->n; i++) {
        const struct container *c = &list->list[i];

        if (equal_names(&c->name, name))
            return c->owner == client;
        foreign = foreign || (c->owner != client && may_be_same(&c->name, name));
    }
    return !foreign;
}

/* ------------------------------------------------------------------- sessions */

static bool same_session(struct session a, struct session b)
{
    return a.ins_init == b.ins_init && a.number == b.number;
}

static const struct held_session *find(const struct held_session *list, size_t n,
                                       const struct command *cmd)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].channel == cmd->channel && same_session(list[i].session, command_session(cmd)))
            return &list[i];
    return NULL;
}

static void take_out(struct held_session *list, size_t *n, const struct held_session *which)
{
    if (which != NULL)
        list[which - list] = list[--*n];
}

const struct held_session *sequences_session(const struct sequences *seq, const struct command *cmd)
{
    return find(seq->open, seq->n_open, cmd);
}

bool sequences_occupied(const struct sequences *seq, struct session session)
{
    for (size_t i = 0; i < seq->n_open; i++)
        if (same_session(seq->open[i].session, session))
            return true;
    return false;
}

bool sequences_take_left(struct sequences *seq, struct session *ret)
{
    for (size_t i = 0; i < seq->n_open; i++)
        if (seq->open[i].left) {
            *ret = seq->open[i].session;
            take_out(seq->open, &seq->n_open, &seq->open[i]);
            return true;
        }
    seq->left = false;
    return false;
}

static void forget_lost(struct sequences *seq, const struct command *cmd)
{
    take_out(seq->lost, &seq->n_lost, find(seq->lost, seq->n_lost, cmd));
}

static void book_session(struct sequences *seq, const struct command *cmd, bool ok)
{
    const struct held_session *held = sequences_session(seq, cmd);

    if (cmd->kind == COMMAND_OPEN) {
        seq->using_put = false;
        forget_lost(seq, cmd);
        if (ok && held == NULL && seq->n_open < SEQUENCE_SESSIONS)
            seq->open[seq->n_open++] = (struct held_session){ .session = command_session(cmd),
                                                              .channel = cmd->channel,
                                                              .container = container_of(cmd) };
        return;
    }
    if (cmd->kind == COMMAND_UPDATE && ok && !cmd->last_block)
        return;
    if (cmd->kind == COMMAND_UPDATE && ok && held != NULL
        && cmd->instruction->sequence == SEQUENCE_PUT) {
        seq->has_put = seq->using_put = true;
        seq->container = held->container;
        seq->put_channel = cmd->channel;
    }
    take_out(seq->open, &seq->n_open, held);
}

/* ------------------------------------------------------------------ sequences */

static bool is_list(const struct command *cmd)
{
    return cmd->instruction->sequence == SEQUENCE_LIST && cmd->apdu.p1 == IOTSAFE_P1_OBJECT_LIST;
}

static void book_generation(struct sequences *seq, const struct command *cmd, bool ok,
                            const uint8_t *data, size_t len)
{
    struct tlv point;

    if (!ok)
        return;
    seq->generating = cmd->apdu.ins == IOTSAFE_INS_GENERATE_KEY_PAIR
                      && tlv_find(data, len, IOTSAFE_TAG_PUBLIC_KEY_DATA, &point) != IOTSAFE_OK;
    seq->key_unread = seq->generating;
    seq->generate_channel = cmd->channel;
}

static void book_use(struct sequences *seq, const struct command *cmd)
{
    struct iotsafe_name name = container_of(cmd);

    if (may_be_same(&name, &seq->container))
        seq->using_put = false;
}

void sequences_book(struct sequences *seq, const struct command *cmd, bool ok, uint16_t sw,
                    const uint8_t *data, size_t len)
{
    if (cmd->instruction->ins_init != 0) {
        book_session(seq, cmd, ok);
    } else if (is_list(cmd)) {
        seq->listing = sw == SW_MORE_DATA && len != 0;
        seq->list_channel = cmd->channel;
    } else if (cmd->instruction->sequence == SEQUENCE_GENERATE) {
        book_generation(seq, cmd, ok, data, len);
    } else if (cmd->instruction->sequence == SEQUENCE_PUT) {
        book_use(seq, cmd);
    }
}

bool sequences_hold(const struct sequences *seq)
{
    return seq->n_open > 0 || seq->listing || seq->using_put || seq->generating;
}

void sequences_break(struct sequences *seq)
{
    while (seq->n_open > 0) {
        const struct held_session *s = &seq->open[--seq->n_open];

        if (!s->left && seq->n_lost < SEQUENCE_SESSIONS)
            seq->lost[seq->n_lost++] = *s;
    }
    seq->listing = seq->using_put = seq->generating = seq->left = false;
}

void sequences_leave(struct sequences *seq, uint8_t channel)
{
    for (size_t i = 0; i < seq->n_open; i++)
        if (seq->open[i].channel == channel)
            seq->open[i].left = seq->left = true;
    for (size_t i = seq->n_lost; i > 0; i--)
        if (seq->lost[i - 1].channel == channel)
            take_out(seq->lost, &seq->n_lost, &seq->lost[i - 1]);
    seq->listing = seq->listing && seq->list_channel != channel;
    seq->using_put = seq->using_put && seq->put_channel != channel;
    seq->generating = seq->generating && seq->generate_channel != channel;
}

bool sequences_late(const struct sequences *seq, const struct command *cmd)
{
    if (cmd->kind == COMMAND_UPDATE)
        return find(seq->lost, seq->n_lost, cmd) != NULL;
    return is_list(cmd) && cmd->apdu.p2 != IOTSAFE_P2_LIST_FIRST
           && (!seq->listing || seq->list_channel != cmd->channel);
}

bool sequences_outdated(const struct sequences *seq, const struct containers *list,
                        const struct command *cmd, uint64_t client)
{
    struct iotsafe_name name;

    switch (cmd->apdu.ins) {
    case IOTSAFE_INS_COMPUTE_DH:
        name = container_of(cmd);
        return !containers_fit(list, &name, client);
    case IOTSAFE_INS_VERIFY_SIGNATURE_INIT: /* a key that nobody's client put is the operator's */
        name = container_of(cmd);
        return cmd->kind == COMMAND_OPEN && seq->has_put && may_be_same(&name, &seq->container)
               && !containers_fit(list, &name, client);
    case IOTSAFE_INS_READ_PUBLIC_KEY:
        return seq->key_unread && list->generated_by != client;
    default:
        return false;
    }
}

void sequences_restart(struct sequences *seq, const struct command *cmd)
{
    if (cmd->kind == COMMAND_OPEN)
        seq->has_put = false;
    if (cmd->instruction->sequence == SEQUENCE_GENERATE)
        seq->key_unread = false;
}
