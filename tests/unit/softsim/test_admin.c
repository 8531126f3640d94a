/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's verbs, as request lines, on a SIM without front ends. */
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "admin.h"
#include "fixture.h"

static struct loop *loop;
static struct sim sim;
static struct store *store;
static struct sim_user user;
static char answer[2 * APDU_RSP_MAX + 1];

static void answered(void *arg, const uint8_t *rsp, size_t len)
{
    (void)arg;
    answer[0] = '\0';
    if (rsp != NULL)
        softsim_hex_encode(rsp, len, answer);
}

static void begin(void)
{
    struct personalisation how = { .cn = "x",
                                   .san = PERSONALISE_SAN,
                                   .client_key_type = IOTSAFE_KEY_P256 };
    struct profile p;
    struct latency none;
    struct err err;

    cr_assert(profile_init(&p, PROFILE_DEFAULT, &err));
    cr_assert(latency_init(&none, "none", &err));
    store = store_new(NULL, PROFILE_DEFAULT);
    cr_assert(personalise(store, &p, &how, &err), "%s", err.text);
    loop = loop_new();
    sim_init(&sim, loop, &p, store, &none);
    sim_user_begin(&sim, &user, "test", answered, NULL);
}

static void end(void)
{
    sim_user_end(&sim, &user);
    sim_clear(&sim);
    loop_free(loop);
    store_free(store);
}

TestSuite(softsim_admin, .init = begin, .fini = end);

static const char *apdu(const char *hex)
{
    uint8_t cmd[300];
    size_t n = unhex(hex, cmd, sizeof(cmd));

    strcpy(answer, "none");
    cr_assert(sim_submit(&sim, &user, cmd, n));
    return answer;
}

/* The reply to a request: true if it was done. */
static bool ask(const char *line, char **ret_text)
{
    char *reply = admin_execute(&sim, line, strlen(line));
    json_t *root = json_loads(reply, 0, NULL);
    bool ok = json_is_true(json_object_get(root, "ok"));

    cr_assert_not_null(root, "%s", reply);
    if (ret_text != NULL)
        *ret_text = strdup(json_string_value(json_object_get(root, "text")));
    json_decref(root);
    free(reply);
    return ok;
}

#define DONE(line) cr_expect(ask(line, NULL), "%s", line)
#define REFUSED(line) cr_expect_not(ask(line, NULL), "%s", line)

Test(softsim_admin, nonsense_is_refused)
{
    REFUSED("");
    REFUSED("[]");
    REFUSED("{}");
    REFUSED("{\"verb\":1}");
    REFUSED("{\"verb\":\"lst\"}");
    REFUSED("{\"verb\":\"busy\"}");
    REFUSED("{\"verb\":\"busy\",\"args\":[1]}");
    REFUSED("{\"verb\":\"busy\",\"args\":[\"x\"]}");
    REFUSED("{\"verb\":\"busy\",\"args\":[\"1\",\"2\"]}");
    REFUSED("{\"verb\":\"busy\",\"args\":[\"1\",\"2\",\"3\"]}");
    REFUSED("{\"verb\":\"list\",\"options\":{\"json\":1}}");
    REFUSED("{\"verb\":\"put-file\",\"args\":[\"a\",\"b\"],\"data\":\"zz\"}");
    REFUSED("{\"verb\":\"fault\",\"args\":[\"sw=1\"]}");
    REFUSED("{\"verb\":\"fault\",\"args\":[\"mute\"],\"options\":{\"ins\":\"sing\"}}");
    REFUSED("{\"verb\":\"fault\",\"args\":[\"mute\"],\"options\":{\"count\":\"0\"}}");
    REFUSED("{\"verb\":\"generate-key\",\"args\":[\"nobody\"]}");
    REFUSED("{\"verb\":\"delete\",\"args\":[\"nobody\"]}");
    REFUSED("{\"verb\":\"delete\",\"args\":[\"key\",\"client-key\"]}");
    REFUSED("{\"verb\":\"activate\",\"args\":[\"spare-1\"]}");
    REFUSED("{\"verb\":\"insert\"}");
}

Test(softsim_admin, list_names_every_object)
{
    char *text;
    json_t *all;

    cr_assert(ask("{\"verb\":\"list\",\"options\":{\"json\":\"yes\"}}", &text));
    all = json_loads(text, 0, NULL);
    cr_expect_eq(json_array_size(all), store->n_objects);
    json_decref(all);
    free(text);
    cr_assert(ask("{\"verb\":\"list\"}", &text));
    cr_expect_not_null(strstr(text, "client-key"));
    free(text);
}

Test(softsim_admin, files_are_replaced_made_and_deleted)
{
    struct object *o;

    DONE("{\"verb\":\"put-file\",\"args\":[\"notes\",\"f\"],\"data\":\"AABB\"}");
    o = store_by_label(store, KIND_FILE, "notes", 5);
    cr_expect_eq(o->content.len, 2);
    cr_expect_eq(o->size, 64, "the container stays");
    DONE("{\"verb\":\"put-file\",\"args\":[\"new\",\"f\"],\"data\":\"01\","
         "\"options\":{\"id\":\"42\",\"size\":\"100\",\"usage\":\"cert\"}}");
    o = store_by_label(store, KIND_FILE, "new", 3);
    cr_assert_not_null(o);
    cr_expect_eq(o->id[0], 0x42);
    cr_expect_eq(o->size, 100);
    cr_expect_eq(o->file_usage, IOTSAFE_FILE_CERTIFICATE);
    REFUSED("{\"verb\":\"put-file\",\"args\":[\"new\",\"f\"],\"data\":\"0102\","
            "\"options\":{\"size\":\"1\"}}");
    REFUSED("{\"verb\":\"put-file\",\"args\":[\"x\",\"f\"],\"options\":{\"usage\":\"odd\"}}");
    REFUSED("{\"verb\":\"put-file\",\"args\":[\"x\",\"f\"],\"options\":{\"id\":\"42\"}}");
    DONE("{\"verb\":\"delete\",\"args\":[\"file\",\"42\"]}");
    cr_expect_null(store_by_label(store, KIND_FILE, "new", 3));
}

Test(softsim_admin, generated_key_is_noticed_by_open_sessions)
{
    apdu("00A4040007A0000005590010");
    cr_expect_str_eq(apdu("802A00010D840101A1010391020001920104"), "9000");
    DONE("{\"verb\":\"generate-key\",\"args\":[\"client-key\"]}");
    cr_expect_str_eq(apdu("802B8001229E20" HASH_SAMPLE "00"), "6989");
}

static void put_pem(const char *verb_and_name, EVP_PKEY *key, bool is_private, bool want)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem, *hex, *line = NULL;
    long n;

    if (is_private)
        PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    else
        PEM_write_bio_PUBKEY(bio, key);
    n = BIO_get_mem_data(bio, &pem);
    hex = softsim_hex_text((const uint8_t *)pem, (size_t)n);
    cr_assert_gt(asprintf(&line, "{%s,\"data\":\"%s\"}", verb_and_name, hex), 0);
    cr_expect_eq(ask(line, NULL), want, "%s", line);
    free(line);
    free(hex);
    BIO_free(bio);
}

Test(softsim_admin, keys_are_put_into_their_containers)
{
    EVP_PKEY *key = crypto_generate(IOTSAFE_KEY_P256);
    EVP_PKEY *rsa = crypto_generate(IOTSAFE_KEY_RSA2048);
    struct object *o;

    put_pem("\"verb\":\"put-key\",\"args\":[\"client-key\",\"f\"]", key, true, true);
    o = store_by_label(store, KIND_PUBLIC, "client-key", 10);
    cr_expect_eq(EVP_PKEY_eq(o->key, key), 1);
    put_pem("\"verb\":\"put-key\",\"args\":[\"verify-key\",\"f\"]", key, false, true);
    o = store_by_label(store, KIND_PUBLIC, "verify-key", 10);
    cr_expect_eq(EVP_PKEY_eq(o->key, key), 1);
    put_pem("\"verb\":\"put-key\",\"args\":[\"verify-key\",\"f\"]", rsa, false, false);
    put_pem("\"verb\":\"put-key\",\"args\":[\"my-rsa\",\"f\"]", rsa, true, true);
    cr_expect_not_null(store_by_label(store, KIND_PRIVATE, "my-rsa", 6));
    REFUSED("{\"verb\":\"put-key\",\"args\":[\"client-key\",\"f\"],\"data\":\"00\"}");
    EVP_PKEY_free(key);
    EVP_PKEY_free(rsa);
}

Test(softsim_admin, states_change)
{
    apdu("00A4040007A0000005590010");
    DONE("{\"verb\":\"deactivate\",\"args\":[\"client-key\"]}");
    cr_expect_str_eq(apdu("802A00010D840101A1010391020001920104"), "6985");
    DONE("{\"verb\":\"activate\",\"args\":[\"private\",\"01\"]}");
    cr_expect_str_eq(apdu("802A00010D840101A1010391020001920104"), "9000");
    DONE("{\"verb\":\"delete\",\"args\":[\"private\",\"client-key\"]}");
    cr_expect_str_eq(apdu("802B8001229E20" HASH_SAMPLE "00"), "6989");
    cr_expect_not_null(store_by_label(store, KIND_PUBLIC, "client-key", 10));
}

Test(softsim_admin, secrets_are_put)
{
    DONE("{\"verb\":\"put-secret\",\"args\":[\"psk\",\"f\"],\"data\":\"0102\"}");
    REFUSED("{\"verb\":\"put-secret\",\"args\":[\"psk\",\"f\"]}");
    DONE("{\"verb\":\"put-secret\",\"args\":[\"psk-2\",\"f\"],\"data\":\"0102\"}");
    cr_expect_eq(store_count(store, KIND_SECRET), 2);
}

/* As many as tags B1 to B4 announce, and no more; another kind has room of its own. */
Test(softsim_admin, a_kind_is_full_at_its_announced_number)
{
    char request[128];

    apdu("00A4040007A0000005590010");
    cr_expect_not_null(strstr(apdu("80CB000000"), "B10140B20140B30140B40140"), "%s", answer);
    for (size_t i = store_count(store, KIND_FILE); i < 64; i++) {
        snprintf(request, sizeof(request),
                 "{\"verb\":\"put-file\",\"args\":[\"file-%zu\",\"f\"],\"data\":\"01\"}", i);
        DONE(request);
    }
    REFUSED("{\"verb\":\"put-file\",\"args\":[\"one-more\",\"f\"],\"data\":\"01\"}");
    cr_expect_eq(store_count(store, KIND_FILE), 64);
    DONE("{\"verb\":\"put-secret\",\"args\":[\"psk-3\",\"f\"],\"data\":\"0102\"}");
}

/* A number in the usim part of the counters. */
static long long usim_counter(const char *request, const char *name)
{
    long long n;
    char *text;
    json_t *all;

    cr_assert(ask(request, &text));
    all = json_loads(text, 0, NULL);
    cr_assert(json_is_integer(json_object_get(json_object_get(all, "usim"), name)), "%s", text);
    n = json_integer_value(json_object_get(json_object_get(all, "usim"), name));
    json_decref(all);
    free(text);
    return n;
}

Test(softsim_admin, counters_tell_pin_tries)
{
    static const char ask_only[] = "{\"verb\":\"counters\"}";
    static const char reset[] = "{\"verb\":\"counters\",\"options\":{\"reset\":\"yes\"}}";

    cr_expect_str_eq(apdu("002400011031323334FFFFFFFE31323334FFFFFFFF"), "63C2");
    cr_expect_str_eq(apdu("002C00811031323334FFFFFFFE31323334FFFFFFFF"), "63C9");
    cr_expect_eq(usim_counter(ask_only, "pin1_tries"), 2);
    cr_expect_eq(usim_counter(ask_only, "pin2_tries"), 3);
    cr_expect_eq(usim_counter(ask_only, "puk1_tries"), 10);
    cr_expect_eq(usim_counter(ask_only, "puk2_tries"), 9);
    cr_expect_eq(usim_counter(reset, "tries_lost"), 2);
    cr_expect_eq(usim_counter(ask_only, "tries_lost"), 0);
    cr_expect_eq(usim_counter(ask_only, "pin1_tries"), 2);
}

Test(softsim_admin, counters_count_by_name)
{
    char *text;
    json_t *all, *by_name;

    apdu("00A4040007A0000005590010");
    apdu("80CB000044");
    apdu("80CB000044");
    apdu("");
    cr_assert(ask("{\"verb\":\"counters\",\"options\":{\"reset\":\"yes\"}}", &text));
    all = json_loads(text, 0, NULL);
    cr_expect_eq(json_integer_value(json_object_get(all, "exchanges")), 4);
    by_name = json_object_get(all, "instructions");
    cr_expect_eq(json_integer_value(json_object_get(by_name, "SELECT")), 1);
    cr_expect_eq(json_integer_value(json_object_get(by_name, "GET DATA APPLICATION")), 2);
    cr_expect_eq(json_integer_value(json_object_get(by_name, "OTHER")), 1);
    json_decref(all);
    free(text);
    cr_assert(ask("{\"verb\":\"counters\"}", &text));
    cr_expect_not_null(strstr(text, "\"exchanges\":0,"), "%s", text);
    free(text);
}

Test(softsim_admin, faults_hit_the_named_command)
{
    apdu("00A4040007A0000005590010");
    DONE("{\"verb\":\"fault\",\"args\":[\"sw=6F00\"],\"options\":{\"ins\":\"get-random\","
         "\"skip\":\"1\"}}");
    cr_expect_eq(strlen(apdu("8084000004")), 12);
    cr_expect_str_eq(apdu("8084000004"), "6F00");
    cr_expect_eq(strlen(apdu("8084000004")), 12);
    DONE("{\"verb\":\"fault\",\"args\":[\"truncate=3\"]}");
    cr_expect_eq(strlen(apdu("8084000004")), 6);
    DONE("{\"verb\":\"fault\",\"args\":[\"garbage=1000\"],\"options\":{\"ins\":\"A4\"}}");
    DONE("{\"verb\":\"fault\",\"args\":[\"clear\"]}");
    cr_expect_str_eq(apdu("00A4040007A0000005590010"), "9000");
    DONE("{\"verb\":\"fault\",\"args\":[\"mute\"]}");
    cr_expect_str_eq(apdu("8084000004"), "");
    DONE("{\"verb\":\"fault\",\"args\":[\"reset\"]}");
    cr_expect_str_eq(apdu("8084000004"), "6E00", "the reset card has no applet selected");
}

Test(softsim_admin, busy_answers_6984_and_then_63cf_once)
{
    apdu("00A4040007A0000005590010");
    DONE("{\"verb\":\"busy\",\"args\":[\"60\"]}");
    cr_expect_str_eq(apdu("80CD000003850101"), "6984");
    loop_timer_cancel(loop, &sim.busy_timer);
    sim.busy_timer.fn(sim.busy_timer.arg); /* the minute is over */
    apdu("80CD000003850101");
    cr_expect_str_eq(answer + strlen(answer) - 4, "63CF");
    apdu("80CD000003850101");
    cr_expect_str_eq(answer + strlen(answer) - 4, "9000");
}

/* What the timers of the SIM bring about, at once. */
static void let_pass(struct timer *t)
{
    loop_timer_cancel(loop, t);
    t->fn(t->arg);
}

Test(softsim_admin, a_card_goes_instead_of_answering_and_comes_back)
{
    apdu("00A4040007A0000005590010");
    DONE("{\"verb\":\"fault\",\"args\":[\"away=60000\"]}");
    cr_expect_str_eq(apdu("8084000004"), "none", "not while the command is handed over");
    let_pass(&sim.answer_timer);
    cr_expect_str_eq(answer, "");
    cr_expect_not(sim.present);
    let_pass(&sim.away_timer);
    cr_expect(sim.present);
    cr_expect_str_eq(apdu("8084000004"), "6E00", "it has been without power");
}

Test(softsim_admin, counters_tell_open_channels)
{
    char *text;

    apdu("0070000001");
    apdu("0070000001");
    cr_assert(ask("{\"verb\":\"counters\"}", &text));
    cr_expect_not_null(strstr(text, "\"channels\":2"), "%s", text);
    free(text);
    apdu("00708001");
    cr_assert(ask("{\"verb\":\"counters\"}", &text));
    cr_expect_not_null(strstr(text, "\"channels\":1"), "%s", text);
    free(text);
}

Test(softsim_admin, reset_remove_insert)
{
    apdu("0070000001");
    DONE("{\"verb\":\"reset\"}");
    cr_expect_str_eq(apdu("01A4040007A0000005590010"), "6881");
    DONE("{\"verb\":\"remove\"}");
    REFUSED("{\"verb\":\"remove\"}");
    DONE("{\"verb\":\"insert\"}");
}

/* ---- another card ---- */

static char folder[] = "/tmp/softsim-other-XXXXXX";

/* A second SIM: an applet of class 0X with one file more. */
static void make_other(void)
{
    struct personalisation how = { .cn = "other",
                                   .san = PERSONALISE_SAN,
                                   .client_key_type = IOTSAFE_KEY_P256 };
    struct err err;
    struct profile p;
    struct store *other;

    cr_assert_not_null(mkdtemp(folder));
    other = store_new(folder, PROFILE_DEFAULT);
    cr_assert(store_add_setting(other, "cla=0n"));
    cr_assert(store_add_setting(other, "atr=3B00"));
    cr_assert(store_profile(other, &p, &err), "%s", err.text);
    cr_assert(personalise(other, &p, &how, &err), "%s", err.text);
    cr_assert(store_save(other, &err), "%s", err.text);
    store_free(other);
}

static void remove_other(void)
{
    char cmd[100];

    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", folder);
    cr_expect_eq(system(cmd), 0);
}

static bool ask_for(const char *verb, const char *dir)
{
    char line[200];

    snprintf(line, sizeof(line), "{\"verb\":\"%s\",\"args\":[\"%s\"]}", verb, dir);
    return ask(line, NULL);
}

static void other_is_in(size_t atr_len)
{
    struct err err;
    struct store *other;

    cr_expect_str_eq(apdu("01CB000000"), "6881", "channels are closed");
    cr_expect_str_eq(apdu("00A4040007A0000005590010"), "9000");
    cr_expect_str_eq(apdu("80CB000000"), "6E00");
    cr_expect_str_neq(apdu("00CB000000"), "6E00");
    cr_expect_eq(sim.card.profile.atr.len, atr_len);
    DONE("{\"verb\":\"delete\",\"args\":[\"notes\"]}");
    cr_expect(ask_for("switch", folder), "the same one again");
    other = store_load(folder, &err);
    cr_assert_not_null(other, "%s", err.text);
    cr_expect_null(store_by_label(other, KIND_FILE, "notes", 5), "its store has changed");
    cr_expect_not_null(store_by_label(store, KIND_FILE, "notes", 5));
    store_free(other);
}

Test(softsim_admin, another_card_comes_into_the_same_place)
{
    size_t atr_len = sim.card.profile.atr.len;

    make_other();
    cr_assert_str_eq(apdu("0070000001"), "019000");
    cr_assert_str_eq(apdu("002400011031323334FFFFFFFE31323334FFFFFFFF"), "63C2");
    cr_expect_not(ask_for("insert", "/nonexistent"));
    cr_expect(sim.present);
    cr_expect_eq(sim.card.store, store);
    cr_expect(ask_for("insert", folder));
    cr_expect(sim.present);
    cr_expect_eq(usim_counter("{\"verb\":\"counters\"}", "pin1_tries"), 3);
    other_is_in(atr_len);
    remove_other();
}

Test(softsim_admin, profile_of_the_card_is_switched)
{
    size_t atr_len = sim.card.profile.atr.len;

    make_other();
    cr_assert_str_eq(apdu("0070000001"), "019000");
    cr_expect_not(ask_for("switch", "/nonexistent"));
    cr_assert_str_neq(apdu("01CB000000"), "6881");
    cr_expect(ask_for("switch", folder));
    other_is_in(atr_len);
    DONE("{\"verb\":\"remove\"}");
    cr_expect_not(ask_for("switch", folder), "nothing is in");
    remove_other();
}
