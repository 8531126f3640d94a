/* see curve.h */
#include "curve.h"

#include <openssl/ec.h>
#include <openssl/objects.h>
#include <string.h>

/* SEC 2 (secp256r1); types as IoT.05 tells them, fixed and volatile. */
static const struct isprov_curve curves[] = {
    { .group = "prime256v1",
      .nist_name = "P-256",
      .bits = 256,
      .security_bits = 128,
      .field_len = 32,
      .max_signature_len = 72,
      .order = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 },
      .card_types = { IOTSAFE_KEY_P256, IOTSAFE_KEY_P256_VOLATILE } },
};
#define N_CURVES (sizeof(curves) / sizeof(curves[0]))

const struct isprov_curve *isprov_curve_default(void)
{
    return &curves[0];
}

static int group_nid(const char *group)
{
    int nid = OBJ_txt2nid(group);

    return nid != NID_undef ? nid : EC_curve_nist2nid(group);
}

const struct isprov_curve *isprov_curve_by_group(const char *group)
{
    /* libcrypto knows secp256r1 under its ANSI X9.62 name only. */
    int nid = strcmp(group, "secp256r1") == 0 ? NID_X9_62_prime256v1 : group_nid(group);

    for (size_t i = 0; nid != NID_undef && i < N_CURVES; i++)
        if (nid == OBJ_sn2nid(curves[i].group))
            return &curves[i];
    return NULL;
}

const struct isprov_curve *isprov_curve_of_object(const struct iotsafe_object *object)
{
    if ((object->told & IOTSAFE_TOLD_KEY_TYPE) == 0)
        return isprov_curve_default();
    for (size_t i = 0; i < N_CURVES; i++)
        if (memchr(curves[i].card_types, object->key_type, sizeof(curves[i].card_types)) != NULL)
            return &curves[i];
    return NULL;
}
