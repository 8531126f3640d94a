/* SPDX-License-Identifier: Apache-2.0 */
/* see process.h */
#include "process.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIDS_MAX 0x400000 /* no pid is greater (PID_MAX_LIMIT of Linux) */

/*
 * A page that the kernel wipes in each child (madvise(2), MADV_WIPEONFORK). Its number is
 * one more than the last one that this process or an ancestor has had; that is in ordinary
 * memory, which the child inherits. The numbers begin above all pids, which stand in for
 * them where no page is wiped.
 */
struct wiped {
    _Atomic long pid; /* written before the number; tells whether the page has been wiped */
    _Atomic long number;
};

static _Atomic(struct wiped *) page;
static _Atomic long last; /* counted from PIDS_MAX */

static struct wiped *make_page(void)
{
    struct wiped *fresh = mmap(NULL, sizeof(*fresh), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct wiped *seen = NULL;

    if (fresh == MAP_FAILED)
        return NULL;
    if (madvise(fresh, sizeof(*fresh), MADV_WIPEONFORK) != 0
        || !atomic_compare_exchange_strong(&page, &seen, fresh)) {
        (void)munmap(fresh, sizeof(*fresh));
        return seen;
    }
    return fresh;
}

/* Emulators of other machines' programs promise to wipe the page, and do not. */
static bool was_wiped_for(struct wiped *p, long pid)
{
    long owner = 0;

    return atomic_compare_exchange_strong(&p->pid, &owner, pid) || owner == pid;
}

long process_id(void)
{
    const long pid = (long)getpid();
    struct wiped *p = atomic_load(&page);
    long id = 0;

    if (p == NULL)
        p = make_page();
    if (p == NULL || !was_wiped_for(p, pid))
        return pid; /* an old kernel, an emulator: the pid must do */
    id = atomic_load(&p->number);
    if (id == 0) {
        long fresh = PIDS_MAX + 1 + atomic_fetch_add(&last, 1);

        if (atomic_compare_exchange_strong(&p->number, &id, fresh))
            id = fresh;
    }
    return id;
}
