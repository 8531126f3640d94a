/* SPDX-License-Identifier: Apache-2.0 */
/* see outfile.h */
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

/* How long another process may take to write the same file: 10 s. */
#define LOCK_TRIES 500
#define LOCK_PAUSE_NS 20000000

/* The folder of a file and the file's name in it. Behind a symbolic link the file that it
 * leads to is meant. */
struct place {
    char *path;       /* of the file, owned */
    const char *name; /* in path */
    char *temporary;  /* name, owned */
    int folder;
};

static void place_close(struct place *place)
{
    if (place->folder >= 0)
        (void)close(place->folder);
    free(place->path);
    free(place->temporary);
}

/* place_close() it in any case. */
static bool place_open(const char *path, struct place *ret)
{
    char *target = realpath(path, NULL);
    char *slash, first;
    size_t size;

    if (target == NULL && errno == ENOENT)
        target = strdup(path);
    *ret = (struct place){ .path = target, .folder = -1 };
    if (target == NULL)
        return false;
    slash = strrchr(target, '/');
    ret->name = slash != NULL ? slash + 1 : target;
    size = strlen(ret->name) + sizeof("..new");
    ret->temporary = malloc(size);
    if (ret->temporary == NULL)
        return false;
    snprintf(ret->temporary, size, ".%s.new", ret->name);
    first = ret->name[0];
    if (first == '\0') {
        errno = EISDIR;
        return false;
    }
    if (slash != NULL)
        slash[1] = '\0'; /* "dir/", also "/" */
    ret->folder = open(slash != NULL ? target : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (slash != NULL)
        slash[1] = first;
    return ret->folder >= 0;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return fsync(fd) == 0;
}

/* Is it still the file of that name, ours, and nobody else's? */
static bool is_current(const struct place *place, int fd)
{
    struct stat open_one, named;

    return fstat(fd, &open_one) == 0
           && fstatat(place->folder, place->temporary, &named, AT_SYMLINK_NOFOLLOW) == 0
           && open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino
           && S_ISREG(open_one.st_mode) && open_one.st_nlink == 1 && open_one.st_uid == geteuid();
}

/* The temporary file, locked and empty; -1 with errno set. Its name is always the same, so
 * that one that was left behind is used up; the lock keeps another of our processes from it.
 * It is on the file, since the folder can be locked by whoever can read it. */
static int open_temporary(const struct place *place)
{
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        int fd = openat(place->folder, place->temporary,
                        O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_current(place, fd) && ftruncate(fd, 0) == 0)
            return fd;
        (void)close(fd);
        (void)nanosleep(&(struct timespec){ .tv_nsec = LOCK_PAUSE_NS }, NULL);
    }
    errno = EBUSY;
    return -1;
}

/* The owner of what is there stays, if we may give the new file away. */
static bool replace(const struct place *place, BIO *bio, mode_t mode)
{
    struct stat old;
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);
    int fd = open_temporary(place), why;
    bool good;

    if (fd < 0)
        return false;
    if (fstatat(place->folder, place->name, &old, 0) == 0
        && (old.st_uid != geteuid() || old.st_gid != getegid()))
        (void)!fchown(fd, old.st_uid, old.st_gid);
    good = write_all(fd, bytes, (size_t)len) && fchmod(fd, mode) == 0
           && renameat(place->folder, place->temporary, place->folder, place->name) == 0
           && (fsync(place->folder) == 0 || errno == EINVAL); /* not every file system can */
    why = errno;
    if (!good)
        (void)unlinkat(place->folder, place->temporary, 0);
    (void)close(fd); /* and unlocks it */
    errno = why;
    return good;
}

bool outfile_write(const char *path, BIO *bio, mode_t mode)
{
    struct place place = { .folder = -1 };
    struct stat st;
    bool good = false;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        report_error("%s: not a regular file", path); /* a device must not be replaced */
    else if (!(good = place_open(path, &place) && replace(&place, bio, mode)))
        report_error("cannot write %s: %s", path, strerror(errno));
    place_close(&place);
    return good;
}

bool outfile_write_json(const char *path, json_t *root)
{
    char *text = root != NULL ? json_dumps(root, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;
    BIO *bio = text != NULL ? BIO_new(BIO_s_mem()) : NULL;
    bool good = bio != NULL && BIO_printf(bio, "%s\n", text) > 0;

    if (!good)
        report_error("%s: out of memory", path);
    good = good && outfile_write(path, bio, 0600);
    BIO_free(bio);
    free(text);
    json_decref(root);
    return good;
}

bool outfile_is_possible(const char *path)
{
    struct place place;
    bool good = place_open(path, &place)
                && faccessat(place.folder, ".", W_OK | X_OK, AT_EACCESS) == 0;

    if (!good)
        report_error("%s: cannot create a file in its folder: %s", path, strerror(errno));
    place_close(&place);
    return good;
}
