
/*
 * Overwrites the worker's slot in the memory that it shares for profiling, as
 * what leads to a crash may do.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/mman.h>
#include "die.h"
#include "ngx_prof_slot.h"


static ngx_prof_slot_t *profiling_test_slot(void);


/* n: by that byte, -1: by random ones; who owns the slot is hit by zeroes */

void
profiling_test_die_damaged(long n, const char *file)
{
    u_char           *p, *last;
    ngx_prof_slot_t  *slot;

    slot = profiling_test_slot();

    if (slot == NULL) {
        return;
    }

    p = (u_char *) slot + (n ? offsetof(ngx_prof_slot_t, claims) : 0);
    last = (u_char *) slot + sizeof(ngx_prof_slot_t);

    while (p < last) {
        *p++ = (u_char) (n < 0 ? ngx_random() : n);
    }

    profiling_test_die_null(0, file);
}


/* where two words of a shared mapping are the pid */

static ngx_prof_slot_t *
profiling_test_slot(void)
{
    char              line[512];
    FILE             *maps;
    uintptr_t         from, to, p;
    ngx_prof_slot_t  *slot;

    maps = fopen("/proc/self/maps", "r");

    if (maps == NULL) {
        return NULL;
    }

    slot = NULL;

    while (slot == NULL && fgets(line, sizeof(line), maps)) {

        if (strstr(line, "rw-s") == NULL
            || sscanf(line, "%lx-%lx", &from, &to) != 2)
        {
            continue;
        }

        for (p = from; p + sizeof(ngx_prof_slot_t) <= to; p += 64) {
            slot = (ngx_prof_slot_t *) p;

            if (slot->owner == (uint64_t) ngx_pid
                && slot->heap_owner == (uint64_t) ngx_pid)
            {
                break;
            }

            slot = NULL;
        }
    }

    (void) fclose(maps);

    return slot;
}
