/* SPDX-License-Identifier: Apache-2.0 */
/* Which process state belongs to. A pid alone does not tell: a child in a new pid
 * namespace may have its parent's. */
#ifndef APPLET_IO_PROCESS_H
#define APPLET_IO_PROCESS_H

/** A number > 0 that no ancestor or descendant of this process has. */
long process_id(void);

#endif
