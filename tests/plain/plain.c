/* SPDX-License-Identifier: Apache-2.0 */
/* see criterion/criterion.h: runs each test in a child of its own, one after the other, and
 * says in TAP how it went. */
#include <criterion/redirect.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PASSED, FAILED, SKIPPED = 77 }; /* exit status of a child */

static struct plain_test *tests;
static struct plain_suite *suites;
static atomic_int status;
static FILE *report; /* standard error, whatever a test does with that */
static sigjmp_buf end_of_test;
static pthread_t tester;
static FILE *redirected[2];

void plain_add_test(struct plain_test *test)
{
    struct plain_test **at = &tests;

    while (*at != NULL)
        at = &(*at)->next;
    *at = test;
}

void plain_add_suite(struct plain_suite *suite)
{
    suite->next = suites;
    suites = suite;
}

/* Other threads cannot unwind the one that runs the test. */
static void leave_test(void)
{
    if (pthread_equal(tester, pthread_self()))
        siglongjmp(end_of_test, 1);
    _exit(atomic_load(&status));
}

void plain_check(bool fatal, bool holds, const char *file, int line, const char *claim,
                 const char *message, ...)
{
    va_list args;

    if (holds)
        return;
    fprintf(report, "# %s:%d: does not hold: %s:", file, line, claim);
    va_start(args, message);
    vfprintf(report, message, args);
    va_end(args);
    fprintf(report, "\n");
    atomic_store(&status, FAILED);
    if (fatal)
        leave_test();
}

void plain_skip(const char *why, ...)
{
    va_list args;

    fprintf(report, "# skipped: ");
    va_start(args, why);
    vfprintf(report, why, args);
    va_end(args);
    fprintf(report, "\n");
    if (atomic_load(&status) == PASSED)
        atomic_store(&status, SKIPPED);
    leave_test();
    abort();
}

static void redirect(FILE *stream)
{
    FILE *file = tmpfile();

    fflush(stream);
    if (file == NULL || dup2(fileno(file), fileno(stream)) < 0)
        abort();
    redirected[fileno(stream) - 1] = file;
}

void cr_redirect_stdout(void)
{
    redirect(stdout);
}

void cr_redirect_stderr(void)
{
    redirect(stderr);
}

bool plain_redirected_is(FILE *stream, const char *text)
{
    char seen[4096] = "";
    ssize_t n;

    fflush(stream);
    n = pread(fileno(redirected[fileno(stream) - 1]), seen, sizeof(seen), 0);
    return n >= 0 && (size_t)n == strlen(text) && memcmp(seen, text, (size_t)n) == 0;
}

static struct plain_options options_of(const struct plain_test *test)
{
    struct plain_options o = test->options;

    for (const struct plain_suite *s = suites; s != NULL; s = s->next) {
        if (strcmp(s->name, test->suite) != 0)
            continue;
        if (o.init == NULL)
            o.init = s->options.init;
        if (o.fini == NULL)
            o.fini = s->options.fini;
    }
    return o;
}

static int run_in_child(const struct plain_test *test, void *row)
{
    const struct plain_options o = options_of(test);

    tester = pthread_self();
    if (sigsetjmp(end_of_test, 1) == 0) {
        if (o.init != NULL)
            o.init();
        if (test->run_row != NULL)
            test->run_row(row);
        else
            test->run();
    }
    /* what it finds counts as well, but does not begin again */
    if (o.fini != NULL && sigsetjmp(end_of_test, 1) == 0)
        o.fini();
    return atomic_load(&status);
}

static int run(const struct plain_test *test, void *row)
{
    int how = 0;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0)
        exit(run_in_child(test, row));
    if (child < 0 || waitpid(child, &how, 0) != child)
        return FAILED;
    if (WIFSIGNALED(how))
        fprintf(report, "# %s::%s: ended by signal %d\n", test->suite, test->name, WTERMSIG(how));
    return WIFEXITED(how) && (WEXITSTATUS(how) == PASSED || WEXITSTATUS(how) == SKIPPED)
               ? WEXITSTATUS(how)
               : FAILED;
}

int main(void)
{
    int n = 0;
    bool good = true;

    report = fdopen(dup(STDERR_FILENO), "w");
    if (report == NULL)
        return 1;
    setvbuf(report, NULL, _IOLBF, 0);
    for (const struct plain_test *t = tests; t != NULL; t = t->next) {
        struct criterion_test_params p = { .n = 1 };

        if (t->params != NULL)
            p = t->params();
        for (size_t i = 0; i < p.n; i++) {
            int how = run(t, (char *)p.rows + i * p.size);

            good = good && how != FAILED;
            printf("%sok %d - %s::%s%s\n", how == FAILED ? "not " : "", ++n, t->suite, t->name,
                   how == SKIPPED ? " # SKIP" : "");
        }
    }
    printf("1..%d\n", n);
    return good ? 0 : 1;
}
