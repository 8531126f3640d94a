/* SPDX-License-Identifier: Apache-2.0 */
/* Transports to the card of fake_uicc.h: without sockets, threads and time. A world
 * holds one card, one kind of device and one planned fault; its clients are cards of
 * the library that reach it as "fake:0", "fake:1" (the number says who it is in the
 * records of the card). */
#ifndef FAKE_TRANSPORT_H
#define FAKE_TRANSPORT_H

#include "fake_uicc.h"
#include "iotsafe.h"

#define FAKE_CLIENTS 2
#define FAKE_EXCHANGE_MS 20 /* that one exchange takes */

/** What stands between library and card. */
enum fake_device {
    FAKE_READER,       /* class byte carries the channel; lock and record (pcsc, csim) */
    FAKE_SOCKET,       /* the same, but each connection has channels of its own */
    FAKE_MODEM_FILLS,  /* owns channels and puts them into the class byte (+CGLA) */
    FAKE_CALLER_FILLS, /* owns channels, but sends the class byte as it comes */
};

/** What goes wrong at the planned exchange. */
enum fake_fault {
    FAKE_FAULT_NONE,    /* the exchange is as always */
    FAKE_FAULT_BROKEN,  /* not carried out: the device fails */
    FAKE_FAULT_MUTE,    /* not carried out: no response in time */
    FAKE_FAULT_LOST,    /* carried out, but no response in time */
    FAKE_FAULT_DAMAGED, /* carried out, the response makes no sense */
    FAKE_FAULT_CUT,     /* not carried out; the device is gone for one connect */
};

struct fake_world {
    struct fake_uicc uicc;
    enum fake_device device;
    char lock_dir[40]; /* of this process: locks and the channel record */

    /* the plan; of all clients together, counted from 0 when it was made */
    bool planned;
    unsigned at;
    enum fake_fault fault;
    void (*event)(struct fake_world *w); /* before the exchange; may be NULL */

    unsigned n_exchanges;          /* since fake_plan(); opening and closing count too */
    uint8_t hit_ins;               /* instruction of the exchange that the plan met */
    unsigned lost_opens;           /* channels that were opened with nobody told so */
    unsigned refuse_connects;      /* so many fail, as if the card were out */
    unsigned connect_ms;           /* that connecting takes; 1 at first */
    bool mute;                     /* nothing responds any more */
    unsigned exchange_ms;          /* that one exchange takes; FAKE_EXCHANGE_MS at first */
    bool reset_seen[FAKE_CLIENTS]; /* to be told at the next acquire */
    bool others_worked;            /* for tests: a client beyond ours changed something */
};

/** Make the scheme "fake" known, `w` the world that it leads to, and a lock folder. */
void fake_world_install(struct fake_world *w);
/** Remove the lock folder. */
void fake_world_remove(struct fake_world *w);

/** Begin: a fresh card, nothing planned, no record. The world is installed, and its
 *  last cards are freed. */
void fake_world_begin(struct fake_world *w, enum fake_device device,
                      const struct fake_behaviour *behaviour);

/** Plan what happens at the `at`-th exchange from now on; once. */
void fake_plan(struct fake_world *w, unsigned at, enum fake_fault fault,
               void (*event)(struct fake_world *));

/** The card is reset, and that is noticed: acquire tells it, and a reader refuses all
 *  exchanges before that. (Unnoticed: fake_uicc_reset().) */
void fake_world_reset(struct fake_world *w);

/** A card of the library for a client, 0 or 1; iotsafe_card_free() it. */
struct iotsafe_card *fake_world_card(struct fake_world *w, int client);

#endif
