/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of the applet as its lists tell them: a decoder of card bytes.
 * Source: IoT.05 2.14; three layouts are met, read by one parser. */
#ifndef APPLET_IO_OBJECT_H
#define APPLET_IO_OBJECT_H

#include "tlv.h"

/**
 * Decode an object list, or the answer to GET DATA - single object, wrapped in
 * templates or not. Unknown tags are skipped; an object that breaks off or has
 * no name is dropped alone.
 *
 * @param ret_objects  room for `cap` objects, borrowed
 * @return how many were found, at most cap
 */
size_t objects_parse(const uint8_t *in, size_t len, struct iotsafe_object *ret_objects, size_t cap);

/** Decode GET DATA - application, with the known defects of applets mended.
 *  @return false if not even a version is there; fields are written as found */
bool info_parse(const uint8_t *in, size_t len, struct iotsafe_info *ret_info);

/** Name as TLV for a command: the identifier if there is one, else the label. */
void name_put(struct tlv_writer *w, enum iotsafe_kind kind, const struct iotsafe_name *name);

#endif
