/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe info: what the applet is and can do. */
#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "report.h"
#include "tool.h"
#include "words.h"

enum { OPTION_SIM };

static const struct command_option options[] = {
    [OPTION_SIM] = COMMAND_OPTION_SIM,
    { .name = NULL },
};

/* The applet's identifier is any bytes; many issuers write text. */
static bool is_ascii_text(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isascii(bytes[i]) || !isprint(bytes[i]))
            return false;
    return len > 0;
}

static void version_text(uint8_t version, char ret_text[static 8])
{
    snprintf(ret_text, 8, "%d.%d", version >> 4, version & 0x0f);
}

static const struct limit {
    const char *json, *one, *many;
    size_t offset;
} limits[] = {
#define LIMIT(name, one, many)                                      \
    {                                                               \
#name, one, many, offsetof(struct iotsafe_info, max_##name) \
    }
    LIMIT(private_keys, "private key", "private keys"),
    LIMIT(public_keys, "public key", "public keys"),
    LIMIT(files, "file", "files"),
    LIMIT(secrets, "secret", "secrets"),
    LIMIT(sessions, "session", "sessions"),
#undef LIMIT
};

static unsigned limit_value(const struct iotsafe_info *info, const struct limit *limit)
{
    return *((const uint8_t *)info + limit->offset);
}

/* ---- text ---- */

static void print_field(const char *name, const char *value)
{
    char *safe = text_escape(value, strlen(value));

    if (value[0] != '\0' && safe != NULL)
        printf("%-20s%s\n", name, safe);
    free(safe);
}

static void print_hex(const char *name, const uint8_t *bytes, size_t len)
{
    char hex[HEX_SIZE(32)];

    text_hex(bytes, len, hex);
    if (is_ascii_text(bytes, len))
        printf("%-20s%s (\"%.*s\")\n", name, hex, (int)len, (const char *)bytes);
    else
        print_field(name, hex);
}

static void print_bits(const char *name, const struct words *words, unsigned bits)
{
    char text[WORDS_TEXT_MAX];

    words_bits(words, bits, text);
    print_field(name, text);
}

static void print_limits(const struct iotsafe_info *info)
{
    const char *separator = "";

    printf("%-20s", "Room for");
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        unsigned n = limit_value(info, &limits[i]);

        if (n == 0)
            continue;
        printf("%s%u %s", separator, n, n == 1 ? limits[i].one : limits[i].many);
        separator = ", ";
    }
    puts(separator[0] != '\0' ? "" : "not told");
}

static void print_text(const char *transport, const struct iotsafe_info *info)
{
    char version[8];

    print_field("Transport", transport);
    print_field("Device", info->device);
    print_field("Channel", info->channel);
    print_hex("Application (AID)", info->aid, info->aid_len);
    if (!info->known) {
        puts("The applet does not describe itself; IoT.05 1.0 with ECDSA and SHA-256 is assumed.");
        return;
    }
    version_text(info->version, version);
    print_field("Interface version", version);
    print_hex("Applet identifier", info->applet_id, info->applet_id_len);
    print_limits(info);
    print_bits("Functions", &words_function, info->functions);
    print_bits("Signatures", &words_signature, info->signature_algs);
    print_bits("Hashes", &words_hash, info->hashes);
    print_bits("Key agreement", &words_agreement, info->agreement);
    print_bits("Key derivation", &words_derivation, info->derivation);
}

/* ---- JSON ---- */

static json_t *hex_json(const uint8_t *bytes, size_t len)
{
    char hex[HEX_SIZE(32)];

    text_hex(bytes, len, hex);
    return json_string(hex);
}

static json_t *limits_json(const struct iotsafe_info *info)
{
    json_t *object = json_object();

    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        unsigned n = limit_value(info, &limits[i]);

        if (n != 0)
            json_object_set_new(object, limits[i].json, json_integer(n));
    }
    return object;
}

static void add_description(json_t *object, const struct iotsafe_info *info)
{
    char version[8];

    version_text(info->version, version);
    json_object_set_new(object, "version", json_string(version));
    json_object_set_new(object, "applet_id", hex_json(info->applet_id, info->applet_id_len));
    json_object_set_new(object, "limits", limits_json(info));
    words_add_capabilities(object, info);
}

static json_t *info_json(const char *transport, const struct iotsafe_info *info)
{
    json_t *object = json_object();

    json_object_set_new(object, "transport", json_string(transport));
    json_object_set_new(object, "device", json_string(info->device));
    json_object_set_new(object, "channel", json_string(info->channel));
    json_object_set_new(object, "aid", hex_json(info->aid, info->aid_len));
    json_object_set_new(object, "described", json_boolean(info->known));
    if (info->known)
        add_description(object, info);
    return object;
}

/* ---- */

static enum tool_status info_run(struct tool *tool, const struct args *args)
{
    struct iotsafe_card *card = tool_card(tool, args->option[OPTION_SIM]);
    struct iotsafe_op op = tool_op_begin(tool);
    struct iotsafe_info info = { .known = false };
    enum tool_status status = TOOL_FAILED;
    const char *transport;
    enum iotsafe_err err;

    if (card == NULL)
        return TOOL_FAILED;
    transport = iotsafe_card_transport(card);
    err = iotsafe_card_info(card, &info, &op);
    if (err != IOTSAFE_OK) {
        report_library(NULL, err, &op);
    } else if (tool->json) {
        status = output_json(info_json(transport, &info)) ? TOOL_OK : TOOL_FAILED;
    } else {
        print_text(transport, &info);
        status = TOOL_OK;
    }
    iotsafe_card_free(card);
    return status;
}

const struct command command_info = {
    .name = "info",
    .summary = "show what the applet is and can do",
    .details = "Reaches the applet and prints where it was found, its version, its limits and the\n"
               "algorithms that it offers.",
    .options = options,
    .run = info_run,
};
