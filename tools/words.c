/* SPDX-License-Identifier: Apache-2.0 */
/* The words for an applet's numbers, as tables. Which attribute uses which table
 * is the commands' business. */
#include "words.h"

#include <stdio.h>
#include <string.h>

#include "iotsafe_defs.h"

#define WORDS(name, ...)                                      \
    static const struct word name##_list[] = { __VA_ARGS__ }; \
    const struct words name = { name##_list, sizeof(name##_list) / sizeof(struct word) }

WORDS(words_function, { IOTSAFE_FUNCTION_SIGN, "sign" }, { IOTSAFE_FUNCTION_GENERATE, "generate" },
      { IOTSAFE_FUNCTION_AGREE, "agree" }, { IOTSAFE_FUNCTION_DERIVE, "derive" });
WORDS(words_public_function, { IOTSAFE_FUNCTION_SIGN, "verify" },
      { IOTSAFE_FUNCTION_GENERATE, "generate" }, { IOTSAFE_FUNCTION_AGREE, "agree" },
      { IOTSAFE_FUNCTION_DERIVE, "derive" });
WORDS(words_hash, { IOTSAFE_HASH_SHA256, "SHA-256" }, { IOTSAFE_HASH_SHA384, "SHA-384" },
      { IOTSAFE_HASH_SHA512, "SHA-512" });
WORDS(words_signature, { IOTSAFE_SIG_RSA_PKCS1, "RSA-PKCS1" }, { IOTSAFE_SIG_RSA_PSS, "RSA-PSS" },
      { IOTSAFE_SIG_ECDSA, "ECDSA" });
WORDS(words_agreement, { IOTSAFE_AGREEMENT_ECKA, "ECDH" });
WORDS(words_derivation, { IOTSAFE_DERIVATION_PRF, "TLS12-PRF" },
      { IOTSAFE_DERIVATION_HKDF, "HKDF" });
WORDS(words_access, { IOTSAFE_ACCESS_READ, "read" }, { IOTSAFE_ACCESS_UPDATE, "update" });
WORDS(words_state, { IOTSAFE_STATE_DEACTIVATED, "inactive" },
      { IOTSAFE_STATE_ACTIVATED, "active" });
WORDS(words_key_type, { IOTSAFE_KEY_RSA2048, "RSA-2048" }, { IOTSAFE_KEY_P256, "P-256" },
      { IOTSAFE_KEY_P256_VOLATILE, "P-256" }, { IOTSAFE_KEY_BP256, "brainpoolP256r1" },
      { IOTSAFE_KEY_BP256_VOLATILE, "brainpoolP256r1" }, { IOTSAFE_KEY_HMAC, "HMAC" });
WORDS(words_key_usage, { IOTSAFE_USAGE_GENERAL, "general" }, { IOTSAFE_USAGE_TLS12, "TLS-1.2" },
      { IOTSAFE_USAGE_TLS13, "TLS-1.3" });
WORDS(words_file_usage, { IOTSAFE_FILE_GENERAL, "general" },
      { IOTSAFE_FILE_CERTIFICATE, "certificate" });

bool words_key_is_volatile(unsigned key_type)
{
    return key_type == IOTSAFE_KEY_P256_VOLATILE || key_type == IOTSAFE_KEY_BP256_VOLATILE;
}

static const char *find_word(const struct words *words, unsigned value)
{
    for (size_t i = 0; i < words->n; i++)
        if (words->word[i].value == value)
            return words->word[i].text;
    return NULL;
}

bool words_same(const struct words *words, unsigned a, unsigned b)
{
    const char *word_a = find_word(words, a), *word_b = find_word(words, b);

    return a == b || (word_a != NULL && word_b != NULL && strcmp(word_a, word_b) == 0);
}

void words_value(const struct words *words, unsigned value, char ret_text[static WORDS_TEXT_MAX])
{
    const char *word = find_word(words, value);

    if (word != NULL)
        snprintf(ret_text, WORDS_TEXT_MAX, "%s", word);
    else
        snprintf(ret_text, WORDS_TEXT_MAX, "0x%02x", value);
}

/* Calls `add` for each word of the bits, and once for the bits without one. */
static void each_bit(const struct words *words, unsigned bits,
                     void (*add)(void *arg, const char *word), void *arg)
{
    char rest[WORDS_TEXT_MAX];

    for (size_t i = 0; i < words->n; i++) {
        if ((bits & words->word[i].value) != 0)
            add(arg, words->word[i].text);
        bits &= ~words->word[i].value;
    }
    if (bits != 0) {
        snprintf(rest, sizeof(rest), "0x%02x", bits);
        add(arg, rest);
    }
}

struct joined {
    char *text; /* WORDS_TEXT_MAX bytes */
    size_t len;
};

static void add_joined(void *arg, const char *word)
{
    struct joined *joined = arg;
    int n = snprintf(joined->text + joined->len, WORDS_TEXT_MAX - joined->len, "%s%s",
                     joined->len != 0 ? ", " : "", word);

    if (n > 0 && (size_t)n < WORDS_TEXT_MAX - joined->len)
        joined->len += (size_t)n;
}

void words_bits(const struct words *words, unsigned bits, char ret_text[static WORDS_TEXT_MAX])
{
    struct joined joined = { .text = ret_text };

    ret_text[0] = '\0';
    each_bit(words, bits, add_joined, &joined);
    if (joined.len == 0)
        snprintf(ret_text, WORDS_TEXT_MAX, "-");
}

json_t *words_value_json(const struct words *words, unsigned value)
{
    char text[WORDS_TEXT_MAX];

    words_value(words, value, text);
    return json_string(text);
}

static void add_to_array(void *arg, const char *word)
{
    json_array_append_new(arg, json_string(word));
}

json_t *words_bits_json(const struct words *words, unsigned bits)
{
    json_t *array = json_array();

    if (array != NULL)
        each_bit(words, bits, add_to_array, array);
    return array;
}

void words_add_capabilities(json_t *object, const struct iotsafe_info *info)
{
    json_object_set_new(object, "functions", words_bits_json(&words_function, info->functions));
    json_object_set_new(object, "signature_algorithms",
                        words_bits_json(&words_signature, info->signature_algs));
    json_object_set_new(object, "hashes", words_bits_json(&words_hash, info->hashes));
    json_object_set_new(object, "agreement", words_bits_json(&words_agreement, info->agreement));
    json_object_set_new(object, "derivation", words_bits_json(&words_derivation, info->derivation));
}
