/* SPDX-License-Identifier: Apache-2.0 */
/* see key_type.h */
#include "key_type.h"

#include <openssl/ec.h>
#include <openssl/objects.h>
#include <string.h>

/* SEC 2 (secp256r1), RFC 5639 (brainpoolP256r1); types as IoT.05 tells them,
 * fixed and volatile. Curves stand in front. */
static const struct isprov_type types[] = {
    { .algorithm = "EC",
      .group = "prime256v1",
      .nist_name = "P-256",
      .bits = 256,
      .security_bits = 128,
      .field_len = 32,
      .max_signature_len = 72,
      .order = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 },
      .card_types = { IOTSAFE_KEY_P256, IOTSAFE_KEY_P256_VOLATILE } },
    { .algorithm = "EC",
      .group = "brainpoolP256r1",
      .bits = 256,
      .security_bits = 128,
      .field_len = 32,
      .max_signature_len = 72,
      .order = { 0xa9, 0xfb, 0x57, 0xdb, 0xa1, 0xee, 0xa9, 0xbc, 0x3e, 0x66, 0x0a,
                 0x90, 0x9d, 0x83, 0x8d, 0x71, 0x8c, 0x39, 0x7a, 0xa3, 0xb5, 0x61,
                 0xa6, 0xf7, 0x90, 0x1e, 0x0e, 0x82, 0x97, 0x48, 0x56, 0xa7 },
      .card_types = { IOTSAFE_KEY_BP256, IOTSAFE_KEY_BP256_VOLATILE } },
    { .algorithm = "RSA",
      .bits = 2048,
      .security_bits = 112,
      .max_signature_len = 256,
      .card_types = { IOTSAFE_KEY_RSA2048, IOTSAFE_KEY_RSA2048 } },
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))
#define N_CURVES (N_TYPES - 1)

const struct isprov_type *isprov_type_default(void)
{
    return &types[0];
}

const struct isprov_type *isprov_type_rsa(void)
{
    return &types[N_TYPES - 1];
}

const struct isprov_type *isprov_type_curve(size_t i)
{
    return i < N_CURVES ? &types[i] : NULL;
}

/* All silent about names that they do not know. */
static int group_nid(const char *group)
{
    int nid = OBJ_sn2nid(group);

    if (nid == NID_undef)
        nid = OBJ_ln2nid(group);
    return nid != NID_undef ? nid : EC_curve_nist2nid(group);
}

const struct isprov_type *isprov_type_by_group(const char *group)
{
    /* libcrypto knows secp256r1 under its ANSI X9.62 name only. */
    int nid = strcmp(group, "secp256r1") == 0 ? NID_X9_62_prime256v1 : group_nid(group);

    for (size_t i = 0; nid != NID_undef && i < N_CURVES; i++)
        if (nid == OBJ_sn2nid(types[i].group))
            return &types[i];
    return NULL;
}

const struct isprov_type *isprov_type_of_object(const struct iotsafe_object *object)
{
    if ((object->told & IOTSAFE_TOLD_KEY_TYPE) == 0)
        return isprov_type_default();
    for (size_t i = 0; i < (ISPROV_HAS_RSA ? N_TYPES : N_CURVES); i++)
        if (memchr(types[i].card_types, object->key_type, sizeof(types[i].card_types)) != NULL)
            return &types[i];
    return NULL;
}
