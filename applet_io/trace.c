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
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "instruction.h"
#include "trace_format.h"

/* ---------------------------------------------------------- what is masked */

#define CMD_HEAD (APDU_HEADER_SIZE + 1) /* Lc or Le included */

/* Of data that are secret the name of the secret may be seen, which stands first. */
size_t traced_cmd_visible(const struct traced *x)
{
    const struct instruction *in = instruction_of(x->ins);
    const uint8_t *name = x->cmd + CMD_HEAD;
    size_t end;

    if ((in->flags & INS_DATA_SECRET) == 0 || x->cmd_len <= CMD_HEAD)
        return x->cmd_len;
    if (x->cmd[1] != in->ins || x->cmd_len < CMD_HEAD + 2
        || (name[0] != IOTSAFE_TAG_SECRET_ID && name[0] != IOTSAFE_TAG_SECRET_LABEL)
        || name[1] > IOTSAFE_LABEL_MAX)
        return CMD_HEAD;
    end = CMD_HEAD + 2 + (size_t)name[1];
    return end <= x->cmd_len ? end : CMD_HEAD;
}

size_t traced_rsp_visible(const struct traced *x)
{
    return (instruction_of(x->ins)->flags & INS_RESPONSE_SECRET) != 0 ? 0 : x->rsp_len;
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

/* ------------------------------------------------------------------ pcap */

/* The head of a file: whoever finds less than all of it writes it to its place. When several
 * begin a file at once they write the same, all before their first packet, and one that is
 * killed in between leaves no file without a head. */
static bool begin_pcap(int fd, const char *path)
{
    uint8_t there[sizeof(trace_pcap_head)];
    const ssize_t n = pread(fd, there, sizeof(there), 0);
    const int flags = fcntl(fd, F_GETFL);
    bool written;

    if (n < 0 || memcmp(there, &trace_pcap_head, (size_t)n) != 0) {
        refuse(path, "it contains something else");
        return false;
    }
    if ((size_t)n == sizeof(there))
        return true;
    /* with O_APPEND the kernel would write to the end */
    written = fcntl(fd, F_SETFL, flags & ~O_APPEND) == 0
              && write_quietly(fd, &trace_pcap_head, sizeof(trace_pcap_head))
                     == (ssize_t)sizeof(trace_pcap_head);
    return fcntl(fd, F_SETFL, flags) == 0 && written;
}

static void write_packet(const char *path, const struct trace_packet *p)
{
    const int fd = open_trace(path, O_RDWR);

    if (fd < 0)
        return;
    if (begin_pcap(fd, path))
        append(fd, p->bytes, p->len);
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
    const struct traced x = { ins, cmd, cmd_len, rsp, rsp_len, ms };
    const int saved = errno;
    union {
        struct trace_text text;
        struct trace_packet packet;
    } as;

    if (trace_is_off(setting))
        return;
    if (strncmp(setting, "pcap:", 5) != 0) {
        trace_text_exchange(&as.text, device, &x);
        write_text(setting, as.text.text, as.text.len);
    } else if (trace_packet(&as.packet, &x)) {
        write_packet(setting + 5, &as.packet);
    }
    errno = saved;
}

void trace_note(const char *setting, const char *device, const char *format, ...)
{
    const int saved = errno;
    struct iotsafe_op remark;
    struct trace_text t;
    va_list args;

    if (trace_is_off(setting) || strncmp(setting, "pcap:", 5) == 0)
        return;
    va_start(args, format);
    (void)vsnprintf(remark.text, sizeof(remark.text), format, args);
    va_end(args);
    trace_text_note(&t, device, remark.text);
    write_text(setting, t.text, t.len);
    errno = saved;
}
