/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of iotsafe.h's struct iotsafe_config, for this library. */
#ifndef APPLET_IO_CONFIG_H
#define APPLET_IO_CONFIG_H

#include "channel.h"

#define CONFIG_SETTINGS_MAX 12

struct iotsafe_config {
    bool no_memory;            /* while it is made: a text could not be kept */
    iotsafe_lookup_fn *lookup; /* may be NULL */
    void *lookup_arg;
    char *environment[CONFIG_SETTINGS_MAX]; /* as config.c lists the settings; NULL: none */
    char *transport;                        /* of the default SIM */
    char *trace;
    char *lock_dir;
    struct aid aids[AID_LIST_MAX];
    size_t n_aids;
    struct traits traits; /* from quirks */
    int timeout_ms;
    bool verify_signature, key_references, card_verify, assume_fips;
    struct iotsafe_uri peer_key, ephemeral_key;
    bool has_peer_key, has_ephemeral_key;
    struct iotsafe_op error; /* the first bad value; empty: none */
};

/** The transport of a SIM by name; NULL if the configuration has none. */
const char *config_sim_transport(const struct iotsafe_config *cfg, const char *sim);

#endif
