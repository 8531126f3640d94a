/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device_lock.h"

static char folder[64];

static void make_folder(void)
{
    strcpy(folder, "/tmp/device_lock.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[96];

    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(device_lock, .init = make_folder, .fini = remove_folder);

static struct device_lock lock_on(const char *device)
{
    struct device_lock lock;

    cr_assert_eq(device_lock_init(&lock, folder, device, NULL), IOTSAFE_OK);
    return lock;
}

Test(device_lock, keeps_others_out_until_given_back)
{
    struct device_lock a = lock_on("Reader 00 00"), b = lock_on("Reader 00 00");
    struct device_lock other = lock_on("Reader 00-00");
    struct iotsafe_op op = { .text = "" };

    cr_assert_eq(device_lock_take(&a, deadline_in(1000), &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(device_lock_take(&b, deadline_in(20), &op), IOTSAFE_ERR_TIMEOUT);
    cr_expect_not_null(strstr(op.text, folder), "%s", op.text);
    cr_expect_eq(device_lock_take(&other, deadline_in(20), NULL), IOTSAFE_OK);
    device_lock_give(&a);
    cr_expect_eq(device_lock_take(&b, deadline_in(1000), NULL), IOTSAFE_OK);
    device_lock_give(&b);
    device_lock_give(&other);
}

Test(device_lock, ends_with_a_killed_holder)
{
    struct device_lock lock = lock_on("r");
    int ready[2];
    char byte;
    pid_t pid;

    cr_assert_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        if (device_lock_take(&lock, deadline_in(1000), NULL) != IOTSAFE_OK
            || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_expect_eq(device_lock_take(&lock, deadline_in(20), NULL), IOTSAFE_ERR_TIMEOUT);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    cr_expect_eq(device_lock_take(&lock, deadline_in(1000), NULL), IOTSAFE_OK);
    device_lock_give(&lock);
}

Test(device_lock, the_lock_file_is_readable_for_all_whatever_the_umask)
{
    struct device_lock lock = lock_on("r");
    char path[200];
    struct stat st;

    (void)umask(077);
    cr_assert_eq(device_lock_take(&lock, deadline_in(1000), NULL), IOTSAFE_OK);
    (void)snprintf(path, sizeof(path), "%s/%s.lock", folder, lock.base);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0644);
    device_lock_give(&lock);
}

Test(device_lock, notices_that_the_file_was_replaced)
{
    struct device_lock a = lock_on("r"), b = lock_on("r");
    char path[200];

    cr_assert_eq(device_lock_take(&a, deadline_in(1000), NULL), IOTSAFE_OK);
    (void)snprintf(path, sizeof(path), "%s/%s.lock", folder, a.base);
    cr_assert_eq(unlink(path), 0);
    cr_expect_eq(device_lock_take(&b, deadline_in(1000), NULL), IOTSAFE_OK,
                 "a removed file must not block for ever");
    device_lock_give(&a);
    device_lock_give(&b);
}

Test(device_lock, refuses_a_symbolic_link)
{
    struct device_lock lock = lock_on("r");
    struct iotsafe_op op = { .text = "" };
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/%s.queue", folder, lock.base);
    cr_assert_eq(symlink("/etc/passwd", path), 0);
    cr_expect_eq(device_lock_take(&lock, deadline_in(1000), &op), IOTSAFE_ERR_LOCK);
}

static struct channel_record sample(void)
{
    struct channel_record r = { .session = "2",
                                .aid = { 0xa0, 0, 0, 5, 0x59 },
                                .aid_len = 5,
                                .atr = { 0x3b, 0x9f },
                                .atr_len = 2,
                                .traits = { .session = 1, .close_after = true } };

    return r;
}

Test(device_lock, the_youngest_record_counts)
{
    struct device_lock lock = lock_on("r");
    struct channel_record r = sample(), got;
    char path[200];
    FILE *f;

    cr_assert_eq(device_lock_take(&lock, deadline_in(1000), NULL), IOTSAFE_OK);
    device_lock_read(&lock, &got);
    cr_expect_eq(got.generation, 0);
    cr_assert(device_lock_write(&lock, &r));
    cr_expect_eq(r.generation, 1);
    /* another user's, younger */
    (void)snprintf(path, sizeof(path), "%s/%s.channel.4711", folder, lock.base);
    f = fopen(path, "w");
    (void)fprintf(f, "iotsafe-channel-1 7 3 A000000559 - 0,0,0,0,1,0,0,0,0,0,0,0,0,0\n");
    (void)fclose(f);
    device_lock_read(&lock, &got);
    cr_expect_eq(got.generation, 7);
    cr_expect_str_eq(got.session, "3");
    cr_assert(device_lock_write(&lock, &r));
    cr_expect_eq(r.generation, 8);
    device_lock_read(&lock, &got);
    cr_expect_str_eq(got.session, "2");
    cr_expect(got.traits.close_after);
    device_lock_give(&lock);
}

Test(device_lock, does_not_write_through_a_link)
{
    struct device_lock lock = lock_on("r");
    struct channel_record r = sample();
    char path[200], victim[100];

    cr_assert_eq(device_lock_take(&lock, deadline_in(1000), NULL), IOTSAFE_OK);
    (void)snprintf(victim, sizeof(victim), "%s/victim", folder);
    (void)fclose(fopen(victim, "w"));
    (void)snprintf(path, sizeof(path), "%s/%s.channel.%u", folder, lock.base, (unsigned)geteuid());
    cr_assert_eq(link(victim, path), 0);
    cr_expect(!device_lock_write(&lock, &r));
    device_lock_give(&lock);
}

Test(device_lock, a_record_survives_its_text_and_nothing_less)
{
    struct channel_record r = sample(), got;
    char text[RECORD_TEXT_MAX];
    size_t len;

    r.generation = 5;
    len = channel_record_format(&r, text);
    cr_assert(channel_record_parse(text, len, &got));
    cr_expect_eq(got.generation, 5);
    cr_expect_eq(got.atr_len, 2);
    cr_expect(traits_equal(&got.traits, &r.traits));
    for (size_t n = 0; n < len; n++)
        cr_expect(!channel_record_parse(text, n, &got), "cut at %zu", n);
}

/* A session is put into command lines of a modem. */
Test(device_lock, a_record_whose_session_is_no_handle_is_void)
{
    static const char *const bad[] = { "0;D+4990012345;", "1,2", "1\"", "!", "1!!", "1!2", "x" };
    static const char *const good[] = { "0", "19", "1!", "00A0fb12" };
    struct channel_record r = sample(), got;
    char text[RECORD_TEXT_MAX];

    r.generation = 5;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        strcpy(r.session, bad[i]);
        cr_expect(!channel_record_parse(text, channel_record_format(&r, text), &got), "%s", bad[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        strcpy(r.session, good[i]);
        cr_expect(channel_record_parse(text, channel_record_format(&r, text), &got), "%s", good[i]);
    }
}

/* Anybody may put something into the folder. */
Test(device_lock, what_is_no_file_is_an_error_at_once)
{
    static const char *const endings[] = { ".queue", ".lock" };
    struct device_lock lock = lock_on("r");
    struct iotsafe_op op = { .text = "" };
    char path[200];

    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s%s", folder, lock.base, endings[i]);
        (void)unlink(path);
        cr_assert_eq(mkfifo(path, 0644), 0);
        cr_expect_eq(device_lock_take(&lock, deadline_in(5000), &op), IOTSAFE_ERR_LOCK);
        cr_expect_not_null(strstr(op.text, "no file"), "%s", op.text);
        cr_assert_eq(unlink(path), 0);
        cr_assert_eq(mkdir(path, 0755), 0);
        cr_expect_eq(device_lock_take(&lock, deadline_in(5000), &op), IOTSAFE_ERR_LOCK);
        cr_assert_eq(rmdir(path), 0);
    }
    cr_expect_eq(device_lock_take(&lock, deadline_in(5000), &op), IOTSAFE_OK, "%s", op.text);
    device_lock_give(&lock);
}

/* A thread forks while another one has the lock. */
Test(device_lock, a_child_that_was_forked_meanwhile_does_not_keep_it)
{
    struct device_lock lock = lock_on("r");
    struct iotsafe_op op = { .text = "" };
    pid_t pid;

    cr_assert_eq(device_lock_take(&lock, deadline_in(1000), &op), IOTSAFE_OK, "%s", op.text);
    pid = fork();
    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    cr_assert_gt(pid, 0);
    device_lock_give(&lock);
    cr_expect_eq(device_lock_take(&lock, deadline_in(500), &op), IOTSAFE_OK, "%s", op.text);
    device_lock_give(&lock);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}
