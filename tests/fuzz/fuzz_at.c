/* SPDX-License-Identifier: Apache-2.0 */
/* What a modem may say: the AT reader over a pipe filled by the fuzzer. */
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "at.h"
#include "fuzz.h"
#include "fuzz_clock.h"

/* A pipe that holds the input and then ends: no read ever waits. */
static int input_fd(const uint8_t *data, size_t size)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        abort();
    if (size > 60000)
        size = 60000; /* what a pipe takes */
    if (size != 0 && write(fds[1], data, size) != (ssize_t)size)
        abort();
    (void)close(fds[1]);
    return fds[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const prefixes[] = { "+CSIM", "+CGLA", "+CCHO", NULL };
    static struct at_port port;
    static char line[AT_LINE_MAX + 1];
    uint8_t bytes[300];
    int failure, n;

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        enum iotsafe_err err;
        size_t cut_at;

        at_port_init(&port, input_fd(data, size));
        fuzz_clock_start(NULL);
        do {
            err = at_command(&port, NULL, prefixes[i], line, &failure, deadline_in(1000));
            if (strlen(line) > AT_LINE_MAX)
                abort();
            if (err == IOTSAFE_OK && i < 2) {
                n = at_parse_apdu(line, prefixes[i], bytes, sizeof(bytes), &cut_at);
                if (n > (int)sizeof(bytes) || (n >= 0 && strncasecmp(line, prefixes[i], 5) != 0))
                    abort();
            }
        } while (err == IOTSAFE_OK || err == IOTSAFE_ERR_CARD);
        fuzz_clock_stop();
        (void)close(port.fd);
    }
    return 0;
}
