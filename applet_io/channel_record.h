/* SPDX-License-Identifier: Apache-2.0 */
/* The logical channel on a device that all our processes share, as they tell each
 * other: a small file beside the lock, read and written with the lock held.
 *
 * A record is a hint. Who may have written it decides whether it counts: in a folder
 * to which only its owner (root or this user) and a group can write, every member is
 * believed and one file serves all. In a folder to which everybody can write, only
 * root's file and this user's own count, and since others cannot know our channel
 * from them, channels are not left open there.
 *
 * Version 2 of the format has files of its own names: processes with version 1 on
 * the same reader exclude each other by the same lock, and each version has one
 * channel.
 */
#ifndef APPLET_IO_CHANNEL_RECORD_H
#define APPLET_IO_CHANNEL_RECORD_H

#include "device_lock.h"
#include "key_forms.h"
#include "traits.h"

#define SESSION_TEXT_MAX 40 /* bytes with NUL: a channel number or a modem's handle */
#define ATR_MAX 33

/** Who puts the channel number into the class byte of a command (27.007, 8.43). */
enum filler {
    FILLER_UNKNOWN = 0,
    FILLER_MODEM,  /* class bytes go out with channel 0 */
    FILLER_CALLER, /* the number of the session goes into them */
};

struct channel_record {
    uint64_t generation;            /* grows with each record; 0: none */
    char session[SESSION_TEXT_MAX]; /* decimal channel, or the modem's session id */
    uint8_t aid[IOTSAFE_AID_MAX];
    size_t aid_len;
    uint8_t atr[ATR_MAX];
    size_t atr_len; /* 0: the device tells none */
    enum filler filler;
    struct traits traits;
    struct key_forms forms;
};

/** The youngest record that counts; generation 0 if there is none. Lock held. */
void channel_record_read(const struct device_lock *lock, struct channel_record *ret_record);

/** Write a record, with the generation after the youngest. Lock held.
 *  @return false if it cannot be written */
bool channel_record_write(const struct device_lock *lock, struct channel_record *record);

/** Take away what we may: the channel in it is not there. Lock held. */
void channel_record_drop(const struct device_lock *lock);

/** True if other processes will find and believe what we write, so that a channel may
 *  be left open. */
bool channel_record_is_shared(const struct device_lock *lock);

/** A record as a line of text, and back (a decoder of hostile bytes). */
#define RECORD_TEXT_MAX (320 + KEY_FORMS_TEXT_MAX)
size_t channel_record_format(const struct channel_record *record,
                             char ret_text[static RECORD_TEXT_MAX]);
bool channel_record_parse(const char *text, size_t len, struct channel_record *ret_record);

#endif
