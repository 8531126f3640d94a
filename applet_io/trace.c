/* SPDX-License-Identifier: Apache-2.0 */
/* see trace.h */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apdu.h"
#include "error.h"
#include "instruction.h"

#define TEXT_MAX 2048

/* ---------------------------------------------------------- what is masked */

/* What nobody may read becomes zeros (pcap) or a count (text). */
static bool data_is_secret(uint8_t ins)
{
    return (instruction_of(ins)->flags & INS_DATA_SECRET) != 0;
}

static bool answer_is_secret(uint8_t ins)
{
    return (instruction_of(ins)->flags & INS_RESPONSE_SECRET) != 0;
}

/* --------------------------------------------------------- where it goes */

bool trace_setting_valid(const char *setting)
{
    return setting[0] == '\0' || strcmp(setting, "stderr") == 0
           || (strncmp(setting, "file:", 5) == 0 && setting[5] != '\0')
           || (strncmp(setting, "pcap:", 5) == 0 && setting[5] != '\0');
}

/* Why a file that is there already is no place for a trace; NULL: it is one. What others
 * may write to, they may have laid there: for us to fill up, or for us to believe. */
static const char *unfit(const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return "it is not a regular file";
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return "it belongs to another user";
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return "others than its owner may write to it";
    return st->st_nlink != 1 ? "it has more than one name (hard links)" : NULL;
}

/* Where a program was started with standard error closed, the number belongs to whatever was
 * opened next, perhaps a device of ours or what the program writes. */
static bool had_stderr;

__attribute__((constructor)) static void look_for_stderr(void)
{
    had_stderr = fcntl(STDERR_FILENO, F_GETFD) >= 0;
}

/* write() without the signals of a pipe that nobody reads and of a file that has reached its
 * limit: the program that is traced would die of them. */
static ssize_t write_quietly(int fd, const void *bytes, size_t len)
{
    static const struct timespec at_once = { 0, 0 };
    sigset_t ours, before, pending;
    ssize_t n;

    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, SIGPIPE);
    (void)sigaddset(&ours, SIGXFSZ);
    (void)pthread_sigmask(SIG_BLOCK, &ours, &before);
    (void)sigpending(&pending);
    if (sigismember(&pending, SIGPIPE) == 1) /* the program's own: they stay */
        (void)sigdelset(&ours, SIGPIPE);
    if (sigismember(&pending, SIGXFSZ) == 1)
        (void)sigdelset(&ours, SIGXFSZ);
    n = write(fd, bytes, len);
    if (n < 0 && (errno == EPIPE || errno == EFBIG))
        (void)sigtimedwait(&ours, NULL, &at_once);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

/* What was closed later, or before the module was loaded, is seen only where the file in its
 * place is closed on exec, as careful programs open them: what was handed to a program as its
 * standard error is not. */
static void write_stderr(const char *text, size_t len)
{
    const int flags = had_stderr ? fcntl(STDERR_FILENO, F_GETFD) : -1;

    if (flags >= 0 && (flags & FD_CLOEXEC) == 0)
        (void)write_quietly(STDERR_FILENO, text, len);
}

/* A trace that is not written fails no operation, so that its reader would wait in vain:
 * standard error tells it, once in a process. */
static void refuse(const char *path, const char *why)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    struct iotsafe_op line;

    if (atomic_flag_test_and_set(&told))
        return;
    op_set(&line, "iotsafe: no trace is written to %.200s: %s", path, why);
    write_stderr(line.text, strlen(line.text));
    write_stderr("\n", 1);
}

/* Descriptor to append to, -1 for none. `access`: O_WRONLY or O_RDWR */
static int open_trace(const char *path, int access)
{
    const int flags = access | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    const char *why = NULL;
    struct stat st;
    int fd = open(path, flags | O_CREAT | O_EXCL, 0600);

    if (fd < 0 && errno == EEXIST)
        fd = open(path, flags);
    if (fd < 0)
        why = errno == ELOOP ? "it is a symbolic link" : strerror(errno);
    else
        why = fstat(fd, &st) != 0 ? strerror(errno) : unfit(&st);
    if (why == NULL)
        return fd;
    refuse(path, why);
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

/* All of it or nothing, so that what follows can be read: a part, where the disk is full,
 * is taken back unless others have appended to it. */
static void append(int fd, const void *bytes, size_t len)
{
    const ssize_t n = write_quietly(fd, bytes, len);
    const off_t end = lseek(fd, 0, SEEK_CUR);
    struct stat st;

    if (n > 0 && (size_t)n < len && fstat(fd, &st) == 0 && st.st_size == end)
        (void)!ftruncate(fd, end - n);
}

static void write_text(const char *setting, const char *text, size_t len)
{
    int fd;

    if (strcmp(setting, "stderr") == 0) {
        write_stderr(text, len);
        return;
    }
    fd = open_trace(setting + 5, O_WRONLY);
    if (fd < 0)
        return;
    append(fd, text, len);
    (void)close(fd);
}

/* ------------------------------------------------------------------ text */

static size_t put_stamp(char *text, size_t cap, const char *device)
{
    struct timespec ts;
    struct tm tm;
    size_t n;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    (void)gmtime_r(&ts.tv_sec, &tm);
    n = strftime(text, cap, "%H:%M:%S", &tm);
    return n
           + (size_t)snprintf(text + n, cap - n, ".%03ld %ld %s ", ts.tv_nsec / 1000000,
                              (long)getpid(), device);
}

/* Bytes as hex, those from `visible` on as a count. */
static size_t put_bytes(char *text, size_t cap, const uint8_t *bytes, size_t n, size_t visible)
{
    size_t len;

    if (visible > n)
        visible = n;
    if (2 * visible + 32 > cap)
        visible = (cap - 32) / 2;
    hex_encode(bytes, visible, text);
    len = 2 * visible;
    if (visible < n)
        len += (size_t)snprintf(text + len, cap - len, "<%zu bytes masked>", n - visible);
    return len;
}

static void text_exchange(const char *setting, const char *device, uint8_t ins, const uint8_t *cmd,
                          size_t cmd_len, const uint8_t *rsp, size_t rsp_len, int64_t ms)
{
    char text[TEXT_MAX];
    size_t n = put_stamp(text, sizeof(text), device);
    uint16_t sw;

    n += (size_t)snprintf(text + n, sizeof(text) - n, ">> ");
    n += put_bytes(text + n, 700, cmd, cmd_len, data_is_secret(ins) ? 5 : cmd_len);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "  %s\n",
                          cmd_len > 1 ? instruction_of(cmd[1])->name : "");
    n += put_stamp(text + n, sizeof(text) - n, device);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "<< ");
    if (rsp_len < 2) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "no answer (%lld ms)\n", (long long)ms);
    } else {
        sw = (uint16_t)(rsp[rsp_len - 2] << 8 | rsp[rsp_len - 1]);
        n += put_bytes(text + n, 700, rsp, rsp_len - 2, answer_is_secret(ins) ? 0 : rsp_len - 2);
        n += (size_t)snprintf(
            text + n, sizeof(text) - n, "%s%04X  %s (%lld ms)\n", rsp_len > 2 ? " " : "", sw,
            (sw & 0xff00) == SW_BYTES_WAIT ? "answer waits" : error_sw_meaning(sw), (long long)ms);
    }
    write_text(setting, text, n);
}

/* ------------------------------------------------------------------ pcap */

/* One packet: pcap record, IPv4, UDP to the GSMTAP port, GSMTAP, then command
 * and answer as Wireshark's GSM SIM dissector wants them. */
struct packet {
    uint8_t bytes[16 + 20 + 8 + 16 + APDU_CMD_MAX + 4096];
    size_t len;
};

static void put_be16(struct packet *p, size_t v)
{
    p->bytes[p->len++] = (uint8_t)(v >> 8);
    p->bytes[p->len++] = (uint8_t)v;
}

static void put_host32(struct packet *p, uint32_t v)
{
    memcpy(p->bytes + p->len, &v, sizeof(v)); /* pcap is in the writer's byte order */
    p->len += sizeof(v);
}

static void put_masked(struct packet *p, const uint8_t *bytes, size_t n, size_t first, size_t end)
{
    memcpy(p->bytes + p->len, bytes, n);
    for (size_t i = first; i < end && i < n; i++)
        p->bytes[p->len + i] = 0;
    p->len += n;
}

static uint16_t ip_checksum(const uint8_t *head)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < 20; i += 2)
        sum += (uint32_t)(head[i] << 8 | head[i + 1]);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put_ip_udp(struct packet *p, size_t payload)
{
    static const uint8_t ip[] = { 0x40, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1 };
    size_t start = p->len;
    uint16_t sum;

    put_be16(p, 0x4500);
    put_be16(p, 20 + 8 + payload);
    put_be16(p, 0);
    put_be16(p, 0);
    memcpy(p->bytes + p->len, ip, sizeof(ip));
    p->len += sizeof(ip);
    sum = ip_checksum(p->bytes + start);
    p->bytes[start + 10] = (uint8_t)(sum >> 8);
    p->bytes[start + 11] = (uint8_t)sum;
    put_be16(p, 4729);
    put_be16(p, 4729);
    put_be16(p, 8 + payload);
    put_be16(p, 0);
}

static const struct {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, precision;
    uint32_t longest_packet;
    uint32_t link_type;
} pcap_head = {
    .magic = 0xa1b2c3d4, .major = 2, .minor = 4, .longest_packet = 65535, .link_type = 101, /* IP */
};

/* The head of a file: whoever finds less than all of it writes it to its place. When several
 * begin a file at once they write the same, all before their first packet, and one that is
 * killed in between leaves no file without a head. */
static bool begin_pcap(int fd, const char *path)
{
    uint8_t there[sizeof(pcap_head)];
    const ssize_t n = pread(fd, there, sizeof(there), 0);
    const int flags = fcntl(fd, F_GETFL);
    bool written;

    if (n < 0 || memcmp(there, &pcap_head, (size_t)n) != 0) {
        refuse(path, "it holds something else");
        return false;
    }
    if ((size_t)n == sizeof(there))
        return true;
    /* with O_APPEND the kernel would write to the end */
    written = fcntl(fd, F_SETFL, flags & ~O_APPEND) == 0
              && write_quietly(fd, &pcap_head, sizeof(pcap_head)) == (ssize_t)sizeof(pcap_head);
    return fcntl(fd, F_SETFL, flags) == 0 && written;
}

static void pcap_exchange(const char *path, uint8_t ins, const uint8_t *cmd, size_t cmd_len,
                          const uint8_t *rsp, size_t rsp_len)
{
    static const uint8_t gsmtap[16] = { 2, 4, 4 };
    struct packet p = { .len = 0 };
    struct timespec ts;
    size_t payload;
    int fd;

    if (cmd_len > APDU_CMD_MAX || rsp_len > 4096)
        return;
    payload = sizeof(gsmtap) + cmd_len + rsp_len;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    put_host32(&p, (uint32_t)ts.tv_sec);
    put_host32(&p, (uint32_t)(ts.tv_nsec / 1000));
    put_host32(&p, (uint32_t)(28 + payload));
    put_host32(&p, (uint32_t)(28 + payload));
    put_ip_udp(&p, payload);
    memcpy(p.bytes + p.len, gsmtap, sizeof(gsmtap));
    p.len += sizeof(gsmtap);
    put_masked(&p, cmd, cmd_len, 5, data_is_secret(ins) ? cmd_len : 0);
    put_masked(&p, rsp, rsp_len, 0, answer_is_secret(ins) && rsp_len > 2 ? rsp_len - 2 : 0);
    fd = open_trace(path, O_RDWR);
    if (fd < 0)
        return;
    if (begin_pcap(fd, path))
        append(fd, p.bytes, p.len);
    (void)close(fd);
}

/* ------------------------------------------------------------------ both */

static bool trace_is_off(const char *setting)
{
    return setting == NULL || setting[0] == '\0' || getauxval(AT_SECURE) != 0;
}

void trace_exchange(const char *setting, const char *device, uint8_t ins, const uint8_t *cmd,
                    size_t cmd_len, const uint8_t *rsp, size_t rsp_len, int64_t ms)
{
    int saved = errno;

    if (trace_is_off(setting))
        return;
    if (strncmp(setting, "pcap:", 5) == 0)
        pcap_exchange(setting + 5, ins, cmd, cmd_len, rsp, rsp_len);
    else
        text_exchange(setting, device, ins, cmd, cmd_len, rsp, rsp_len, ms);
    errno = saved;
}

void trace_note(const char *setting, const char *device, const char *format, ...)
{
    struct iotsafe_op remark;
    char text[TEXT_MAX];
    int saved = errno;
    va_list args;
    size_t n;

    if (trace_is_off(setting) || strncmp(setting, "pcap:", 5) == 0)
        return;
    va_start(args, format);
    (void)vsnprintf(remark.text, sizeof(remark.text), format, args);
    va_end(args);
    iotsafe_text_clean(remark.text);
    n = put_stamp(text, sizeof(text), device);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "-- %s\n", remark.text);
    write_text(setting, text, n);
    errno = saved;
}
