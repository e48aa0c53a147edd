
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_roots.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_record.h"


static void ngx_prof_heap_root_add(ngx_prof_slot_t *slot, uint64_t *current,
    uint64_t root);
static uint64_t ngx_prof_heap_root_hash(ngx_uint_t later);


static uint64_t  ngx_prof_heap_root_forked;
static uint64_t  ngx_prof_heap_root_all;


void
ngx_prof_heap_root_set(ngx_prof_slot_t *slot)
{
    ngx_prof_heap_root_add(slot,
                           &ngx_prof_heap_root_forked,
                           ngx_prof_heap_root_hash(0));
    ngx_prof_heap_root_add(slot, &ngx_prof_heap_root_all,
                           ngx_prof_heap_root_hash(1));
}


/* if there are too many, the last one is replaced */

static void
ngx_prof_heap_root_add(ngx_prof_slot_t *slot, uint64_t *current, uint64_t root)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = slot->heap_roots;

    for (i = 0; i < n; i++) {
        if (slot->heap_root[i] == root) {
            ngx_prof_store(current, root);
            return;
        }
    }

    if (n == NGX_PROF_ROOTS) {
        return;
    }

    ngx_prof_store(&slot->heap_root[n], root);
    ngx_prof_store_release(&slot->heap_roots, n + 1);
    ngx_prof_store(current, root);
}


/*
 * A hash of what is loaded, and where: FNV-1a by words.  later: includes what
 * was loaded after fork().
 */

static uint64_t
ngx_prof_heap_root_hash(ngx_uint_t later)
{
    uint64_t                   hash;
    ngx_uint_t                 i;
    const ngx_prof_object_t   *o;
    const ngx_prof_objects_t  *objects;

    hash = NGX_PROF_FNV_BASIS;
    objects = ngx_prof_objects_acquire();

    for (i = 0; objects && i < objects->n; i++) {
        o = &objects->object[i];

        if (o->later && !later) {
            continue;
        }

        hash = (hash ^ o->start) * NGX_PROF_FNV_PRIME;
        hash = (hash ^ o->end) * NGX_PROF_FNV_PRIME;
        hash = (hash ^ o->identity) * NGX_PROF_FNV_PRIME;
        hash ^= hash >> 32;
    }

    ngx_prof_objects_release();

    return hash;
}


uint64_t
ngx_prof_heap_root(ngx_uint_t later)
{
    return ngx_prof_load(later ? &ngx_prof_heap_root_all
                               : &ngx_prof_heap_root_forked);
}
