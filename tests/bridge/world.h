/* SPDX-License-Identifier: Apache-2.0 */
/* A software SIM, the bridge in front of it, and clients that say any bytes. All
 * in a folder of its own; the processes end with the test, however that ends.
 * From the build: IOTSAFE_SOFTSIM, IOTSAFE_BRIDGE. */
#ifndef BRIDGE_WORLD_H
#define BRIDGE_WORLD_H

#include <stdbool.h>
#include <stddef.h>

struct world;

/**
 * @param sim     options of `iotsafe-softsim init`, one word each, NULL at the end
 * @param bridge  options of the bridge besides transport and socket, likewise
 */
struct world *world_start(const char *const *sim, const char *const *bridge);

/** Ends all. @return the exit status of the bridge after SIGTERM; -1: a signal */
int world_stop(struct world *w);

/** Let other users come to the socket, which needs --mode as well. */
void world_open_to_all(struct world *w);

/** A connection to the bridge. */
int world_connect(struct world *w);

/** Run `iotsafe-softsim admin` with these words. @return true if it succeeded */
bool world_admin(struct world *w, const char *const *words);

/** End the SIM's process, or start it again. */
void world_sim_down(struct world *w);
void world_sim_up(struct world *w);

/** How many commands the SIM has answered, and how many whose name, as its log
 *  has it, is this one. */
unsigned world_exchanges(struct world *w);
unsigned world_count(struct world *w, const char *name);

/** Send one command, as hex with blanks anywhere. */
void say(int fd, const char *hex);
/** Send these bytes, no frame around them. */
void say_raw(int fd, const void *bytes, size_t n);
/** One answer as hex; "silent": none came in this time, "closed": the end.
 *  Static storage, four of them in turn. */
const char *hear(int fd, int timeout_ms);
/** say() and hear(), with patience. */
const char *ask(int fd, const char *hex);

/** A connection with the applet selected on channel 1. */
int world_client(struct world *w);

#define SIGN_INIT(s) "81 2A 00 " s " 0D 84 01 01 A1 01 03 91 02 00 01 92 01 04"
#define SIGN_UPDATE(s) "81 2B 80 " s " 22 9E 20 " HASH_32 " 00"
#define SIGN_CLOSE(s) "81 2A 01 " s " 00"
#define HASH_32 "98EA6E4F216F2FB4B69FFF9B3A44842C38686CA685F3F55DC48C5D3FB1107BE4"
#define RANDOM_4 "81 84 00 00 04"

#endif
