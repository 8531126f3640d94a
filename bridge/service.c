/* SPDX-License-Identifier: Apache-2.0 */
/* see service.h */
#include "service.h"

#include <stdio.h>

#include "error.h"
#include "exchange.h"
#include "log.h"
#include "trace.h"

#define IDLE_MS 2000           /* the owner of a sequence may think so long */
#define FAILURE_AGAIN_MS 10000 /* the same failure is logged only so often */

/* One turn. The function under card_run() may run several times: what it has
 * told the client already stands in `over`. */
struct job {
    struct server *server;
    struct client *client;
    struct service *service;
    deadline_t deadline; /* of the command that is at work */
    bool over;           /* the client has its answer, or shall get none */
    bool hang_up;
    uint16_t sw; /* last status word of the card; 0: none */
    size_t len;  /* bytes of service->data that came with it */
    bool begun;  /* the card has carried the command out, whatever came of its answer */
};

void service_init(struct service *sv, struct iotsafe_card *card, int timeout_ms)
{
    memset(sv, 0, sizeof(*sv));
    sv->card = card;
    sv->generate_ms = timeout_ms;
    sv->command_ms = timeout_ms * 3 / 10; /* a little less than the client waits */
    sv->exchange_ms = timeout_ms / 5;
}

/* ------------------------------------------------------------------ answers */

static void answer(struct job *job, uint16_t sw, size_t len)
{
    struct client *c = job->client;
    struct reply reply;

    job->over = true;
    if (c->fd >= 0) {
        virtual_reply(&c->card, &c->command, job->service->data, len, sw, &reply);
        server_reply(job->server, c, &reply);
    }
}

static void answer_anew(struct job *job)
{
    struct client *c = job->client;
    struct reply reply;

    job->over = true;
    virtual_begin_anew(&c->card, &c->command, &reply);
    if (c->fd >= 0)
        server_reply(job->server, c, &reply);
}

/* What a client is told when no answer of the card can be had; 0: the
 * connection ends, as a reader's does when the card is pulled out, so that the
 * client tries again until its own deadline. */
static const struct {
    enum iotsafe_err err;
    uint16_t sw;
} failure_answers[] = {
    { IOTSAFE_ERR_NO_APPLET, SW_APPLET_SELECT_FAILED },
    { IOTSAFE_ERR_NO_CHANNEL, SW_FUNCTION_UNSUPPORTED },
    { IOTSAFE_ERR_CHANNEL_LOST, SW_CHANNEL_UNSUPPORTED },
    { IOTSAFE_ERR_BUSY, SW_TOOLKIT_BUSY },
    { IOTSAFE_ERR_ACCESS, SW_SECURITY_STATUS },
    { IOTSAFE_ERR_NOT_REACHED, SW_SECURITY_STATUS },
    { IOTSAFE_ERR_UNSUPPORTED, SW_FUNCTION_UNSUPPORTED },
    { IOTSAFE_ERR_TRANSPORT, 0 },
    { IOTSAFE_ERR_TIMEOUT, 0 },
    { IOTSAFE_ERR_NO_SERVICE, 0 },
    { IOTSAFE_ERR_NO_READER, 0 },
    { IOTSAFE_ERR_NO_CARD, 0 },
};

static void answer_failure(struct job *job, enum iotsafe_err err)
{
    uint16_t sw = SW_UNKNOWN_ERROR;

    for (size_t i = 0; i < ARRAY_LEN(failure_answers); i++)
        if (failure_answers[i].err == err)
            sw = failure_answers[i].sw;
    if (err == IOTSAFE_ERR_NO_APPLET && job->client->command.kind == COMMAND_SELECT)
        sw = SW_NOT_FOUND;
    if (sw == 0)
        job->hang_up = job->over = true;
    else if (sw == SW_CHANNEL_UNSUPPORTED)
        answer_anew(job);
    else
        answer(job, sw, 0);
}

/* The status word that ends a broken sequence makes a client open its channel
 * anew and begin again; but nobody makes a second key unasked. */
static void answer_broken(struct job *job)
{
    if (job->client->command.apdu.ins == IOTSAFE_INS_GENERATE_KEY_PAIR)
        job->hang_up = job->over = true;
    else
        answer_anew(job);
}

static void log_failure(struct service *sv, enum iotsafe_err err, const struct iotsafe_op *op)
{
    const char *text = op->text[0] != '\0' ? op->text : iotsafe_strerror(err);

    if (strcmp(sv->last_failure, text) == 0 && now_ms() - sv->last_failure_at < FAILURE_AGAIN_MS)
        return;
    (void)snprintf(sv->last_failure, sizeof(sv->last_failure), "%s", text);
    sv->last_failure_at = now_ms();
    log_line("%s", text);
}

/* ---------------------------------------------------------------- exchanges */

static int time_for(const struct service *sv, const struct command *cmd)
{
    return cmd->apdu.ins == IOTSAFE_INS_GENERATE_KEY_PAIR ? sv->generate_ms : sv->command_ms;
}

/* Errors after which the card does not hear us. */
static bool card_is_lost(enum iotsafe_err err)
{
    return err == IOTSAFE_ERR_TRANSPORT || err == IOTSAFE_ERR_TIMEOUT || err == IOTSAFE_ERR_NO_CARD
           || err == IOTSAFE_ERR_NO_SERVICE || err == IOTSAFE_ERR_NO_READER
           || err == IOTSAFE_ERR_PROTOCOL || err == IOTSAFE_ERR_DAMAGED || err == IOTSAFE_ERR_SPACE
           || err == IOTSAFE_ERR_CHANNEL_LOST;
}

/* Status words by which the card says that the channel may carry another
 * application: worth a new SELECT. All other words are the client's business. */
static bool channel_in_doubt(enum iotsafe_err err, uint16_t sw)
{
    return err == IOTSAFE_ERR_CHANNEL_LOST || err == IOTSAFE_ERR_CLASS || sw == SW_INS_UNKNOWN
           || (sw & 0xff00) == SW_UNKNOWN_ERROR;
}

static enum iotsafe_err exchange(const struct card_use *use, struct job *job,
                                 const struct apdu_cmd *cmd)
{
    struct service *sv = job->service;
    struct apdu_rsp rsp = APDU_RSP_ON(sv->data);
    enum iotsafe_err err = channel_exchange(use->channel, cmd, &rsp, job->deadline, use->op);

    job->sw = rsp.sw;
    job->len = rsp.len;
    job->begun = rsp.begun;
    return err;
}

/* Whatever the card says: there is nothing to do about it. The time of the whole
 * turn may be over; this has its own. */
static void close_session(const struct card_use *use, const struct job *job, struct session session)
{
    struct card_use now = *use;

    now.deadline = deadline_in(job->service->command_ms);
    session_close(&now, &session);
}

/* INIT. A session that somebody left open, or that this applet does not close
 * by itself, is closed and the command repeated; the client sees none of it. */
static enum iotsafe_err open_session(const struct card_use *use, struct job *job,
                                     const struct command *cmd)
{
    const struct session wanted = command_session(cmd);
    const struct session finished = job->service->finished;
    struct traits *traits = &use->channel->traits;
    enum iotsafe_err err = exchange(use, job, &cmd->apdu);

    if (err == IOTSAFE_OK || !session_in_the_way(job->sw))
        return err;
    close_session(use, job, wanted);
    if (finished.ins_init != 0
        && (finished.ins_init != wanted.ins_init || finished.number != wanted.number))
        close_session(use, job, finished);
    err = exchange(use, job, &cmd->apdu);
    if (err == IOTSAFE_OK && finished.ins_init != 0 && !traits->close_after) {
        traits->close_after = true;
        trace_note(use->channel->trace, use->channel->transport->device,
                   "learned: this applet does not close a finished session itself");
    }
    if (err == IOTSAFE_OK)
        job->service->finished = (struct session){ 0 };
    return err;
}

/* ----------------------------------------------------------------- sequences */

/* The last UPDATE went well and its answer is on its way: close the session,
 * unless this is a signature and the applet is not known to need it. */
static void finish_session(const struct card_use *use, struct job *job, struct session session)
{
    struct traits *traits = &use->channel->traits;

    if (session.ins_init == IOTSAFE_INS_COMPUTE_SIGNATURE_INIT && !traits->close_after) {
        job->service->finished = session;
        return;
    }
    close_session(use, job, session);
}

/* After an UPDATE. Some applets keep a session in which one failed, unusable. */
static void after_update(const struct card_use *use, struct job *job, const struct command *cmd,
                         bool ok)
{
    if (!ok)
        close_session(use, job, command_session(cmd));
    else if (cmd->last_block)
        finish_session(use, job, command_session(cmd));
}

/* After a command, answered well or not, book what became of it. The client has its
 * answer already. */
static void book(const struct card_use *use, struct job *job, const struct command *cmd,
                 enum iotsafe_err err)
{
    struct client *c = job->client;
    const struct held_session *held = sequences_session(&c->card.sequences, cmd);
    bool ok = err == IOTSAFE_OK;

    if (ok && held != NULL && cmd->last_block && cmd->instruction->sequence == SEQUENCE_PUT)
        containers_put(&job->service->containers, &held->container, c->id);
    sequences_book(&c->card.sequences, cmd, ok, job->sw, job->service->data, job->len);
    if (cmd->kind == COMMAND_UPDATE)
        after_update(use, job, cmd, ok);
}

/* A command that would work on what another client has left in a container is told to
 * begin anew and never reaches the card. */
static bool outdated(struct job *job)
{
    struct client *c = job->client;

    if (!sequences_outdated(&c->card.sequences, &job->service->containers, &c->command, c->id))
        return false;
    answer_anew(job);
    return true;
}

static enum iotsafe_err perform(const struct card_use *use, struct job *job)
{
    const struct command *cmd = &job->client->command;
    struct containers *containers = &job->service->containers;
    enum iotsafe_err err;

    containers_before(containers, cmd, job->client->id);
    err = cmd->kind == COMMAND_OPEN ? open_session(use, job, cmd) : exchange(use, job, &cmd->apdu);
    if (card_is_lost(err))
        containers_forget(containers);
    return err;
}

/* One command of a client that holds the card. False: the sequence is broken
 * off, *ret_err tells why, and the client has been told. */
static bool step(const struct card_use *use, struct job *job, enum iotsafe_err *ret_err)
{
    const struct command *cmd = &job->client->command;
    enum iotsafe_err err;

    if (outdated(job))
        return true;
    job->deadline = deadline_in(time_for(job->service, cmd));
    err = perform(use, job);
    if (card_is_lost(err)) {
        answer_broken(job);
        sequences_break(&job->client->card.sequences); /* the card has no sessions any more */
        *ret_err = err;
        return false;
    }
    if (job->sw == 0)
        answer_failure(job, err);
    else
        answer(job, job->sw, job->len);
    book(use, job, cmd, err);
    return true;
}

static void close_left(const struct card_use *use, struct job *job)
{
    struct session session;

    while (sequences_take_left(&job->client->card.sequences, &session))
        close_session(use, job, session);
}

/* Hold the card for the client while what it does belongs together; then put right
 * what it leaves. */
static enum iotsafe_err follow(const struct card_use *use, struct job *job)
{
    struct client *c = job->client;
    struct sequences *seq = &c->card.sequences;
    deadline_t longest = deadline_in(job->service->generate_ms);
    enum iotsafe_err err = IOTSAFE_OK;

    while (sequences_hold(seq) && !job->hang_up) {
        if (server_await(job->server, c, IDLE_MS, longest)) {
            if (!step(use, job, &err))
                break;
        } else if (!seq->left || c->fd < 0) {
            break;
        }
        close_left(use, job);
    }
    for (size_t i = 0; i < seq->n_open; i++)
        close_session(use, job, seq->open[i].session);
    sequences_break(seq);
    return err;
}

/* ---------------------------------------------------------------- the turn */

/* The card was exchanged, or another applet of the list answers now: the
 * channel that the client selected is void. */
static bool channel_still_fits(const struct job *job)
{
    const struct client *c = job->client;

    return virtual_selects(&c->card.channels[c->command.channel].aid, &job->server->applet);
}

static void select_for_client(struct job *job)
{
    struct client *c = job->client;
    struct aid wanted = virtual_aid_of(&c->command);
    bool there = virtual_selects(&wanted, &job->server->applet);

    if (there)
        virtual_select(&c->card, &c->command);
    answer(job, there ? SW_OK : SW_NOT_FOUND, 0);
}

static enum iotsafe_err run_job(const struct card_use *use, void *arg)
{
    struct job *job = arg;
    const struct command *cmd = &job->client->command;
    enum iotsafe_err err;

    if (job->over)
        return IOTSAFE_OK; /* all was said before the card was repaired */
    job->deadline = use->deadline;
    job->server->applet = use->channel->aid;
    if (cmd->kind == COMMAND_SELECT) {
        select_for_client(job);
        return IOTSAFE_OK;
    }
    if (!channel_still_fits(job)) {
        answer_anew(job);
        return IOTSAFE_OK;
    }
    if (outdated(job))
        return IOTSAFE_OK;
    err = perform(use, job);
    if (cmd->apdu.ins == IOTSAFE_INS_GENERATE_KEY_PAIR && err != IOTSAFE_OK
        && (job->begun || (card_is_lost(err) && err != IOTSAFE_ERR_CHANNEL_LOST)))
        job->hang_up = job->over = true; /* there may be a new key: let the client look */
    if (job->sw == 0 || channel_in_doubt(err, job->sw))
        return err;
    answer(job, job->sw, job->len);
    book(use, job, cmd, err);
    return follow(use, job);
}

void service_run(struct server *s, struct client *c, void *arg)
{
    struct job job = { .server = s, .client = c, .service = arg };
    struct iotsafe_op op = { .text = "" };
    enum iotsafe_err err;
    bool by_card; /* it is the card that says so */

    job.service->card->timeout_ms = time_for(job.service, &c->command);
    job.service->card->channel.exchange_ms = job.service->exchange_ms;
    err = card_run(job.service->card, run_job, &job, &op);
    by_card = job.sw != 0 && error_from_sw(job.sw) == err;
    if (err != IOTSAFE_OK && !by_card) {
        s->applet.len = 0; /* the next SELECT asks the card */
        log_failure(job.service, err, &op);
    }
    if (!job.over && by_card)
        answer(&job, job.sw, job.len);
    else if (!job.over)
        answer_failure(&job, err);
    sequences_break(&c->card.sequences);
    explicit_bzero(job.service->data, sizeof(job.service->data));
    if (job.hang_up)
        server_drop(c);
}
