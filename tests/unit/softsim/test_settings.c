/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles, timing figures and faults: everything that is text on the command line. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "fixture.h"
#include "latency.h"
#include "profile_file.h"

static struct err err;

Test(softsim_settings, every_profile_is_sound)
{
    const char *settings;
    struct profile p;

    for (size_t i = 0; profile_row(i, &settings) != NULL; i++)
        cr_expect(profile_init(&p, profile_row(i, &settings), &err), "%s", err.text);
    cr_expect_not(profile_init(&p, "none-such", &err));
}

Test(softsim_settings, refused_setting_changes_nothing)
{
    static const char *const bad[] = { "cla",
                                       "cla=",
                                       "cla=9n",
                                       "none=1",
                                       "session_count=0",
                                       "session_count=9",
                                       "session_count=1x",
                                       "aid=A0",
                                       "aid=A00",
                                       "aid=A0000005590010|",
                                       "atr=",
                                       "app_id=",
                                       "=1",
                                       "" };
    struct profile p, before;

    cr_assert(profile_init(&p, PROFILE_DEFAULT, &err));
    before = p;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_expect_not(profile_set(&p, bad[i], &err), "%s", bad[i]);
        cr_expect_eq(memcmp(&p, &before, sizeof(p)), 0, "%s", bad[i]);
    }
    cr_expect(profile_set(&p, "cla=both", &err));
    cr_expect_eq(p.v[DIM_CLA], CLA_BOTH);
}

/* The strict defaults of the dimensions. */
Test(softsim_settings, strict_defaults)
{
    static const struct {
        enum dim dim;
        int value;
    } want[] = {
        { DIM_CLA, CLA_8N },
        { DIM_GETRESP_CLA, GETRESP_BOTH },
        { DIM_CHANNELS, CHANNELS_3 },
        { DIM_SELECT_ANSWER, SELECT_9000 },
        { DIM_ANSWER_MODE, ANSWER_DIRECT },
        { DIM_LE_POLICY, LE_OPTIONAL },
        { DIM_LIST_FORM, LIST_PER_OBJECT },
        { DIM_LIST_PAGE, 250 },
        { DIM_SINGLE_FORM, SINGLE_WRAPPED },
        { DIM_APP_TAGS, APP_TAGS_61_6F },
        { DIM_APP_HASH_LEN, 2 },
        { DIM_FILE_SIZE_ORDER, BYTE_ORDER_BIG },
        { DIM_SIG_LEN, 2 },
        { DIM_SIG_VALUE, SIG_RAW },
        { DIM_PUBKEY_FORM, PUBKEY_NESTED },
        { DIM_GEN_ANSWER, GEN_IDS_KEY },
        { DIM_SESSION_MIN, 0 },
        { DIM_SESSION_MAX, 7 },
        { DIM_SESSION_COUNT, 1 },
        { DIM_SESSION_AUTO_CLOSE, OFF },
        { DIM_REOPEN_RULE, REOPEN_6985 },
        { DIM_SESSION_SURVIVES, SURVIVES_NO },
        { DIM_LAST_FLAG, LAST_80 },
        { DIM_UNKNOWN_KEY, UNKNOWN_6A80 },
        { DIM_FILE_CHUNK, 256 },
        { DIM_FILE_END, FILE_END_6A86 },
        { DIM_ENFORCE_ATTRIBUTES, ON },
        { DIM_ENFORCE_USAGE, USAGE_OFF },
        { DIM_ID_POLICY, ID_ANY },
        { DIM_PAIR_IDS, PAIR_EQUAL },
        { DIM_REMOTE_ADMIN, 0 },
        { DIM_PROACTIVE, 0 },
    };
    struct profile p;

    cr_assert(profile_init(&p, PROFILE_DEFAULT, &err));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        cr_expect_eq(p.v[want[i].dim], want[i].value, "dimension %d", want[i].dim);
}

Test(softsim_settings, latency_is_overhead_bytes_and_operation)
{
    struct latency l;

    cr_assert(latency_init(&l, "reader", &err));
    cr_expect_eq(latency_us(&l, 200, OP_NONE), 5000 + 10000);
    cr_expect_eq(latency_us(&l, 0, OP_SIGN), 64000);
    cr_expect_eq(latency_us(&l, 0, OP_VERIFY), 73000);
    cr_expect_eq(latency_us(&l, 0, OP_GENERATE), 140000);
    cr_expect_eq(latency_us(&l, 0, OP_AGREE), 109000);
    cr_expect_not(l.case4_by_61);
    cr_assert(latency_init(&l, "modem", &err));
    cr_expect_eq(latency_us(&l, 625, OP_GENERATE), 25000 + 100000 + 860000);
    cr_expect(l.case4_by_61);
    cr_assert(latency_init(&l, "none", &err));
    cr_expect_eq(latency_us(&l, 1000, OP_SIGN), 0);
    cr_expect(latency_set(&l, "sign=7", &err));
    cr_expect(latency_set(&l, "case4-61=yes", &err));
    cr_expect_eq(latency_us(&l, 1000, OP_SIGN), 7000);
    cr_expect(l.case4_by_61);
    cr_expect_not(latency_set(&l, "sign=-1", &err));
    cr_expect_not(latency_set(&l, "sing=1", &err));
    cr_expect_not(latency_set(&l, "case4-61=maybe", &err));
    cr_expect_not(latency_init(&l, "fast", &err));
}

static struct effect_row {
    char text[20];
    bool ok;
    long arg;
} effect_rows[] = {
    { "sw=6985", true, 0x6985 }, { "sw=69", false, 0 },      { "sw=69855", false, 0 },
    { "sw", false, 0 },          { "reset", true, 0 },       { "reset=1", false, 0 },
    { "truncate=3", true, 3 },   { "truncate=x", false, 0 }, { "flip=0", true, 0 },
    { "garbage=10", true, 10 },  { "garbage=-1", false, 0 }, { "delay=1000", true, 1000 },
    { "mute", true, 0 },         { "", false, 0 },           { "mut", false, 0 },
    { "away=50", true, 50 },     { "away", false, 0 },       { "away=x", false, 0 },
};

ParameterizedTestParameters(softsim_settings, fault_effects)
{
    return cr_make_param_array(struct effect_row, effect_rows, ARRAY_LEN(effect_rows));
}

ParameterizedTest(struct effect_row *row, softsim_settings, fault_effects)
{
    struct fault f = { .arg = -1 };

    cr_expect_eq(fault_parse(row->text, &f, &err), row->ok, "%s", row->text);
    if (row->ok)
        cr_expect_eq(f.arg, row->arg, "%s", row->text);
}

Test(softsim_settings, fault_names)
{
    cr_expect(fault_name_fits("", "SELECT", 0xa4));
    cr_expect(fault_name_fits("select", "SELECT", 0xa4));
    cr_expect(fault_name_fits("a4", "SELECT", 0xa4));
    cr_expect(fault_name_fits("compute-signature", "COMPUTE SIGNATURE UPDATE", 0x2b));
    cr_expect(fault_name_fits("Compute Signature Update", "COMPUTE SIGNATURE UPDATE", 0x2b));
    cr_expect_not(fault_name_fits("compute-signature-init", "COMPUTE SIGNATURE UPDATE", 0x2b));
    cr_expect_not(fault_name_fits("2A", "COMPUTE SIGNATURE UPDATE", 0x2b));
    cr_expect_not(fault_name_fits("--", "SELECT", 0xa4));
    cr_expect(fault_name_known("get-data"));
    cr_expect(fault_name_known("FF"));
    cr_expect_not(fault_name_known("sing"));
}

static void arm(struct fault_list *list, const char *effect, const char *ins, long skip, long count)
{
    struct fault f;

    cr_assert(fault_parse(effect, &f, &err));
    snprintf(f.ins, sizeof(f.ins), "%s", ins);
    f.skip = skip;
    f.count = count;
    cr_assert(fault_add(list, &f));
}

Test(softsim_settings, fault_skips_and_counts_its_own_command_only)
{
    struct fault_list list = { .n = 0 };
    static const bool hits[] = { false, true, true, false };
    struct verdict v;

    arm(&list, "sw=6F00", "read-file", 1, 2);
    for (size_t i = 0; i < ARRAY_LEN(hits); i++) {
        fault_judge(&list, "SELECT", 0xa4, &v);
        cr_expect_not(v.hit[FAULT_SW]);
        fault_judge(&list, "READ FILE", 0xb0, &v);
        cr_expect_eq(v.hit[FAULT_SW], hits[i], "command %zu", i);
    }
    cr_expect_eq(list.n, 0, "used up");
}

Test(softsim_settings, faults_damage_the_answer)
{
    uint8_t rsp[16] = { 1, 2, 0x90, 0 };
    struct verdict v = { .hit = { [FAULT_FLIP] = true, [FAULT_TRUNCATE] = true },
                         .arg = { [FAULT_FLIP] = 9, [FAULT_TRUNCATE] = 3 } };
    size_t len = 4;

    fault_damage(&v, rsp, sizeof(rsp), &len);
    cr_expect_eq(len, 3);
    cr_expect_eq(rsp[1], 0);
    v = (struct verdict){ .hit = { [FAULT_GARBAGE] = true }, .arg = { [FAULT_GARBAGE] = 100 } };
    fault_damage(&v, rsp, sizeof(rsp), &len);
    cr_expect_eq(len, sizeof(rsp), "never more than the buffer");
    for (int i = 0; i < 2000; i++) {
        fault_damage(&v, rsp, sizeof(rsp), &len);
        cr_assert((rsp[14] & 0xf0) != 0x60 && (rsp[14] & 0xf0) != 0x90, "garbage that answers");
    }
    v = (struct verdict){ .hit = { [FAULT_FLIP] = true }, .arg = { [FAULT_FLIP] = 16 * 8 } };
    fault_damage(&v, rsp, sizeof(rsp), &len);
}

/* ---- profiles in files ---- */

/* What comes of a file with this text; its settings are those of *ret. */
static bool add_text(const char *text, struct profile *ret)
{
    char path[] = "/tmp/softsim-profile-XXXXXX";
    int fd = mkstemp(path);
    struct store *s = store_new(NULL, PROFILE_DEFAULT);
    bool ok;

    cr_assert(fd != -1 && s != NULL);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    ok = profile_file_add(s, path, &err) && store_profile(s, ret, &err);
    unlink(path);
    store_free(s);
    return ok;
}

Test(softsim_settings, profile_from_a_file)
{
    struct profile p;

    cr_assert(add_text("{\"format\":\"iotsafe-profile-1\",\"settings\":{\"cla\":\"0n\","
                       "\"answer_n\":77,\"session_max\":\"3\",\"aid\":\"A000000001|A000000002\"}}",
                       &p),
              "%s", err.text);
    cr_expect_eq(p.v[DIM_CLA], CLA_0N);
    cr_expect_eq(p.v[DIM_ANSWER_N], 77);
    cr_expect_eq(p.v[DIM_SESSION_MAX], 3);
    cr_expect_eq(p.n_aids, 2);
    cr_expect_eq(p.v[DIM_DH], ON, "the rest as in the strict one");
}

#define IN_FILE(settings) "{\"format\":\"iotsafe-profile-1\",\"settings\":" settings "}"

Test(softsim_settings, bad_profile_files)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "", "" },
        { "[]", "not a profile" },
        { "{\"format\":\"iotsafe-profile-2\",\"settings\":{}}", "not a profile" },
        { "{\"format\":\"iotsafe-profile-1\"}", "not a profile" },
        { IN_FILE("[\"cla=0n\"]"), "not a profile" },
        { IN_FILE("{\"cla\":\"9n\"}"), "cla=9n" },
        { IN_FILE("{\"cla\":1}"), "cla=1" },
        { IN_FILE("{\"cla\":null}"), "'cla'" },
        { IN_FILE("{\"cla\":{}}"), "'cla'" },
        { IN_FILE("{\"cla\":\"0n\",\"cla\":\"8n\"}"), "duplicate" },
        { IN_FILE("{\"store\":\"/etc\"}"), "store" },
        { IN_FILE("{\"answer_n\":4294967297}"), "answer_n" },
        { IN_FILE("{\"answer_n\":1.5}"), "'answer_n'" },
        { IN_FILE("{\"a=b\":\"c\"}"), "a" },
        { IN_FILE("{\"aid\":\"A0\\u0000\"}"), "" },
    };
    char *name = malloc(70000);
    struct profile p;
    struct store *s = store_new(NULL, PROFILE_DEFAULT);

    cr_assert(name != NULL && s != NULL);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_expect_not(add_text(bad[i].text, &p), "%s", bad[i].text);
        cr_expect(strstr(err.text, bad[i].says) != NULL, "%s: %s", bad[i].text, err.text);
    }
    memset(name, ' ', 70000 - 1);
    name[70000 - 1] = '\0';
    cr_expect_not(add_text(name, &p));
    cr_expect(strstr(err.text, "65536") != NULL, "%s", err.text);
    cr_expect_not(profile_file_add(s, "/dev/zero", &err), "a file without end");
    cr_expect_not(profile_file_add(s, "/tmp", &err));
    cr_expect_not(profile_file_add(s, "/tmp/softsim-none-such", &err));
    store_free(s);
    free(name);
}
