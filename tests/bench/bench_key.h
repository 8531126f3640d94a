/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as a user would name them, clocks and what else the programs that measure share. Plain
 * OpenSSL: nothing in here knows iotsafe. */
#ifndef BENCH_KEY_H
#define BENCH_KEY_H

#include <openssl/evp.h>

/** Ends the program with what OpenSSL says about it. */
_Noreturn void bench_fail(const char *what);

/** A private key by a URI of OSSL_STORE, "engine:NAME:ID" of an engine, or the name of a PEM
 *  file. Ends the program if there is none. EVP_PKEY_free() it. */
EVP_PKEY *bench_load_key(const char *name);

double bench_seconds(void);     /**< of the clock that always goes forward */
double bench_cpu_seconds(void); /**< that this process has used, in all threads */

/** Median and the like of n values, which are sorted in place: the value below which `part`
 *  of them lie, from 0 to 1. 0 of none. */
double bench_quantile(double *values, size_t n, double part);

/** Prints `"pss_kb": N, "private_dirty_kb": N, "files": [..]`: what this process holds, and
 *  the names of the files that are mapped into it. */
void bench_print_memory(void);

#endif
