/* SPDX-License-Identifier: Apache-2.0 */
/* Fault injection. */
#include "fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "card.h"

#define GARBAGE_MAX 4096
#define DELAY_MAX 3600000

static const struct {
    const char *name;
    bool has_arg;
    long max;
} effects[] = {
    [FAULT_SW] = { "sw", true, 0xffff },
    [FAULT_RESET] = { "reset", false, 0 },
    [FAULT_TRUNCATE] = { "truncate", true, 258 },
    [FAULT_FLIP] = { "flip", true, 258 * 8 - 1 },
    [FAULT_GARBAGE] = { "garbage", true, GARBAGE_MAX },
    [FAULT_DELAY] = { "delay", true, DELAY_MAX },
    [FAULT_MUTE] = { "mute", false, 0 },
    [FAULT_AWAY] = { "away", true, DELAY_MAX },
};

static bool parse_arg(enum fault_effect e, const char *text, long *ret)
{
    uint8_t sw[2];
    size_t n;

    if (e != FAULT_SW)
        return number_parse(text, 0, effects[e].max, ret);
    if (!softsim_hex_decode(text, sw, sizeof(sw), &n) || n != 2)
        return false;
    *ret = u16_be(sw);
    return true;
}

bool fault_parse(const char *effect, struct fault *ret, struct err *err)
{
    size_t len = strcspn(effect, "=");

    for (size_t i = 0; i < ARRAY_LEN(effects); i++) {
        struct fault f = { .effect = (enum fault_effect)i, .count = 1 };

        if (strlen(effects[i].name) != len || strncmp(effects[i].name, effect, len) != 0)
            continue;
        if (effects[i].has_arg != (effect[len] == '='))
            return err_set(err, "%s: %s value", effects[i].name,
                           effects[i].has_arg ? "needs a" : "takes no");
        if (effects[i].has_arg && !parse_arg(f.effect, effect + len + 1, &f.arg))
            return err_set(err, "%s: bad value", effect);
        *ret = f;
        return true;
    }
    return err_set(err,
                   "%s: the effects are sw=XXXX, reset, truncate=N, flip=BIT, garbage=N, "
                   "delay=MS, mute, away=MS",
                   effect);
}

/* Letters and digits only, lower case. */
static void squeeze(const char *in, char *out, size_t cap)
{
    size_t n = 0;

    for (; *in != '\0' && n + 1 < cap; in++) {
        if (*in >= 'A' && *in <= 'Z')
            out[n++] = (char)(*in - 'A' + 'a');
        else if ((*in >= 'a' && *in <= 'z') || (*in >= '0' && *in <= '9'))
            out[n++] = *in;
    }
    out[n] = '\0';
}

bool fault_name_fits(const char *wanted, const char *command_name, uint8_t ins)
{
    char want[64], have[64];
    uint8_t byte;
    size_t n;

    if (wanted[0] == '\0')
        return true;
    if (strlen(wanted) == 2 && softsim_hex_decode(wanted, &byte, 1, &n))
        return byte == ins;
    squeeze(wanted, want, sizeof(want));
    squeeze(command_name, have, sizeof(have));
    return want[0] != '\0' && strncmp(want, have, strlen(want)) == 0;
}

bool fault_name_known(const char *wanted)
{
    uint8_t byte;
    size_t n;

    if (strlen(wanted) == 2 && softsim_hex_decode(wanted, &byte, 1, &n))
        return true;
    for (size_t i = 0; card_command_row(i) != NULL; i++)
        if (fault_name_fits(wanted, card_command_row(i), 0))
            return true;
    return false;
}

bool fault_add(struct fault_list *list, const struct fault *f)
{
    if (list->n == FAULTS_MAX)
        return false;
    list->item[list->n++] = *f;
    return true;
}

/* True if this command is hit; counts it in any case. */
static bool strike(struct fault *f)
{
    if (f->skip > 0) {
        f->skip--;
        return false;
    }
    if (f->count > 0) {
        f->count--;
        return true;
    }
    return false;
}

void fault_judge(struct fault_list *list, const char *command_name, uint8_t ins,
                 struct verdict *ret)
{
    size_t kept = 0;

    *ret = (struct verdict){ .hit = { false } };
    for (size_t i = 0; i < list->n; i++) {
        struct fault f = list->item[i];

        if (fault_name_fits(f.ins, command_name, ins) && strike(&f)) {
            ret->hit[f.effect] = true;
            ret->arg[f.effect] = f.arg;
        }
        if (f.count > 0)
            list->item[kept++] = f;
    }
    list->n = kept;
}

/* Random bytes that end in no status word: one in a hundred would end in one that
 * says success or that more waits, and be no garbage but an answer. */
static void make_garbage(uint8_t *rsp, size_t len)
{
    if (len != 0 && RAND_bytes(rsp, (int)len) != 1)
        memset(rsp, 0xa5, len);
    if (len >= 2 && ((rsp[len - 2] & 0xf0) == 0x60 || (rsp[len - 2] & 0xf0) == 0x90))
        rsp[len - 2] ^= 0x20;
}

void fault_damage(const struct verdict *v, uint8_t *rsp, size_t cap, size_t *len)
{
    if (v->hit[FAULT_GARBAGE]) {
        *len = (size_t)v->arg[FAULT_GARBAGE] < cap ? (size_t)v->arg[FAULT_GARBAGE] : cap;
        make_garbage(rsp, *len);
    }
    if (v->hit[FAULT_FLIP] && (size_t)v->arg[FAULT_FLIP] / 8 < *len)
        rsp[v->arg[FAULT_FLIP] / 8] ^= (uint8_t)(1u << (v->arg[FAULT_FLIP] % 8));
    if (v->hit[FAULT_TRUNCATE] && (size_t)v->arg[FAULT_TRUNCATE] < *len)
        *len = (size_t)v->arg[FAULT_TRUNCATE];
}
