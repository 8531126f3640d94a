/* SPDX-License-Identifier: Apache-2.0 */
/* see log.h */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

void log_line(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)fprintf(stderr, "iotsafe-bridge: %s\n", text);
}
