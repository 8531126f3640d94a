/* see transport.h */
#include "transport.h"

static const struct transport_ops *const all_transports[] = {
#ifdef HAVE_PCSC
    &transport_pcsc,
#endif
    &transport_socket,
};

enum iotsafe_err transport_open(const char *text, const char *lock_dir,
                                struct transport **ret_transport, struct iotsafe_diag *diag)
{
    size_t scheme_len = strcspn(text, ":");
    const char *address = text[scheme_len] == ':' ? text + scheme_len + 1 : "";

    for (size_t i = 0; i < ARRAY_LEN(all_transports); i++) {
        const struct transport_ops *ops = all_transports[i];

        if (strlen(ops->scheme) == scheme_len && strncmp(text, ops->scheme, scheme_len) == 0)
            return ops->open(address, lock_dir, ret_transport, diag);
    }
    diag_set(diag, "transport \"%.100s\": unknown kind of transport; this build has", text);
    for (size_t i = 0; i < ARRAY_LEN(all_transports); i++)
        diag_add(diag, "%s %s:", i > 0 ? "," : "", all_transports[i]->scheme);
    return IOTSAFE_ERR_CONFIG;
}

enum iotsafe_err transport_check(const char *text, struct iotsafe_diag *diag)
{
    struct transport *t = NULL;
    enum iotsafe_err err = transport_open(text, "", &t, diag);

    if (err == IOTSAFE_OK)
        t->ops->close(t);
    return err;
}
