/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs do. Objects are changed as the operator would over the air: at once,
 * persistently, and noticed by open sessions. */
#include "admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "operator.h"

static void say(struct buf *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct buf *text, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n > 0)
        buf_put(text, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

const char *admin_option(const struct admin_request *req, const char *name)
{
    return json_string_value(json_object_get(req->options, name));
}

/* ---- list ---- */

static json_t *object_json(const struct object *o)
{
    char id[2 * IOTSAFE_ID_MAX + 1];

    softsim_hex_encode(o->id, o->id_len, id);
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:i, s:i, s:i, s:i, s:i, s:i}", "kind",
                     kind_tags[o->kind].name, "id", id, "label", o->label, "active",
                     o->state == IOTSAFE_STATE_ACTIVATED, "filled", object_has_content(o), "type",
                     o->key_type, "functions", o->functions, "access", o->access, "usage",
                     o->kind == KIND_FILE ? o->file_usage : o->usage, "size", (int)o->size,
                     "length", (int)o->content.len);
}

static bool list_as_json(const struct store *s, struct buf *text)
{
    json_t *all = json_array();
    char *dump;

    for (size_t i = 0; i < s->n_objects; i++)
        json_array_append_new(all, object_json(s->objects[i]));
    dump = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    if (dump == NULL)
        return false;
    buf_put(text, dump, strlen(dump));
    buf_u8(text, '\n');
    free(dump);
    return true;
}

static bool verb_list(struct sim *sim, const struct admin_request *req, struct buf *text,
                      struct err *err)
{
    const struct store *s = sim->card.store;

    if (admin_option(req, "json") != NULL)
        return list_as_json(s, text) || err_set(err, "out of memory");
    for (size_t i = 0; i < s->n_objects; i++) {
        const struct object *o = s->objects[i];
        char id[2 * IOTSAFE_ID_MAX + 1];

        softsim_hex_encode(o->id, o->id_len, id);
        say(text, "%-8s %-8s %-16s %-11s", kind_tags[o->kind].name, id, o->label,
            o->state == IOTSAFE_STATE_ACTIVATED ? "active" : "deactivated");
        if (o->kind == KIND_FILE)
            say(text, " %zu bytes of %zu\n", o->content.len, o->size);
        else
            say(text, " type %02X functions %02X access %02X%s\n", o->key_type, o->functions,
                o->access, object_has_content(o) ? "" : " empty");
    }
    return true;
}

/* ---- objects: see operator.c ---- */

static bool verb_generate_key(struct sim *sim, const struct admin_request *req, struct buf *text,
                              struct err *err)
{
    (void)text;
    return operator_generate_key(sim->card.store, req->arg[0], err);
}

static bool verb_put_file(struct sim *sim, const struct admin_request *req, struct buf *text,
                          struct err *err)
{
    const struct operator_file f = {
        .id = admin_option(req, "id"),
        .size = admin_option(req, "size"),
        .usage = admin_option(req, "usage"),
        .data = req->data.data,
        .len = req->data.len,
    };

    (void)text;
    return operator_put_file(sim->card.store, req->arg[0], &f, err);
}

static bool verb_put_key(struct sim *sim, const struct admin_request *req, struct buf *text,
                         struct err *err)
{
    (void)text;
    return operator_put_key(sim->card.store, req->arg[0], admin_option(req, "id"), &req->data, err);
}

static bool verb_put_secret(struct sim *sim, const struct admin_request *req, struct buf *text,
                            struct err *err)
{
    (void)text;
    return operator_put_secret(sim->card.store, req->arg[0], admin_option(req, "id"), &req->data,
                               err);
}

/* delete, activate and deactivate take "NAME" or "KIND NAME". */
static bool with_objects(struct sim *sim, const struct admin_request *req, enum operator_action a,
                         struct err *err)
{
    const char *kind = req->n_args == 2 ? req->arg[0] : NULL;

    return operator_change(sim->card.store, kind, req->arg[req->n_args - 1], a, err);
}

static bool verb_delete(struct sim *sim, const struct admin_request *req, struct buf *text,
                        struct err *err)
{
    (void)text;
    return with_objects(sim, req, OPERATOR_DELETE, err);
}

static bool verb_deactivate(struct sim *sim, const struct admin_request *req, struct buf *text,
                            struct err *err)
{
    (void)text;
    return with_objects(sim, req, OPERATOR_DEACTIVATE, err);
}

static bool verb_activate(struct sim *sim, const struct admin_request *req, struct buf *text,
                          struct err *err)
{
    (void)text;
    return with_objects(sim, req, OPERATOR_ACTIVATE, err);
}

/* ---- the card as a whole ---- */

static bool verb_busy(struct sim *sim, const struct admin_request *req, struct buf *text,
                      struct err *err)
{
    long seconds;

    (void)text;
    if (!number_parse(req->arg[0], 0, 86400, &seconds))
        return err_set(err, "%s: not a number of seconds", req->arg[0]);
    sim_busy(sim, seconds);
    return true;
}

static bool verb_reset(struct sim *sim, const struct admin_request *req, struct buf *text,
                       struct err *err)
{
    (void)req, (void)text, (void)err;
    sim_reset(sim, NULL, "admin");
    return true;
}

static bool verb_remove(struct sim *sim, const struct admin_request *req, struct buf *text,
                        struct err *err)
{
    (void)req, (void)text;
    if (!sim->present)
        return err_set(err, "the card is already removed");
    sim_set_present(sim, false);
    return true;
}

static bool verb_insert(struct sim *sim, const struct admin_request *req, struct buf *text,
                        struct err *err)
{
    (void)text;
    if (req->n_args == 1)
        return sim_replace(sim, req->arg[0], REPLACE_CARD, err);
    if (sim->present)
        return err_set(err, "the card is already inserted");
    sim_set_present(sim, true);
    return true;
}

static bool verb_switch(struct sim *sim, const struct admin_request *req, struct buf *text,
                        struct err *err)
{
    (void)text;
    if (!sim->present)
        return err_set(err, "the card is out");
    return sim_replace(sim, req->arg[0], REPLACE_PROFILE, err);
}

/* ---- the modem, where the SIM is in one ---- */

static bool verb_modem_replug(struct sim *sim, const struct admin_request *req, struct buf *text,
                              struct err *err)
{
    (void)req, (void)text;
    return sim_modem_replug(sim, err);
}

static bool verb_modem_set(struct sim *sim, const struct admin_request *req, struct buf *text,
                           struct err *err)
{
    (void)text;
    for (size_t i = 0; i < req->n_args; i++)
        if (!sim_modem_set(sim, req->arg[i], err))
            return false;
    return true;
}

/* ---- counters and faults ---- */

static json_t *usim_json(const struct usim *u)
{
    const struct usim_pin *p = u->pin;

    return json_pack("{s:i, s:i, s:i, s:i, s:I}", "pin1_tries", p[0].pin_tries, "pin2_tries",
                     p[1].pin_tries, "puk1_tries", p[0].puk_tries, "puk2_tries", p[1].puk_tries,
                     "tries_lost", (json_int_t)u->tries_lost);
}

static int open_channels(const struct sim *sim)
{
    int n = 0;

    for (const struct sim_user *u = sim->users; u != NULL; u = u->next)
        for (size_t i = 1; i < N_CHANNELS; i++)
            n += u->client.channel[i].open;
    return n;
}

static json_t *counters_json(const struct sim *sim)
{
    json_t *instructions = json_object();
    json_t *clients = json_array();

    for (size_t i = 0; card_command_row(i) != NULL && i < ARRAY_LEN(sim->by_row); i++)
        if (sim->by_row[i] != 0)
            json_object_set_new(instructions, card_command_row(i),
                                json_integer((json_int_t)sim->by_row[i]));
    for (const struct sim_user *u = sim->users; u != NULL; u = u->next)
        json_array_append_new(clients, json_pack("{s:i, s:s, s:I}", "client", (int)u->id, "front",
                                                 u->front, "exchanges", (json_int_t)u->exchanges));
    return json_pack("{s:I, s:I, s:I, s:b, s:i, s:i, s:o, s:o, s:o}", "exchanges",
                     (json_int_t)sim->n_exchanges, "resets", (json_int_t)sim->n_resets,
                     "line_faults", (json_int_t)sim->n_line_faults, "present", sim->present,
                     "faults_armed", (int)sim->faults.n, "channels", open_channels(sim),
                     "instructions", instructions, "clients", clients, "usim",
                     usim_json(&sim->card.usim));
}

static bool verb_counters(struct sim *sim, const struct admin_request *req, struct buf *text,
                          struct err *err)
{
    json_t *all = counters_json(sim);
    char *dump = json_dumps(all, JSON_COMPACT);

    json_decref(all);
    if (dump == NULL)
        return err_set(err, "out of memory");
    buf_put(text, dump, strlen(dump));
    buf_u8(text, '\n');
    free(dump);
    if (admin_option(req, "reset") != NULL)
        sim_clear_counters(sim);
    return true;
}

static bool fault_number(const struct admin_request *req, const char *name, long min, long *ret,
                         struct err *err)
{
    const char *text = admin_option(req, name);

    if (text == NULL)
        return true;
    return number_parse(text, min, 1000000000, ret)
           || err_set(err, "--%s %s: not a number from %ld", name, text, min);
}

static bool verb_fault(struct sim *sim, const struct admin_request *req, struct buf *text,
                       struct err *err)
{
    const char *ins = admin_option(req, "ins");
    struct fault f;

    (void)text;
    if (strcmp(req->arg[0], "clear") == 0) {
        sim->faults.n = 0;
        return true;
    }
    if (!fault_parse(req->arg[0], &f, err) || !fault_number(req, "skip", 0, &f.skip, err)
        || !fault_number(req, "count", 1, &f.count, err))
        return false;
    if (ins != NULL && (strlen(ins) >= sizeof(f.ins) || !fault_name_known(ins)))
        return err_set(err, "--ins %s: no such instruction", ins);
    if (ins != NULL)
        snprintf(f.ins, sizeof(f.ins), "%s", ins);
    return fault_add(&sim->faults, &f) || err_set(err, "too many faults are armed");
}

static const struct admin_verb verbs[] = {
    { "list", "[--json]", 0, 0, false, "", "json", verb_list },
    { "generate-key", "NAME", 1, 1, false, "", "", verb_generate_key },
    { "put-file", "NAME FILE [--id HEX] [--size N] [--usage cert|general]", 2, 2, true,
      "id size usage", "", verb_put_file },
    { "put-key", "NAME FILE [--id HEX]", 2, 2, true, "id", "", verb_put_key },
    { "put-secret", "NAME FILE [--id HEX]", 2, 2, true, "id", "", verb_put_secret },
    { "delete", "[KIND] NAME", 1, 2, false, "", "", verb_delete },
    { "deactivate", "[KIND] NAME", 1, 2, false, "", "", verb_deactivate },
    { "activate", "[KIND] NAME", 1, 2, false, "", "", verb_activate },
    { "busy", "SECONDS", 1, 1, false, "", "", verb_busy },
    { "reset", "", 0, 0, false, "", "", verb_reset },
    { "remove", "", 0, 0, false, "", "", verb_remove },
    { "insert", "[STORE]", 0, 1, false, "", "", verb_insert },
    { "switch", "STORE", 1, 1, false, "", "", verb_switch },
    { "modem-replug", "", 0, 0, false, "", "", verb_modem_replug },
    { "modem-set", "NAME=VALUE [NAME=VALUE]", 1, 2, false, "", "", verb_modem_set },
    { "counters", "[--reset]", 0, 0, false, "", "reset", verb_counters },
    { "fault", "EFFECT|clear [--ins NAME] [--skip N] [--count N]", 1, 1, false, "ins skip count",
      "", verb_fault },
};

const struct admin_verb *admin_verb_row(size_t i)
{
    return i < ARRAY_LEN(verbs) ? &verbs[i] : NULL;
}

const struct admin_verb *admin_verb_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

bool admin_name_in(const char *names, const char *name)
{
    size_t len = strlen(name);

    while (*names != '\0') {
        size_t n = strcspn(names, " ");

        if (n == len && strncmp(names, name, n) == 0)
            return true;
        names += n;
        names += *names == ' ';
    }
    return false;
}

/* ---- one request ---- */

static bool read_data(const json_t *root, struct buf *ret)
{
    const char *hex = json_string_value(json_object_get(root, "data"));
    size_t n = hex == NULL ? 0 : strlen(hex) / 2;
    uint8_t *bytes = malloc(n + 1);
    bool ok = bytes != NULL && (hex == NULL || softsim_hex_decode(hex, bytes, n, &n));

    if (ok)
        buf_put(ret, bytes, n);
    if (bytes != NULL)
        OPENSSL_cleanse(bytes, n);
    free(bytes);
    return ok && !ret->failed;
}

static bool read_request(const json_t *root, struct admin_request *ret, struct err *err)
{
    const json_t *args = json_object_get(root, "args");
    const json_t *item;
    const char *key;
    size_t i;

    ret->verb = json_string_value(json_object_get(root, "verb"));
    ret->options = json_object_get(root, "options");
    if (ret->verb == NULL)
        return err_set(err, "no verb");
    json_array_foreach(args, i, item)
    {
        if (i == ARRAY_LEN(ret->arg) || !json_is_string(item))
            return err_set(err, "too many arguments, or one is not text");
        ret->arg[i] = json_string_value(item);
        ret->n_args++;
    }
    for (void *it = json_object_iter((json_t *)(uintptr_t)ret->options); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)ret->options, it)) {
        key = json_object_iter_key(it);
        if (!json_is_string(json_object_iter_value(it)))
            return err_set(err, "option %s is not text", key);
    }
    return read_data(root, &ret->data) || err_set(err, "data is not hexadecimal");
}

static bool run(struct sim *sim, const json_t *root, struct buf *text, struct err *err)
{
    struct admin_request req = { .verb = NULL };
    const struct admin_verb *v;
    bool ok = read_request(root, &req, err);

    v = ok ? admin_verb_find(req.verb) : NULL;
    if (ok && v == NULL)
        ok = err_set(err, "%s: no such verb", req.verb);
    else if (ok && (req.n_args < v->min_args || req.n_args > v->max_args))
        ok = err_set(err, "usage: %s %s", v->name, v->usage);
    else if (ok)
        ok = v->run(sim, &req, text, err);
    buf_clear(&req.data);
    return ok;
}

char *admin_execute(struct sim *sim, const char *line, size_t len)
{
    json_error_t jerr;
    json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &jerr);
    struct buf text = { 0 };
    struct err err = { "not a JSON object" };
    bool ok = json_is_object(root) && run(sim, root, &text, &err);
    json_t *reply;
    char *dump;

    buf_u8(&text, '\0');
    if (ok && text.failed)
        ok = err_set(&err, "out of memory");
    reply = json_pack("{s:b, s:s}", "ok", ok, "text", ok ? (const char *)text.data : err.text);
    dump = reply == NULL ? NULL : json_dumps(reply, JSON_COMPACT);
    json_decref(reply);
    json_decref(root);
    buf_clear(&text);
    return dump;
}
