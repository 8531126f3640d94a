/* SPDX-License-Identifier: Apache-2.0 */
/* Memory runs out: each allocation of the software SIM's own fails in turn, in what it does
 * from its making to its end. It says so, or does without. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "fixture.h"
#include "front.h"
#include "modem_quirks.h"

/* ------------------------------------------------------------------- what fails */

static struct {
    bool armed;
    int nth, count;
} strike;

static bool strikes(void)
{
    return strike.armed && ++strike.count == strike.nth;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
char *__real_strdup(const char *text);
__attribute__((visibility("default"))) void *__wrap_malloc(size_t n);
__attribute__((visibility("default"))) void *__wrap_calloc(size_t n, size_t size);
__attribute__((visibility("default"))) void *__wrap_realloc(void *old, size_t n);
__attribute__((visibility("default"))) char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t n)
{
    return strikes() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return strikes() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t n)
{
    return strikes() ? NULL : __real_realloc(old, n);
}

char *__wrap_strdup(const char *text)
{
    return strikes() ? NULL : __real_strdup(text);
}

/* --------------------------------------------------------------- the operations */

static char dir[] = "/tmp/softsim-memory-XXXXXX";
static struct err err;
static const char *requests[] = {
    "{\"verb\":\"list\"}",
    "{\"verb\":\"counters\"}",
    "{\"verb\":\"put-file\",\"args\":[\"notes\",\"f\"],\"data\":\"AABB\"}",
    "{\"verb\":\"put-secret\",\"args\":[\"psk\",\"f\"],\"data\":\"0102\"}",
    "{\"verb\":\"generate-key\",\"args\":[\"spare-1\"]}",
};

static const char *path_of(const char *name)
{
    static char path[4][96];
    static unsigned n;
    char *p = path[n++ % 4];

    snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
    return p;
}

static bool make(void)
{
    struct personalisation how = { .cn = "a device",
                                   .san = PERSONALISE_SAN,
                                   .client_key_type = IOTSAFE_KEY_P256 };
    struct store *s = store_new(dir, PROFILE_DEFAULT);
    struct profile p;
    const bool good = s != NULL && store_add_setting(s, "list_page=25") && store_lock(s, &err)
                      && store_profile(s, &p, &err) && personalise(s, &p, &how, &err)
                      && store_save(s, &err);

    store_free(s);
    return good;
}

static bool load(void)
{
    struct store *s = store_load_locked(dir, &err);
    const bool good = s != NULL;

    store_free(s);
    return good;
}

static bool on_a_sim(bool (*work)(struct sim *sim))
{
    struct store *s = store_load(dir, &err);
    struct loop *loop = loop_new();
    static struct sim sim;
    struct profile p;
    struct latency none;
    bool good = s != NULL && loop != NULL && store_profile(s, &p, &err)
                && latency_init(&none, "none", &err);

    if (good) {
        sim_init(&sim, loop, &p, s, &none);
        good = work(&sim);
        sim_clear(&sim);
    }
    loop_free(loop);
    store_free(s);
    return good;
}

static bool open_all(struct sim *sim)
{
    struct quirks quirks;
    char where[160], sock[110], admin[110];

    quirks_init(&quirks);
    snprintf(sock, sizeof(sock), "unix:%s", path_of("sock"));
    snprintf(admin, sizeof(admin), "unix:%s", path_of("admin"));
    return front_socket_open(sim, sock, 0600, where, &err)
           && front_vpcd_open(sim, "127.0.0.1:9", where, &err)
           && front_at_open(sim, path_of("port"), 0600, &quirks, where, &err)
           && admin_open(sim, admin, where, &err) && sim_modem_replug(sim, &err);
}

static bool ask(struct sim *sim)
{
    bool good = true;

    for (size_t i = 0; good && i < sizeof(requests) / sizeof(requests[0]); i++) {
        char *reply = admin_execute(sim, requests[i], strlen(requests[i]));

        good = reply != NULL && strstr(reply, "true") != NULL;
        free(reply);
    }
    return good;
}

static size_t answer_len;

static void answered(void *arg, const uint8_t *rsp, size_t len)
{
    (void)arg;
    answer_len = rsp != NULL ? len : 0;
}

static bool exchange(struct sim *sim)
{
    static const uint8_t open[] = { 0x00, 0x70, 0x00, 0x00, 0x01 };
    struct sim_user user;
    bool good;

    answer_len = 0;
    sim_user_begin(sim, &user, "test", answered, NULL);
    good = sim_submit(sim, &user, open, sizeof(open)) && answer_len == 3;
    sim_user_end(sim, &user);
    return good;
}

static bool serve(void)
{
    return on_a_sim(open_all);
}

static bool administer(void)
{
    return on_a_sim(ask);
}

static bool answer_commands(void)
{
    return on_a_sim(exchange);
}

static const struct {
    const char *name;
    bool (*run)(void);
} operations[] = {
    { "make", make },
    { "load", load },
    { "serve", serve },
    { "administer", administer },
    { "exchange", answer_commands },
};

/* ------------------------------------------------------------------- the test */

static void begin(void)
{
    cr_assert_not_null(mkdtemp(dir));
}

static void end(void)
{
    char cmd[300];

    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    cr_expect_eq(system(cmd), 0);
}

TestSuite(softsim_memory, .init = begin, .fini = end, .timeout = 120);

enum { LIMIT = 1000 };

Test(softsim_memory, each_allocation_may_fail_and_the_next_try_is_right)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        int failed = 0;
        bool struck = true;

        cr_assert(operations[i].run(), "%s: %s", operations[i].name, err.text);
        for (int nth = 1; struck && nth < LIMIT; nth++) {
            bool good;

            strike.nth = nth;
            strike.count = 0;
            strike.armed = true;
            good = operations[i].run();
            strike.armed = false;
            struck = strike.count >= nth;
            cr_expect(good || struck, "%s, without a failure: %s", operations[i].name, err.text);
            failed += !good;
        }
        cr_expect(!struck, "%s never ends", operations[i].name);
        cr_expect_gt(failed, 0, "%s: nothing failed", operations[i].name);
        cr_expect(operations[i].run(), "%s, afterwards: %s", operations[i].name, err.text);
    }
}
