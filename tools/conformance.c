/* SPDX-License-Identifier: Apache-2.0 */
/* see conformance.h */
#include "conformance.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ----------------------------------------------------------------- findings */

void found(struct inquiry *q, bool copes, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(q->finding->seen, sizeof(q->finding->seen), format, args);
    va_end(args);
    q->finding->asked = true;
    q->finding->copes = copes;
}

void not_asked(struct inquiry *q, const char *why)
{
    (void)snprintf(q->finding->seen, sizeof(q->finding->seen), "not asked: %s", why);
    q->finding->asked = false;
    q->finding->copes = true;
}

void setting(struct inquiry *q, const char *name, const char *value)
{
    json_object_set_new(q->settings, name, json_string(value));
}

void setting_number(struct inquiry *q, const char *name, unsigned value)
{
    json_object_set_new(q->settings, name, json_integer((json_int_t)value));
}

/* ----------------------------------------------------------------- commands */

bool sw_is_success(uint16_t sw)
{
    return sw == SW_OK || sw == SW_ADMIN_ENDED || (sw & 0xff00) == SW_PROACTIVE;
}

enum iotsafe_err ask(struct inquiry *q, const struct iotsafe_probe_command *cmd)
{
    struct iotsafe_probe_command form = *cmd;

    if (q->no_le && form.le == IOTSAFE_LE_LEARNED)
        form.le = IOTSAFE_LE_NOT_BEHIND_DATA;
    return iotsafe_probe_send(q->probe, &form, &q->rsp);
}

void data_put(struct tlv_data *data, uint8_t tag, const void *value, size_t len)
{
    if (len + 2 > sizeof(data->bytes) - data->len)
        return;
    data->bytes[data->len++] = tag;
    data->bytes[data->len++] = (uint8_t)len;
    memcpy(data->bytes + data->len, value, len);
    data->len += len;
}

void data_put_name(struct tlv_data *data, enum iotsafe_kind kind, const struct iotsafe_name *name)
{
    static const struct {
        uint8_t id, label;
    } tags[] = {
        [IOTSAFE_PRIVATE_KEY] = { IOTSAFE_TAG_PRIVATE_KEY_ID, IOTSAFE_TAG_PRIVATE_KEY_LABEL },
        [IOTSAFE_PUBLIC_KEY] = { IOTSAFE_TAG_PUBLIC_KEY_ID, IOTSAFE_TAG_PUBLIC_KEY_LABEL },
        [IOTSAFE_FILE] = { IOTSAFE_TAG_FILE_ID, IOTSAFE_TAG_FILE_LABEL },
        [IOTSAFE_SECRET] = { IOTSAFE_TAG_SECRET_ID, IOTSAFE_TAG_SECRET_LABEL },
    };

    if (name->id_len != 0)
        data_put(data, tags[kind].id, name->id, name->id_len);
    else
        data_put(data, tags[kind].label, name->label, name->label_len);
}

enum iotsafe_err ask_init(struct inquiry *q, uint8_t ins, unsigned session,
                          const struct algorithm *a)
{
    const bool signs = ins == IOTSAFE_INS_COMPUTE_SIGNATURE_INIT;
    const uint8_t hash[] = { 0, a->hash };
    struct tlv_data data = { .len = 0 };

    data_put_name(&data, signs ? IOTSAFE_PRIVATE_KEY : IOTSAFE_PUBLIC_KEY,
                  signs ? &q->key : &q->verifier);
    data_put(&data, IOTSAFE_TAG_MODE, &a->mode, 1);
    data_put(&data, IOTSAFE_TAG_HASH, hash, sizeof(hash));
    data_put(&data, IOTSAFE_TAG_SIGNATURE_ALG, &a->sig, 1);
    return ask(q, &(struct iotsafe_probe_command){ .ins = ins,
                                                   .p2 = (uint8_t)session,
                                                   .data = data.bytes,
                                                   .data_len = data.len,
                                                   .whole = true });
}

enum iotsafe_err ask_close(struct inquiry *q, uint8_t ins, unsigned session)
{
    return ask(q, &(struct iotsafe_probe_command){
                      .ins = ins, .p1 = IOTSAFE_P1_SESSION_CLOSE, .p2 = (uint8_t)session });
}

const uint8_t *tlv_value(const uint8_t *bytes, size_t len, uint8_t tag, size_t *ret_len)
{
    for (size_t at = 0; at + 2 <= len;) {
        const uint8_t *head = bytes + at;
        size_t size = head[1], skip = 2;

        if (size == 0x81 && at + 3 <= len) {
            size = head[2];
            skip = 3;
        } else if (size == 0x82 && at + 4 <= len) {
            size = (size_t)head[2] << 8 | head[3];
            skip = 4;
        }
        if (size > len - at - skip)
            size = len - at - skip;
        if (head[0] == tag) {
            *ret_len = size;
            return head + skip;
        }
        at += skip + size;
    }
    return NULL;
}

/* ---------------------------------------------------------------- preparing */

static bool can_sign(const struct iotsafe_object *o)
{
    const bool may = (o->told & IOTSAFE_TOLD_FUNCTIONS) == 0
                     || (o->functions & IOTSAFE_FUNCTION_SIGN) != 0;
    const bool is_ec = (o->told & IOTSAFE_TOLD_KEY_TYPE) == 0 || o->key_type != IOTSAFE_KEY_RSA2048;

    return o->kind == IOTSAFE_PRIVATE_KEY && may && is_ec
           && ((o->told & IOTSAFE_TOLD_STATE) == 0 || o->state == IOTSAFE_STATE_ACTIVATED);
}

/* The public key of the key that signs: of equal label, else of equal identifier. */
static bool belongs(const struct iotsafe_object *o, const struct iotsafe_name *private_key)
{
    return o->kind == IOTSAFE_PUBLIC_KEY
           && (iotsafe_name_same_label(&o->name, private_key)
               || (o->name.label_len == 0 && iotsafe_name_same_id(&o->name, private_key)));
}

static void choose_objects(struct inquiry *q)
{
    for (size_t i = 0; i < q->n_objects; i++) {
        const struct iotsafe_object *o = &q->objects[i];

        if (iotsafe_name_is_empty(&q->key) && can_sign(o))
            q->key = o->name;
        if (o->kind == IOTSAFE_FILE && (q->file.kind == 0 || o->file_size > q->file.file_size)
            && o->file_usage == IOTSAFE_FILE_CERTIFICATE)
            q->file = *o;
    }
    for (size_t i = 0; i < q->n_objects; i++) {
        const struct iotsafe_object *o = &q->objects[i];

        if (o->kind == IOTSAFE_FILE && q->file.kind == 0)
            q->file = *o;
        if (iotsafe_name_is_empty(&q->verifier) && belongs(o, &q->key))
            q->verifier = o->name;
    }
}

/* ------------------------------------------------------------------- asking */

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct turn {
    struct inquiry *q;
    const struct rule *rule;
};

static enum iotsafe_err ask_rule(struct iotsafe_probe *probe, void *arg)
{
    struct turn *turn = arg;
    enum iotsafe_err err;

    turn->q->probe = probe;
    err = turn->rule->ask(turn->q);
    turn->q->probe = NULL;
    return err;
}

/* What the rule lacks; NULL: nothing. */
static const char *missing(const struct inquiry *q, const struct rule *rule)
{
    switch (rule->needs) {
    case NEEDS_KEY:
        return iotsafe_name_is_empty(&q->key) ? "no key that signs is known (--key)" : NULL;
    case NEEDS_VERIFIER:
        return iotsafe_name_is_empty(&q->verifier) ? "no public key is known" : NULL;
    case NEEDS_FILE:
        return q->file.kind == 0 ? "no file is known" : NULL;
    case NEEDS_PAIR:
        return !q->may_write           ? "changes the card (--write)"
               : q->write_pair == NULL ? "no container of a private key is named"
                                       : NULL;
    case NEEDS_PUBLIC:
        return !q->may_write             ? "changes the card (--write)"
               : q->write_public == NULL ? "no container of a public key is named"
                                         : NULL;
    default:
        return NULL;
    }
}

/* Refusals are findings; what ends the way to the card ends the inquiry. */
static bool run_rule(struct inquiry *q, const struct rule *rule, const struct iotsafe_op *begun)
{
    struct turn turn = { q, rule };
    const char *why = missing(q, rule);
    const int64_t start = now_ms();
    enum iotsafe_err err;

    if (why != NULL) {
        not_asked(q, why);
        return true;
    }
    q->op = *begun;
    err = iotsafe_probe(q->card, rule->needs >= NEEDS_PAIR && q->may_write, ask_rule, &turn,
                        &q->op);
    q->finding->ms = (unsigned)(now_ms() - start);
    if (err == IOTSAFE_OK)
        return true;
    found(q, false, "%s", iotsafe_strerror(err));
    return iotsafe_err_is_refusal(err) || err == IOTSAFE_ERR_ARGUMENT
           || err == IOTSAFE_ERR_CHANNEL_LOST || err == IOTSAFE_ERR_BUSY;
}

/* Without the applet all is said. */
static void note_absence(struct inquiry *q)
{
    found(q, false, "no IoT SAFE applet");
    setting(q, "applet", "absent");
}

static size_t add_rules(const struct rule *from, const struct rule **rules, size_t n)
{
    for (; from->name != NULL && n < RULES_MAX; from++)
        rules[n++] = from;
    return n;
}

bool conformance_ask(struct inquiry *q, const struct rule **ret_rules, struct finding *ret_findings,
                     size_t *ret_n)
{
    const struct iotsafe_op begun = q->op;
    enum iotsafe_err err = iotsafe_card_info(q->card, &q->info, &q->op);
    const bool absent = err == IOTSAFE_ERR_NO_APPLET;
    size_t n = add_rules(rules_way, ret_rules, 0);

    n = add_rules(rules_objects, ret_rules, n);
    n = add_rules(rules_keys, ret_rules, n);
    *ret_n = n;
    if (err != IOTSAFE_OK && !absent && !iotsafe_err_is_refusal(err))
        return false;
    if (!absent) {
        struct iotsafe_op part = begun;

        if (iotsafe_list(q->card, &q->objects, &q->n_objects, &part) != IOTSAFE_OK) {
            q->objects = NULL;
            q->n_objects = 0;
        }
        choose_objects(q);
    }
    for (size_t i = 0; i < n; i++) {
        q->finding = &ret_findings[i];
        if (absent && i == 0)
            note_absence(q);
        else if (absent)
            not_asked(q, "no applet");
        else if (!run_rule(q, ret_rules[i], &begun))
            return false;
    }
    return true;
}

void conformance_clear(struct inquiry *q)
{
    OPENSSL_cleanse(&q->rsp, sizeof(q->rsp));
    free(q->objects);
    json_decref(q->settings);
}

/* Of a rule that was not asked nobody knows whether we cope. */
json_t *conformance_json(const struct rule *const *rules, const struct finding *findings, size_t n)
{
    json_t *all = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(
            all, json_pack("{s:s, s:s, s:s, s:o, s:i}", "rule", rules[i]->name, "expected",
                           rules[i]->expected, "seen", findings[i].seen, "copes",
                           findings[i].asked ? json_boolean(findings[i].copes) : json_null(), "ms",
                           (int)findings[i].ms));
    return all;
}
