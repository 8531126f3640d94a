/* SPDX-License-Identifier: Apache-2.0 */
/* A card that no longer answers stalls one operation, and not each one after it. All
 * times are those of the fake clock. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "card.h"
#include "fake_clock.h"
#include "fake_transport.h"

static const struct fake_behaviour plain = {
    .name = "plain",
    .class_8 = true,
    .app_info = true,
    .auto_close = true,
    .session_min = 1,
    .session_max = 2,
    .modes = { [FAKE_KEY_DIGEST] = 1 << IOTSAFE_MODE_PAD_AND_SIGN,
               [FAKE_KEY_ANY] = 1 << IOTSAFE_MODE_PAD_AND_SIGN },
};

static struct fake_world world;
static struct iotsafe_card *card;
static struct iotsafe_op op;

static void begin(enum fake_device device)
{
    fake_world_install(&world);
    fake_world_begin(&world, device, &plain);
    card = fake_world_card(&world, 0);
}

static void end(void)
{
    iotsafe_card_free(card);
    fake_world_remove(&world);
}

/* Milliseconds that one operation takes. */
static int64_t run(enum iotsafe_err *ret_err)
{
    const int64_t start = now_ms();
    uint8_t bytes[4];

    op = (struct iotsafe_op){ .text = "" };
    *ret_err = iotsafe_random(card, bytes, sizeof(bytes), &op);
    return now_ms() - start;
}

static void expect_right(void)
{
    enum iotsafe_err err;

    (void)run(&err);
    cr_expect_eq(err, IOTSAFE_OK, "%s", op.text);
}

static void expect_full_time(void)
{
    enum iotsafe_err err;
    const int64_t ms = run(&err);

    cr_expect_eq(err, IOTSAFE_ERR_TIMEOUT, "%s", op.text);
    cr_expect_geq(ms, card->timeout_ms);
}

static void expect_brief(void)
{
    enum iotsafe_err err;
    const int64_t ms = run(&err);

    cr_expect_neq(err, IOTSAFE_OK);
    cr_expect_lt(ms, 1000, "%s", op.text);
    cr_expect_not_null(strstr(op.text, "tried briefly"), "%s", op.text);
}

ParameterizedTestParameters(silent, stalls_one_operation_alone)
{
    static int devices[] = { FAKE_READER, FAKE_SOCKET, FAKE_MODEM_FILLS, FAKE_CALLER_FILLS };

    return cr_make_param_array(int, devices, sizeof(devices) / sizeof(devices[0]));
}

ParameterizedTest(int *device, silent, stalls_one_operation_alone)
{
    begin((enum fake_device) * device);
    expect_right();
    world.mute = true;
    expect_full_time();
    expect_brief();
    expect_brief();
    world.mute = false;
    expect_right();
    world.mute = true; /* the time of grace begins anew */
    expect_full_time();
    expect_brief();
    end();
}

/* The card is out, which is said at once each time it is asked for. */
Test(silent, or_away_is_the_same)
{
    enum iotsafe_err err;

    begin(FAKE_READER);
    expect_right();
    fake_plan(&world, 0, FAKE_FAULT_CUT, NULL);
    world.refuse_connects = 100000;
    cr_expect_geq(run(&err), card->timeout_ms);
    cr_expect_eq(err, IOTSAFE_ERR_NO_CARD, "%s", op.text);
    expect_brief();
    world.refuse_connects = 0;
    expect_right();
    end();
}

/* What a slow SIM needs is longer than what a silent one gets. */
Test(silent, ends_with_the_first_response_however_slow)
{
    begin(FAKE_READER);
    expect_right();
    world.mute = true;
    expect_full_time();
    world.mute = false;
    world.exchange_ms = 290;
    expect_right();
    world.mute = true;
    expect_full_time();
    world.mute = false;
    world.connect_ms = 2000;
    expect_right();
    end();
}

/* flock() on all locks of the folder, as another process would. */
static int hold_lock(void)
{
    DIR *dir = opendir(world.lock_dir);
    struct dirent *entry;
    int fd = -1;

    while (fd < 0 && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.' && strstr(entry->d_name, ".channel") == NULL)
            fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
    (void)closedir(dir);
    cr_assert_geq(fd, 0);
    cr_assert_eq(flock(fd, LOCK_EX), 0);
    return fd;
}

/* That others have the card tells nothing about it. */
Test(silent, is_not_who_was_never_asked)
{
    int fd;

    begin(FAKE_READER);
    expect_right();
    fd = hold_lock();
    expect_full_time();
    cr_expect_null(strstr(op.text, "tried briefly"));
    expect_full_time();
    (void)close(fd);
    world.mute = true;
    expect_full_time();
    end();
}
