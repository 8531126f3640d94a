/* SPDX-License-Identifier: Apache-2.0 */
/* see options.h */
#include "options.h"

#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

enum { OPT_HELP = 256, OPT_VERSION, OPT_LISTEN, OPT_MODE, OPT_GROUP, OPT_SETTING };

/* What the card library reads for the options from OPT_SETTING on. */
static const char *const variables[] = {
    "IOTSAFE_TRANSPORT", "IOTSAFE_AID",   "IOTSAFE_TIMEOUT_MS",
    "IOTSAFE_QUIRKS",    "IOTSAFE_TRACE", "IOTSAFE_LOCK_DIR",
};

static const struct option options[] = {
    { "transport", required_argument, NULL, OPT_SETTING },
    { "aid", required_argument, NULL, OPT_SETTING + 1 },
    { "timeout-ms", required_argument, NULL, OPT_SETTING + 2 },
    { "quirks", required_argument, NULL, OPT_SETTING + 3 },
    { "trace", required_argument, NULL, OPT_SETTING + 4 },
    { "lock-dir", required_argument, NULL, OPT_SETTING + 5 },
    { "listen", required_argument, NULL, OPT_LISTEN },
    { "mode", required_argument, NULL, OPT_MODE },
    { "group", required_argument, NULL, OPT_GROUP },
    { "help", no_argument, NULL, OPT_HELP },
    { "version", no_argument, NULL, OPT_VERSION },
    { NULL, 0, NULL, 0 },
};

static const char usage[] =
    "usage: iotsafe-bridge [--transport T] --listen unix:PATH [OPTION...]\n"
    "Serves the IoT SAFE applet of one SIM to many processes.\n"
    "\n"
    "  --transport T       how to reach the SIM: pcsc, pcsc:NAME, at:/dev/NAME,\n"
    "                      mbim:/dev/NAME, qmi:/dev/NAME, socket:ADDRESS\n"
    "  --listen unix:PATH  the socket for clients (with IOTSAFE_TRANSPORT=socket:PATH);\n"
    "                      not needed if systemd passes it on\n"
    "  --mode MODE         of the socket, in octal (0660)\n"
    "  --group GROUP       of the socket\n"
    "  --aid LIST          applets to try, in order\n"
    "  --timeout-ms N      as the clients have it (30000)\n"
    "  --quirks LIST, --trace WHERE, --lock-dir DIR\n"
    "                      as in provider-iotsafe(7)\n"
    "  --help, --version\n"
    "The same settings are read from the environment (IOTSAFE_TRANSPORT and others).\n";

static bool read_mode(const char *text, mode_t *ret)
{
    char *end;
    unsigned long value = strtoul(text, &end, 8);

    if (*text < '0' || *text > '7' || *end != '\0' || value > 0777) {
        log_line("--mode \"%.40s\": want up to 0777 in octal digits", text);
        return false;
    }
    *ret = (mode_t)value;
    return true;
}

static bool read_group(const char *text, gid_t *ret)
{
    const struct group *entry = getgrnam(text);
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (entry != NULL) {
        *ret = entry->gr_gid;
        return true;
    }
    if (*text < '0' || *text > '9' || *end != '\0' || value >= (gid_t)-1) {
        log_line("--group \"%.40s\": no such group", text);
        return false;
    }
    *ret = (gid_t)value;
    return true;
}

static bool read_listen(const char *text, const char **ret)
{
    if (strncmp(text, "unix:/", 6) != 0) {
        log_line("--listen \"%.120s\": want unix:/PATH", text);
        return false;
    }
    *ret = text + 5;
    return true;
}

static bool read_option(int which, const char *value, struct options *ret)
{
    switch (which) {
    case OPT_LISTEN:
        return read_listen(value, &ret->listen);
    case OPT_MODE:
        return read_mode(value, &ret->mode);
    case OPT_GROUP:
        return read_group(value, &ret->gid);
    default:
        return setenv(variables[which - OPT_SETTING], value, 1) == 0;
    }
}

int options_read(int argc, char **argv, struct options *ret)
{
    int which;

    *ret = (struct options){ .mode = 0660, .gid = (gid_t)-1 };
    while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (which == OPT_HELP) {
            (void)fputs(usage, stdout);
            return 0;
        }
        if (which == OPT_VERSION) {
            (void)puts("iotsafe-bridge " IOTSAFE_VERSION);
            return 0;
        }
        if (which == '?' || !read_option(which, optarg, ret)) {
            (void)fputs("iotsafe-bridge: try --help\n", stderr);
            return 2;
        }
    }
    if (optind < argc) {
        log_line("unexpected argument \"%.100s\"", argv[optind]);
        return 2;
    }
    return -1;
}
