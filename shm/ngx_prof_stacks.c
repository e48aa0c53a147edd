
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_stacks.h"


static ngx_prof_node_t *ngx_prof_stacks_nodes(const ngx_prof_stacks_t *stacks);
static ngx_prof_tally_t *ngx_prof_stacks_tally_table(
    const ngx_prof_stacks_t *stacks, ngx_uint_t size);
static uint32_t *ngx_prof_stacks_hash(const ngx_prof_stacks_t *stacks,
    ngx_uint_t size, ngx_uint_t tallies);
static uint32_t ngx_prof_stacks_mix(uint64_t one, uint64_t two);
static uint32_t ngx_prof_stacks_reserve(uint64_t *n, ngx_uint_t size);
static uint32_t ngx_prof_stacks_node(ngx_prof_stacks_t *stacks,
    ngx_uint_t size, uint64_t pc, uint32_t parent);
static ngx_prof_tally_t *ngx_prof_stacks_find(ngx_prof_stacks_t *stacks,
    ngx_uint_t size, uint32_t node, uint32_t label);
static ngx_prof_tally_t *ngx_prof_stacks_insert(ngx_prof_stacks_t *stacks,
    ngx_uint_t size, ngx_prof_path_t *path, const uint64_t *pcs, ngx_uint_t n,
    uint32_t label);
static ngx_prof_tally_t *ngx_prof_stacks_enter(ngx_prof_stacks_t *stacks,
    ngx_uint_t size, ngx_prof_path_t *path, const uint64_t *pcs, ngx_uint_t n,
    uint32_t label, uint64_t count, uint64_t value);
static void ngx_prof_stacks_leave(ngx_prof_stacks_t *stacks);
static uint32_t ngx_prof_stacks_walk(ngx_prof_stacks_t *stacks,
    ngx_uint_t size, ngx_prof_path_t *path, const uint64_t *pcs, ngx_uint_t n);


size_t
ngx_prof_stacks_size(ngx_uint_t size)
{
    return (sizeof(ngx_prof_stacks_t)
            + size * (sizeof(ngx_prof_node_t)
                      + sizeof(ngx_prof_tally_t)
                      + 4 * sizeof(uint32_t))
            + 63) & ~(size_t) 63;
}


static ngx_prof_node_t *
ngx_prof_stacks_nodes(const ngx_prof_stacks_t *stacks)
{
    return (ngx_prof_node_t *) (stacks + 1);
}


static ngx_prof_tally_t *
ngx_prof_stacks_tally_table(const ngx_prof_stacks_t *stacks, ngx_uint_t size)
{
    return (ngx_prof_tally_t *)
               (ngx_prof_stacks_nodes(stacks) + size);
}


static uint32_t *
ngx_prof_stacks_hash(const ngx_prof_stacks_t *stacks, ngx_uint_t size,
    ngx_uint_t tallies)
{
    uint32_t  *hash;

    hash = (uint32_t *)
               (ngx_prof_stacks_tally_table(stacks, size) + size);

    return tallies ? hash + 2 * size : hash;
}


/* the finalizer of MurmurHash3, https://github.com/aappleby/smhasher */

static uint32_t
ngx_prof_stacks_mix(uint64_t one, uint64_t two)
{
    uint64_t  h;

    h = one ^ (two * 0x9e3779b97f4a7c15ULL);
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;

    return (uint32_t) (h ^ (h >> 33));
}


/* the next free index, 0: none is left */

static uint32_t
ngx_prof_stacks_reserve(uint64_t *n, ngx_uint_t size)
{
    uint64_t  i;

    if (ngx_prof_load(n) + 1 >= size) {
        return 0;
    }

    i = __atomic_add_fetch(n, 1, __ATOMIC_RELAXED);

    return (i < size) ? (uint32_t) i : 0;
}


ngx_int_t
ngx_prof_stacks_add(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    const uint64_t *pcs, ngx_uint_t n, uint32_t label, uint64_t count,
    uint64_t value)
{
    return ngx_prof_stacks_add_path(stacks, size, NULL, pcs, n,
                                    label, count, value);
}


ngx_int_t
ngx_prof_stacks_add_path(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    ngx_prof_path_t *path, const uint64_t *pcs, ngx_uint_t n, uint32_t label,
    uint64_t count, uint64_t value)
{
    ngx_prof_tally_t  *tally;

    tally = ngx_prof_stacks_enter(stacks, size, path, pcs, n, label,
                                  count, value);

    if (tally) {
        (void) __atomic_add_fetch(&tally->count, count, __ATOMIC_RELAXED);
        (void) __atomic_add_fetch(&tally->value, value, __ATOMIC_RELAXED);
    }

    ngx_prof_stacks_leave(stacks);

    return tally ? NGX_OK : NGX_DECLINED;
}


ngx_uint_t
ngx_prof_stacks_put(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    ngx_prof_path_t *path, const uint64_t *pcs, ngx_uint_t n, uint32_t label,
    uint64_t count, uint64_t value)
{
    ngx_prof_tally_t  *tally;

    tally = ngx_prof_stacks_enter(stacks, size, path, pcs, n, label,
                                  count, value);

    ngx_prof_stacks_leave(stacks);

    return tally ? (ngx_uint_t) (tally
                       - ngx_prof_stacks_tally_table(stacks, size))
                 : 0;
}


void
ngx_prof_stacks_count(ngx_prof_stacks_t *stacks, ngx_uint_t size, ngx_uint_t i,
    uint64_t count, uint64_t value)
{
    ngx_prof_tally_t  *tally;

    tally = &ngx_prof_stacks_tally_table(stacks, size)[i];

    (void) __atomic_add_fetch(&tally->count, count, __ATOMIC_RELAXED);
    (void) __atomic_add_fetch(&tally->value, value, __ATOMIC_RELAXED);
}


/* the table cannot be emptied before leave(); NULL: it was dropped */

static ngx_prof_tally_t *
ngx_prof_stacks_enter(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    ngx_prof_path_t *path, const uint64_t *pcs, ngx_uint_t n, uint32_t label,
    uint64_t count, uint64_t value)
{
    ngx_prof_tally_t  *tally;

    (void) __atomic_add_fetch(&stacks->writers, 1, __ATOMIC_SEQ_CST);

    tally = __atomic_load_n(&stacks->closed, __ATOMIC_SEQ_CST)
            ? NULL
            : ngx_prof_stacks_insert(stacks, size, path, pcs, n, label);

    if (tally == NULL) {

        if (path) {
            path->n = 0;
        }

        (void) __atomic_add_fetch(&stacks->dropped, count, __ATOMIC_RELAXED);
        (void) __atomic_add_fetch(&stacks->dropped_value, value,
                                  __ATOMIC_RELAXED);
    }

    return tally;
}


static void
ngx_prof_stacks_leave(ngx_prof_stacks_t *stacks)
{
    (void) __atomic_sub_fetch(&stacks->writers, 1, __ATOMIC_SEQ_CST);
}


void
ngx_prof_stacks_prefetch(const ngx_prof_stacks_t *stacks,
    const ngx_prof_path_t *path)
{
    ngx_uint_t  i;

    __builtin_prefetch(stacks, 1);

    for (i = 0; i < path->n; i += 8) {
        __builtin_prefetch(&path->pc[i], 1);
        __builtin_prefetch(&path->node[i], 1);
    }
}


static ngx_prof_tally_t *
ngx_prof_stacks_insert(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    ngx_prof_path_t *path, const uint64_t *pcs, ngx_uint_t n, uint32_t label)
{
    uint32_t  node;

    node = ngx_prof_stacks_walk(stacks, size, path, pcs, n);

    return node ? ngx_prof_stacks_find(stacks, size, node, label)
                : NULL;
}


/* the node of a stack's innermost frame; 0: there is no room */

static uint32_t
ngx_prof_stacks_walk(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    ngx_prof_path_t *path, const uint64_t *pcs, ngx_uint_t n)
{
    uint32_t    node;
    uint64_t    epoch;
    ngx_uint_t  depth;

    node = 0;
    depth = 0;
    epoch = ngx_prof_load(&stacks->epoch);

    if (path && path->stacks == stacks && path->epoch == epoch) {

        if (path->same && path->n && n && path->pc[0] == pcs[n - 1]) {
            depth = ngx_min(path->same + 1, ngx_min(path->n, n));
            node = path->node[depth - 1];
            n -= depth;
        }

        while (n && depth < path->n && path->pc[depth] == pcs[n - 1]) {
            node = path->node[depth++];
            n--;
        }
    }

    if (path) {
        path->stacks = stacks;
        path->epoch = epoch;
        path->n = depth;
        path->same = 0;
    }

    while (n) {
        node = ngx_prof_stacks_node(stacks, size, pcs[--n], node);

        if (node == 0) {
            return 0;
        }

        if (path && path->n < NGX_PROF_STACKS_PATH) {
            path->pc[path->n] = pcs[n];
            path->node[path->n++] = node;
        }
    }

    return node;
}


/* the n-th place to look at for a key that belongs to a node */

static ngx_inline uint32_t
ngx_prof_stacks_at(ngx_uint_t size, uint32_t node, uint32_t key, ngx_uint_t n)
{
    return (uint32_t) ((n < NGX_PROF_STACKS_NEAR ? 2 * node + n
                                                           : key + n)
                       & (2 * size - 1));
}


static uint32_t
ngx_prof_stacks_node(ngx_prof_stacks_t *stacks, ngx_uint_t size, uint64_t pc,
    uint32_t parent)
{
    uint32_t          i, at, is, key, tag, fresh, *hash;
    ngx_uint_t        probe;
    ngx_prof_node_t  *nodes;

    nodes = ngx_prof_stacks_nodes(stacks);
    hash = ngx_prof_stacks_hash(stacks, size, 0);
    key = ngx_prof_stacks_mix(pc, parent);
    tag = key & ~(uint32_t) NGX_PROF_STACKS_INDEX;
    fresh = 0;

    for (probe = 0; probe < NGX_PROF_STACKS_PROBES; probe++) {

        at = ngx_prof_stacks_at(size, parent, key, probe);
        is = ngx_prof_load_acquire(&hash[at]);

        if (is == 0) {

            if (fresh == 0) {
                fresh = ngx_prof_stacks_reserve(&stacks->node_n, size);
                if (fresh == 0) {
                    return 0;
                }

                ngx_prof_store(&nodes[fresh].pc, pc);
                ngx_prof_store(&nodes[fresh].parent, parent);
                ngx_prof_store(&nodes[fresh].note, 0);
            }

            if (__atomic_compare_exchange_n(&hash[at], &is, tag | fresh, 0,
                                            __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE))
            {
                return fresh;
            }

            /* another thread was faster: the entry is that thread's */
        }

        i = is & NGX_PROF_STACKS_INDEX;

        if ((is ^ i) == tag
            && i < size
            && nodes[i].pc == pc
            && nodes[i].parent == parent)
        {
            return i;
        }
    }

    return 0;
}


static ngx_prof_tally_t *
ngx_prof_stacks_find(ngx_prof_stacks_t *stacks, ngx_uint_t size, uint32_t node,
    uint32_t label)
{
    uint32_t           i, at, is, key, tag, fresh, *hash;
    ngx_uint_t         probe;
    ngx_prof_tally_t  *tallies;

    tallies = ngx_prof_stacks_tally_table(stacks, size);
    hash = ngx_prof_stacks_hash(stacks, size, 1);
    key = ngx_prof_stacks_mix(node, label);
    tag = key & ~(uint32_t) NGX_PROF_STACKS_INDEX;
    fresh = 0;

    for (probe = 0; probe < NGX_PROF_STACKS_PROBES; probe++) {

        at = ngx_prof_stacks_at(size, node, key, probe);
        is = ngx_prof_load_acquire(&hash[at]);

        if (is == 0) {

            if (fresh == 0) {
                fresh = ngx_prof_stacks_reserve(&stacks->tally_n, size);
                if (fresh == 0) {
                    return NULL;
                }

                ngx_prof_store(&tallies[fresh].label, label);
                ngx_prof_store_release(&tallies[fresh].node, node);
            }

            if (__atomic_compare_exchange_n(&hash[at], &is, tag | fresh, 0,
                                            __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE))
            {
                return &tallies[fresh];
            }
        }

        i = is & NGX_PROF_STACKS_INDEX;

        if ((is ^ i) == tag
            && i < size
            && tallies[i].node == node
            && tallies[i].label == label)
        {
            return &tallies[i];
        }
    }

    return NULL;
}


void
ngx_prof_stacks_take(ngx_prof_stacks_t *stacks, ngx_uint_t size)
{
    __atomic_store_n(&stacks->writers, 0, __ATOMIC_SEQ_CST);

    if (__atomic_load_n(&stacks->closed, __ATOMIC_SEQ_CST)) {
        (void) ngx_prof_stacks_empty(stacks, size);
    }
}


ngx_int_t
ngx_prof_stacks_empty(ngx_prof_stacks_t *stacks, ngx_uint_t size)
{
    __atomic_store_n(&stacks->closed, 1, __ATOMIC_SEQ_CST);

    if (__atomic_load_n(&stacks->writers, __ATOMIC_SEQ_CST) != 0) {
        __atomic_store_n(&stacks->closed, 0, __ATOMIC_SEQ_CST);
        return NGX_DECLINED;
    }

    ngx_memzero(ngx_prof_stacks_tally_table(stacks, size),
                ngx_min(stacks->tally_n + 1, size)
                * sizeof(ngx_prof_tally_t));
    ngx_memzero(ngx_prof_stacks_hash(stacks, size, 0),
                4 * size * sizeof(uint32_t));

    ngx_prof_store(&stacks->node_n, 0);
    ngx_prof_store(&stacks->tally_n, 0);
    ngx_prof_add(&stacks->epoch, 1);

    __atomic_store_n(&stacks->closed, 0, __ATOMIC_SEQ_CST);

    return NGX_OK;
}


ngx_uint_t
ngx_prof_stacks_full(const ngx_prof_stacks_t *stacks, ngx_uint_t size)
{
    return ngx_prof_load(&stacks->node_n) + 1 >= size
           || ngx_prof_load(&stacks->tally_n) + 1 >= size;
}


ngx_uint_t
ngx_prof_stacks_tallies(const ngx_prof_stacks_t *stacks, ngx_uint_t size)
{
    return ngx_min(ngx_prof_load_acquire(&stacks->tally_n) + 1, size);
}


ngx_int_t
ngx_prof_stacks_tally(const ngx_prof_stacks_t *stacks, ngx_uint_t size,
    ngx_uint_t i, ngx_prof_tally_t *tally)
{
    const ngx_prof_tally_t  *from;

    from = &ngx_prof_stacks_tally_table(stacks, size)[i];

    tally->node = ngx_prof_load_acquire(&from->node);
    tally->label = ngx_prof_load(&from->label);
    tally->count = ngx_prof_load(&from->count);
    tally->value = ngx_prof_load(&from->value);

    return (tally->node == 0 || tally->node >= size) ? NGX_DECLINED : NGX_OK;
}


ngx_uint_t
ngx_prof_stacks_frames(const ngx_prof_stacks_t *stacks, ngx_uint_t size,
    uint32_t node, uint64_t *pcs, ngx_uint_t max)
{
    ngx_uint_t              n;
    const ngx_prof_node_t  *nodes;

    nodes = ngx_prof_stacks_nodes(stacks);

    for (n = 0; n < max && node && node < size; n++) {
        pcs[n] = ngx_prof_load(&nodes[node].pc);
        node = ngx_prof_load(&nodes[node].parent);
    }

    return n;
}


uint32_t
ngx_prof_stacks_noted(const ngx_prof_stacks_t *stacks, ngx_uint_t size,
    uint32_t node)
{
    return (node < size)
           ? ngx_prof_load(&ngx_prof_stacks_nodes(stacks)[node].note) : 0;
}


void
ngx_prof_stacks_note(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    uint32_t node, uint32_t note)
{
    if (node < size) {
        ngx_prof_store(&ngx_prof_stacks_nodes(stacks)[node].note, note);
    }
}
