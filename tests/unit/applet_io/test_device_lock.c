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

/* As a shell that takes a lock by flock(1) and leaves it to what it starts. */
Test(device_lock, a_holder_that_has_ended_is_not_blamed_by_number_alone)
{
    struct device_lock lock = lock_on("r"), other = lock_on("r");
    struct iotsafe_op op = { .text = "" };
    int until[2];
    pid_t pid;

    cr_assert_eq(pipe(until), 0);
    pid = fork();
    if (pid == 0) {
        char byte;

        if (device_lock_take(&lock, deadline_in(1000), NULL) != IOTSAFE_OK)
            _exit(1);
        (void)close(until[1]);
        if (fork() == 0) {
            ssize_t n = read(until[0], &byte, 1);

            _exit(n == 0 ? 0 : 1);
        }
        _exit(0); /* without giving the lock back */
    }
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_expect_eq(device_lock_take(&other, deadline_in(20), &op), IOTSAFE_ERR_TIMEOUT);
    cr_expect_not_null(strstr(op.text, "has ended"), "%s", op.text);
    (void)close(until[1]);
    cr_expect_eq(device_lock_take(&other, deadline_in(10000), NULL), IOTSAFE_OK);
    device_lock_give(&other);
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
        cr_expect_not_null(strstr(op.text, "not a regular file"), "%s", op.text);
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
