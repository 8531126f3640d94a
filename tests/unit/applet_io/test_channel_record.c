/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "channel_record.h"

static char folder[64];

static void make_folder(void)
{
    strcpy(folder, "/tmp/record.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[96];

    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(record, .init = make_folder, .fini = remove_folder);

/* On a folder with that mode, taken. */
static struct device_lock lock_on(mode_t mode)
{
    struct device_lock lock;

    cr_assert_eq(chmod(folder, mode), 0);
    cr_assert_eq(device_lock_init(&lock, folder, "r", NULL), IOTSAFE_OK);
    cr_assert_eq(device_lock_take(&lock, deadline_in(1000), NULL), IOTSAFE_OK);
    return lock;
}

static const struct iotsafe_name key_3 = { .id = { 3 }, .id_len = 1 };

static struct channel_record sample(void)
{
    struct channel_record r = { .session = "2",
                                .aid = { 0xa0, 0, 0, 5, 0x59 },
                                .aid_len = 5,
                                .atr = { 0x3b, 0x9f },
                                .atr_len = 2,
                                .filler = FILLER_CALLER,
                                .traits = { .session = 1, .close_after = true } };

    (void)key_forms_worked(&r.forms, &key_3, IOTSAFE_HASH_SHA256, FORM_TEXT);
    return r;
}

/* A file in the folder as another process would have written it. */
static void plant(const struct device_lock *lock, const char *ending, const char *session,
                  uint64_t generation, uid_t owner)
{
    struct channel_record r = sample();
    char text[RECORD_TEXT_MAX], path[200];
    FILE *f;

    strcpy(r.session, session);
    r.generation = generation;
    (void)channel_record_format(&r, text);
    (void)snprintf(path, sizeof(path), "%s/%s%s", folder, lock->base, ending);
    f = fopen(path, "w");
    cr_assert_not_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
    if (owner != geteuid())
        cr_assert_eq(chown(path, owner, (gid_t)-1), 0);
}

static uint64_t clock_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

Test(record, is_found_again_by_all_in_a_folder_of_a_group)
{
    struct device_lock lock = lock_on(02770);
    struct channel_record r = sample(), got;
    uint64_t first;

    channel_record_read(&lock, &got);
    cr_expect_eq(got.generation, 0);
    cr_expect(channel_record_is_shared(&lock));
    cr_assert(channel_record_write(&lock, &r));
    first = r.generation;
    cr_expect_gt(first, 0);
    plant(&lock, ".channel2", "3", first + 7, geteuid());
    channel_record_read(&lock, &got);
    cr_expect_eq(got.generation, first + 7);
    cr_expect_str_eq(got.session, "3");
    cr_assert(channel_record_write(&lock, &r));
    cr_expect_geq(r.generation, first + 8);
    channel_record_read(&lock, &got);
    cr_expect_str_eq(got.session, "2");
    cr_expect(got.traits.close_after);
    cr_expect_eq(got.filler, FILLER_CALLER);
    cr_expect_eq(got.forms.entries[0].dearer, FORM_TEXT);
    channel_record_drop(&lock);
    channel_record_read(&lock, &got);
    cr_expect_eq(got.generation, 0);
    while (clock_ms() <= r.generation) /* it was planted ahead of the clock */
        (void)usleep(1000);
    first = r.generation;
    cr_assert(channel_record_write(&lock, &r));
    cr_expect_geq(r.generation, first, "no generation twice");
    device_lock_give(&lock);
}

Test(record, of_a_member_counts_in_a_folder_of_a_group)
{
    struct device_lock lock;
    struct channel_record got;

    if (geteuid() != 0)
        cr_skip("only root can lay files of other users\n");
    lock = lock_on(02770);
    plant(&lock, ".channel2", "3", 7, 4711);
    channel_record_read(&lock, &got);
    cr_expect_eq(got.generation, 7);
    device_lock_give(&lock);
}

Test(record, of_a_neighbour_does_not_count_where_everybody_may_write)
{
    struct device_lock lock = lock_on(01777);
    struct channel_record r = sample(), got;
    char ending[40];

    cr_expect(!channel_record_is_shared(&lock), "others cannot know which record is ours");
    plant(&lock, ".channel2", "3", 7, geteuid());
    plant(&lock, ".channel2.4711", "3", UINT64_MAX, geteuid());
    plant(&lock, ".channel.0", "3", 9, geteuid());
    channel_record_read(&lock, &got);
    cr_expect_eq(got.generation, 0, "files of other names are not looked at");
    if (geteuid() == 0) {
        (void)snprintf(ending, sizeof(ending), ".channel2.%u", (unsigned)geteuid());
        plant(&lock, ending, "3", 7, 4711);
        channel_record_read(&lock, &got);
        cr_expect_eq(got.generation, 0, "a neighbour's file under our name");
        cr_expect(!channel_record_write(&lock, &r), "and it is not written to");
        channel_record_drop(&lock);
    }
    cr_assert(channel_record_write(&lock, &r));
    channel_record_read(&lock, &got);
    cr_expect_eq(got.generation, r.generation);
    device_lock_give(&lock);
}

Test(record, of_version_1_is_left_alone)
{
    struct device_lock lock = lock_on(0700);
    struct channel_record r = sample(), got;
    char path[200], line[100] = "";
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s.channel.%u", folder, lock.base, (unsigned)geteuid());
    f = fopen(path, "w");
    (void)fputs("iotsafe-channel-1 7 3 A000000559 - 0,0,0,0,1,0,0,0,0,0,0,0,0,0\n", f);
    (void)fclose(f);
    channel_record_read(&lock, &got);
    cr_expect_eq(got.generation, 0);
    cr_assert(channel_record_write(&lock, &r));
    f = fopen(path, "r");
    cr_assert_not_null(fgets(line, sizeof(line), f));
    (void)fclose(f);
    cr_expect_not_null(strstr(line, "iotsafe-channel-1 7 3"), "%s", line);
    device_lock_give(&lock);
}

Test(record, is_not_written_through_a_link)
{
    struct device_lock lock = lock_on(0700);
    struct channel_record r = sample();
    char path[200], victim[100];

    (void)snprintf(victim, sizeof(victim), "%s/victim", folder);
    (void)fclose(fopen(victim, "w"));
    (void)snprintf(path, sizeof(path), "%s/%s.channel2", folder, lock.base);
    cr_assert_eq(link(victim, path), 0);
    cr_expect(!channel_record_write(&lock, &r));
    device_lock_give(&lock);
}

Test(record, survives_its_text_and_nothing_less)
{
    struct channel_record r = sample(), got;
    char text[RECORD_TEXT_MAX];
    size_t len;

    r.generation = 5;
    len = channel_record_format(&r, text);
    cr_assert(channel_record_parse(text, len, &got));
    cr_expect_eq(got.generation, 5);
    cr_expect_eq(got.atr_len, 2);
    cr_expect(traits_equal(&got.traits, &r.traits));
    cr_expect_eq(memcmp(&got.forms, &r.forms, sizeof(r.forms)), 0);
    for (size_t n = 0; n < len; n++)
        cr_expect(!channel_record_parse(text, n, &got), "cut at %zu", n);
}

/* A session is put into command lines of a modem. */
Test(record, whose_session_is_no_handle_is_void)
{
    static const char *const bad[] = { "0;D+4990012345;", "1,2", "1\"", "!", "1!", "x" };
    static const char *const good[] = { "0", "19", "00A0fb12" };
    struct channel_record r = sample(), got;
    char text[RECORD_TEXT_MAX];

    r.generation = 5;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        strcpy(r.session, bad[i]);
        cr_expect(!channel_record_parse(text, channel_record_format(&r, text), &got), "%s", bad[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        strcpy(r.session, good[i]);
        cr_expect(channel_record_parse(text, channel_record_format(&r, text), &got), "%s", good[i]);
    }
}
