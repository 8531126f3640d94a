/* SPDX-License-Identifier: Apache-2.0 */
/* Timing profiles as a table. */
#include "latency.h"

#include <stddef.h>
#include <string.h>

#define MAX_FIGURE 10000000

static const struct {
    const char *name;
    struct latency figures;
} profiles[] = {
    { "none", { 0, 0, 0, 0, 0, 0, false } },
    { "reader", { 5, 20000, 59, 68, 135, 104, false } },
    { "modem", { 25, 6250, 110, 200, 860, 110, true } },
    { "slow", { 100, 1000, 300, 400, 1500, 300, true } },
};

static const struct {
    const char *name;
    size_t offset;
} figures[] = {
    { "overhead", offsetof(struct latency, overhead_ms) },
    { "rate", offsetof(struct latency, rate) },
    { "sign", offsetof(struct latency, sign_ms) },
    { "verify", offsetof(struct latency, verify_ms) },
    { "generate", offsetof(struct latency, generate_ms) },
    { "ecdh", offsetof(struct latency, ecdh_ms) },
};

bool latency_init(struct latency *l, const char *name, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        if (strcmp(profiles[i].name, name) == 0) {
            *l = profiles[i].figures;
            return true;
        }
    }
    return err_set(err, "%s: the timing is one of none, reader, modem, slow", name);
}

static bool set_case4(struct latency *l, const char *value, struct err *err)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return err_set(err, "case4-61=%s: yes or no", value);
    l->case4_by_61 = value[0] == 'y';
    return true;
}

bool latency_set(struct latency *l, const char *setting, struct err *err)
{
    size_t len = strcspn(setting, "=");
    const char *value = setting + len + (setting[len] == '=');

    if (len == strlen("case4-61") && strncmp(setting, "case4-61", len) == 0)
        return set_case4(l, value, err);
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        char *field = (char *)l + figures[i].offset;
        long v;

        if (strlen(figures[i].name) != len || strncmp(figures[i].name, setting, len) != 0)
            continue;
        if (!number_parse(value, 0, MAX_FIGURE, &v))
            return err_set(err, "%s: not a number from 0 to %d", setting, MAX_FIGURE);
        memcpy(field, &v, sizeof(v));
        return true;
    }
    return err_set(err,
                   "%s: the figures are overhead, rate, sign, verify, generate, ecdh, "
                   "case4-61",
                   setting);
}

uint64_t latency_us(const struct latency *l, size_t bytes, enum operation op)
{
    const long of_op[] = { [OP_NONE] = 0,
                           [OP_SIGN] = l->sign_ms,
                           [OP_VERIFY] = l->verify_ms,
                           [OP_GENERATE] = l->generate_ms,
                           [OP_AGREE] = l->ecdh_ms };
    uint64_t us = 1000u * (uint64_t)(l->overhead_ms + of_op[op]);

    if (l->rate > 0)
        us += (uint64_t)bytes * 1000000u / (uint64_t)l->rate;
    return us;
}
