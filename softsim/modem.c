/* SPDX-License-Identifier: Apache-2.0 */
/* AT commands: the line, the settings, who the modem is. */
#include "modem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- answers ---- */

static void answer(struct modem *m, const char *info, const char *result, bool of_card)
{
    const struct modem_answer a = { info, result, !m->verbose, of_card };

    line_answer(&m->line, &a);
}

void modem_ok(struct modem *m)
{
    answer(m, NULL, "OK", false);
}

void modem_info(struct modem *m, const char *info, bool of_card)
{
    answer(m, info, "OK", of_card);
}

/* 27.007 clause 9.2 */
static const struct {
    int number;
    const char *text;
} cme_texts[] = {
    { CME_NOT_ALLOWED, "operation not allowed" },
    { CME_NOT_SUPPORTED, "operation not supported" },
    { CME_NO_SIM, "SIM not inserted" },
    { CME_PIN, "SIM PIN required" },
    { CME_SIM_FAILURE, "SIM failure" },
    { CME_SIM_BUSY, "SIM busy" },
    { CME_MEMORY_FULL, "memory full" },
    { CME_NOT_FOUND, "not found" },
    { CME_TOO_LONG, "text string too long" },
    { CME_BAD_CHARACTERS, "invalid characters in text string" },
    { CME_BAD_PARAMETERS, "Incorrect parameters" },
};

static const char *cme_text(int number)
{
    for (size_t i = 0; i < ARRAY_LEN(cme_texts); i++)
        if (cme_texts[i].number == number)
            return cme_texts[i].text;
    return "unknown";
}

void modem_error(struct modem *m, int cme)
{
    /* by AT+CMEE */
    static const int asked[] = { CME_PLAIN, CME_NUMBER, CME_TEXT };
    int form = modem_quirk(m, QUIRK_CME);
    char text[80];

    if (form == CME_AS_ASKED)
        form = asked[m->cmee];
    if (form == CME_PLAIN || cme == CME_PLAIN_ERROR)
        snprintf(text, sizeof(text), "ERROR");
    else if (form == CME_NUMBER)
        snprintf(text, sizeof(text), "+CME ERROR: %d", cme);
    else
        snprintf(text, sizeof(text), "+CME ERROR: %s", cme_text(cme));
    answer(m, NULL, text, false);
}

bool modem_sim_ready(struct modem *m)
{
    if (!m->sim->present || modem_quirk(m, QUIRK_SIM) == SIM_NONE)
        modem_error(m, CME_NO_SIM);
    else if (modem_quirk(m, QUIRK_SIM) == SIM_PIN)
        modem_error(m, CME_PIN);
    else if (m->busy_left == 0)
        return true;
    else if (m->busy_left-- > 0)
        modem_error(m, CME_SIM_BUSY);
    return false;
}

/* ---- settings ---- */

static void set_cmee(struct modem *m, const char *args)
{
    if (args[0] < '0' || args[0] > '2' || args[1] != '\0') {
        modem_error(m, CME_BAD_PARAMETERS);
        return;
    }
    m->cmee = args[0] - '0';
    modem_ok(m);
}

static void read_cmee(struct modem *m)
{
    char text[16];

    snprintf(text, sizeof(text), "+CMEE: %d", m->cmee);
    modem_info(m, text, false);
}

static void read_cpin(struct modem *m)
{
    if (!m->sim->present || modem_quirk(m, QUIRK_SIM) == SIM_NONE)
        modem_error(m, CME_NO_SIM);
    else
        modem_info(m, modem_quirk(m, QUIRK_SIM) == SIM_PIN ? "+CPIN: SIM PIN" : "+CPIN: READY",
                   false);
}

static void factory_settings(struct modem *m)
{
    m->echo = modem_quirk(m, QUIRK_ECHO) == YES;
    m->verbose = true;
    m->cmee = 0;
}

static void tell_maker(struct modem *m)
{
    modem_info(m, "iotsafe", false);
}

static void tell_model(struct modem *m)
{
    modem_info(m, "software modem", false);
}

static void tell_version(struct modem *m)
{
    modem_info(m, IOTSAFE_VERSION, false);
}

/* ---- extended commands ---- */

static bool family_offered(const struct modem *m, int family)
{
    int offered = modem_quirk(m, QUIRK_COMMANDS);

    return family == COMMANDS_BOTH || offered == COMMANDS_BOTH || offered == family;
}

static const struct extended {
    const char *name;
    int family;                                     /* COMMANDS_BOTH: always offered */
    void (*set)(struct modem *m, const char *args); /* NAME=... */
    void (*read)(struct modem *m);                  /* NAME? */
    void (*execute)(struct modem *m);               /* NAME */
    const char *test;                               /* NAME=?; "" for OK alone */
} extended[] = {
    { "+CSIM", COMMANDS_CSIM, modem_csim, NULL, NULL, "" },
    { "+CCHO", COMMANDS_CGLA, modem_ccho, NULL, NULL, "" },
    { "+CGLA", COMMANDS_CGLA, modem_cgla, NULL, NULL, "" },
    { "+CCHC", COMMANDS_CGLA, modem_cchc, NULL, NULL, "" },
    { "+CMEE", COMMANDS_BOTH, set_cmee, read_cmee, NULL, "+CMEE: (0-2)" },
    { "+CPIN", COMMANDS_BOTH, NULL, read_cpin, NULL, "" },
    { "+CGMI", COMMANDS_BOTH, NULL, NULL, tell_maker, "" },
    { "+CGMM", COMMANDS_BOTH, NULL, NULL, tell_model, "" },
    { "+CGMR", COMMANDS_BOTH, NULL, NULL, tell_version, "" },
};

static const struct extended *find_extended(const struct modem *m, const char *text,
                                            const char **ret_rest)
{
    for (size_t i = 0; i < ARRAY_LEN(extended); i++) {
        const struct extended *e = &extended[i];
        size_t n = strlen(e->name);
        bool missing = e->set == modem_cchc && modem_quirk(m, QUIRK_CCHC) == CCHC_MISSING;

        *ret_rest = text + n;
        if (strncasecmp(text, e->name, n) == 0 && strchr("=?", text[n]) != NULL && !missing
            && family_offered(m, e->family))
            return e;
    }
    return NULL;
}

static void run_test(struct modem *m, const struct extended *e)
{
    bool about_cards = e->family != COMMANDS_BOTH;

    if (about_cards && modem_quirk(m, QUIRK_TEST_COMMANDS) == TEST_ERROR)
        modem_error(m, CME_PLAIN_ERROR);
    else if (e->test[0] == '\0')
        modem_ok(m);
    else
        modem_info(m, e->test, false);
}

static void run_extended(struct modem *m, const char *text)
{
    const char *rest;
    const struct extended *e = find_extended(m, text, &rest);

    if (e == NULL)
        modem_error(m, CME_PLAIN_ERROR);
    else if (strcmp(rest, "=?") == 0)
        run_test(m, e);
    else if (rest[0] == '=' && e->set != NULL)
        e->set(m, rest + 1);
    else if (strcmp(rest, "?") == 0 && e->read != NULL)
        e->read(m);
    else if (rest[0] == '\0' && e->execute != NULL)
        e->execute(m);
    else
        modem_error(m, CME_PLAIN_ERROR);
}

/* ---- basic commands: E0V1..., several in a line ---- */

/* Carries out one; returns what follows it, NULL if there is no such command. */
static const char *run_basic(struct modem *m, const char *p)
{
    char letter = *p++;
    bool on;

    if (letter == '&')
        letter = *p++ == 'F' ? 'Z' : '\0';
    on = *p == '1';
    if (*p == '0' || *p == '1')
        p++;
    switch (letter) {
    case 'E':
    case 'e':
        m->echo = on;
        return p;
    case 'V':
    case 'v':
        m->verbose = on;
        return p;
    case 'Z':
    case 'z':
        factory_settings(m);
        return p;
    default:
        return NULL;
    }
}

static void run_basics(struct modem *m, const char *p)
{
    while (p != NULL && *p != '\0')
        p = run_basic(m, p);
    if (p == NULL)
        modem_error(m, CME_PLAIN_ERROR);
    else
        modem_ok(m);
}

static void run_line(struct modem *m, const char *line)
{
    size_t limit = (size_t)modem_quirk(m, QUIRK_LINE_MAX);

    if (limit != 0 && strlen(line) > limit)
        modem_error(m, CME_TOO_LONG);
    else if (line[2] == '+')
        run_extended(m, line + 2);
    else if (strcasecmp(line + 2, "I") == 0 || strcasecmp(line + 2, "I0") == 0)
        modem_info(m, "iotsafe software modem " IOTSAFE_VERSION, false);
    else
        run_basics(m, line + 2);
}

void modem_command(struct modem *m, const char *line)
{
    if (m->echo && line[0] != '\0') {
        line_text(&m->line, line);
        line_text(&m->line, "\r\n");
    }
    if (strncasecmp(line, "AT", 2) == 0)
        run_line(m, line);
}

/* ---- life ---- */

static void forget_sessions(struct modem *m)
{
    memset(m->sessions, 0, sizeof(m->sessions));
}

static void forget_exchange(struct modem *m)
{
    m->next = NULL;
    buf_clear(&m->cmd);
    buf_clear(&m->data);
    buf_clear(&m->aid);
}

static void say_restart(struct modem *m, const char *text)
{
    if (modem_quirk(m, QUIRK_RESTART_LINES) != RESTART_OFF)
        line_text(&m->line, text);
}

/* The operator resets the card: as if the whole modem had started anew. */
static void on_reset(void *arg)
{
    struct modem *m = arg;

    factory_settings(m);
    forget_sessions(m);
    say_restart(m, "\r\nRDY\r\n\r\n+CPIN: READY\r\n");
}

static void on_answer(void *arg, const uint8_t *rsp, size_t len)
{
    struct modem *m = arg;
    modem_step *step = m->next;

    m->next = NULL;
    if (step != NULL && rsp != NULL)
        step(m, rsp, len);
    if (m->next == NULL)
        m->done(m->arg);
}

void modem_init(struct modem *m, struct sim *sim, const struct quirks *quirks,
                void (*done)(void *arg), void (*drained)(void *arg), void *arg)
{
    *m = (struct modem){
        .sim = sim, .quirks = *quirks, .done = done, .drained = drained, .arg = arg
    };
    line_init(&m->line, sim->loop, &m->quirks, &sim->n_line_faults, drained, arg);
}

bool modem_set(struct modem *m, const char *setting, struct err *err)
{
    if (!quirks_set(&m->quirks, setting, err))
        return false;
    m->busy_left = modem_quirk(m, QUIRK_BUSY);
    return true;
}

void modem_power_on(struct modem *m, int fd)
{
    m->line.fd = fd;
    m->busy_left = modem_quirk(m, QUIRK_BUSY);
    factory_settings(m);
    forget_sessions(m);
    sim_user_begin(m->sim, &m->user, "at", on_answer, m);
    m->user.reset = on_reset;
    m->plugged = true;
}

void modem_power_off(struct modem *m)
{
    if (m->plugged)
        sim_user_end(m->sim, &m->user);
    m->plugged = false;
    forget_exchange(m);
    line_clear(&m->line);
}

bool modem_busy(const struct modem *m)
{
    return m->next != NULL;
}

void modem_sim_changed(struct modem *m, bool present)
{
    forget_sessions(m);
    say_restart(m, present ? "\r\n+CPIN: READY\r\n" : "\r\n+CPIN: NOT INSERTED\r\n");
}
