/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe doctor: the way to the SIM. What can be seen from outside is looked at first,
 * since it says more than the failure of a connection; then the applet is asked. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"

/* ---- failures of the library ---- */

/* The first row that fits. */
static const struct {
    enum iotsafe_err err;
    const char *scheme; /* of the transport; NULL: any */
    const char *words;  /* in the text of the library; NULL: any */
    enum finding finding;
} causes[] = {
    { IOTSAFE_ERR_NO_SERVICE, "pcsc", NULL, FINDING_PCSCD_REFUSES }, /* its socket is there */
    { IOTSAFE_ERR_NO_SERVICE, "at", NULL, FINDING_MODEM_ABSENT },
    { IOTSAFE_ERR_NO_SERVICE, "socket", NULL, FINDING_SOCKET_REFUSED },
    { IOTSAFE_ERR_NO_READER, NULL, NULL, FINDING_READER_ABSENT },
    { IOTSAFE_ERR_NO_CARD, NULL, NULL, FINDING_CARD_ABSENT },
    { IOTSAFE_ERR_TRANSPORT, "pcsc", "exclusive access to the reader", FINDING_READER_TAKEN },
    { IOTSAFE_ERR_TRANSPORT, "at", "does not answer AT", FINDING_MODEM_MUTE },
    { IOTSAFE_ERR_CONFIG, "at", "is not a serial port", FINDING_MODEM_MUTE },
    { IOTSAFE_ERR_TRANSPORT, NULL, NULL, FINDING_SIM_UNREACHABLE },
    { IOTSAFE_ERR_LOCK, "at", "the port", FINDING_PORT_BUSY },
    { IOTSAFE_ERR_LOCK, NULL, NULL, FINDING_LOCK_CLOSED },
    { IOTSAFE_ERR_TIMEOUT, "at", "holds the port", FINDING_PORT_BUSY },
    { IOTSAFE_ERR_TIMEOUT, "at", "does not answer AT", FINDING_MODEM_MUTE },
    { IOTSAFE_ERR_TIMEOUT, NULL, NULL, FINDING_SIM_SILENT },
    { IOTSAFE_ERR_ACCESS, "at", "the SIM is locked", FINDING_PIN_LOCKED },
    { IOTSAFE_ERR_NOT_REACHED, "at", "the SIM is locked", FINDING_PIN_LOCKED },
    { IOTSAFE_ERR_NO_CHANNEL, NULL, NULL, FINDING_CHANNEL_NONE },
    { IOTSAFE_ERR_NO_APPLET, NULL, NULL, FINDING_APPLET_ABSENT },
    { IOTSAFE_ERR_BUSY, NULL, NULL, FINDING_ADMIN_BUSY },
    { IOTSAFE_ERR_NOT_FOUND, NULL, NULL, FINDING_KEY_ABSENT },
    { IOTSAFE_ERR_SIGNATURE, NULL, NULL, FINDING_SIGNATURE_WRONG },
};

static bool has_scheme(const struct doctor *d, const char *scheme)
{
    const char *transport = iotsafe_card_transport(d->card);
    const size_t len = strlen(scheme);

    return strncmp(transport, scheme, len) == 0
           && (transport[len] == '\0' || transport[len] == ':');
}

static enum finding finding_of(const struct doctor *d, enum iotsafe_err err, const char *text,
                               enum finding otherwise)
{
    for (size_t i = 0; i < ARRAY_LEN(causes); i++)
        if (causes[i].err == err && (causes[i].scheme == NULL || has_scheme(d, causes[i].scheme))
            && (causes[i].words == NULL || strstr(text, causes[i].words) != NULL))
            return causes[i].finding;
    return otherwise;
}

void doctor_find_error(struct doctor *d, enum iotsafe_err err, const char *text,
                       enum finding otherwise)
{
    doctor_find(d, finding_of(d, err, text, otherwise), "%s",
                text[0] != '\0' ? text : iotsafe_strerror(err));
}

/* True for those that are of the SIM, and not of the way to it. */
static bool is_reached(const struct doctor *d)
{
    switch (d->reached) {
    case IOTSAFE_ERR_TIMEOUT:
    case IOTSAFE_ERR_LOCK:
    case IOTSAFE_ERR_NO_SERVICE:
    case IOTSAFE_ERR_NO_READER:
    case IOTSAFE_ERR_NO_CARD:
    case IOTSAFE_ERR_TRANSPORT:
    case IOTSAFE_ERR_MEMORY:
    case IOTSAFE_ERR_CONFIG:
        return false;
    default:
        return finding_of(d, d->reached, d->op.text, FINDING_CARD_ERROR) != FINDING_PIN_LOCKED;
    }
}

/* ---- sockets ---- */

/* 0, or why nobody is reached there. */
static int try_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd, why = 0;

    if (strlen(path) >= sizeof(address.sun_path))
        return ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0
        && errno != EAGAIN) /* many wait there */
        why = errno;
    close(fd);
    return why;
}

struct socket_findings {
    enum finding absent, closed, refused;
};

static bool probe_path(struct doctor *d, const char *what, const char *path,
                       const struct socket_findings *findings)
{
    const int why = try_socket(path);
    char closed[256];

    if (why == 0)
        return true;
    if (why == EACCES) {
        doctor_explain_closed(path, closed, sizeof(closed));
        doctor_find(d, findings->closed, "%s %s is closed to this user: %s", what, path, closed);
    } else {
        doctor_find(d, why == ENOENT ? findings->absent : findings->refused, "%s %s: %s%s", what,
                    path, strerror(why),
                    why == ECONNREFUSED ? "; the program that made it has ended" : "");
    }
    return false;
}

static bool probe_socket(struct doctor *d, const char *address)
{
    static const struct socket_findings findings = { FINDING_SOCKET_ABSENT, FINDING_SOCKET_CLOSED,
                                                     FINDING_SOCKET_REFUSED };
    char path[256];

    if (address[0] != '/') /* of a host the connection itself tells all */
        return true;
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(address, "?"), address);
    return probe_path(d, "the socket", path, &findings);
}

static bool probe_pcsc(struct doctor *d, const char *address)
{
    static const struct socket_findings findings = { FINDING_PCSCD_ABSENT, FINDING_PCSCD_CLOSED,
                                                     FINDING_PCSCD_ABSENT };
    const char *path = secure_getenv("PCSCLITE_CSOCK_NAME");

    (void)address;
    return probe_path(d, "the socket of pcscd", path != NULL ? path : DOCTOR_PCSCD_SOCKET,
                      &findings);
}

/* ---- ports of modems ---- */

/* What a link in /proc is to: true if it is that device. */
static bool is_device(const char *link, dev_t device)
{
    struct stat st;

    return stat(link, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == device;
}

/* Among the files that a process has open: the port, and /dev/ptmx, which a program that
 * plays a modem has. */
static bool has_open(const char *pid, dev_t port)
{
    char path[300];
    struct dirent *entry;
    struct stat ptmx;
    bool has_port = false, plays = false;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    dir = opendir(path);
    if (dir == NULL)
        return false;
    if (stat("/dev/ptmx", &ptmx) != 0)
        ptmx.st_rdev = 0;
    while ((entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, entry->d_name);
        has_port = has_port || is_device(path, port);
        plays = plays || (ptmx.st_rdev != 0 && is_device(path, ptmx.st_rdev));
    }
    closedir(dir);
    return has_port && !plays;
}

static void first_line(const char *path, char *ret_text, size_t size)
{
    FILE *file = fopen(path, "re");

    if (file == NULL || fgets(ret_text, (int)size, file) == NULL)
        ret_text[0] = '\0';
    ret_text[strcspn(ret_text, "\n")] = '\0';
    if (file != NULL)
        fclose(file);
}

/* Programs with our module or library take turns on the port. */
static bool is_ours(const char *pid)
{
    char path[64], line[512];
    bool ours = false;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%.20s/maps", pid);
    maps = fopen(path, "re");
    while (maps != NULL && !ours && fgets(line, sizeof(line), maps) != NULL)
        ours = strstr(line, "/iotsafe") != NULL;
    if (maps != NULL)
        fclose(maps);
    return ours;
}

/* Another program that has the port open, as "process 7 (ModemManager)"; "" for none that
 * this user can see. */
static void find_holder(const char *port, char *ret_text, size_t size)
{
    char comm[64], path[64];
    struct dirent *entry;
    struct stat st;
    DIR *dir = stat(port, &st) == 0 ? opendir("/proc") : NULL;

    ret_text[0] = '\0';
    while (dir != NULL && ret_text[0] == '\0' && (entry = readdir(dir)) != NULL) {
        const long pid = strtol(entry->d_name, NULL, 10);

        if (pid <= 0 || pid == getpid() || !has_open(entry->d_name, st.st_rdev)
            || is_ours(entry->d_name))
            continue;
        snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
        first_line(path, comm, sizeof(comm));
        snprintf(ret_text, size, "process %ld (%s)", pid, comm[0] != '\0' ? comm : "unknown");
    }
    if (dir != NULL)
        closedir(dir);
}

static void port_of(const char *address, char ret_port[static 256])
{
    snprintf(ret_port, 256, "%.*s", (int)strcspn(address, "?"), address);
}

static bool probe_at(struct doctor *d, const char *address)
{
    char port[256], why[256];

    port_of(address, port);
    if (access(port, R_OK | W_OK) == 0)
        return true;
    if (errno == EACCES) {
        doctor_explain_closed(port, why, sizeof(why));
        doctor_find(d, FINDING_PORT_CLOSED, "the modem's port %s is closed to this user: %s", port,
                    why);
    } else {
        doctor_find(d, FINDING_MODEM_ABSENT, "the modem's port %s: %s", port, strerror(errno));
    }
    return false;
}

/* After the SIM was asked: who else has the port. True if that is the reason of a failure. */
static bool look_for_holder(struct doctor *d, const char *address)
{
    char port[256], holder[128];

    port_of(address, port);
    find_holder(port, holder, sizeof(holder));
    if (holder[0] == '\0')
        return false;
    if (is_reached(d))
        doctor_find(d, FINDING_PORT_SHARED, "%s has the modem's port %s open, too", holder, port);
    else
        doctor_find(d, FINDING_PORT_BUSY, "%s has the modem's port %s: %s", holder, port,
                    d->op.text);
    return true;
}

/* ---- */

static const struct {
    const char *scheme;
    bool (*before)(struct doctor *, const char *address); /* false: the reason was found */
    bool (*after)(struct doctor *, const char *address);  /* true: the reason was found */
} probes[] = {
    { "pcsc", probe_pcsc, NULL },
    { "at", probe_at, look_for_holder },
    { "socket", probe_socket, NULL },
};

/* True if the SIM was reached. */
static bool ask(struct doctor *d, size_t row, const char *address)
{
    bool found;

    if (!probes[row].before(d, address))
        return false;
    d->op = tool_op_begin(&d->own);
    d->reached = iotsafe_card_info(d->card, &d->info, &d->op);
    found = probes[row].after != NULL && probes[row].after(d, address);
    if (is_reached(d))
        return true;
    if (!found)
        doctor_find_error(d, d->reached, d->op.text, FINDING_SIM_UNREACHABLE);
    return false;
}

bool doctor_transport(struct doctor *d)
{
    struct iotsafe_op op = { .text = "" };
    const char *transport;

    if (iotsafe_card_new(tool_config(&d->own), d->uri.sim, &d->card, &op) != IOTSAFE_OK) {
        doctor_find(d, FINDING_SIM_UNKNOWN, "%s", op.text);
        return false;
    }
    transport = iotsafe_card_transport(d->card);
    for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
        const char *colon = strchr(transport, ':');

        if (!has_scheme(d, probes[i].scheme))
            continue;
        if (!ask(d, i, colon != NULL ? colon + 1 : ""))
            return false;
        doctor_ok(d, "the SIM is reached by %s",
                  d->info.device[0] != '\0' ? d->info.device : transport);
        return true;
    }
    return false;
}

bool doctor_applet(struct doctor *d)
{
    if (d->reached != IOTSAFE_OK) {
        doctor_find_error(d, d->reached, d->op.text, FINDING_CARD_ERROR);
        return false;
    }
    if (d->info.known)
        doctor_ok(d, "IoT SAFE %u.%u, channel %s", d->info.version >> 4, d->info.version & 15U,
                  d->info.channel);
    else
        doctor_ok(d, "it does not describe itself; channel %s", d->info.channel);
    return true;
}
