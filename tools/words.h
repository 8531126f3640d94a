/* SPDX-License-Identifier: Apache-2.0 */
/* Words for the numbers and bits by which an applet describes itself and its
 * objects (IoT.05 2.5.1 to 2.5.4, 2.14.4). The JSON output promises them. */
#ifndef WORDS_H
#define WORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iotsafe.h"

struct word {
    unsigned value; /* one value, or one bit */
    const char *text;
};

struct words {
    const struct word *word;
    size_t n;
};

extern const struct words words_function;        /* bits; of applets, private keys and secrets */
extern const struct words words_public_function; /* bits; of public keys */
extern const struct words words_hash;            /* bits */
extern const struct words words_signature;       /* bits */
extern const struct words words_agreement;       /* bits */
extern const struct words words_derivation;      /* bits */
extern const struct words words_access;          /* bits */
extern const struct words words_state;           /* values */
extern const struct words words_key_type;        /* values; volatile or not, one word */
extern const struct words words_key_usage;       /* values */
extern const struct words words_file_usage;      /* values */

/** True for a key type whose value does not survive a reset of the card. */
bool words_key_is_volatile(unsigned key_type);

/** True if both values have the same word: a volatile key's type and that of
 *  one which stays. */
bool words_same(const struct words *words, unsigned a, unsigned b);

#define WORDS_TEXT_MAX 128

/** The word for one value; an unknown one as 0xNN. */
void words_value(const struct words *words, unsigned value, char ret_text[static WORDS_TEXT_MAX]);

/** The words for the bits that are set, with ", " between them; unknown bits
 *  together as 0xNN; "-" for none. */
void words_bits(const struct words *words, unsigned bits, char ret_text[static WORDS_TEXT_MAX]);

/** The same as JSON: a string, and an array of strings. */
json_t *words_value_json(const struct words *words, unsigned value);
json_t *words_bits_json(const struct words *words, unsigned bits);

/** What an applet says that it can do: members `functions` to `derivation` of an object. */
void words_add_capabilities(json_t *object, const struct iotsafe_info *info);

#endif
