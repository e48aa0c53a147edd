
#include "worker.h"

#include <sys/mman.h>

#include "ngx_prof_allocator.h"
#include "pool.h"


const char *__asan_default_options(void);

static void fuzz_log(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len);
static void fuzz_slot(ngx_prof_zone_t *zone, ngx_uint_t worker);
static void fuzz_dump(ngx_prof_dump_area_t *area, uint64_t number);


ngx_prof_main_conf_t  fuzz_conf;
ngx_core_conf_t       fuzz_core;

static ngx_log_t                fuzz_cycle_log;
static ngx_cycle_t              fuzz_cycle;
static ngx_shm_zone_t           fuzz_shm_zone;
static ngx_prof_zone_t          fuzz_zone;
static void                    *fuzz_conf_ctx[] = { &fuzz_core };
static ngx_str_t                fuzz_env[64];

static const ngx_prof_shape_t  fuzz_shape = {
    .slots = FUZZ_SLOTS,
    .history = FUZZ_HISTORY,
    .places = FUZZ_PLACES,
    .stacks = FUZZ_STACKS,
    .dump = FUZZ_DUMP,
    .names = FUZZ_PLACES * 64,
    .pages = FUZZ_PLACES * FUZZ_SLOTS * 2,
    .rows = NGX_PROF_ROWS,
    .functions = FUZZ_FUNCTIONS
};


/* memory that is taken anew for each input is to be taken quickly */

const char *
__asan_default_options(void)
{
    return "quarantine_size_mb=8";
}


static void
fuzz_log(ngx_log_t *log, ngx_uint_t level, u_char *buf, size_t len)
{
    /* void */
}


void
fuzz_worker(void)
{
    void                 *memory;
    ngx_str_t             server, location;
    ngx_uint_t            i;
    ngx_prof_zone_t      *zone;
    ngx_prof_registry_t   registry;

    fuzz_cycle_log.writer = fuzz_log;
    fuzz_cycle_log.log_level = NGX_LOG_EMERG;
    fuzz_cycle.log = &fuzz_cycle_log;
    fuzz_cycle.shared_memory.part.elts = NULL;
    fuzz_cycle.conf_ctx = (void ****) fuzz_conf_ctx;
    ngx_cycle = &fuzz_cycle;

    ngx_core_module.index = 0;
    ngx_str_set(&fuzz_core.oldpid, "/none");
    fuzz_core.env.elts = fuzz_env;
    fuzz_core.env.size = sizeof(ngx_str_t);
    fuzz_core.env.nalloc = 64;

    /* nothing is to be written to the standard error */
    ngx_use_stderr = 0;

    ngx_pid = getpid();
    ngx_ncpu = 2;
    ngx_pagesize = 4096;
    ngx_cacheline_size = 64;
    ngx_time_init();

    ngx_prof_allocator_init();

    ngx_queue_init(&ngx_posted_events);
    ngx_queue_init(&ngx_posted_next_events);
    (void) ngx_event_timer_init(&fuzz_cycle_log);

    for (i = 0; i < NGX_PROF_SETTINGS; i++) {
        fuzz_conf.setting[i] = ngx_prof_settings[i].value;
    }

    fuzz_conf.setting[NGX_PROF_MEMORY_LIMIT] = 1073741824;
    fuzz_conf.active = 1;
    fuzz_conf.slot_n = FUZZ_SLOTS;
    fuzz_conf.shm_zone = &fuzz_shm_zone;
    fuzz_shm_zone.shm.size = fuzz_zone_size();

    if (posix_memalign(&memory, 4096, fuzz_zone_size()) != 0) {
        abort();
    }

    zone = &fuzz_zone;

    ngx_memzero(memory, fuzz_zone_size());
    ngx_prof_zone_init(zone, memory, &fuzz_shape, 1700000000000, 1000);
    zone->header->generation = 1;
    zone->cookie = 1;

    ngx_str_set(&server, "main.example");
    ngx_str_set(&location, "/api");
    ngx_prof_process.zone = zone;
    fuzz_registry(&registry);
    (void) ngx_prof_registry_place(&registry, &server, NULL, 1);
    (void) ngx_prof_registry_place(&registry, &server, &location, 1);
    ngx_str_set(&location, "127.0.0.1:80");
    (void) ngx_prof_zone_register_upstream(zone, &location);
    (void) ngx_prof_zone_register_name(zone, &server);

    ngx_prof_process.conf = &fuzz_conf;

    for (i = 0; i < FUZZ_SLOTS; i++) {
        fuzz_slot(zone, i);
    }
}


/* as the master begins to register places */

void
fuzz_registry(ngx_prof_registry_t *registry)
{
    static void  *memory;

    if (memory == NULL) {
        memory = malloc(ngx_prof_registry_size(&fuzz_zone));
    }

    if (memory == NULL) {
        abort();
    }

    ngx_memzero(memory, ngx_prof_registry_size(&fuzz_zone));
    ngx_prof_registry_open(registry, &fuzz_zone, memory, ngx_prof_slot_alive);
}


/* one request of a place, as a worker counts it */

void
fuzz_place(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot, ngx_uint_t place,
    uint64_t ns)
{
    ngx_uint_t           bucket;
    ngx_prof_counting_t  counter;

    bucket = ngx_prof_hist_bucket(ns);

    if (ngx_prof_cell_open(zone, slot, place, &counter) != NGX_OK) {
        return;
    }

    if (ngx_prof_counting_chunk(&counter, NGX_PROF_LATENCY, bucket)
        || ngx_prof_cell_grow(zone, slot, &counter, NGX_PROF_LATENCY, bucket)
           == NGX_OK)
    {
        ngx_prof_cell_add(counter.cell,
                          ngx_prof_counting_chunk(&counter, NGX_PROF_LATENCY,
                                                  bucket),
                          NGX_PROF_CODE_200, 1, 2, bucket, ns);
    }
}


size_t
fuzz_zone_size(void)
{
    return ngx_prof_zone_size(&fuzz_shape);
}


/* all slots belong to this process, so that their owners live */

static void
fuzz_slot(ngx_prof_zone_t *zone, ngx_uint_t worker)
{
    uint64_t               now, pcs[4], gauges[2];
    uint32_t               tick;
    ngx_uint_t             i;
    ngx_prof_slot_t       *slot;
    ngx_prof_slot_claim_t  claim;
    ngx_prof_sample_t      sample;

    now = ngx_prof_clock();

    ngx_memzero(&claim, sizeof(claim));
    claim.pid = ngx_pid;
    claim.alive = ngx_prof_slot_alive;
    claim.clock = now;
    claim.generation = 1;
    claim.worker = worker;
    claim.interval = fuzz_conf.setting[NGX_PROF_INTERVAL];
    claim.tick = 1;

    slot = ngx_prof_slot_claim(zone, &claim);

    if (slot == NULL) {
        abort();
    }

    ngx_prof_process.slot = slot;

    ngx_memzero(&sample, sizeof(sample));
    tick = ngx_prof_tick(now, (int64_t) claim.interval);

    for (i = 1; i <= FUZZ_HISTORY && i < tick; i++) {
        sample.tick = tick - i;
        sample.clock = now - i * claim.interval * 1000000;
        sample.requests = 100 - i;
        sample.heap_alloc = 1000000;
        ngx_prof_ring_write(ngx_prof_zone_history(slot),
                            FUZZ_HISTORY, &sample);
        slot->last_tick = ngx_max(slot->last_tick, sample.tick);
    }

    ngx_prof_hist_count(&slot->passes, ngx_prof_hist_bucket(5000), 5000);
    ngx_prof_hist_count(&slot->all.latency,
                              ngx_prof_hist_bucket(70000), 70000);
    slot->all.plain.code[NGX_PROF_CODE_200] = 1;
    fuzz_place(zone, slot, 1, 70000);
    slot->pass_start = now;
    slot->gauges.clock = now;
    slot->gauges.interval.clock = 2000000000;
    slot->gauges.since.clock = now;

    ngx_prof_slot_pause(slot, now, 20000000, NGX_PROF_CAUSE_TRIM);

    for (i = 0; i < 4; i++) {
        pcs[i] = (uintptr_t) fuzz_worker + i * 16;
    }

    gauges[0] = 1;
    gauges[1] = 1000;

    for (i = 1; i <= 4; i++) {
        (void) ngx_prof_stacks_add(
                   ngx_prof_zone_stacks(zone, slot),
                   FUZZ_STACKS, pcs, i, 0x101, gauges[0], gauges[1]);
        (void) ngx_prof_stacks_add(
                   ngx_prof_zone_waits(zone, slot, i & 1),
                   ngx_prof_zone_wait_size(FUZZ_STACKS), pcs, i,
                   0x101, gauges[0], gauges[1]);
        (void) ngx_prof_stacks_add(
                   ngx_prof_zone_heap(zone, slot),
                   ngx_prof_zone_heap_n(FUZZ_STACKS), pcs, i,
                   0x101, gauges[0], gauges[1]);
    }

    fuzz_dump(ngx_prof_zone_dump(zone, worker), 1 << 30);
}


/* a dump of one group more than there are by themselves, and two details */

static void
fuzz_dump(ngx_prof_dump_area_t *area, uint64_t number)
{
    ngx_uint_t               i, copy;
    ngx_prof_dump_copy_t     head;
    ngx_prof_dump_group_t   *group;
    ngx_prof_dump_detail_t  *d;

    copy = ngx_prof_dump_begin(area);

    ngx_memzero(&head, sizeof(head));
    /* it answers any question */
    head.number = number;
    head.pid = ngx_pid;
    head.clock = ngx_prof_clock();
    head.time = ngx_prof_time();
    head.count = 2;
    head.groups = ngx_min(NGX_PROF_DUMP_REST + 1,
                          ngx_prof_dump_groups(FUZZ_DUMP));
    head.details = 2;

    group = ngx_prof_dump_group(area, FUZZ_DUMP, copy);

    for (i = 0; i < head.groups; i++) {
        ngx_memzero(&group[i], sizeof(*group));
        group[i].kind = i % NGX_PROF_KINDS;
        group[i].depth = 2;
        group[i].stack[0] = (uintptr_t) fuzz_dump;
        group[i].stack[1] = (uintptr_t) fuzz_slot;
    }

    group[0].count = 2;

    for (i = 0; i < 2; i++) {
        d = (ngx_prof_dump_detail_t *)
                (ngx_prof_dump_details(area, FUZZ_DUMP, copy) + head.used);

        ngx_memzero(d, sizeof(*d));
        d->id = i + 1;
        d->len[NGX_PROF_DUMP_METHOD] = 3;
        d->len[NGX_PROF_DUMP_URI] = 4;
        d->size = sizeof(*d) + 8;
        ngx_memcpy(d + 1, "GET/api", 8);
        head.used += d->size;
    }

    ngx_prof_dump_end(area, copy, &head);
}


/* nginx's own functions take from a pool as they always do */

ngx_pool_t *
fuzz_pool(void)
{
    ngx_pool_t  *pool;

    pool = ngx_create_pool(1024, &fuzz_cycle_log);

    if (pool == NULL) {
        abort();
    }

    return pool;
}


void
fuzz_pool_free(ngx_pool_t *pool)
{
    ngx_chain_t  *blocks;

    blocks = pool->chain;

    ngx_destroy_pool(pool);
    test_pool_blocks_free(blocks);
}


uint64_t
fuzz_take(fuzz_input_t *in, size_t bytes)
{
    size_t    i;
    uint64_t  n;

    n = 0;

    for (i = 0; i < bytes && in->p < in->last; i++) {
        n |= (uint64_t) *in->p++ << (8 * i);
    }

    return n;
}
