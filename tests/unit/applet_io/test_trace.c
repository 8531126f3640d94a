/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace.h"

static char folder[64], setting[128];

static void make_folder(void)
{
    strcpy(folder, "/tmp/trace.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(setting, sizeof(setting), "file:%s/trace", folder);
}

static void remove_folder(void)
{
    char command[96];

    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(trace, .init = make_folder, .fini = remove_folder);

static size_t slurp(const char *path, char *out, size_t cap)
{
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(out, 1, cap - 1, f) : 0;

    if (f != NULL)
        (void)fclose(f);
    out[n] = '\0';
    return n;
}

Test(trace, tells_command_and_answer_in_words)
{
    static const uint8_t cmd[] = { 0x81, 0xcd, 0, 0, 3, 0x85, 1, 1, 0 };
    static const uint8_t rsp[] = { 0x6a, 0x82 };
    char text[4096];
    struct stat st;

    trace_exchange(setting, "dev", 0xcd, cmd, sizeof(cmd), rsp, sizeof(rsp), 7);
    slurp(setting + 5, text, sizeof(text));
    cr_expect_not_null(strstr(text, "81CD000003850101"), "%s", text);
    cr_expect_not_null(strstr(text, "READ PUBLIC KEY"), "%s", text);
    cr_expect_not_null(strstr(text, "6A82"), "%s", text);
    cr_expect_not_null(strstr(text, "not found"), "%s", text);
    cr_assert_eq(stat(setting + 5, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0600);
}

static const uint8_t secret_ins[] = { IOTSAFE_INS_GET_RANDOM, IOTSAFE_INS_COMPUTE_DH,
                                      IOTSAFE_INS_COMPUTE_PRF, IOTSAFE_INS_COMPUTE_HKDF, 0x55 };

Test(trace, masks_secret_answers_also_when_they_are_fetched)
{
    for (size_t i = 0; i < ARRAY_LEN(secret_ins); i++) {
        const uint8_t cmd[] = { 0x01, 0xc0, 0, 0, 4 };
        static const uint8_t rsp[] = { 0xde, 0xad, 0xbe, 0xef, 0x90, 0x00 };
        char text[4096];

        trace_exchange(setting, "dev", secret_ins[i], cmd, sizeof(cmd), rsp, sizeof(rsp), 0);
        slurp(setting + 5, text, sizeof(text));
        cr_expect_null(strstr(text, "DEADBEEF"), "instruction %02x: %s", secret_ins[i], text);
        cr_expect_not_null(strstr(text, "masked"), "%s", text);
    }
}

Test(trace, masks_secret_command_data)
{
    static const uint8_t cmd[] = { 0x81, 0x4a, 0, 0, 4, 0xde, 0xad, 0xbe, 0xef };
    static const uint8_t rsp[] = { 0x90, 0x00 };
    char text[4096], pcap[128];
    size_t n;

    trace_exchange(setting, "dev", 0x4a, cmd, sizeof(cmd), rsp, sizeof(rsp), 0);
    slurp(setting + 5, text, sizeof(text));
    cr_expect_null(strstr(text, "DEADBEEF"), "%s", text);
    (void)snprintf(pcap, sizeof(pcap), "pcap:%s/pcap", folder);
    trace_exchange(pcap, "dev", 0x4a, cmd, sizeof(cmd), rsp, sizeof(rsp), 0);
    n = slurp(pcap + 5, text, sizeof(text));
    cr_expect_eq(n, 24 + 16 + 20 + 8 + 16 + sizeof(cmd) + sizeof(rsp));
    cr_expect_null(memmem(text, n, "\xde\xad", 2));
}

/* ------------------------------------------------------------- pcap files */

#define PCAP_HEAD 24
#define PCAP_RECORD (16 + 20 + 8 + 16) /* in front of command and response */

static const uint8_t pcap_cmd[] = { 0x81, 0xcd, 0, 0, 3, 0x85, 1, 1 }, pcap_rsp[] = { 0x6a, 0x82 };

static void trace_packet(const char *to)
{
    trace_exchange(to, "dev", 0xcd, pcap_cmd, sizeof(pcap_cmd), pcap_rsp, sizeof(pcap_rsp), 0);
}

/* The packets of a file that has one head, and nothing but packets behind. */
static int packets_of(const char *path)
{
    static const uint32_t magic = 0xa1b2c3d4;
    static char bytes[1 << 20];
    const size_t size = slurp(path, bytes, sizeof(bytes));
    const uint32_t each = sizeof(pcap_cmd) + sizeof(pcap_rsp) + PCAP_RECORD - 16;
    size_t at = PCAP_HEAD;
    int n = 0;

    cr_assert_geq(size, (size_t)PCAP_HEAD);
    cr_expect_eq(memcmp(bytes, &magic, sizeof(magic)), 0, "%s has no head", path);
    for (; at + 16 + each <= size; at += 16 + each, n++)
        cr_assert_eq(memcmp(bytes + at + 8, &each, sizeof(each)), 0, "no packet at %zu", at);
    cr_expect_eq(at, size, "%zu bytes behind the last packet", size - at);
    return n;
}

/* As a process leaves it that is killed before it has written. */
Test(trace, writes_the_head_of_a_pcap_file_that_has_none)
{
    char pcap[128];

    (void)snprintf(pcap, sizeof(pcap), "pcap:%s/pcap", folder);
    (void)close(open(pcap + 5, O_WRONLY | O_CREAT, 0600));
    trace_packet(pcap);
    trace_packet(pcap);
    cr_expect_eq(packets_of(pcap + 5), 2);
}

Test(trace, completes_the_head_of_a_pcap_file)
{
    char pcap[128];

    (void)snprintf(pcap, sizeof(pcap), "pcap:%s/pcap", folder);
    trace_packet(pcap);
    cr_assert_eq(truncate(pcap + 5, 7), 0);
    trace_packet(pcap);
    cr_expect_eq(packets_of(pcap + 5), 1);
}

/* None of the processes before all are there. */
Test(trace, many_processes_begin_a_pcap_file_at_once)
{
    enum { PROCESSES = 8, ROUNDS = 20 };

    for (int round = 0; round < ROUNDS; round++) {
        char pcap[128], byte;
        int start[2], status;

        (void)snprintf(pcap, sizeof(pcap), "pcap:%s/pcap%d", folder, round);
        cr_assert_eq(pipe(start), 0);
        for (int i = 0; i < PROCESSES; i++) {
            if (fork() == 0) {
                (void)close(start[1]);
                (void)!read(start[0], &byte, 1);
                for (int n = 0; n < 3; n++)
                    trace_packet(pcap);
                _exit(0);
            }
        }
        (void)close(start[0]);
        (void)close(start[1]);
        while (wait(&status) > 0)
            cr_expect_eq(status, 0);
        cr_expect_eq(packets_of(pcap + 5), 3 * PROCESSES);
    }
}

/* ------------------------------------------------------- what cannot be written */

/* In a process of its own, with the actions of signals that programs begin with. */
static void expect_survived(void (*writes)(const char *), const char *to)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)signal(SIGXFSZ, SIG_DFL);
        writes(to);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0, "ended by signal %d, or with %d", WTERMSIG(status),
                 WEXITSTATUS(status));
}

static void write_to_nobody(const char *to)
{
    int nobody[2];

    if (pipe(nobody) != 0 || dup2(nobody[1], STDERR_FILENO) < 0)
        _exit(1);
    (void)close(nobody[0]);
    (void)close(nobody[1]);
    trace_packet(to);
}

static rlim_t limit_of_files;

static void write_past_limit(const char *to)
{
    const struct rlimit limit = { limit_of_files, limit_of_files };

    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(1);
    for (int i = 0; i < 3; i++)
        trace_packet(to);
}

static void write_with_own_signal(const char *to)
{
    sigset_t pipe_signal, pending;

    (void)sigemptyset(&pipe_signal);
    (void)sigaddset(&pipe_signal, SIGPIPE);
    (void)sigprocmask(SIG_BLOCK, &pipe_signal, NULL);
    (void)raise(SIGPIPE);
    write_to_nobody(to);
    (void)sigpending(&pending);
    if (sigismember(&pending, SIGPIPE) != 1)
        _exit(3);
}

Test(trace, to_a_pipe_that_nobody_reads_kills_no_program)
{
    expect_survived(write_to_nobody, "stderr");
}

Test(trace, leaves_the_program_its_own_pending_signal)
{
    expect_survived(write_with_own_signal, "stderr");
}

/* In the head, behind it, in a packet, and behind one; then there is room again. */
Test(trace, at_the_limit_of_file_sizes_leaves_whole_packets_and_kills_no_program)
{
    const size_t packet = PCAP_RECORD + sizeof(pcap_cmd) + sizeof(pcap_rsp);
    const struct {
        size_t limit;
        int packets;
    } at[] = { { 0, 0 },
               { 3, 0 },
               { PCAP_HEAD, 0 },
               { PCAP_HEAD + packet, 1 },
               { PCAP_HEAD + packet + 30, 1 } };

    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        char pcap[128];

        (void)snprintf(pcap, sizeof(pcap), "pcap:%s/pcap%zu", folder, i);
        limit_of_files = at[i].limit;
        expect_survived(write_past_limit, pcap);
        trace_packet(pcap);
        cr_expect_eq(packets_of(pcap + 5), at[i].packets + 1, "limit %zu", at[i].limit);
    }
}

Test(trace, follows_no_symbolic_link_and_keeps_errno)
{
    static const uint8_t bytes[] = { 0x81, 0xcd, 0, 0, 0 };
    char victim[128];
    struct stat st;

    (void)snprintf(victim, sizeof(victim), "%s/victim", folder);
    (void)fclose(fopen(victim, "w"));
    cr_assert_eq(symlink(victim, setting + 5), 0);
    errno = 4711;
    trace_exchange(setting, "dev", 0xcd, bytes, sizeof(bytes), bytes, sizeof(bytes), 0);
    cr_expect_eq(errno, 4711);
    cr_assert_eq(stat(victim, &st), 0);
    cr_expect_eq(st.st_size, 0);
}

/* What is on standard error while a line is traced; the trace's own size in *ret_size. */
static const char *told_on_stderr(const char *to, off_t *ret_size)
{
    static const uint8_t bytes[] = { 0x81, 0xcd, 0, 0, 0 };
    static char text[1024];
    char path[128];
    struct stat st = { .st_size = -1 };
    int saved = dup(STDERR_FILENO), fd;

    (void)snprintf(path, sizeof(path), "%s/stderr", folder);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    (void)dup2(fd, STDERR_FILENO);
    for (int i = 0; i < 2; i++)
        trace_exchange(to, "dev", 0xcd, bytes, sizeof(bytes), bytes, sizeof(bytes), 0);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(fd);
    slurp(path, text, sizeof(text));
    (void)stat(to + 5, &st);
    *ret_size = st.st_size;
    return text;
}

/* Standard error was closed, and its number is that of a file of the program's own. */
Test(trace, goes_into_no_file_that_has_got_the_number_of_standard_error)
{
    static const uint8_t bytes[] = { 0x81, 0xcd, 0, 0, 0 };
    char path[128], text[64];
    int saved = dup(STDERR_FILENO), fd;

    (void)snprintf(path, sizeof(path), "%s/device", folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)dup3(fd, STDERR_FILENO, O_CLOEXEC);
    trace_exchange("stderr", "dev", 0xcd, bytes, sizeof(bytes), bytes, sizeof(bytes), 0);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(fd);
    slurp(path, text, sizeof(text));
    cr_expect_str_empty(text);
}

/* How an existing file is spoiled, and what is said of it. */
static void lay_fine(const char *path)
{
    (void)close(open(path, O_WRONLY | O_CREAT, 0644));
}

static void lay_for_group(const char *path)
{
    lay_fine(path);
    (void)chmod(path, 0660);
}

static void lay_for_all(const char *path)
{
    lay_fine(path);
    (void)chmod(path, 0602);
}

static void lay_two_names(const char *path)
{
    char other[160];

    lay_fine(path);
    (void)snprintf(other, sizeof(other), "%s/other", folder);
    cr_assert_eq(link(path, other), 0);
}

static void lay_link(const char *path)
{
    cr_assert_eq(symlink("stderr", path), 0);
}

static void lay_folder(const char *path)
{
    cr_assert_eq(mkdir(path, 0700), 0);
}

/* A reader has it open, so that writing could begin. */
static int reader = -1;

static void lay_fifo(const char *path)
{
    cr_assert_eq(mkfifo(path, 0600), 0);
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static void lay_foreign(const char *path)
{
    lay_fine(path);
    (void)chmod(path, 0644);
    if (geteuid() != 0 || chown(path, 4711, 4711) != 0)
        cr_skip_test("needs root");
}

static void expect_refused(void (*lay)(const char *), const char *why)
{
    off_t before, after;
    struct stat st;
    const char *text;

    lay(setting + 5);
    cr_assert_eq(lstat(setting + 5, &st), 0);
    before = st.st_size;
    text = told_on_stderr(setting, &after);
    cr_expect_not_null(strstr(text, setting + 5), "%s", text);
    cr_expect_not_null(strstr(text, why), "%s", text);
    cr_expect_eq(strchr(text, '\n'), text + strlen(text) - 1, "not one line: %s", text);
    cr_assert_eq(lstat(setting + 5, &st), 0);
    cr_expect_eq(st.st_size, before);
}

Test(trace, a_file_of_ours_is_appended_to_in_silence)
{
    off_t size;

    lay_fine(setting + 5);
    cr_expect_str_empty(told_on_stderr(setting, &size));
    cr_expect_gt(size, 0);
}

Test(trace, refuses_a_file_that_its_group_may_write_to)
{
    expect_refused(lay_for_group, "others than its owner");
}

Test(trace, refuses_a_file_that_all_may_write_to)
{
    expect_refused(lay_for_all, "others than its owner");
}

Test(trace, refuses_a_file_with_two_names)
{
    expect_refused(lay_two_names, "hard links");
}

Test(trace, refuses_a_symbolic_link)
{
    expect_refused(lay_link, "symbolic link");
}

Test(trace, refuses_a_folder)
{
    expect_refused(lay_folder, "directory");
}

/* A capture of something else, or a text. */
static void lay_text(const char *path)
{
    FILE *f = fopen(path, "w");

    (void)chmod(path, 0600);
    (void)fputs("12:00\n", f);
    (void)fclose(f);
}

Test(trace, refuses_a_file_that_is_no_pcap_of_ours)
{
    (void)snprintf(setting, sizeof(setting), "pcap:%s/pcap", folder);
    expect_refused(lay_text, "something else");
}

Test(trace, refuses_a_fifo)
{
    char byte;

    expect_refused(lay_fifo, "not a regular file");
    cr_expect_leq(read(reader, &byte, 1), 0);
}

Test(trace, refuses_a_file_of_another_user)
{
    expect_refused(lay_foreign, "another user");
}
