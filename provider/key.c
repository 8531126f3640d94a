/* see key.h */
#include "key.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <string.h>

#include "soft_key.h"

/* `public` is a pointer to a point with a flag in its lowest bit, so that "is
 * this still the point" and "may it change" are one atomic question. */
#define PINNED ((uintptr_t)1)

static struct isprov_point *point_of(uintptr_t value)
{
    return (struct isprov_point *)(value & ~PINNED);
}

static struct isprov_key *key_new(struct isprov *prov)
{
    struct isprov_key *key = OPENSSL_zalloc(sizeof(*key));

    if (key == NULL) {
        isprov_raise(prov, IOTSAFE_ERR_MEMORY, NULL);
        return NULL;
    }
    key->prov = prov;
    atomic_init(&key->refs, 1);
    atomic_init(&key->public, 0);
    atomic_init(&key->retired, NULL);
    return key;
}

struct isprov_key *isprov_key_new_soft(struct isprov *prov)
{
    return key_new(prov);
}

void isprov_key_reset_soft(struct isprov_key *key, EVP_PKEY *soft, int parts)
{
    EVP_PKEY_free(key->soft);
    key->soft = soft;
    key->soft_parts = parts;
}

struct isprov_key *isprov_key_new_card(struct isprov *prov, struct iotsafe_card *card,
                                       const struct iotsafe_uri *uri,
                                       const struct isprov_curve *curve)
{
    struct isprov_key *key = key_new(prov);

    if (key == NULL)
        return NULL;
    key->card = iotsafe_card_ref(card);
    key->uri = *uri;
    key->uri.type = IOTSAFE_URI_PRIVATE;
    key->curve = curve;
    return key;
}

struct isprov_key *isprov_key_ref(struct isprov_key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}

void isprov_key_free(struct isprov_key *key)
{
    struct isprov_point *point, *next;

    if (key == NULL || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
        return;
    isprov_point_free(point_of(atomic_load(&key->public)));
    for (point = atomic_load(&key->retired); point != NULL; point = next) {
        next = point->next_retired;
        isprov_point_free(point);
    }
    iotsafe_card_free(key->card);
    EVP_PKEY_free(key->soft);
    OPENSSL_free(key);
}

struct isprov_key_name isprov_key_name(const struct isprov_key *key)
{
    struct isprov_key_name name;

    iotsafe_uri_format(&key->uri, name.text);
    return name;
}

bool isprov_key_group(const struct isprov_key *key, char ret_name[static ISPROV_GROUP_NAME_MAX])
{
    if (isprov_key_is_on_card(key)) {
        OPENSSL_strlcpy(ret_name, key->curve->group, ISPROV_GROUP_NAME_MAX);
        return true;
    }
    return key->soft != NULL
           && EVP_PKEY_get_group_name(key->soft, ret_name, ISPROV_GROUP_NAME_MAX, NULL);
}

/* libcrypto checks that the point is on the curve. */
static EVP_PKEY *pkey_from_octets(struct isprov *prov, const struct isprov_curve *curve,
                                  const uint8_t *octets)
{
    char group[32];
    uint8_t pub[IOTSAFE_POINT_SIZE];
    OSSL_PARAM params[3];

    OPENSSL_strlcpy(group, curve->group, sizeof(group));
    memcpy(pub, octets, sizeof(pub));
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, pub, sizeof(pub));
    params[2] = OSSL_PARAM_construct_end();
    return isprov_soft_from_params(prov, EVP_PKEY_PUBLIC_KEY, params);
}

struct isprov_point *isprov_point_new(struct isprov *prov, const struct isprov_curve *curve,
                                      const uint8_t octets[static IOTSAFE_POINT_SIZE])
{
    struct isprov_point *point = OPENSSL_zalloc(sizeof(*point));

    if (point == NULL)
        return NULL;
    memcpy(point->octets, octets, sizeof(point->octets));
    isprov_mark(prov);
    point->pkey = pkey_from_octets(prov, curve, octets);
    isprov_drop(prov);
    if (point->pkey == NULL) {
        isprov_point_free(point);
        return NULL;
    }
    return point;
}

void isprov_point_free(struct isprov_point *point)
{
    if (point == NULL)
        return;
    EVP_PKEY_free(point->pkey);
    OPENSSL_free(point);
}

const struct isprov_point *isprov_key_point(const struct isprov_key *key)
{
    return point_of(atomic_load(&key->public));
}

const struct isprov_point *isprov_key_pin(struct isprov_key *key)
{
    uintptr_t value = atomic_load(&key->public);

    /* "None" cannot be pinned: nobody has seen anything. */
    while (value != 0 && (value & PINNED) == 0
           && !atomic_compare_exchange_weak(&key->public, &value, value | PINNED))
        ;
    return point_of(value);
}

bool isprov_key_is_pinned(const struct isprov_key *key)
{
    return (atomic_load(&key->public) & PINNED) != 0;
}

/* Keep a point until the key is freed. */
static void retire(struct isprov_key *key, struct isprov_point *point)
{
    point->next_retired = atomic_load(&key->retired);
    while (!atomic_compare_exchange_weak(&key->retired, &point->next_retired, point))
        ;
}

bool isprov_key_replace(struct isprov_key *key, const struct isprov_point *old,
                        struct isprov_point *point, bool pin)
{
    uintptr_t expected = (uintptr_t)old;
    uintptr_t value = (uintptr_t)point | (pin ? PINNED : 0);

    if (!atomic_compare_exchange_strong(&key->public, &expected, value))
        return false;
    if (expected != 0)
        retire(key, point_of(expected));
    return true;
}

EVP_PKEY *isprov_key_public_pkey(struct isprov_key *key)
{
    const struct isprov_point *point;

    if (!isprov_key_is_on_card(key))
        return (key->soft_parts & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? key->soft : NULL;
    point = isprov_key_pin(key);
    return point != NULL ? point->pkey : NULL;
}
