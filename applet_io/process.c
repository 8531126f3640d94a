/* SPDX-License-Identifier: Apache-2.0 */
/* see process.h */
#include "process.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * A page that the kernel wipes in each child (madvise(2), MADV_WIPEONFORK). Its number is
 * one more than the last one that this process or an ancestor has had; that is in ordinary
 * memory, which the child inherits.
 */
static _Atomic(_Atomic long *) page;
static _Atomic long last;

static _Atomic long *make_page(void)
{
    _Atomic long *fresh = mmap(NULL, sizeof(*fresh), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    _Atomic long *seen = NULL;

    if (fresh == MAP_FAILED)
        return NULL;
    if (madvise(fresh, sizeof(*fresh), MADV_WIPEONFORK) != 0
        || !atomic_compare_exchange_strong(&page, &seen, fresh)) {
        (void)munmap(fresh, sizeof(*fresh));
        return seen;
    }
    return fresh;
}

long process_id(void)
{
    _Atomic long *p = atomic_load(&page);
    long id = 0;

    if (p == NULL)
        p = make_page();
    if (p == NULL)
        return (long)getpid(); /* an old kernel: the pid must do */
    id = atomic_load(p);
    if (id == 0) {
        long fresh = atomic_fetch_add(&last, 1) + 1;

        if (atomic_compare_exchange_strong(p, &id, fresh))
            id = fresh;
    }
    return id;
}
