/* SPDX-License-Identifier: Apache-2.0 */
/* see device_lock.h */
#include "device_lock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define POLL_MS 1 /* between two tries for a lock that another process holds */

/* ------------------------------------------------------------- the folder */

/* A folder of ours for all users: sticky, like /run/lock. */
static bool folder_usable(const char *path, mode_t make_mode)
{
    struct stat st;

    if (mkdir(path, 0700) == 0) {
        if (chmod(path, make_mode) != 0)
            return false;
    } else if (errno != EEXIST) {
        return false;
    }
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && access(path, R_OK | X_OK) == 0;
}

static enum iotsafe_err choose_folder(struct device_lock *lock, const char *preferred,
                                      struct iotsafe_op *op)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    int n;

    n = snprintf(lock->folder, sizeof(lock->folder), "%s", preferred);
    if (n > 0 && (size_t)n < sizeof(lock->folder)
        && folder_usable(lock->folder, geteuid() == 0 ? 01777 : 0755))
        return IOTSAFE_OK;
    if (runtime != NULL && runtime[0] == '/') {
        n = snprintf(lock->folder, sizeof(lock->folder), "%s/iotsafe", runtime);
        if (n > 0 && (size_t)n < sizeof(lock->folder) && folder_usable(lock->folder, 0700))
            return IOTSAFE_OK;
    }
    op_set(op,
           "no folder for device locks: %s cannot be made or read%s; create it "
           "(conf/tmpfiles.d/iotsafe.conf) or set lock-dir",
           preferred, runtime != NULL ? ", nor can iotsafe in $XDG_RUNTIME_DIR" : "");
    return IOTSAFE_ERR_LOCK;
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
 * since O_CREAT alone is refused in a sticky folder for others' files. */
static int open_lock_file(int dir_fd, const char *name)
{
    int fd;

    for (int tries = 0; tries < 3; tries++) {
        fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0 || errno != ENOENT)
            return fd;
        fd = openat(dir_fd, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd >= 0) {
            (void)fchmod(fd, 0644); /* whatever the umask: others must be able to read it */
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
            op_set(op, "cannot lock %s: it is no file; remove it", path);
            return IOTSAFE_ERR_LOCK;
        }
        err = fd >= 0 ? flock_until(fd, deadline) : IOTSAFE_ERR_LOCK;
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
    if (lock->dir_fd >= 0)
        err = take_file(lock, ".queue", deadline, &queue_fd, op);
    else if (lock->device_fd < 0) {
        op_set(op, "cannot open the lock folder %s: %s", lock->folder, strerror(errno));
        err = IOTSAFE_ERR_LOCK;
    }
    if (err == IOTSAFE_OK)
        err = lock->device_fd >= 0 ? take_device(lock, deadline, op)
                                   : take_file(lock, ".lock", deadline, &lock->lock_fd, op);
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

/* ------------------------------------------------------------ the records */

#define RECORD_FORMAT "iotsafe-channel-1 %" PRIu64 " %s %s %s %s\n"

size_t channel_record_format(const struct channel_record *r, char ret_text[static RECORD_TEXT_MAX])
{
    char aid[HEX_SIZE(IOTSAFE_AID_MAX)];
    char atr[HEX_SIZE(ATR_MAX)];
    char traits[TRAITS_TEXT_MAX];

    hex_encode(r->aid, r->aid_len, aid);
    hex_encode(r->atr, r->atr_len, atr);
    traits_format(&r->traits, traits);
    return (size_t)snprintf(ret_text, RECORD_TEXT_MAX, RECORD_FORMAT, r->generation, r->session,
                            aid, r->atr_len != 0 ? atr : "-", traits);
}

/* A number or a modem's handle, perhaps with a mark behind it. It is put into command
 * lines, and anybody who may use the folder can write a record. */
static bool session_is_plain(const char *session)
{
    size_t n = strspn(session, "0123456789abcdefABCDEF");

    return n != 0 && (session[n] == '\0' || (session[n] == '!' && session[n + 1] == '\0'));
}

bool channel_record_parse(const char *text, size_t len, struct channel_record *ret_record)
{
    struct channel_record r = { 0 };
    char line[RECORD_TEXT_MAX];
    char aid[HEX_SIZE(IOTSAFE_AID_MAX)];
    char atr[HEX_SIZE(ATR_MAX)];
    char traits[TRAITS_TEXT_MAX];
    int n;

    if (len == 0 || len >= sizeof(line) || memchr(text, '\0', len) != NULL)
        return false;
    memcpy(line, text, len);
    line[len] = '\0';
    if (line[len - 1] != '\n')
        return false;
    if (sscanf(line, "iotsafe-channel-1 %" SCNu64 " %39s %32s %66s %95s", &r.generation, r.session,
               aid, atr, traits)
        != 5)
        return false;
    if (!session_is_plain(r.session))
        return false;
    n = hex_decode(aid, strlen(aid), r.aid, sizeof(r.aid));
    if (n < IOTSAFE_AID_MIN || r.generation == 0)
        return false;
    r.aid_len = (size_t)n;
    n = strcmp(atr, "-") == 0 ? 0 : hex_decode(atr, strlen(atr), r.atr, sizeof(r.atr));
    if (n < 0 || !traits_parse(traits, &r.traits))
        return false;
    r.atr_len = (size_t)n;
    *ret_record = r;
    return true;
}

static bool read_record_file(int dir_fd, const char *name, struct channel_record *ret_record)
{
    char text[RECORD_TEXT_MAX];
    struct stat st;
    ssize_t n = -1;
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = read(fd, text, sizeof(text));
    (void)close(fd);
    return n > 0 && channel_record_parse(text, (size_t)n, ret_record);
}

void device_lock_read(const struct device_lock *lock, struct channel_record *ret_record)
{
    size_t base_len = strlen(lock->base);
    struct channel_record r;
    struct dirent *entry;
    int fd = lock->dir_fd < 0 ? -1 : openat(lock->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    memset(ret_record, 0, sizeof(*ret_record));
    if (dir == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, lock->base, base_len) != 0
            || strncmp(entry->d_name + base_len, ".channel.", 9) != 0)
            continue;
        if (read_record_file(lock->dir_fd, entry->d_name, &r)
            && r.generation > ret_record->generation)
            *ret_record = r;
    }
    (void)closedir(dir);
}

bool device_lock_write(const struct device_lock *lock, struct channel_record *record)
{
    struct channel_record youngest;
    char name[sizeof(lock->base) + 24];
    char text[RECORD_TEXT_MAX];
    struct stat st;
    size_t len;
    bool ok;
    int fd;

    if (lock->dir_fd < 0)
        return false;
    device_lock_read(lock, &youngest);
    if (youngest.generation == UINT64_MAX)
        return false;
    record->generation = youngest.generation + 1;
    len = channel_record_format(record, text);
    (void)snprintf(name, sizeof(name), "%s.channel.%u", lock->base, (unsigned)geteuid());
    fd = openat(lock->dir_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644);
    if (fd < 0)
        return false;
    /* a link that someone laid under our name must not be written through */
    ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink == 1
         && fchmod(fd, 0644) == 0 && ftruncate(fd, 0) == 0 && write(fd, text, len) == (ssize_t)len;
    (void)close(fd);
    return ok;
}
