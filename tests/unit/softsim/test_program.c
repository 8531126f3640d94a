/* SPDX-License-Identifier: Apache-2.0 */
/* The program itself: sockets, signals, two of a kind, the reader, the log.
 * SOFTSIM_EXE names the program under test. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <jansson.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "util.h"

#define WAIT_MS 20000 /* for what happens at once; only a broken program waits that long */
#define SELECT "00A4040007A0000005590010"

static char dir[] = "/tmp/softsim-run-XXXXXX";
static char store[64], sock[64], admin_sock[64], log_file[64];
static pid_t running;
static int ready_fd = -1;
static char ready_line[512];

/* ---- processes ---- */

static pid_t start(char *const argv[], int *ret_stdout)
{
    int fd[2];
    pid_t pid;

    cr_assert_eq(pipe2(fd, O_CLOEXEC), 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fd[1], STDOUT_FILENO);
        execv(getenv("SOFTSIM_EXE"), argv);
        _exit(127);
    }
    close(fd[1]);
    *ret_stdout = fd[0];
    return pid;
}

static int wait_status(pid_t pid)
{
    int status;

    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char output[65536]; /* of the last call of run_to_end() */

static int run_to_end(const char *first, ...)
{
    char *argv[24] = { strdup("iotsafe-softsim"), strdup(first) };
    size_t n = 2, len = 0;
    const char *arg;
    ssize_t got;
    va_list ap;
    int fd, status;
    pid_t pid;

    va_start(ap, first);
    while ((arg = va_arg(ap, const char *)) != NULL && n < 23)
        argv[n++] = strdup(arg);
    va_end(ap);
    pid = start(argv, &fd);
    while ((got = read(fd, output + len, sizeof(output) - 1 - len)) > 0)
        len += (size_t)got;
    output[len] = '\0';
    close(fd);
    status = wait_status(pid);
    while (n > 0)
        free(argv[--n]);
    return status;
}

/* Start `run` on the store with more arguments and wait for its first line. */
static void serve(const char *more, ...)
{
    char *argv[24] = { strdup("iotsafe-softsim"), strdup("run"), strdup("--store"), strdup(store) };
    size_t n = 4, len = 0;
    va_list ap;

    va_start(ap, more);
    for (const char *arg = more; arg != NULL && n < 23; arg = va_arg(ap, const char *))
        argv[n++] = strdup(arg);
    va_end(ap);
    running = start(argv, &ready_fd);
    while (len < sizeof(ready_line) - 1 && read(ready_fd, ready_line + len, 1) == 1
           && ready_line[len] != '\n')
        len++;
    ready_line[len] = '\0';
    while (n > 0)
        free(argv[--n]);
    cr_assert_eq(strncmp(ready_line, "iotsafe-softsim: ready", 22), 0, "%s", ready_line);
}

static int stop(int sig)
{
    int status;

    kill(running, sig);
    status = wait_status(running);
    running = 0;
    close(ready_fd);
    return status;
}

static void serve_sockets(void)
{
    char listen_spec[80], admin_spec[80];

    snprintf(listen_spec, sizeof(listen_spec), "unix:%s", sock);
    snprintf(admin_spec, sizeof(admin_spec), "unix:%s", admin_sock);
    serve("--listen", listen_spec, "--admin", admin_spec, "--log", log_file, NULL);
}

static void begin(void)
{
    cr_assert_not_null(getenv("SOFTSIM_EXE"), "run by meson test");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(store, sizeof(store), "%s/store", dir);
    snprintf(sock, sizeof(sock), "%s/card", dir);
    snprintf(admin_sock, sizeof(admin_sock), "%s/admin", dir);
    snprintf(log_file, sizeof(log_file), "%s/log", dir);
    cr_assert_eq(run_to_end("init", "--store", store, NULL), 0);
}

static void end(void)
{
    char cmd[128];

    if (running != 0)
        cr_expect_eq(stop(SIGTERM), 0);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    cr_expect_eq(system(cmd), 0);
}

TestSuite(softsim_program, .init = begin, .fini = end, .timeout = 120);

/* ---- a client ---- */

static int connect_unix(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(un.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool readable(int fd, int ms)
{
    struct pollfd p = { fd, POLLIN, 0 };

    return poll(&p, 1, ms) == 1;
}

static bool read_exactly(int fd, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t got = readable(fd, WAIT_MS) ? read(fd, p, n) : -1;

        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

static void send_frame(int fd, const char *hex)
{
    uint8_t frame[2 + 600];
    size_t n;

    cr_assert(softsim_hex_decode(hex, frame + 2, 600, &n));
    frame[0] = (uint8_t)(n >> 8);
    frame[1] = (uint8_t)n;
    cr_assert_eq(write(fd, frame, n + 2), (ssize_t)(n + 2));
}

static char answer[2 * 4096 + 1];

/* The next frame as hexadecimal; "closed" when the connection ended. */
static const char *receive(int fd)
{
    uint8_t len[2], bytes[4096];
    size_t n;

    if (!read_exactly(fd, len, 2))
        return "closed";
    n = u16_be(len);
    cr_assert_leq(n, sizeof(bytes));
    if (!read_exactly(fd, bytes, n))
        return "closed";
    softsim_hex_encode(bytes, n, answer);
    return answer;
}

static const char *exchange(int fd, const char *hex)
{
    send_frame(fd, hex);
    return receive(fd);
}

static int admin(const char *verb, const char *arg, const char *arg2)
{
    return run_to_end("admin", admin_sock, verb, arg, arg2, NULL);
}

/* ---- tests ---- */

Test(softsim_program, serves_and_stops_cleanly)
{
    int fd;

    serve_sockets();
    fd = connect_unix(sock);
    cr_expect_str_eq(exchange(fd, "0070000001"), "019000");
    cr_expect_str_eq(exchange(fd, "01A4040007A0000005590010"), "9000");
    close(fd);
    cr_expect_eq(stop(SIGTERM), 0);
    cr_expect_eq(access(sock, F_OK), -1);
    cr_expect_eq(access(admin_sock, F_OK), -1);
    serve_sockets();
    cr_expect_eq(stop(SIGINT), 0);
}

Test(softsim_program, sockets_are_private)
{
    struct stat st;
    char spec[80];

    serve_sockets();
    cr_expect_eq(stat(admin_sock, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    cr_expect_eq(stat(sock, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    cr_expect_eq(stop(SIGTERM), 0);
    snprintf(spec, sizeof(spec), "unix:%s", sock);
    serve("--listen", spec, "--listen-mode", "0666", NULL);
    cr_expect_eq(stat(sock, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0666);
}

Test(softsim_program, killed_run_leaves_a_socket_that_the_next_one_replaces)
{
    serve_sockets();
    cr_expect_eq(stop(SIGKILL), 128 + SIGKILL);
    cr_expect_eq(access(sock, F_OK), 0);
    serve_sockets();
    cr_expect_neq(connect_unix(sock), -1);
}

Test(softsim_program, live_socket_and_live_store_are_refused)
{
    char other[64], spec[80];

    serve_sockets();
    snprintf(spec, sizeof(spec), "unix:%s", sock);
    cr_expect_eq(run_to_end("run", "--store", store, "--listen", "tcp:127.0.0.1:0", NULL), 1);
    snprintf(other, sizeof(other), "%s/other", dir);
    cr_expect_eq(run_to_end("init", "--store", other, NULL), 0);
    cr_expect_eq(run_to_end("run", "--store", other, "--listen", spec, NULL), 1);
    cr_expect_eq(run_to_end("init", "--store", store, "--force", NULL), 1, "it is in use");
    cr_expect_eq(access(sock, F_OK), 0, "the socket of the other is left alone");
}

Test(softsim_program, a_file_that_is_no_socket_is_left_alone)
{
    char spec[80];

    snprintf(spec, sizeof(spec), "unix:%s/ca.pem", store);
    cr_expect_eq(run_to_end("run", "--store", store, "--listen", spec, NULL), 1);
    cr_expect_eq(access(spec + 5, F_OK), 0);
}

Test(softsim_program, init_makes_only_what_it_is_told_to)
{
    char few[64];

    snprintf(few, sizeof(few), "%s/few", dir);
    cr_expect_eq(run_to_end("init", "--store", few, "--profile", "orange", "--only", "client-key",
                            "--only", "client-cert", NULL),
                 0);
    cr_expect_eq(run_to_end("info", "--store", few, NULL), 0);
    cr_expect_not_null(strstr(output, " client-key "), "%s", output);
    cr_expect_not_null(strstr(output, " client-cert "), "%s", output);
    cr_expect_null(strstr(output, " ca-cert "), "%s", output);
    cr_expect_null(strstr(output, " spare-1 "), "%s", output);
    cr_expect_eq(run_to_end("init", "--store", few, "--force", "--only", "no-such", NULL), 1);
    cr_expect_eq(run_to_end("init", "--store", few, "--force", "--only", NULL), 2);
}

Test(softsim_program, wrong_use_is_status_2_and_refusals_are_1)
{
    cr_expect_eq(run_to_end("init", "--store", store, NULL), 1);
    cr_expect_eq(run_to_end("init", "--store", store, "--force", NULL), 0);
    cr_expect_eq(run_to_end("init", NULL), 2);
    cr_expect_eq(run_to_end("init", "--store", "/dev/null", NULL), 1);
    cr_expect_eq(run_to_end("init", "--store", dir, NULL), 1, "a folder with other things");
    cr_expect_eq(run_to_end("init", "--store", store, "--force", "--profile", "x", NULL), 1);
    cr_expect_eq(run_to_end("info", "--store", store, NULL), 0);
    cr_expect_not_null(strstr(output, "NOT FOR PRODUCTION"));
    cr_expect_eq(run_to_end("run", "--store", store, NULL), 1);
    cr_expect_eq(run_to_end("run", "--store", store, "--listen", "tcp:0.0.0.0:1234", NULL), 1);
    cr_expect_eq(run_to_end("run", "--store", store, "--listen", "tcp:10.0.0.1:1", NULL), 1);
    cr_expect_eq(run_to_end("run", "--store", store, "--listen", "sock", NULL), 1);
    cr_expect_eq(run_to_end("run", "--store", store, "--vpcd", "example.org:1", NULL), 1);
    cr_expect_eq(run_to_end("run", "--store", store, "--at", store, NULL), 1, "a folder");
    cr_expect_eq(run_to_end("run", "--store", store, "--at", sock, "--at-set", "echo=maybe", NULL),
                 1);
    cr_expect_eq(run_to_end("run", "--store", store, "--at", sock, "--at-mode", "9", NULL), 2);
    cr_expect_eq(run_to_end("run", "--store", store, "--listen", "tcp:127.0.0.1:0", "--set",
                            "pair_ids=different", NULL),
                 1);
    cr_expect_eq(run_to_end("sing", NULL), 2);
    cr_expect_eq(run_to_end("--help", NULL), 0);
    cr_expect_eq(run_to_end("--help-settings", NULL), 0);
    cr_expect_eq(run_to_end("init", "--help", NULL), 0);
    cr_expect_eq(run_to_end("run", "--help", NULL), 0);
    cr_expect_eq(run_to_end("admin", "--help", NULL), 0);
    cr_expect_eq(run_to_end("info", "--help", NULL), 0);
    cr_expect_eq(run_to_end("--version", NULL), 0);
    cr_expect_eq(admin("list", NULL, NULL), 1, "nobody serves");
    cr_expect_eq(admin("lst", NULL, NULL), 2);
    cr_expect_eq(admin("busy", NULL, NULL), 2);
}

/* A PEM file in the folder of the test; what it is called. */
static const char *pem_file(const char *name, int bits)
{
    static char path[4][96];
    static unsigned n;
    char *p = path[n++ % 4];
    EVP_PKEY *key = bits == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen((unsigned)bits);
    FILE *f;

    snprintf(p, sizeof(path[0]), "%s/%s.pem", dir, name);
    f = fopen(p, "w");
    cr_assert(f != NULL && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
    fclose(f);
    EVP_PKEY_free(key);
    return p;
}

Test(softsim_program, init_takes_keys_and_names)
{
    static const struct {
        const char *option, *value;
        int status;
        const char *shown; /* by `info` */
    } rows[] = {
        { "--key-type", "p256", 0, "type 13" },
        { "--key-type", "rsa2048", 0, "type 03" },
        { "--key-type", "brainpool", 0, "type 23" },
        { "--key-type", "p384", 2, NULL },
        { "--with", "everything", 2, NULL },
        { "--san", "DNS:device.example.org", 0, "client-cert" },
        { "--san", "no such kind", 1, NULL },
        { "--cn", "a device", 0, "client-cert" },
        { "--import-key", "client-key", 2, NULL },
        { "--import-key", "client-key=/nowhere", 1, NULL },
        { "--import-key", "client-key=/dev/null", 1, NULL },
        { "--set", "a=b", 1, NULL },
    };
    char one[64], spec[160];

    snprintf(one, sizeof(one), "%s/one", dir);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(run_to_end("init", "--store", one, "--force", rows[i].option, rows[i].value,
                                NULL),
                     rows[i].status, "%s %s", rows[i].option, rows[i].value);
        if (rows[i].shown == NULL)
            continue;
        cr_expect_eq(run_to_end("info", "--store", one, NULL), 0);
        cr_expect_not_null(strstr(output, rows[i].shown), "%s %s: %s", rows[i].option,
                           rows[i].value, output);
    }
    snprintf(spec, sizeof(spec), "client-key=%s", pem_file("ec", 0));
    cr_expect_eq(run_to_end("init", "--store", one, "--force", "--import-key", spec, NULL), 0);
    snprintf(spec, sizeof(spec), "client-key=%s", pem_file("rsa", 1024));
    cr_expect_eq(run_to_end("init", "--store", one, "--force", "--import-key", spec, NULL), 1,
                 "of another type than the container");
    cr_expect_eq(run_to_end("info", NULL), 2);
    cr_expect_eq(run_to_end("info", "--stores", NULL), 2);
    cr_expect_eq(run_to_end("info", "--store", "/nowhere", NULL), 1);
}

Test(softsim_program, too_much_is_refused)
{
    char *argv[200] = { strdup("iotsafe-softsim"), strdup("init"), strdup("--store"), strdup(store),
                        strdup("--force") };
    char path[300];
    int n = 5, fd;

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    cr_expect_eq(run_to_end("init", "--store", path, NULL), 1);
    cr_expect_eq(run_to_end("run", "--store", store, "--listen", "unix:", NULL), 1);
    cr_expect_eq(run_to_end("run", "--store", store, "--listen", "tcp:127.0.0.1", NULL), 1);
    cr_expect_eq(run_to_end("run", "--no-such-option", NULL), 2);
    while (n < 199)
        argv[n++] = strdup("--set=random=on");
    cr_expect_eq(wait_status(start(argv, &fd)), 2, "more settings than there is room for");
    close(fd);
    while (n > 0)
        free(argv[--n]);
}

Test(softsim_program, serves_the_loopback_of_both_kinds)
{
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool here = fd >= 0 && bind(fd, (const struct sockaddr *)&in6, sizeof(in6)) == 0;

    close(fd);
    if (!here)
        cr_skip_test("no ::1 here");
    serve("--listen", "tcp:[::1]:0", "--no-turns", NULL);
    in6.sin6_port = htons((uint16_t)atoi(strrchr(ready_line, ':') + 1));
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&in6, sizeof(in6)), 0, "%s", ready_line);
    cr_expect_str_eq(exchange(fd, SELECT), "9000");
    close(fd);
}

Test(softsim_program, tcp_port_0_is_told)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    const char *colon;
    int fd;

    serve("--listen", "tcp:127.0.0.1:0", NULL);
    colon = strrchr(ready_line, ':');
    in.sin_port = htons((uint16_t)atoi(colon + 1));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&in, sizeof(in)), 0, "%s", ready_line);
    cr_expect_str_eq(exchange(fd, SELECT), "9000");
    close(fd);
}

Test(softsim_program, connections_are_clients_of_their_own)
{
    int a, b;

    serve_sockets();
    a = connect_unix(sock);
    b = connect_unix(sock);
    cr_expect_str_eq(exchange(a, "0070000001"), "019000");
    cr_expect_str_eq(exchange(b, "0070000001"), "029000");
    cr_expect_str_eq(exchange(b, "01A4040007A0000005590010"), "6881");
    cr_expect_str_eq(exchange(a, "0070000001"), "039000");
    cr_expect_str_eq(exchange(b, "0070000001"), "6A81");
    close(a);
    do { /* until the card has noticed */
        exchange(b, "0070000001");
    } while (strcmp(answer, "6A81") == 0);
    cr_expect_str_eq(answer, "019000");
    close(b);
}

Test(softsim_program, odd_frames_are_survived)
{
    static const uint8_t huge[] = { 0xff, 0xff };
    uint8_t zeros[4096] = { 0 };
    int fd;

    serve_sockets();
    fd = connect_unix(sock);
    cr_expect_str_eq(exchange(fd, ""), "6700");
    cr_expect_str_eq(exchange(fd, "04"), "6700");
    cr_expect_str_eq(exchange(fd, "8184"), "6700");
    cr_assert_eq(write(fd, huge, 2), 2);
    for (size_t left = 65535; left > 0;) {
        ssize_t n = write(fd, zeros, left < sizeof(zeros) ? left : sizeof(zeros));

        cr_assert_gt(n, 0);
        left -= (size_t)n;
    }
    cr_expect_str_eq(receive(fd), "6700");
    cr_assert_eq(write(fd, huge, 1), 1); /* half a length, then gone */
    close(fd);
    fd = connect_unix(sock);
    for (int i = 0; i < 200; i++) /* many commands at once: each is answered, in order */
        send_frame(fd, i % 2 == 0 ? SELECT : "00");
    for (int i = 0; i < 200; i++)
        cr_expect_str_eq(receive(fd), i % 2 == 0 ? "9000" : "6700", "answer %d", i);
    close(fd);
}

/* Clients that never read their answers, or leave in the middle of them. */
Test(softsim_program, clients_that_do_not_read_hurt_nobody)
{
    int rude, fd;

    serve_sockets();
    for (int i = 0; i < 20; i++) {
        rude = connect_unix(sock);
        send_frame(rude, SELECT);
        for (int k = 0; k < 50; k++)
            send_frame(rude, "8084000000");
        close(rude);
    }
    rude = connect_unix(sock);
    fcntl(rude, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 100000; i++)
        if (write(rude, "\0\5\x80\x84\0\0\0", 7) < 0)
            break;
    fd = connect_unix(sock);
    cr_expect_str_eq(exchange(fd, SELECT), "9000");
    close(fd);
    close(rude);
}

Test(softsim_program, slow_card_does_not_keep_the_operator_waiting)
{
    int fd;

    serve_sockets();
    fd = connect_unix(sock);
    cr_assert_eq(admin("fault", "delay=60000", NULL), 0);
    send_frame(fd, SELECT);
    cr_expect_eq(admin("counters", NULL, NULL), 0);
    cr_expect_not(readable(fd, 0), "the card is still thinking");
    close(fd);
}

Test(softsim_program, removed_card_closes_and_refuses_connections)
{
    int fd;

    serve_sockets();
    fd = connect_unix(sock);
    cr_expect_str_eq(exchange(fd, SELECT), "9000");
    cr_expect_eq(admin("remove", NULL, NULL), 0);
    cr_expect_str_eq(receive(fd), "closed");
    close(fd);
    fd = connect_unix(sock);
    cr_expect_str_eq(receive(fd), "closed");
    close(fd);
    cr_expect_eq(admin("insert", NULL, NULL), 0);
    fd = connect_unix(sock);
    cr_expect_str_eq(exchange(fd, SELECT), "9000");
    close(fd);
}

Test(softsim_program, busy_ends_by_itself)
{
    int fd;

    serve_sockets();
    fd = connect_unix(sock);
    exchange(fd, SELECT);
    cr_expect_eq(admin("busy", "0", NULL), 0);
    do {
        exchange(fd, "80CD000003850101");
    } while (strcmp(answer, "6984") == 0);
    cr_expect_str_eq(answer + strlen(answer) - 4, "63CF");
    close(fd);
}

Test(softsim_program, killed_in_the_middle_of_writing_keeps_a_whole_store)
{
    for (int i = 0; i < 5; i++) {
        int fd;

        serve_sockets();
        fd = connect_unix(sock);
        exchange(fd, SELECT);
        for (int k = 0; k < 20; k++)
            send_frame(fd, "80B900000384010A00");
        for (int k = 0; k <= i; k++)
            receive(fd);
        cr_expect_eq(stop(SIGKILL), 128 + SIGKILL);
        close(fd);
        cr_expect_eq(run_to_end("info", "--store", store, NULL), 0);
        cr_expect_not_null(strstr(output, "spare-1          active"), "%s", output);
    }
}

Test(softsim_program, log_has_a_json_line_an_exchange)
{
    char line[4096];
    json_t *entry = NULL;
    int fd, exchanges = 0;
    FILE *f;
    struct stat st;

    serve_sockets();
    fd = connect_unix(sock);
    exchange(fd, SELECT);
    admin("reset", NULL, NULL);
    exchange(fd, "8084000004");
    close(fd);
    stop(SIGTERM);
    f = fopen(log_file, "r");
    while (fgets(line, sizeof(line), f) != NULL) {
        entry = json_loads(line, 0, NULL);
        cr_assert_not_null(entry, "%s", line);
        cr_expect(json_is_real(json_object_get(entry, "t")));
        if (json_object_get(entry, "n") != NULL) {
            exchanges++;
            cr_expect_str_eq(json_string_value(json_object_get(entry, "front")), "unix");
            cr_expect_str_eq(json_string_value(json_object_get(entry, "ins")),
                             exchanges == 1 ? "SELECT" : "GET RANDOM");
            cr_expect_str_eq(json_string_value(json_object_get(entry, "sw")),
                             exchanges == 1 ? "9000" : "6E00");
            cr_expect(json_is_real(json_object_get(entry, "ms")));
        } else {
            cr_expect(json_is_string(json_object_get(entry, "event")));
        }
        json_decref(entry);
    }
    cr_expect_eq(exchanges, 2);
    cr_expect_eq(fstat(fileno(f), &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    fclose(f);
}

/* ---- the modem ---- */

static int open_port(const char *path)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

    cr_assert_geq(fd, 0, "%s", path);
    return fd;
}

/* All that the modem says to a command line, up to its final result code. */
static const char *say(int fd, const char *line)
{
    size_t n = 0;

    cr_assert_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    cr_assert_eq(write(fd, "\r", 1), 1);
    do {
        cr_assert(n < sizeof(answer) - 1 && read_exactly(fd, (uint8_t *)&answer[n], 1), "%s", line);
        answer[++n] = '\0';
    } while (strstr(answer, "OK\r\n") == NULL && strstr(answer, "ERROR") == NULL);
    return answer;
}

static void expect_tries(int pin1, int puk1, int lost)
{
    char usim[128];

    snprintf(usim, sizeof(usim),
             "\"usim\":{\"pin1_tries\":%d,\"pin2_tries\":3,\"puk1_tries\":%d,\"puk2_tries\":10,"
             "\"tries_lost\":%d}",
             pin1, puk1, lost);
    cr_expect_eq(admin("counters", NULL, NULL), 0);
    cr_expect_not_null(strstr(output, usim), "%s is not in %s", usim, output);
}

#define EXPECT_SAID(fd, line, part)                                              \
    do {                                                                         \
        cr_expect_not_null(strstr(say(fd, line), part), "%s: %s", line, answer); \
    } while (0)

/* PUT PUBLIC KEY - INIT in class 00 and session 1, for a key whose label has 14 characters:
 * 16 bytes, as CHANGE PIN has. With another length nothing is lost, and nothing would be seen. */
#define PUT_16 "0024000110750E7665726966792D6B65792D303031"
#define PUT_12 "002400010C750A7665726966792D6B6579"
#define VERIFY_16 "002C000110750E7665726966792D6B65792D303031"

/* What the end-to-end tests rely on when they say that no try was lost. */
Test(softsim_program, counters_show_a_pin_try_lost_through_the_modem)
{
    char port[64], admin_spec[80];
    int fd;

    snprintf(port, sizeof(port), "%s/port", dir);
    snprintf(admin_spec, sizeof(admin_spec), "unix:%s", admin_sock);
    serve("--at", port, "--at-set", "class_by=caller", "--admin", admin_spec, NULL);
    fd = open_port(port);
    say(fd, "ATE0");
    EXPECT_SAID(fd, "AT+CCHO=\"A0000005590010\"", "+CCHO: 1\r\n");
    EXPECT_SAID(fd, "AT+CGLA=1,34,\"" PUT_12 "\"", "\"6700\"");
    expect_tries(3, 10, 0);
    EXPECT_SAID(fd, "AT+CGLA=1,42,\"" PUT_16 "\"", "\"63C2\"");
    expect_tries(2, 10, 1);
    EXPECT_SAID(fd, "AT+CSIM=42,\"" PUT_16 "\"", "\"63C1\"");
    expect_tries(1, 10, 2);
    EXPECT_SAID(fd, "AT+CSIM=42,\"" VERIFY_16 "\"", "\"63C9\"");
    expect_tries(1, 9, 3);
    close(fd);
}

/* With the channel filled in by the modem the same commands reach the applet. */
Test(softsim_program, counters_show_no_try_lost_where_the_applet_is_reached)
{
    char port[64], admin_spec[80];
    int fd;

    snprintf(port, sizeof(port), "%s/port", dir);
    snprintf(admin_spec, sizeof(admin_spec), "unix:%s", admin_sock);
    serve("--at", port, "--set", "cla=0n", "--admin", admin_spec, NULL);
    fd = open_port(port);
    say(fd, "ATE0");
    EXPECT_SAID(fd, "AT+CCHO=\"A0000005590010\"", "+CCHO: 1\r\n");
    EXPECT_SAID(fd, "AT+CGLA=1,42,\"" PUT_16 "\"", "\"6A80\"");
    expect_tries(3, 10, 0);
    close(fd);
}

/* ---- the reader: we are vpcd ---- */

static int listen_tcp(uint16_t *ret_port)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&in, sizeof(in)), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *ret_port = ntohs(in.sin_port);
    return fd;
}

static int accept_card(int listener)
{
    cr_assert(readable(listener, WAIT_MS), "no card came");
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

Test(softsim_program, is_a_card_in_a_reader)
{
    char vpcd[32], admin_spec[80];
    uint16_t port;
    int listener = listen_tcp(&port), fd;

    snprintf(vpcd, sizeof(vpcd), "127.0.0.1:%u", port);
    snprintf(admin_spec, sizeof(admin_spec), "unix:%s", admin_sock);
    serve("--vpcd", vpcd, "--admin", admin_spec, "--atr", "3B00", NULL);
    fd = accept_card(listener);
    send_frame(fd, "01");
    cr_expect_str_eq(exchange(fd, "04"), "3B00");
    cr_expect_str_eq(exchange(fd, "0070000001"), "019000");
    cr_expect_str_eq(exchange(fd, "01A4040007A0000005590010"), "9000");
    send_frame(fd, "02"); /* reset */
    cr_expect_str_eq(exchange(fd, "01A4040007A0000005590010"), "6881");
    cr_expect_str_eq(exchange(fd, "0070000001"), "019000");
    send_frame(fd, "00"); /* off, on */
    send_frame(fd, "01");
    send_frame(fd, "09"); /* no such control */
    cr_expect_str_eq(exchange(fd, "01A4040007A0000005590010"), "6881");
    cr_expect_str_eq(exchange(fd, ""), "6700");
    close(fd); /* the reader restarts */
    fd = accept_card(listener);
    cr_expect_str_eq(exchange(fd, "0070000001"), "019000");
    cr_expect_eq(admin("remove", NULL, NULL), 0);
    cr_expect_str_eq(receive(fd), "closed");
    close(fd);
    cr_expect_not(readable(listener, 500), "a card that is out does not come back");
    cr_expect_eq(admin("insert", NULL, NULL), 0);
    fd = accept_card(listener);
    cr_expect_str_eq(exchange(fd, "04"), "3B00");
    close(fd);
    close(listener);
}

Test(softsim_program, waits_for_a_reader_that_is_not_there_yet)
{
    char vpcd[32];
    uint16_t port;
    int listener = listen_tcp(&port), fd;
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    int on = 1;

    close(listener);
    snprintf(vpcd, sizeof(vpcd), "127.0.0.1:%u", port);
    serve("--vpcd", vpcd, NULL);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    cr_assert_eq(bind(listener, (const struct sockaddr *)&in, sizeof(in)), 0);
    cr_assert_eq(listen(listener, 1), 0);
    fd = accept_card(listener);
    cr_expect_str_eq(exchange(fd, "0070000001"), "019000");
    close(fd);
    close(listener);
}
