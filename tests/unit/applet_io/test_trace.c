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

/* ------------------------------------------------------------- what lines say */

/* An exchange in hex, and the ends of its two lines. */
static const struct said {
    uint8_t ins;
    const char *cmd, *rsp, *of_cmd, *of_rsp;
} said[] = {
    { 0x70, "0070000001", "029000", ">> 0070000001  MANAGE CHANNEL, open",
      "<< 02 9000  success (7 ms), channel=2" },
    { 0x70, "0070800200", "9000", "MANAGE CHANNEL, close, channel=2", "<< 9000  success (7 ms)" },
    { 0xa4, "01A4040007A0000005590010", "6A82", "SELECT, AID=A0000005590010",
      "<< 6A82  file or object not found (7 ms)" },
    { 0xa4, "01A404000000", "9000", "SELECT", "success (7 ms)" },
    { 0x2a, "812A000116740A636C69656E742D6B6579A1010391020001920104", "6985",
      "COMPUTE SIGNATURE INIT, open, session=1, private key label=\"client-key\", "
      "mode=pad and sign, hash=SHA-256, algorithm=ECDSA",
      "<< 6985  conditions of use not satisfied: object deactivated, function not granted, or "
      "session state (7 ms)" },
    { 0x2a, "812A000010840200AfA1010191020004920101", "9000",
      "open, session=0, private key id=00af, mode=full text, hash=SHA-512, algorithm=RSA PKCS #1",
      "success (7 ms)" },
    { 0x2a, "812A010200", "9000", "COMPUTE SIGNATURE INIT, close, session=2", "success (7 ms)" },
    { 0x2b, "812B8001069E040102030400", "330004AABBCCDD9000",
      "COMPUTE SIGNATURE UPDATE, last, session=1, digest=4 bytes",
      "success (7 ms), signature=4 bytes" },
    { 0x2b, "812B0001039B0141", "9000", "UPDATE, more follow, session=1, text=1 bytes",
      "success (7 ms)" },
    { 0x2b, "812B80010D9A01419C0201029D0400000080", "6105",
      "last block=1 bytes, intermediate hash=2 bytes, hashed bytes=128",
      "<< 6105  5 bytes wait (7 ms)" },
    { 0x2b, "01C0000005", "3303AABBCC9000", "GET RESPONSE, of COMPUTE SIGNATURE UPDATE",
      "success (7 ms), signature=3 bytes" },
    { 0x2d, "812D8002099E0201023300020A0B", "6D01",
      "VERIFY SIGNATURE UPDATE, last, session=2, digest=2 bytes, signature=2 bytes",
      "signature does not match (7 ms)" },
    { 0xd8, "81D880020434020102", "9000",
      "PUT PUBLIC KEY UPDATE, last, session=2, public key=2 bytes", "success (7 ms)" },
    { 0xb0, "81B001800383010200", "3082900063CF", "READ FILE, offset=384, file id=02",
      "<< 30829000 63CF  success, remote administration has ended (7 ms), 4 bytes" },
    { 0xcb, "81CB01010000", "6C10", "GET DATA, object list, next page",
      "wrong expected length, 16 is right (7 ms)" },
    { 0xcb, "81CB010000", "6100", "GET DATA, object list", "256 bytes wait (7 ms)" },
    { 0xcb, "81CB010000",
      "C11A7401618401016001004A01014B01134E010161010792010491020007C30C830102730162210102200201E690"
      "00",
      "GET DATA, object list",
      "private key label=\"a\", private key id=01, access=00, state=activated, type=P-256, "
      "usage=general, functions=signature+generation+agreement, algorithm=ECDSA, "
      "hash=SHA-256+SHA-384+SHA-512; file id=02, file label=\"b\", usage=certificate, size=486" },
    { 0xcb, "81CBC3000383010200", "830102600103A5019000", "GET DATA, object, file id=02",
      "success (7 ms), file id=02, access=read+update, ..." },
    { 0xcb, "81CB000044", "1001106101186F01026102011A4B01779000", "GET DATA, application",
      "version=10, functions=derivation+10, key agreement=02, functions=generation+derivation+110, "
      "type=77" },
    { 0xb9, "81B9000003840104", "8401048501053404010203049000",
      "GENERATE KEY PAIR, private key id=04",
      "private key id=04, public key id=05, public key=4 bytes" },
    { 0xcd, "81CD0000057503610A22", "04AA9000", "READ PUBLIC KEY, public key label=\"a?\\\"\"",
      "success (7 ms), ..." },
    { 0x46, "814600000684010485010500", "DEADBEEF9000",
      "COMPUTE DH, private key id=04, public key id=05",
      "<< <4 bytes masked> 9000  success (7 ms)" },
    { 0x46, "01C0000004", "DEADBEEF9000", "GET RESPONSE, of COMPUTE DH",
      "<< <4 bytes masked> 9000  success (7 ms)" },
    { 0x46, "01C0000004", "DE", "GET RESPONSE, of COMPUTE DH",
      "<< <1 bytes masked>no status word (7 ms)" },
    { 0x46, "01C0000004", "", "GET RESPONSE, of COMPUTE DH", "<< no response (7 ms)" },
    { 0x84, "8184000004", "DEADBEEF6300", "GET RANDOM",
      "<< <4 bytes masked> 6300  more data follows (7 ms)" },
    { 0x48, "814801000B760161D402DEADD201BE00", "DEADBEEF9000",
      ">> 814801000B760161<8 bytes masked>  COMPUTE PRF, PSK, secret label=\"a\"",
      "<< <4 bytes masked> 9000  success (7 ms)" },
    /* no name of a secret: nothing is shown */
    { 0x48, "814800000AD102DEADD202BEEF8601", "9000",
      ">> 814800000A<10 bytes masked>  COMPUTE PRF, general", "success (7 ms)" },
    { 0x4a, "814A0000048605DEAD", "9000", ">> 814A000004<4 bytes masked>  COMPUTE HKDF",
      "success (7 ms)" },
    { 0x4a, "814A00003F763DDEAD", "9000", ">> 814A00003F<4 bytes masked>  COMPUTE HKDF",
      "success (7 ms)" },
    { 0x55, "81550000048602DEAD", "DEADBEEF9000",
      ">> 8155000004<4 bytes masked>  unknown instruction",
      "<< <4 bytes masked> 9000  success (7 ms)" },
    { 0x24, "812400", "9000", ">> 812400", "success (7 ms)" },
};

static bool ends_with(const char *text, const char *end)
{
    const size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Trace one exchange; its lines, which are two, and their texts end with the file. */
static char *lines_of(const struct said *x, char **ret_second)
{
    static char text[8192];
    uint8_t cmd[300], rsp[600];
    const int cmd_len = hex_decode(x->cmd, strlen(x->cmd) & ~1u, cmd, sizeof(cmd));
    const int rsp_len = hex_decode(x->rsp, strlen(x->rsp) & ~1u, rsp, sizeof(rsp));
    char *end;

    cr_assert(cmd_len > 0 && rsp_len >= 0, "%s", x->cmd);
    (void)unlink(setting + 5);
    trace_exchange(setting, "dev", x->ins, cmd, (size_t)cmd_len, rsp, (size_t)rsp_len, 7);
    slurp(setting + 5, text, sizeof(text));
    end = strchr(text, '\n');
    cr_assert_not_null(end, "%s", text);
    *end = '\0';
    *ret_second = end + 1;
    end = strchr(*ret_second, '\n');
    cr_assert(end != NULL && end[1] == '\0', "not two lines: %s\n%s", text, *ret_second);
    *end = '\0';
    return text;
}

Test(trace, names_objects_modes_and_results)
{
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        char *second, *first = lines_of(&said[i], &second);

        cr_expect(ends_with(first, said[i].of_cmd), "%s\n should end:\n%s", first, said[i].of_cmd);
        cr_expect(ends_with(second, said[i].of_rsp), "%s\n should end:\n%s", second,
                  said[i].of_rsp);
        cr_expect_null(strstr(first, "DEAD"));
        cr_expect_null(strstr(second, "DEAD"));
    }
}

/* As many objects as there are bytes for, and values as long: no line breaks off. */
Test(trace, leaves_out_what_does_not_fit_and_ends_its_lines)
{
    static char cmd[2 * 261 + 1], rsp[2 * 512 + 5];
    const struct said x = { 0xcb, cmd, rsp, "", "" };
    char *first, *second;

    (void)strcpy(cmd, "81CBC100FF");
    (void)strcpy(rsp, "");
    while (strlen(cmd) < sizeof(cmd) - 4)
        (void)strcat(cmd, "9C00");
    while (strlen(rsp) < 2 * 500)
        (void)strcat(rsp, "9C00");
    (void)strcat(rsp, "9000");
    first = lines_of(&x, &second);
    cr_expect_gt(strlen(first), 1500u);
    cr_expect_lt(strlen(first) + strlen(second), 4096u);
    cr_expect_not_null(strstr(second, "<150 more bytes> 9000  success (7 ms), intermediate"), "%s",
                       second);
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

/* One exchange as a packet, without what stands in front of the command. */
static size_t packet_of(const struct said *x, uint8_t *ret_bytes, size_t cap)
{
    char pcap[128], file[8192];
    uint8_t cmd[300], rsp[600];
    const int cmd_len = hex_decode(x->cmd, strlen(x->cmd), cmd, sizeof(cmd));
    const int rsp_len = hex_decode(x->rsp, strlen(x->rsp), rsp, sizeof(rsp));
    size_t n;

    (void)snprintf(pcap, sizeof(pcap), "pcap:%s/pcap", folder);
    (void)unlink(pcap + 5);
    trace_exchange(pcap, "dev", x->ins, cmd, (size_t)cmd_len, rsp, (size_t)rsp_len, 7);
    n = slurp(pcap + 5, file, sizeof(file));
    cr_assert_gt(n, (size_t)(PCAP_HEAD + PCAP_RECORD));
    n -= PCAP_HEAD + PCAP_RECORD;
    cr_assert_leq(n, cap);
    memcpy(ret_bytes, file + PCAP_HEAD + PCAP_RECORD, n);
    return n;
}

/* No Le behind data: nobody could tell where the response begins. */
static const struct {
    struct said x;
    const char *packet;
} packets[] = {
    { { 0xcd, "81CD00000385010100", "34019000", "", "" }, "81CD00000385010134019000" },
    { { 0xcd, "81CD000003850101", "34019000", "", "" }, "81CD00000385010134019000" },
    { { 0xcb, "81CB010000", "C1009000", "", "" }, "81CB010000C1009000" },
    { { 0x2a, "812A010100", "9000", "", "" }, "812A0101009000" },
    { { 0x2a, "812A0101", "9000", "", "" }, "812A0101009000" },
    { { 0x46, "814600000684010485010500", "DEADBEEF9000", "", "" },
      "8146000006840104850105000000009000" },
    { { 0x46, "01C0000004", "DEADBEEF9000", "", "" }, "01C0000004000000009000" },
    { { 0x46, "01C0000004", "DE", "", "" }, "01C000000400" },
    { { 0x84, "8184000004", "DEADBEEF9000", "", "" }, "8184000004000000009000" },
    { { 0x48, "814801000B760161D402DEADD20201BE00", "DEADBEEF9000", "", "" },
      "814801000B7601610000000000000000000000009000" },
    { { 0x4a, "814A000004D102DEAD", "", "", "" }, "814A00000400000000" },
    { { 0x55, "81550000048602DEAD", "DEADBEEF9000", "", "" }, "815500000400000000000000009000" },
};

Test(trace, packets_are_masked_and_split_by_their_length)
{
    for (size_t i = 0; i < ARRAY_LEN(packets); i++) {
        uint8_t bytes[600];
        char text[HEX_SIZE(sizeof(bytes))];

        hex_encode(bytes, packet_of(&packets[i].x, bytes, sizeof(bytes)), text);
        cr_expect_str_eq(text, packets[i].packet, "%s %s", packets[i].x.cmd, packets[i].x.rsp);
    }
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
