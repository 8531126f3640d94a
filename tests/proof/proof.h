/* SPDX-License-Identifier: Apache-2.0 */
/* What the entry points for Frama-C's Eva have in common; see scripts/proof.sh. */
#ifndef TESTS_PROOF_H
#define TESTS_PROOF_H

#include <stddef.h>
#include <stdint.h>

#include "__fc_builtin.h"

/** From here on every byte of the array may have every value. */
#define UNKNOWN(array) Frama_C_make_unknown((char *)(array), sizeof(array))

/** The last n bytes of an array: one byte too many is one behind its end. */
#define LAST(array, n) ((array) + sizeof(array) - (n))

/** A number from 0 to n; what follows is to be seen for each: `//@ split`. */
#define UP_TO(n) ((size_t)Frama_C_interval(0, (int)(n)))

#endif
