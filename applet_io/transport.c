/* SPDX-License-Identifier: Apache-2.0 */
/* see transport.h */
#include "transport.h"

static const struct transport_ops *const all_transports[] = {
#ifdef HAVE_PCSC
    &transport_pcsc,
#endif
#ifdef HAVE_AT
    &transport_at,
#endif
    &transport_socket,
};

static const struct transport_ops *added[4];

void transport_add(const struct transport_ops *ops)
{
    for (size_t i = 0; i < ARRAY_LEN(added); i++)
        if (added[i] == NULL) {
            added[i] = ops;
            return;
        }
}

/* The n-th kind, the built-in ones first; NULL behind the last. */
static const struct transport_ops *nth_kind(size_t n)
{
    if (n < ARRAY_LEN(all_transports))
        return all_transports[n];
    n -= ARRAY_LEN(all_transports);
    return n < ARRAY_LEN(added) ? added[n] : NULL;
}

static enum iotsafe_err open_as(const struct transport_ops *ops, const char *address,
                                const char *lock_dir, struct transport **ret_transport,
                                struct iotsafe_op *op)
{
    enum iotsafe_err err = ops->open(address, lock_dir, ret_transport, op);

    if (err == IOTSAFE_OK && (*ret_transport)->channel_advice == NULL)
        (*ret_transport)->channel_advice = "";
    if (err == IOTSAFE_OK && (*ret_transport)->refusal_advice == NULL)
        (*ret_transport)->refusal_advice = "";
    return err;
}

#define BRIEF_CONNECT_MS 700 /* and a first exchange: a second; an AT line takes 0.5 s to trust */

deadline_t transport_taken(struct transport *t, deadline_t deadline)
{
    t->taken = true;
    if (!t->brief)
        return deadline;
    if (t->brief_until == 0)
        t->brief_until = deadline_in(BRIEF_CONNECT_MS);
    return t->brief_until < deadline ? t->brief_until : deadline;
}

enum iotsafe_err transport_open(const char *text, const char *lock_dir,
                                struct transport **ret_transport, struct iotsafe_op *op)
{
    size_t scheme_len = strcspn(text, ":");
    const char *address = text[scheme_len] == ':' ? text + scheme_len + 1 : "";
    const struct transport_ops *ops;

    for (size_t i = 0; (ops = nth_kind(i)) != NULL; i++)
        if (strlen(ops->scheme) == scheme_len && strncmp(text, ops->scheme, scheme_len) == 0)
            return open_as(ops, address, lock_dir, ret_transport, op);
    op_set(op, "transport \"%.100s\": unknown kind of transport; this build has", text);
    for (size_t i = 0; (ops = nth_kind(i)) != NULL; i++)
        op_add(op, "%s %s:", i > 0 ? "," : "", ops->scheme);
    return IOTSAFE_ERR_CONFIG;
}

enum iotsafe_err transport_check(const char *text, struct iotsafe_op *op)
{
    struct transport *t = NULL;
    enum iotsafe_err err = transport_open(text, "", &t, op);

    if (err == IOTSAFE_OK)
        t->ops->close(t);
    return err;
}
