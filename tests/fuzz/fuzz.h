/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzzer calls; replay.c calls it too, with the files of a corpus. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** @return 0; a finding aborts */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
