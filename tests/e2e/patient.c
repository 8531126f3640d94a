/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a command for as long as something happens: as long as a file in the
 * test's folder grows (a software SIM notes each exchange there, daemons keep
 * their logs there), or the command and its children compute. Only when nothing
 * has happened for PATIENCE_S the command is ended, with status 124. So a slow
 * machine takes longer and fails nothing, and what hangs is still found.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Longer than an operation of the module may take (30 s), so that its own error is seen. */
#define PATIENCE_S 60
/* Less than this in that time is polling, not computing. */
#define COMPUTED_S 5
#define STATUS_NO_PROGRESS 124
#define STATUS_NOT_FOUND 127

struct progress {
    unsigned long long written; /* bytes in all files */
    double computed_s;          /* CPU time of the command's process group */
};

static unsigned long long bytes_below(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    unsigned long long sum = 0;

    if (dir == NULL)
        return 0; /* it has gone */
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        struct stat st;

        if (entry->d_name[0] == '.' || fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            sum += bytes_below(fd, entry->d_name);
        else if (S_ISREG(st.st_mode))
            sum += (unsigned long long)st.st_size;
    }
    closedir(dir);
    return sum;
}

/* CPU time of a process with that group, its dead children included; 0 for others. */
static double cpu_seconds(const char *pid, pid_t group)
{
    char path[64], line[1024] = "";
    unsigned long ticks[4] = { 0 };
    int pgrp = 0;
    FILE *stat = NULL;
    const char *fields = NULL;

    snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    stat = fopen(path, "re");
    if (stat == NULL)
        return 0;
    if (fgets(line, sizeof(line), stat) != NULL)
        fields = strrchr(line, ')'); /* the name before it may contain anything */
    fclose(stat);
    /* proc(5): state ppid pgrp session tty tpgid flags 4 × faults utime stime cutime cstime */
    if (fields == NULL
        || sscanf(fields, ") %*c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &pgrp,
                  &ticks[0], &ticks[1], &ticks[2], &ticks[3])
               != 5
        || pgrp != group)
        return 0;
    return (double)(ticks[0] + ticks[1] + ticks[2] + ticks[3]) / (double)sysconf(_SC_CLK_TCK);
}

static double group_cpu_seconds(pid_t group)
{
    DIR *dir = opendir("/proc");
    double sum = 0;

    if (dir == NULL)
        return 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            sum += cpu_seconds(entry->d_name, group);
    }
    closedir(dir);
    return sum;
}

static bool has_advanced(struct progress *last, const char *folder, pid_t group)
{
    struct progress now = { bytes_below(AT_FDCWD, folder), group_cpu_seconds(group) };
    double computed_s = now.computed_s - last->computed_s;

    /* less than before: files were removed, processes ended */
    if (now.written == last->written && computed_s >= 0 && computed_s < COMPUTED_S)
        return false;
    *last = now;
    return true;
}

static pid_t start(char **command, const sigset_t *old_mask)
{
    pid_t parent = getpid(), child = fork();

    if (child != 0)
        return child;
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, old_mask, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        execvp(command[0], command);
    perror(command[0]);
    _exit(STATUS_NOT_FOUND);
}

/* What a shell would tell. */
static int shell_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int end(pid_t child, int status)
{
    kill(-child, SIGKILL);
    waitpid(child, NULL, 0);
    return status;
}

static int watch(pid_t child, const char *folder, const sigset_t *signals)
{
    struct progress last = { 0 };

    for (int idle_s = 0; idle_s < PATIENCE_S; idle_s++) {
        int signo = sigtimedwait(signals, NULL, &(struct timespec){ .tv_sec = 1 });
        int status = 0;

        if (waitpid(child, &status, WNOHANG) == child)
            return shell_status(status);
        if (signo > 0 && signo != SIGCHLD)
            return end(child, 128 + signo);
        if (signo > 0)
            idle_s--; /* a second has not passed */
        else if (has_advanced(&last, folder, child))
            idle_s = -1;
    }
    fprintf(stderr, "patient: nothing has happened for %d seconds\n", PATIENCE_S);
    return end(child, STATUS_NO_PROGRESS);
}

int main(int argc, char **argv)
{
    sigset_t signals, old_mask;
    pid_t child = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: patient FOLDER COMMAND...\n");
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &old_mask);
    child = start(argv + 2, &old_mask);
    if (child < 0) {
        perror("patient: fork");
        return 1;
    }
    setpgid(child, child); /* whoever comes first */
    return watch(child, argv[1], &signals);
}
