/* SPDX-License-Identifier: Apache-2.0 */
/* see server.h */
#include "server.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_PATIENCE_MS 5000   /* for a client that does not read its answer */
#define FRAME_PATIENCE_MS 2000 /* for the rest of a frame that has begun */
#define ACCEPTS_MAX 16         /* at once: who connects and hangs up again must not keep us */
#define TURN_KEPT_MS 8000      /* longer than a client pauses when it was put off */
#define PUMP_FDS_MAX 16
#define FDS_MAX (2 + CLIENTS_MAX + PUMP_FDS_MAX)

void server_init(struct server *s)
{
    memset(s, 0, sizeof(*s));
    s->listen_fd = s->signal_fd = -1;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        s->clients[i].fd = -1;
}

/* ------------------------------------------------------------------ clients */

/* The place stays taken while its command is at work: see reap(). */
void server_drop(struct client *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    c->ready = false;
}

static void release(struct client *c)
{
    virtual_clear(&c->card);
    explicit_bzero(c, sizeof(*c));
    c->fd = -1;
}

static void reap(struct server *s)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &s->clients[i];

        if (c->used && c->fd < 0 && c != s->serving)
            release(c);
    }
}

/* ------------------------------------------------------------------- places */

static size_t count_of(const struct server *s, uid_t uid)
{
    size_t n = 0;

    for (size_t i = 0; i < CLIENTS_MAX; i++)
        n += s->clients[i].used && s->clients[i].uid == uid;
    return n;
}

/* Who has most places, the newcomer's included; if others have as many, the newcomer. */
static uid_t greediest(const struct server *s, uid_t newcomer)
{
    size_t most = count_of(s, newcomer) + 1;
    uid_t uid = newcomer;

    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        size_t n = s->clients[i].used ? count_of(s, s->clients[i].uid) : 0;

        if (n > most) {
            most = n;
            uid = s->clients[i].uid;
        }
    }
    return uid;
}

/* How much a client loses with its place; the least goes first. */
enum loss { LOSS_NONE, LOSS_ANSWER, LOSS_TURN, LOSS_SEQUENCE };

static enum loss loss_of(const struct server *s, const struct client *c)
{
    if (c == s->serving)
        return LOSS_SEQUENCE;
    if (c->ready)
        return LOSS_TURN;
    return c->out_len != 0 || c->card.waiting != NULL ? LOSS_ANSWER : LOSS_NONE;
}

/* The idlest connection of that user, of those that lose no more than this. */
static struct client *idlest(struct server *s, uid_t uid, enum loss most)
{
    struct client *found = NULL;

    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &s->clients[i];
        enum loss loss = loss_of(s, c);

        if (!c->used || c->uid != uid || loss > most)
            continue;
        if (found == NULL || loss < loss_of(s, found)
            || (loss == loss_of(s, found) && c->active_at < found->active_at))
            found = c;
    }
    return found;
}

/* A free place, or the one of a client of whoever has most. A user's own newcomer does
 * not push aside what waits for an answer; another's does. NULL: none to be had. */
static struct client *find_place(struct server *s, uid_t uid)
{
    struct client *c;
    uid_t from;

    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (!s->clients[i].used)
            return &s->clients[i];
    from = greediest(s, uid);
    c = idlest(s, from, from == uid ? LOSS_NONE : LOSS_TURN);
    if (c != NULL) {
        server_drop(c);
        release(c);
    }
    return c;
}

/* As the kernel tells; (uid_t)-1, which is nobody, if it does not. */
static uid_t uid_of(int fd)
{
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.uid : (uid_t)-1;
}

static bool accept_client(struct server *s)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct client *c;

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            s->accept_after = deadline_in(200);
        return false;
    }
    c = find_place(s, uid_of(fd));
    if (c == NULL) {
        (void)close(fd);
        return true;
    }
    c->used = true;
    c->fd = fd;
    c->id = ++s->last_id;
    c->uid = uid_of(fd);
    c->active_at = now_ms();
    return true;
}

static void accept_clients(struct server *s)
{
    int n = 0;

    while (n < ACCEPTS_MAX && accept_client(s))
        n++;
}

/* ------------------------------------------------------------------ answers */

static void flush(struct client *c)
{
    while (c->fd >= 0 && c->out_at < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            server_drop(c);
        else
            c->out_at += (size_t)n;
    }
    explicit_bzero(c->out, sizeof(c->out));
    c->out_len = c->out_at = 0;
}

void server_reply(struct server *s, struct client *c, struct reply *reply)
{
    (void)s;
    c->ready = false;
    explicit_bzero(c->command.apdu.data, sizeof(c->command.apdu.data));
    c->out[0] = (uint8_t)(reply->len >> 8);
    c->out[1] = (uint8_t)reply->len;
    memcpy(c->out + 2, reply->bytes, reply->len);
    c->out_len = 2 + reply->len;
    c->out_at = 0;
    c->out_until = deadline_in(OUT_PATIENCE_MS);
    c->active_at = now_ms();
    explicit_bzero(reply, sizeof(*reply));
    flush(c);
}

/* ----------------------------------------------------------------- commands */

/* A whole frame is there: answer it at once, or line up for the card. */
static void take_command(struct server *s, struct client *c)
{
    uint16_t sw = command_decode(c->in + 2, c->in_len - 2, &c->command);
    struct reply reply;

    explicit_bzero(c->in, sizeof(c->in));
    c->in_len = 0;
    c->active_at = now_ms();
    if (sw != 0) {
        reply_sw(&reply, sw);
    } else if (!virtual_answer(&c->card, &c->command, &s->applet, &reply)) {
        c->ready = true;
        c->ready_since = now_ms();
        if (deadline_left_ms(c->turn_until) == 0)
            c->turn = s->next_turn++;
        return;
    }
    server_reply(s, c, &reply);
}

/* Read to the end of the frame and no further. */
static void receive(struct server *s, struct client *c)
{
    size_t want = 2;
    ssize_t n;

    if (c->in_len >= 2)
        want = 2 + (size_t)(c->in[0] << 8 | c->in[1]);
    n = recv(c->fd, c->in + c->in_len, want - c->in_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        server_drop(c);
        return;
    }
    if (c->in_len == 0)
        c->in_until = deadline_in(FRAME_PATIENCE_MS);
    c->in_len += (size_t)n;
    if (c->in_len < 2)
        return;
    want = 2 + (size_t)(c->in[0] << 8 | c->in[1]);
    if (want > sizeof(c->in))
        server_drop(c); /* no short APDU is so long: not our protocol */
    else if (c->in_len == want)
        take_command(s, c);
}

static short events_of(const struct client *c)
{
    if (c->out_len != 0)
        return POLLOUT;
    return c->ready ? 0 : POLLIN; /* the end of a client that waits is told unasked */
}

static void attend(struct server *s, struct client *c, short revents)
{
    if ((revents & POLLOUT) != 0)
        flush(c);
    else if ((revents & POLLIN) != 0)
        receive(s, c);
    else if ((revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        server_drop(c);
}

/* ---------------------------------------------------------------- patience */

/* A client gives an answer only so much time and would then lose its turn by
 * connecting anew: "busy" makes it ask again, and it keeps its turn. */
static void put_off(struct server *s, struct client *c)
{
    struct reply reply;

    reply_sw(&reply, SW_TOOLKIT_BUSY);
    c->turn_until = deadline_in(TURN_KEPT_MS);
    server_reply(s, c, &reply);
}

/* When the client's time is over, whatever it is that takes it; INT64_MAX: never. */
static int64_t patience_ends(const struct server *s, const struct client *c)
{
    if (c->fd < 0)
        return INT64_MAX;
    if (c->out_len != 0)
        return c->out_until;
    if (c->in_len != 0)
        return c->in_until;
    return c->ready && c != s->serving ? c->ready_since + s->put_off_ms : INT64_MAX;
}

static void check_patience(struct server *s)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &s->clients[i];

        if (patience_ends(s, c) > now_ms())
            continue;
        if (c->out_len != 0 || c->in_len != 0)
            server_drop(c);
        else
            put_off(s, c);
    }
}

/* ---------------------------------------------------------------- the loop */

struct poll_set {
    struct pollfd fds[FDS_MAX];
    struct client *of[FDS_MAX]; /* whose; NULL for others */
    size_t n;
};

static void add_fd(struct poll_set *set, int fd, short events, struct client *c)
{
    set->fds[set->n] = (struct pollfd){ .fd = fd, .events = events };
    set->of[set->n++] = c;
}

/* Milliseconds to the next thing that time alone brings about; -1: nothing. */
static int time_to_next(const struct server *s)
{
    int64_t next = INT64_MAX;
    int64_t now = now_ms();

    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        int64_t at = patience_ends(s, &s->clients[i]);

        if (at < next)
            next = at;
    }
    if (s->accept_after > now && s->accept_after < next)
        next = s->accept_after;
    if (next == INT64_MAX)
        return -1;
    return next <= now ? 0 : next - now > INT32_MAX ? INT32_MAX : (int)(next - now);
}

static int earlier_ms(int a, int b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

static void fill(struct server *s, struct poll_set *set, int *timeout_ms)
{
    int pump_ms = -1;
    bool accepting = deadline_left_ms(s->accept_after) == 0;

    set->n = 0;
    add_fd(set, s->signal_fd, POLLIN, NULL);
    add_fd(set, accepting ? s->listen_fd : -1, POLLIN, NULL);
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (s->clients[i].fd >= 0)
            add_fd(set, s->clients[i].fd, events_of(&s->clients[i]), &s->clients[i]);
    if (s->pump.fds != NULL) {
        size_t n = s->pump.fds(set->fds + set->n, PUMP_FDS_MAX, &pump_ms);

        for (size_t i = 0; i < n; i++)
            set->of[set->n++] = NULL;
    }
    *timeout_ms = earlier_ms(*timeout_ms, earlier_ms(pump_ms, time_to_next(s)));
}

/* Wait once, at most so long, and do all that needs no card. */
static void turn(struct server *s, int timeout_ms)
{
    struct poll_set set;

    reap(s);
    fill(s, &set, &timeout_ms);
    if (poll(set.fds, (nfds_t)set.n, timeout_ms) < 0 && errno != EINTR)
        sleep_ms(100, deadline_in(100)); /* out of memory: do not spin */
    else if ((set.fds[0].revents & POLLIN) != 0)
        s->stopping = true;
    if (s->pump.run != NULL)
        s->pump.run();
    for (size_t i = 2; i < set.n; i++)
        if (set.of[i] != NULL && set.fds[i].revents != 0)
            attend(s, set.of[i], set.fds[i].revents);
    if ((set.fds[1].revents & POLLIN) != 0)
        accept_clients(s); /* after the others: a new one must not get their events */
    check_patience(s);
}

/* By user, then by client. */
static bool before(const struct server *s, const struct client *a, const struct client *b)
{
    uint64_t served_a = users_served(&s->users, a->uid);
    uint64_t served_b = users_served(&s->users, b->uid);

    return served_a != served_b ? served_a < served_b : a->turn < b->turn;
}

static struct client *first_in_line(struct server *s)
{
    struct client *first = NULL;

    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &s->clients[i];

        if (c->fd >= 0 && c->ready && (first == NULL || before(s, c, first)))
            first = c;
    }
    return first;
}

bool server_await(struct server *s, struct client *c, int idle_ms, deadline_t deadline)
{
    while (c->fd >= 0 && !c->ready && !c->card.sequences.left && !s->stopping) {
        int64_t until = c->active_at + idle_ms;
        int left_ms = deadline_left_ms(until < deadline ? until : deadline);

        if (left_ms <= 0)
            break;
        turn(s, left_ms);
    }
    return c->fd >= 0 && c->ready && !s->stopping;
}

void server_run(struct server *s)
{
    while (!s->stopping) {
        struct client *c = first_in_line(s);

        turn(s, c != NULL ? 0 : -1);
        c = first_in_line(s);
        if (c == NULL || s->stopping)
            continue;
        s->serving = c;
        c->turn_until = 0;
        users_serve(&s->users, c->uid);
        s->serve(s, c, s->serve_arg);
        s->serving = NULL;
    }
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        server_drop(&s->clients[i]);
    reap(s);
}
