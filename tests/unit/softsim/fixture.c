/* SPDX-License-Identifier: Apache-2.0 */
/* The example card. */
#include "fixture.h"

#include <string.h>

#define SCALAR_SIGN "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
#define SCALAR_EPHEMERAL "7D7DC5F71EB29DDAF80D6214632EEAE03D9058AF1FB6D22ED80BADB62BC1A534"

static const char certificate_hex[] =
#include "example_cert.inc"
    ;

size_t unhex(const char *hex, uint8_t *out, size_t cap)
{
    size_t n = 0;

    cr_assert(softsim_hex_decode(hex, out, cap, &n), "bad hex in a test: %s", hex);
    return n;
}

size_t example_certificate(uint8_t out[static 700])
{
    return unhex(certificate_hex, out, 700);
}

/* The attributes of example 11.4, form B. */
static const struct row {
    enum kind kind;
    const char *label;
    uint8_t id, access, state, type, usage, functions, sig, agreement, derivation;
    uint16_t hash;
} rows[] = {
    { KIND_PRIVATE, "tls-client", 1, 0, 1, 0x13, 1, 1, 4, 0, 0, 1 },
    { KIND_PRIVATE, "device-attest", 7, 0, 1, 0x13, 1, 3, 4, 0, 0, 1 },
    { KIND_PRIVATE, "ephemeral", 4, 0, 1, 0x14, 1, 6, 0, 1, 0, 0 },
    { KIND_PUBLIC, "tls-client", 1, 1, 1, 0x13, 1, 1, 4, 0, 0, 1 },
    { KIND_PUBLIC, "device-attest", 7, 1, 1, 0x13, 1, 3, 4, 0, 0, 1 },
    { KIND_PUBLIC, "ephemeral", 4, 1, 1, 0x14, 1, 6, 0, 1, 0, 0 },
    { KIND_PUBLIC, "peer", 5, 2, 0, 0x14, 1, 4, 0, 1, 0, 0 },
    { KIND_FILE, "cert", 2, 1, 1, 0, 0, 0, 0, 0, 0, 0 },
    { KIND_FILE, "ca", 3, 1, 1, 0, 0, 0, 0, 0, 0, 0 },
    { KIND_SECRET, "psk", 6, 0, 1, 0xa0, 0, 8, 0, 0, 3, 0 },
};

static struct object *add_row(struct fixture *f, const struct row *r)
{
    struct object *o = object_new(r->kind, r->label, &r->id, 1);

    cr_assert_not_null(o);
    cr_assert(store_add(f->store, o));
    o->access = r->access;
    o->key_type = r->type;
    o->usage = r->usage;
    o->functions = r->functions;
    o->sig_algs = r->sig;
    o->hash_algs = r->hash;
    o->agreement = r->agreement;
    o->derivation = r->derivation;
    return o;
}

static void fill(struct object *o, const struct row *r)
{
    static const uint8_t secret[] = "0123456789abcdef";
    uint8_t scalar[32], bytes[700];
    size_t n;

    if (r->kind == KIND_SECRET) {
        object_set_content(o, secret, 16);
    } else if (r->kind == KIND_FILE) {
        n = example_certificate(bytes);
        object_set_content(o, bytes, n);
        o->file_usage = IOTSAFE_FILE_CERTIFICATE;
    } else if (r->state == 1) {
        EVP_PKEY *pair;

        unhex(SCALAR_SIGN, scalar, sizeof(scalar));
        pair = crypto_from_scalar(r->type, scalar);
        object_set_key(o, r->kind == KIND_PRIVATE ? pair : crypto_public_half(pair));
        if (r->kind == KIND_PUBLIC)
            EVP_PKEY_free(pair);
    }
    o->state = r->state;
}

void fixture_begin_empty(struct fixture *f, const char *profile, const char *settings)
{
    struct profile p;
    struct err err;
    char one[128];

    *f = (struct fixture){ .store = store_new(NULL, profile) };
    cr_assert(profile_init(&p, profile, &err), "%s", err.text);
    cr_assert(profile_set(&p, "deterministic=on", &err));
    while (*settings != '\0') {
        size_t n = strcspn(settings, ";");

        memcpy(one, settings, n);
        one[n] = '\0';
        cr_assert(profile_set(&p, one, &err), "%s", err.text);
        settings += n + (settings[n] == ';');
    }
    card_init(&f->card, &p, f->store);
    card_attach(&f->card, &f->client);
}

void fixture_begin(struct fixture *f, const char *profile, const char *settings)
{
    fixture_begin_empty(f, profile, settings);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fill(add_row(f, &rows[i]), &rows[i]);
}

void fixture_begin_personalised(struct fixture *f, const char *profile, const char *only)
{
    struct personalisation how = { .cn = "a device",
                                   .san = PERSONALISE_SAN,
                                   .client_key_type = IOTSAFE_KEY_P256 };
    char labels[128];
    struct err err;

    snprintf(labels, sizeof(labels), "%s", only);
    for (char *one = strtok(labels, " "); one != NULL; one = strtok(NULL, " "))
        how.only[how.n_only++] = one;
    fixture_begin_empty(f, profile, "");
    cr_assert(personalise(f->store, &f->card.profile, &how, &err), "%s", err.text);
}

void fixture_end(struct fixture *f)
{
    card_clear(&f->card);
    store_free(f->store);
}

void fixture_keep(struct fixture *f, const char *labels)
{
    for (size_t i = f->store->n_objects; i-- > 0;)
        if (strstr(labels, f->store->objects[i]->label) == NULL)
            store_remove(f->store, f->store->objects[i]);
}

void fixture_load_ephemeral(struct fixture *f, const char *label)
{
    size_t len = strlen(label);
    uint8_t scalar[32];
    EVP_PKEY *pair;

    unhex(SCALAR_EPHEMERAL, scalar, sizeof(scalar));
    pair = crypto_from_scalar(IOTSAFE_KEY_P256_VOLATILE, scalar);
    object_set_key(store_by_label(f->store, KIND_PUBLIC, label, len), crypto_public_half(pair));
    object_set_key(store_by_label(f->store, KIND_PRIVATE, label, len), pair);
}

const char *send_as(struct fixture *f, struct client *client, const char *cmd)
{
    char tight[2 * 600 + 1];
    uint8_t bytes[600], rsp[APDU_RSP_MAX];
    size_t n = 0, len;

    for (; *cmd != '\0'; cmd++)
        if (*cmd != ' ')
            tight[n++] = *cmd;
    tight[n] = '\0';
    len = unhex(tight, bytes, sizeof(bytes));
    len = card_exchange(&f->card, client, bytes, len, rsp, &f->info);
    softsim_hex_encode(rsp, len, f->answer);
    return f->answer;
}

const char *send_hex(struct fixture *f, const char *cmd)
{
    return send_as(f, &f->client, cmd);
}

unsigned sw_of(struct fixture *f, const char *cmd)
{
    uint8_t sw[2];
    const char *answer = send_hex(f, cmd);

    unhex(answer + strlen(answer) - 4, sw, sizeof(sw));
    return u16_be(sw);
}

void fixture_select(struct fixture *f, const char *aid)
{
    char cmd[64];

    EXPECT(f, "0070000001", "019000");
    snprintf(cmd, sizeof(cmd), "01A40400%02zX%s", strlen(aid) / 2, aid);
    EXPECT_SW(f, cmd, 0x9000);
}
