/* SPDX-License-Identifier: Apache-2.0 */
/* What an MBIM modem may answer to an APDU and to the opening of a channel, and the addresses and
 * sessions of modems behind GLib. Bytes become messages by libmbim, as at the device; from there on
 * it is ours. The file is part of this one so that its inner functions can be reached without a
 * device.
 *
 * Not reached: opening a device, its signals, and all of QMI, whose libqmi makes response
 * objects only out of a running device. tests/bridge has programs in the place of modems for
 * these. */
#include "../../bridge/mbim.c"

#include <stdlib.h>

#include "fuzz.h"

static void check_address(const uint8_t *data, size_t size)
{
    char text[256];
    struct modem_address address;
    struct iotsafe_op op = { .text = "" };
    size_t n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;

    if (n != 0)
        memcpy(text, data, n);
    text[n] = '\0';
    if (!modem_address_parse("mbim", n % 2 == 0, text, &address, &op)) {
        if (op.text[0] == '\0')
            abort();
    } else if (strlen(address.path) >= sizeof(address.path) || address.path[0] != '/') {
        abort();
    }
    (void)modem_session_parse(text);
}

static void check_opening(struct modem *m, const MbimMessage *message)
{
    struct iotsafe_op op = { .text = "" };
    struct opening o = { .channel = 0 };

    if (unpack_opening(m, message, &o, &op) == IOTSAFE_OK
            ? o.channel == 0 || o.channel > IOTSAFE_CHANNEL_MAX
            : op.text[0] == '\0')
        abort();
}

static void check_message(const uint8_t *data, size_t size)
{
    struct modem m = { .base = { .device = "mbim:/dev/fuzzer" } };
    struct iotsafe_op op = { .text = "" };
    MbimMessage *message = mbim_message_new(data, (guint32)size);
    uint8_t rsp[APDU_RSP_MAX];
    size_t len = SIZE_MAX;

    /* as libmbim does before it hands out a message */
    if (mbim_message_validate(message, NULL)
        && mbim_message_get_message_type(message) == MBIM_MESSAGE_TYPE_COMMAND_DONE) {
        if (unpack(&m, message, rsp, sizeof(rsp), &len, &op) == IOTSAFE_OK
                ? len < 2 || len > sizeof(rsp)
                : op.text[0] == '\0')
            abort();
        (void)!status_error(&m, "APDU", (guint32)mbim_message_command_done_get_status_code(message),
                            &op);
        check_opening(&m, message);
    }
    mbim_message_unref(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == '/')
        check_address(data, size);
    else
        check_message(data, size);
    return 0;
}
