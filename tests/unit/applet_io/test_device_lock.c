/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

static int lookups;

/* In the place of the C library's, which may ask a directory service. */
int getgrnam_r(const char *name, struct group *ret_entry, char *buffer, size_t size,
               struct group **ret_found);
int getgrnam_r(const char *name, struct group *ret_entry, char *buffer, size_t size,
               struct group **ret_found)
{
    (void)name;
    (void)ret_entry;
    (void)buffer;
    (void)size;
    lookups++;
    *ret_found = NULL;
    return 0;
}

Test(device_lock, looks_for_the_group_only_when_it_makes_the_folder)
{
    lookups = 0;
    (void)lock_on("r");
    cr_expect_eq(lookups, 0);
    cr_assert_eq(rmdir(folder), 0);
    (void)lock_on("r");
    cr_expect_eq(lookups, geteuid() == 0 ? 1 : 0);
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

/* ------------------------------------------------------------ order of arrival */

#define WAITERS 12 /* behind the one at the head */

static int open_queue(const struct device_lock *lock)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/%s.queue", folder, lock->base);
    return open(path, O_RDWR | O_CLOEXEC);
}

/* Some process stands in this place of the line, and nobody behind it. */
static bool last_stands_in(int queue, off_t place)
{
    struct flock here = { .l_type = F_WRLCK, .l_start = place, .l_len = 1 };
    struct flock behind = { .l_type = F_WRLCK, .l_start = place + 1, .l_len = 0 };

    return fcntl(queue, F_OFD_GETLK, &here) == 0 && fcntl(queue, F_OFD_GETLK, &behind) == 0
           && here.l_type != F_UNLCK && behind.l_type == F_UNLCK;
}

static bool is_locked(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return true;
    (void)flock(fd, LOCK_UN);
    return false;
}

static pid_t wait_and_tell(struct device_lock *lock, char name, int tell)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (device_lock_take(lock, deadline_in(120000), NULL) != IOTSAFE_OK
            || write(tell, &name, 1) != 1)
            _exit(1);
        device_lock_give(lock);
        _exit(0);
    }
    cr_assert_gt(pid, 0);
    return pid;
}

Test(device_lock, serves_in_the_order_of_arrival, .timeout = 200)
{
    static const char expected[] = "abcdefghijklm";
    struct device_lock lock = lock_on("r"), other = lock_on("r");
    deadline_t end = deadline_in(100000);
    char order[WAITERS + 2] = "";
    int tell[2], queue, status;

    cr_assert_eq(pipe(tell), 0);
    cr_assert_eq(device_lock_take(&lock, deadline_in(1000), NULL), IOTSAFE_OK);
    queue = open_queue(&lock);
    cr_assert_geq(queue, 0);
    for (int i = 0; i <= WAITERS; i++) {
        (void)wait_and_tell(&other, expected[i], tell[1]);
        while (i == 0 ? !is_locked(queue) : !last_stands_in(queue, i)) {
            cr_assert_gt(deadline_left_ms(end), 0, "nobody stands in place %d", i);
            sleep_ms(1, end);
        }
    }
    device_lock_give(&lock);
    for (int i = 0; i <= WAITERS; i++)
        cr_assert_eq(read(tell[0], order + i, 1), 1);
    cr_expect_str_eq(order, expected);
    while (wait(&status) > 0)
        cr_expect_eq(status, 0);
    (void)close(queue);
}

/* Whoever gives up or is killed in the line leaves no gap that holds up the others. */
Test(device_lock, who_leaves_the_line_does_not_hold_it_up, .timeout = 200)
{
    struct device_lock lock = lock_on("r"), other = lock_on("r");
    deadline_t end = deadline_in(100000);
    char order[3] = "";
    pid_t killed;
    int tell[2], queue;

    cr_assert_eq(pipe(tell), 0);
    cr_assert_eq(device_lock_take(&lock, deadline_in(1000), NULL), IOTSAFE_OK);
    queue = open_queue(&lock);
    (void)wait_and_tell(&other, 'a', tell[1]);
    while (!is_locked(queue) && deadline_left_ms(end) > 0)
        sleep_ms(1, end);
    killed = wait_and_tell(&other, 'b', tell[1]);
    while (!last_stands_in(queue, 1) && deadline_left_ms(end) > 0)
        sleep_ms(1, end);
    cr_expect_eq(device_lock_take(&other, deadline_in(100), NULL), IOTSAFE_ERR_TIMEOUT);
    cr_expect(last_stands_in(queue, 1), "who gave up still stands in the line");
    (void)wait_and_tell(&other, 'c', tell[1]);
    while (!last_stands_in(queue, 2) && deadline_left_ms(end) > 0)
        sleep_ms(1, end);
    (void)kill(killed, SIGKILL);
    while (!last_stands_in(queue, 1) && deadline_left_ms(end) > 0)
        sleep_ms(1, end);
    device_lock_give(&lock);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(read(tell[0], order + i, 1), 1);
    cr_expect_str_eq(order, "ac");
    while (wait(NULL) > 0)
        ;
    (void)close(queue);
}

/* As another user's, in a folder where this one may not write. */
Test(device_lock, a_queue_that_is_for_reading_only_still_serves)
{
    struct device_lock lock = lock_on("r");
    int queue, status;

    cr_assert_eq(device_lock_take(&lock, deadline_in(1000), NULL), IOTSAFE_OK);
    device_lock_give(&lock);
    queue = open_queue(&lock);
    cr_assert_eq(fchmod(queue, 0444), 0);
    cr_assert_eq(chmod(folder, 0755), 0);
    if (fork() == 0)
        _exit((geteuid() == 0 && setuid(65534) != 0) || open_queue(&lock) >= 0
              || device_lock_take(&lock, deadline_in(1000), NULL) != IOTSAFE_OK);
    cr_assert_gt(wait(&status), 0);
    cr_expect_eq(status, 0);
    (void)close(queue);
}

Test(device_lock, who_may_write_to_the_folder_may_stand_in_line)
{
    static const mode_t modes[][2] = { { 0755, 0644 }, { 02770, 0664 }, { 01777, 0666 } };
    char path[200];
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct device_lock lock = lock_on(i == 0 ? "a" : i == 1 ? "b" : "c");

        cr_assert_eq(chmod(folder, modes[i][0]), 0);
        cr_assert_eq(device_lock_take(&lock, deadline_in(1000), NULL), IOTSAFE_OK);
        device_lock_give(&lock);
        (void)snprintf(path, sizeof(path), "%s/%s.queue", folder, lock.base);
        cr_assert_eq(stat(path, &st), 0);
        cr_expect_eq(st.st_mode & 07777, modes[i][1]);
    }
}
