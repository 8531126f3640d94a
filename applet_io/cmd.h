/* SPDX-License-Identifier: Apache-2.0 */
/* What the command files share: reads that the cache may answer, and objects
 * that can be addressed in two ways. */
#ifndef APPLET_IO_CMD_H
#define APPLET_IO_CMD_H

#include "card.h"
#include "exchange.h"
#include "object.h"

/** Begin a command whose data is one object's name. */
IOTSAFE_NODISCARD enum iotsafe_err cmd_named(struct apdu_cmd *cmd, uint8_t ins,
                                             enum iotsafe_kind kind,
                                             const struct iotsafe_name *name, size_t ne);

/** Key of a cached read: instruction, P1 and data of the command.
 *  @return bytes written, at most CACHE_KEY_MAX; 0 if it cannot be cached */
size_t cmd_cache_key(const struct apdu_cmd *cmd, uint8_t ret_key[static CACHE_KEY_MAX]);

/** PUT PUBLIC KEY inside an operation: INIT, UPDATE, close. */
IOTSAFE_NODISCARD enum iotsafe_err cmd_put_point(const struct card_use *use,
                                                 const struct iotsafe_name *container,
                                                 const uint8_t point[static IOTSAFE_POINT_SIZE]);

/** READ PUBLIC KEY inside an operation, of a key on a 256-bit curve; not from the cache.
 *  @retval IOTSAFE_ERR_KEY  another kind of key */
IOTSAFE_NODISCARD enum iotsafe_err cmd_read_point(const struct card_use *use,
                                                  const struct iotsafe_name *name,
                                                  uint8_t ret_point[static IOTSAFE_POINT_SIZE]);

/** The object list inside an operation, from the cache where it is there.
 *  @param ret_objects  allocated, IOTSAFE_OBJECTS_MAX; free() it
 *  @param ret_by_name  no list, but GET DATA may tell of one object at a time. NULL accepted
 *  @retval IOTSAFE_ERR_UNSUPPORTED  the applet has no object list */
IOTSAFE_NODISCARD enum iotsafe_err cmd_list_objects(const struct card_use *use,
                                                    struct iotsafe_object **ret_objects,
                                                    size_t *ret_n, bool *ret_by_name);

/** Does something with the object called `name`. */
typedef enum iotsafe_err named_fn(struct iotsafe_card *card, const struct iotsafe_name *name,
                                  void *arg, struct iotsafe_op *op);

/**
 * Run `fn` with the object addressed as its user calls it; when the applet
 * knows no such object, find it in the object list and address it the other
 * way. Failures get the object's name in front.
 */
IOTSAFE_NODISCARD enum iotsafe_err cmd_addressed(struct iotsafe_card *card, enum iotsafe_kind kind,
                                                 const struct iotsafe_name *name, named_fn *fn,
                                                 void *arg, struct iotsafe_op *op);

#endif
