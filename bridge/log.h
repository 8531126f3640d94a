/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for the administrator on standard error, where systemd finds them. */
#ifndef BRIDGE_LOG_H
#define BRIDGE_LOG_H

/** "iotsafe-bridge: " and the text; nothing secret belongs in it. */
__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);

#endif
