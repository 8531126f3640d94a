/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a program: it is killed at its call number DIE_AT of those by which files
 * are written, as a power cut would end it. Without DIE_AT their number goes to the file
 * DIE_COUNT at the end. */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

PUBLIC int fchmod(int fd, mode_t mode);
PUBLIC int fsync(int fd);
PUBLIC int renameat(int from_dir, const char *from, int to_dir, const char *to);
PUBLIC int unlinkat(int dir, const char *name, int flags);

static int n_calls;

static void count_call(void)
{
    const char *at = getenv("DIE_AT");

    if (++n_calls == (at != NULL ? atoi(at) : 0))
        (void)raise(SIGKILL);
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("DIE_COUNT");
    FILE *file = path != NULL && n_calls > 0 ? fopen(path, "we") : NULL;

    if (file == NULL)
        return;
    (void)fprintf(file, "%d\n", n_calls);
    (void)fclose(file);
}

/* Before the call, and behind it. */
#define PASS(name, type, ...)                   \
    type;                                       \
    *(void **)(&real) = dlsym(RTLD_NEXT, name); \
    count_call();                               \
    result = real(__VA_ARGS__);                 \
    count_call();                               \
    return result

int fchmod(int fd, mode_t mode)
{
    int result;

    PASS("fchmod", int (*real)(int, mode_t), fd, mode);
}

int fsync(int fd)
{
    int result;

    PASS("fsync", int (*real)(int), fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    int result;

    PASS("renameat", int (*real)(int, const char *, int, const char *), from_dir, from, to_dir, to);
}

int unlinkat(int dir, const char *name, int flags)
{
    int result;

    PASS("unlinkat", int (*real)(int, const char *, int), dir, name, flags);
}
