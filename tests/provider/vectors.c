/* SPDX-License-Identifier: Apache-2.0 */
/* see vectors.h */
#include "vectors.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t from_hex(const json_t *json, uint8_t *out, size_t cap)
{
    const char *hex = json_string_value(json);
    size_t n = hex != NULL ? strlen(hex) / 2 : 0;
    unsigned byte;

    cr_assert_not_null(hex);
    cr_assert_leq(n, cap);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return n;
}

static int run_group(const json_t *group, void (*each)(const struct vector *, void *), void *arg)
{
    static struct vector v;
    json_t *test;
    size_t i;

    v.sha = json_string_value(json_object_get(group, "sha"));
    v.spki_len = from_hex(json_object_get(group, "publicKeyDer"), v.spki, sizeof(v.spki));
    json_array_foreach(json_object_get(group, "tests"), i, test)
    {
        v.id = (int)json_integer_value(json_object_get(test, "tcId"));
        v.comment = json_string_value(json_object_get(test, "comment"));
        v.msg_len = from_hex(json_object_get(test, "msg"), v.msg, sizeof(v.msg));
        v.sig_len = from_hex(json_object_get(test, "sig"), v.sig, sizeof(v.sig));
        v.valid = strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0;
        each(&v, arg);
    }
    return (int)i;
}

int for_each_vector(const char *file, void (*each)(const struct vector *, void *), void *arg)
{
    const char *folder = getenv("IOTSAFE_VECTORS");
    char path[512];
    json_t *root, *group;
    size_t i;
    int n = 0;

    snprintf(path, sizeof(path), "%s/%s", folder != NULL ? folder : VECTORS_FOLDER, file);
    root = json_load_file(path, 0, NULL);
    if (root == NULL)
        cr_skip_test("no test vectors: IOTSAFE_VECTORS names no folder with %s", file);
    json_array_foreach(json_object_get(root, "testGroups"), i, group)
        n += run_group(group, each, arg);
    json_decref(root);
    return n;
}

json_t *own_vectors(void)
{
    json_error_t error;
    json_t *root = json_load_file(OWN_VECTORS, 0, &error);

    cr_assert_not_null(root, "%s: %s", OWN_VECTORS, error.text);
    return root;
}

bool vectors_are_of(const json_t *group, const char *type, const char *curve)
{
    return strcmp(json_string_value(json_object_get(group, "type")), type) == 0
           && strcmp(json_string_value(json_object_get(group, "curve")), curve) == 0;
}

int for_each_own_vector(const char *type, const char *curve,
                        void (*each)(const struct vector *, void *), void *arg)
{
    json_t *root = own_vectors(), *group;
    size_t i;
    int n = 0;

    json_array_foreach(json_object_get(root, "testGroups"), i, group)
    {
        if (vectors_are_of(group, type, curve))
            n += run_group(group, each, arg);
    }
    json_decref(root);
    return n;
}
