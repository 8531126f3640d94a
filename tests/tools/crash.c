/* SPDX-License-Identifier: Apache-2.0 */
/* A library that ends the program that loads it. */
#include <signal.h>

__attribute__((constructor)) static void crash(void)
{
    (void)raise(SIGKILL);
}
