/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs together: which commands of a client must follow each other with
 * nobody else's between them (docs/architecture.md, "Sequences"), and who put last
 * into a container of the card, so that a command that comes too late is told so
 * instead of working on what another client left there. No I/O. */
#ifndef BRIDGE_SEQUENCE_H
#define BRIDGE_SEQUENCE_H

#include "command.h"
#include "session.h"

#define SEQUENCE_SESSIONS 8
#define CONTAINERS_MAX 64

/* ----------------------------------------------------------------- containers */

/** Who has put last into which container, by the names that clients used. Two
 *  names of different form (identifier, label) may be one container. */
struct containers {
    struct container {
        struct iotsafe_name name;
        uint64_t owner; /* the client whose point is in there; 0: nobody's any more */
    } list[CONTAINERS_MAX];
    size_t n;
    bool overflowed; /* older entries were dropped: what is not in the list is in doubt */
    uint64_t generated_by;
};

/** The name of the public key container in a command's data; both parts empty where
 *  the data can be read in more than one way: it may then be any container. */
struct iotsafe_name container_of(const struct command *cmd);

/** To be called before the command is sent: what it may change is nobody else's. */
void containers_before(struct containers *list, const struct command *cmd, uint64_t client);

/** The client's point is in there now. */
void containers_put(struct containers *list, const struct iotsafe_name *name, uint64_t client);

/** The card was lost: what comes back may be another one. */
void containers_forget(struct containers *list);

/** True if no other client has, or may have, put into that container last. */
bool containers_fit(const struct containers *list, const struct iotsafe_name *name,
                    uint64_t client);

/* ------------------------------------------------------------------ sequences */

/** A session that a client has opened. */
struct held_session {
    struct session session;
    uint8_t channel;
    bool left;                     /* the client has left the channel: to be closed */
    struct iotsafe_name container; /* PUT only */
};

/** Of one client. Bytes 0: none is under way. */
struct sequences {
    struct held_session open[SEQUENCE_SESSIONS]; /* on the card */
    size_t n_open;
    struct held_session lost[SEQUENCE_SESSIONS]; /* broken off by us */
    size_t n_lost;
    bool has_put; /* into `container`; it may have been another's turn since */
    struct iotsafe_name container;
    bool listing, using_put, generating; /* under way besides sessions */
    uint8_t list_channel, put_channel, generate_channel;
    bool key_unread; /* generated, and the public key not read yet */
    bool left;       /* by SELECT or by closing a channel: some session is to be closed */
};

/** True if the turn must stay with this client. */
bool sequences_hold(const struct sequences *seq);

/** Book a command that the card has carried out or refused.
 *  @param ok    carried out; sw, data: the response */
void sequences_book(struct sequences *seq, const struct command *cmd, bool ok, uint16_t sw,
                    const uint8_t *data, size_t len);

/** The turn goes to others: what is under way is broken off. The caller has closed
 *  the sessions. */
void sequences_break(struct sequences *seq);

/** The client has selected again on this channel, or closed it. */
void sequences_leave(struct sequences *seq, uint8_t channel);

/** Take out one session whose channel was left. @return false if there is none */
bool sequences_take_left(struct sequences *seq, struct session *ret);

/** The session of a command, if it is open and came over the same channel. */
const struct held_session *sequences_session(const struct sequences *seq,
                                             const struct command *cmd);

/** True if the session is open, over whatever channel. */
bool sequences_occupied(const struct sequences *seq, struct session session);

/** True if the command continues a sequence that was broken off. What needs the
 *  card's containers to decide is sequences_outdated()'s. */
bool sequences_late(const struct sequences *seq, const struct command *cmd);

/** The same for commands that use what the client put or generated earlier: another
 *  client's may be in its place. */
bool sequences_outdated(const struct sequences *seq, const struct containers *list,
                        const struct command *cmd, uint64_t client);

/** The client was told to start again: forget what it had in progress there. */
void sequences_restart(struct sequences *seq, const struct command *cmd);

/** The session that a command is about. */
static inline struct session command_session(const struct command *cmd)
{
    return (struct session){ cmd->instruction->ins_init, cmd->apdu.p2 };
}

#endif
