/* SPDX-License-Identifier: Apache-2.0 */
/* The trace: every exchange with the card, for people or for Wireshark.
 * Secrets are masked before anything is written; a write that fails is
 * forgotten. Settings: "stderr", "file:PATH", "pcap:PATH". */
#ifndef APPLET_IO_TRACE_H
#define APPLET_IO_TRACE_H

#include "util.h"

#ifdef HAVE_TRACE
#define TRACE_FORMS "stderr, file:PATH or pcap:PATH"

/** @return false if the setting is none of the above forms */
bool trace_setting_valid(const char *setting);

/**
 * Write one exchange. Opens the file for each line: append, mode 0600; a file that
 * is there already only if it is a regular one of our user or root with one name,
 * to which nobody else may write. Nothing in set-user-id programs. Keeps errno.
 *
 * @param setting  the configured text; NULL or "" writes nothing
 * @param device   what the transport reached
 * @param ins      the command that the exchange serves (a GET RESPONSE serves
 *                 the command before it): decides what is masked
 * @param rsp_len  bytes with the status word; 0 if no answer came
 * @param ms       how long the exchange took
 */
void trace_exchange(const char *setting, const char *device, uint8_t ins, const uint8_t *cmd,
                    size_t cmd_len, const uint8_t *rsp, size_t rsp_len, int64_t ms);

/** A remark: a channel opened, a fall-back learned. */
__attribute__((format(printf, 3, 4))) void trace_note(const char *setting, const char *device,
                                                      const char *format, ...);
#else
#define TRACE_FORMS "nothing, as this build has no trace"

static inline bool trace_setting_valid(const char *setting)
{
    return setting[0] == '\0';
}

static inline void trace_exchange(const char *setting, const char *device, uint8_t ins,
                                  const uint8_t *cmd, size_t cmd_len, const uint8_t *rsp,
                                  size_t rsp_len, int64_t ms)
{
    (void)setting, (void)device, (void)ins, (void)cmd, (void)cmd_len, (void)rsp, (void)rsp_len;
    (void)ms;
}

__attribute__((format(printf, 3, 4))) static inline void trace_note(const char *setting,
                                                                    const char *device,
                                                                    const char *format, ...)
{
    (void)setting, (void)device, (void)format;
}
#endif

#endif
