/* SPDX-License-Identifier: Apache-2.0 */
/* Faults that the tester arms: what, on which command, how often. */
#ifndef SOFTSIM_FAULT_H
#define SOFTSIM_FAULT_H

#include "util.h"

enum fault_effect {
    FAULT_SW,       /* this status word instead of executing */
    FAULT_RESET,    /* the card is reset, then sees the command */
    FAULT_TRUNCATE, /* only the first n bytes of the answer */
    FAULT_FLIP,     /* bit n of the answer flipped; bit 0 is the lowest of the first byte */
    FAULT_GARBAGE,  /* n random bytes instead of the answer */
    FAULT_DELAY,    /* n milliseconds more */
    FAULT_MUTE,     /* no answer */
    FAULT_AWAY,     /* no answer: the card is taken out, and put in n milliseconds later */
};

struct fault {
    enum fault_effect effect;
    long arg;
    char ins[48]; /* name or two hexadecimal digits; "" for every command */
    long skip;    /* commands to let pass first */
    long count;   /* commands to hit after that */
};

#define FAULTS_MAX 32

struct fault_list {
    struct fault item[FAULTS_MAX];
    size_t n;
};

/** Parse "sw=XXXX", "reset", "truncate=N", ...; skip 0, count 1, every command. */
bool fault_parse(const char *effect, struct fault *ret, struct err *err);
/**
 * Does a command fit the name that a tester gave? Case and punctuation do not
 * matter; a name also stands for all that begin with it (compute-signature for INIT,
 * UPDATE and CLOSE); two hexadecimal digits are the instruction byte.
 */
bool fault_name_fits(const char *wanted, const char *command_name, uint8_t ins);
/** True if any command of the card fits the name. */
bool fault_name_known(const char *wanted);

bool fault_add(struct fault_list *list, const struct fault *f);

/** What hits one command. */
struct verdict {
    bool hit[FAULT_AWAY + 1];
    long arg[FAULT_AWAY + 1];
};

/** Count this command down in every armed fault and say which ones hit. Used-up faults go. */
void fault_judge(struct fault_list *list, const char *command_name, uint8_t ins,
                 struct verdict *ret);
/** Damage an answer of *len bytes in a buffer of cap bytes. */
void fault_damage(const struct verdict *v, uint8_t *rsp, size_t cap, size_t *len);

#endif
