/* SPDX-License-Identifier: Apache-2.0 */
/* see device_lock.h */
#include "device_lock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define POLL_MS 1 /* between two tries for a lock that another process holds */

/* Places of the line before the head of the queue: byte n of the queue file is locked by who
 * stands in place n. Nobody moves up but to the place before its own, so that the order of
 * arrival stays; who finds all places taken comes in by chance. */
#define PLACES 64
#define PLACE_POLL_MS_MAX 16 /* the further behind, the longer between two tries */

/* ------------------------------------------------------------- the folder */

#define GROUP_NAME "iotsafe"
#define GROUP_BUFFER 1024 /* bytes; a group with more members is as good as unknown */

/* Made by root it is for the group, if there is one yet (conf/sysusers.d). */
static bool make_folder(const char *path)
{
    char buffer[GROUP_BUFFER];
    struct group entry, *group = NULL;

    if (mkdir(path, 0700) != 0)
        return errno == EEXIST;
    if (geteuid() == 0) /* asked only now: a directory service may answer */
        (void)getgrnam_r(GROUP_NAME, &entry, buffer, sizeof(buffer), &group);
    return group == NULL || (chown(path, (uid_t)-1, group->gr_gid) == 0 && chmod(path, 02770) == 0);
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool may_enter(const char *path)
{
    return faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS) == 0;
}

/* The folder is there and others than this user share the device through it: to lock
 * elsewhere would lock nobody out. */
static enum iotsafe_err folder_is_closed(const char *path, struct iotsafe_op *op)
{
    char buffer[GROUP_BUFFER];
    struct group entry, *group = NULL;
    struct stat st;

    op_set(op, "the lock folder %s is closed to this user", path);
    if (stat(path, &st) == 0 && (st.st_mode & S_IRGRP) != 0) {
        (void)getgrgid_r(st.st_gid, &entry, buffer, sizeof(buffer), &group);
        op_add(op, ": it must be in group %s (%u)", group != NULL ? group->gr_name : "without name",
               (unsigned)st.st_gid);
    }
    op_add(op, "; or set lock-dir for all programs that use this SIM");
    return IOTSAFE_ERR_LOCK;
}

static enum iotsafe_err choose_folder(struct device_lock *lock, const char *preferred,
                                      struct iotsafe_op *op)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    int n = snprintf(lock->folder, sizeof(lock->folder), "%s", preferred), why = ENAMETOOLONG;

    if (n > 0 && (size_t)n < sizeof(lock->folder)) {
        if (make_folder(lock->folder) && is_folder(lock->folder) && may_enter(lock->folder))
            return IOTSAFE_OK;
        why = errno;
        if (is_folder(lock->folder))
            return folder_is_closed(preferred, op);
    }
    if (runtime != NULL && runtime[0] == '/') {
        n = snprintf(lock->folder, sizeof(lock->folder), "%s/iotsafe", runtime);
        if (n > 0 && (size_t)n < sizeof(lock->folder) && make_folder(lock->folder)
            && is_folder(lock->folder) && may_enter(lock->folder))
            return IOTSAFE_OK;
    }
    op_set(op,
           "no folder for device locks: %s cannot be made (%s)%s; create it "
           "(conf/tmpfiles.d/iotsafe.conf) or set lock-dir",
           preferred, strerror(why),
           runtime != NULL ? ", nor can iotsafe in $XDG_RUNTIME_DIR" : "");
    return IOTSAFE_ERR_LOCK;
}

static enum folder_trust folder_trust(int dir_fd)
{
    struct stat st;

    if (dir_fd < 0 || fstat(dir_fd, &st) != 0 || (st.st_mode & S_IWOTH) != 0
        || (st.st_uid != 0 && st.st_uid != geteuid()))
        return FOLDER_PUBLIC;
    return (st.st_mode & S_IWGRP) != 0 ? FOLDER_GROUP : FOLDER_OWN;
}

/* FNV-1a: tells devices apart whose names differ in odd characters only. */
static uint32_t name_hash(const char *text)
{
    uint32_t hash = 2166136261u;

    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    return hash;
}

enum iotsafe_err device_lock_init(struct device_lock *lock, const char *preferred,
                                  const char *device, struct iotsafe_op *op)
{
    size_t n = 0;

    lock->dir_fd = lock->lock_fd = lock->device_fd = -1;
    for (const char *p = device; *p != '\0' && n < 60; p++)
        lock->base[n++] = isalnum((unsigned char)*p) ? *p : '_';
    (void)snprintf(lock->base + n, sizeof(lock->base) - n, "-%08" PRIx32, name_hash(device));
    return choose_folder(lock, preferred, op);
}

/* --------------------------------------------------------------- the lock */

/* Open one of the lock files; make it when it is missing. O_EXCL comes second,
 * since O_CREAT alone is refused in a sticky folder for others' files. The file stays
 * empty; who may make files in the folder may open it for writing, too, as the places
 * of the queue need, and all others can still lock it. */
static int open_lock_file(int dir_fd, const char *name)
{
    struct stat st;
    int fd;

    for (int tries = 0; tries < 3; tries++) {
        fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 && (errno == EACCES || errno == EROFS || errno == EISDIR))
            fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0 || errno != ENOENT)
            return fd;
        fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd >= 0) { /* whatever the umask: others must be able to read it */
            (void)fchmod(fd, 0644 | (fstat(dir_fd, &st) == 0 ? st.st_mode & 0022 : 0));
            return fd;
        }
        if (errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Somebody may have removed the file between our open and our lock. */
static bool still_that_file(int dir_fd, const char *name, int fd)
{
    struct stat ours, named;

    return fstat(fd, &ours) == 0 && fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0
           && S_ISREG(ours.st_mode) && ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* flock() with a deadline; errno tells why it is IOTSAFE_ERR_LOCK. */
static enum iotsafe_err flock_until(int fd, deadline_t deadline)
{
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return IOTSAFE_ERR_LOCK;
        if (deadline_left_ms(deadline) == 0)
            return IOTSAFE_ERR_TIMEOUT;
        sleep_ms(POLL_MS, deadline);
    }
    return IOTSAFE_OK;
}

/* Lock a place of the line, or ask whether one of some is locked. Open file description
 * locks, unlike other record locks, belong to this descriptor alone. */
static int place_lock(int fd, int command, short type, off_t first, off_t count)
{
    struct flock places = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = first, .l_len = count
    };

    if (fcntl(fd, command, &places) != 0)
        return -1;
    return places.l_type == F_UNLCK || command == F_OFD_SETLK ? 0 : 1;
}

/* flock() as the first of those who wait, in the order in which they came. */
static enum iotsafe_err flock_in_line(int fd, deadline_t deadline)
{
    enum iotsafe_err err = IOTSAFE_OK;
    off_t place = PLACES + 1;

    if (place_lock(fd, F_OFD_GETLK, F_WRLCK, 1, PLACES) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return IOTSAFE_OK;
    while (err == IOTSAFE_OK && place > 1) {
        if (place_lock(fd, F_OFD_SETLK, F_WRLCK, place - 1, 1) == 0) {
            if (place <= PLACES)
                (void)place_lock(fd, F_OFD_SETLK, F_UNLCK, place, 1);
            place--;
        } else if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
            break; /* opened for reading only, or a file system without such locks */
        } else if (deadline_left_ms(deadline) == 0) {
            err = IOTSAFE_ERR_TIMEOUT;
        } else {
            sleep_ms(place < PLACE_POLL_MS_MAX ? place : PLACE_POLL_MS_MAX, deadline);
        }
    }
    if (err == IOTSAFE_OK)
        err = flock_until(fd, deadline);
    if (place <= PLACES)
        (void)place_lock(fd, F_OFD_SETLK, F_UNLCK, place, 1);
    return err;
}

/* Which process has flock()ed this file; 0 if the system does not tell. */
static long find_holder(int fd)
{
    char line[256];
    struct stat st;
    long holder = 0;
    FILE *locks = fstat(fd, &st) == 0 ? fopen("/proc/locks", "re") : NULL;

    while (locks != NULL && holder == 0 && fgets(line, sizeof(line), locks) != NULL) {
        unsigned major_no, minor_no;
        unsigned long long inode;
        long pid;

        if (strstr(line, "->") == NULL
            && sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%llu", &pid, &major_no, &minor_no, &inode)
                   == 4
            && inode == st.st_ino && major(st.st_dev) == major_no && minor(st.st_dev) == minor_no)
            holder = pid;
    }
    if (locks != NULL)
        (void)fclose(locks);
    return holder;
}

static void describe_holder(int fd, const char *what, struct iotsafe_op *op)
{
    long pid = find_holder(fd);
    char path[64], name[32] = "";
    FILE *comm;

    if (pid <= 0) {
        op_set(op, "another process holds %s; find it with lslocks or fuser", what);
        return;
    }
    (void)snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
    comm = fopen(path, "re");
    if (comm != NULL) {
        if (fgets(name, sizeof(name), comm) != NULL)
            name[strcspn(name, "\n")] = '\0';
        (void)fclose(comm);
    }
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        op_set(op, "a child of process %ld, which has ended, holds %s; find it with fuser", pid,
               what);
    else
        op_set(op, "process %ld (%s) holds %s", pid, name[0] != '\0' ? name : "unknown", what);
}

/* Unlock before closing: a child forked meanwhile has the same open file, and would
 * keep the lock for as long as it lives. */
static void unlock_file(int fd)
{
    (void)flock(fd, LOCK_UN);
    (void)close(fd);
}

static bool is_regular(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Take the lock on one of the files in the folder. */
static enum iotsafe_err take_file(const struct device_lock *lock, const char *ending,
                                  enum iotsafe_err (*flock_by)(int fd, deadline_t deadline),
                                  deadline_t deadline, int *ret_fd, struct iotsafe_op *op)
{
    char name[sizeof(lock->base) + 8], path[sizeof(lock->folder) + sizeof(name)];
    enum iotsafe_err err;

    (void)snprintf(name, sizeof(name), "%s%s", lock->base, ending);
    (void)snprintf(path, sizeof(path), "%s/%s", lock->folder, name);
    for (;;) {
        int fd = open_lock_file(lock->dir_fd, name);

        if (fd >= 0 && !is_regular(fd)) {
            (void)close(fd);
            op_set(op, "cannot lock %s: it is not a regular file; remove it", path);
            return IOTSAFE_ERR_LOCK;
        }
        err = fd >= 0 ? flock_by(fd, deadline) : IOTSAFE_ERR_LOCK;
        if (err == IOTSAFE_OK && still_that_file(lock->dir_fd, name, fd)) {
            *ret_fd = fd;
            return IOTSAFE_OK;
        }
        if (err == IOTSAFE_OK && deadline_left_ms(deadline) == 0)
            err = IOTSAFE_ERR_TIMEOUT; /* somebody takes the file away again and again */
        if (err == IOTSAFE_ERR_TIMEOUT)
            describe_holder(fd, path, op);
        else if (err != IOTSAFE_OK)
            op_set(op, "cannot lock %s: %s", path, strerror(errno));
        if (fd >= 0)
            unlock_file(fd);
        if (err != IOTSAFE_OK)
            return err;
    }
}

static enum iotsafe_err take_device(const struct device_lock *lock, deadline_t deadline,
                                    struct iotsafe_op *op)
{
    enum iotsafe_err err = flock_until(lock->device_fd, deadline);

    if (err == IOTSAFE_ERR_TIMEOUT)
        describe_holder(lock->device_fd, "the port", op);
    else if (err != IOTSAFE_OK)
        op_set(op, "cannot lock the port: %s", strerror(errno));
    return err;
}

enum iotsafe_err device_lock_take(struct device_lock *lock, deadline_t deadline,
                                  struct iotsafe_op *op)
{
    int queue_fd = -1;
    enum iotsafe_err err = IOTSAFE_OK;

    if (lock->folder[0] != '\0')
        lock->dir_fd = open(lock->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lock->trust = folder_trust(lock->dir_fd);
    if (lock->dir_fd >= 0)
        err = take_file(lock, ".queue", flock_in_line, deadline, &queue_fd, op);
    else if (lock->device_fd < 0) {
        op_set(op, "cannot open the lock folder %s: %s", lock->folder, strerror(errno));
        err = IOTSAFE_ERR_LOCK;
    }
    if (err == IOTSAFE_OK)
        err = lock->device_fd >= 0
                  ? take_device(lock, deadline, op)
                  : take_file(lock, ".lock", flock_until, deadline, &lock->lock_fd, op);
    if (queue_fd >= 0)
        unlock_file(queue_fd);
    if (err != IOTSAFE_OK)
        device_lock_give(lock);
    return err;
}

void device_lock_give(struct device_lock *lock)
{
    if (lock->lock_fd >= 0)
        unlock_file(lock->lock_fd);
    if (lock->device_fd >= 0)
        (void)flock(lock->device_fd, LOCK_UN);
    if (lock->dir_fd >= 0)
        (void)close(lock->dir_fd);
    lock->lock_fd = lock->dir_fd = -1;
}
