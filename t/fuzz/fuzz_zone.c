
/*
 * The zone with any bytes anywhere, read by all that reads it: the answers of
 * all endpoints, and the functions of shm/ themselves, which also write.
 *
 * The first byte chooses the reader; then follow writes into the zone: what
 * part of it, where in that part, how many bytes, the bytes.  The header is no
 * exception: who reads a zone goes by sizes of its own.  Then a reload follows,
 * or not, which mends what it can.  A write whose part has the top bit set, and
 * those behind it, come one by one while the reader is under way.
 */


#include "worker.h"


#define FUZZ_WRITES  64
#define FUZZ_PARTS   32
#define FUZZ_LATER   0x80


typedef struct {
    u_char  *start;
    size_t   size;
} fuzz_part_t;


typedef struct {
    ngx_http_handler_pt   handler;
    ngx_uint_t            method;
    const char           *uri;
    const char           *args;
} fuzz_reader_t;


static void fuzz_tables(ngx_uint_t seed);
static void fuzz_slots(ngx_uint_t seed);
static void fuzz_names(ngx_uint_t seed);
static void fuzz_dumps(ngx_uint_t seed);


static const fuzz_reader_t  fuzz_readers[] = {
    { ngx_prof_api_handler, NGX_HTTP_GET, "metrics", "" },
    { ngx_prof_api_handler, NGX_HTTP_GET, "metrics/history", "" },
    { ngx_prof_api_handler, NGX_HTTP_GET, "memory", "" },
    { ngx_prof_api_handler, NGX_HTTP_GET, "gc", "" },
    { ngx_prof_api_handler, NGX_HTTP_GET, "runtime", "" },
    { ngx_prof_api_handler, NGX_HTTP_GET, "health", "" },
    { ngx_prof_api_handler, NGX_HTTP_GET, "locations", "" },
    { ngx_prof_api_handler, NGX_HTTP_GET, "goroutines", "" },
    { ngx_prof_api_handler, NGX_HTTP_POST, "force-gc", "" },
    { ngx_prof_prometheus_handler, NGX_HTTP_GET, "metrics", "" },
    { ngx_prof_pprof_handler, NGX_HTTP_GET, "heap", "" },
    { ngx_prof_pprof_handler, NGX_HTTP_GET, "allocs", "debug=1" },
    { ngx_prof_pprof_handler, NGX_HTTP_GET, "block", "" },
    { ngx_prof_pprof_handler, NGX_HTTP_GET, "mutex", "seconds=1" },
    { ngx_prof_pprof_handler, NGX_HTTP_GET, "goroutine", "" },
    { ngx_prof_pprof_handler, NGX_HTTP_GET, "goroutine",
      "debug=2" },
    { ngx_prof_pprof_handler, NGX_HTTP_GET, "profile",
      "seconds=1" },
    { ngx_prof_pprof_handler, NGX_HTTP_GET, "threadcreate", "" },
    { ngx_prof_pprof_handler, NGX_HTTP_GET, "", "" }
};

#define FUZZ_READERS  (sizeof(fuzz_readers) / sizeof(fuzz_readers[0]))


static void  (*const fuzz_writers[])(ngx_uint_t seed) = {
    fuzz_tables, fuzz_slots, fuzz_names, fuzz_dumps
};

#define FUZZ_WRITERS  (sizeof(fuzz_writers) / sizeof(fuzz_writers[0]))


static u_char           *fuzz_good;                /* the zone as it was */
static fuzz_part_t       fuzz_parts[FUZZ_PARTS];
static fuzz_input_t      fuzz_in;


/* parts of the zone */

static void
fuzz_part(ngx_uint_t n, fuzz_part_t *part)
{
    u_char           *end;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;
    slot = ngx_prof_zone_slot(zone, n & 1);
    end = (u_char *) slot + ngx_prof_zone_slot_size(&zone->shape);

#define fuzz_between(a, b)                                                    \
    part->start = (u_char *) (a);                                             \
    part->size = (u_char *) (b) - (u_char *) (a);                             \
    break

    switch (n >> 1 & 15) {

    case 0: fuzz_between(zone->header, ngx_prof_zone_place(zone, 0));
    case 1: fuzz_between(zone->header, zone->header->capture);
    case 2: fuzz_between(ngx_prof_zone_place(zone, 0),
                         ngx_prof_zone_place(zone, zone->places));
    case 3: fuzz_between(ngx_prof_zone_names(zone),
                         ngx_prof_zone_slot(zone, 0));
    case 4: fuzz_between(slot, &slot->totals);
    case 5: fuzz_between(&slot->totals, &slot->trim);
    case 6: fuzz_between(&slot->trim, slot->pause);
    case 7: fuzz_between(slot->pause, &slot->seen);
    case 8: fuzz_between(&slot->seen, &slot->base);
    case 9: fuzz_between(&slot->base, slot + 1);
    case 10: fuzz_between(ngx_prof_zone_history(slot),
                          ngx_prof_zone_stacks(zone, slot));
    case 11: fuzz_between(ngx_prof_zone_page(zone, 0),
                          ngx_prof_zone_page(zone, 4));
    case 12: fuzz_between(ngx_prof_zone_stacks(zone, slot),
                          ngx_prof_zone_waits(zone, slot, 0));
    case 13: fuzz_between(ngx_prof_zone_waits(zone, slot, 0),
                          ngx_prof_zone_heap(zone, slot));
    case 14: fuzz_between(ngx_prof_zone_heap(zone, slot),
                          ngx_prof_zone_dump(zone, n & 1));
    default: fuzz_between(ngx_prof_zone_dump(zone, n & 1), end);
    }

#undef fuzz_between
}


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    ngx_uint_t  i;

    fuzz_worker();

    for (i = 0; i < FUZZ_PARTS; i++) {
        fuzz_part(i, &fuzz_parts[i]);
    }

    fuzz_good = malloc(fuzz_zone_size());

    if (fuzz_good == NULL) {
        abort();
    }

    memcpy(fuzz_good, ngx_prof_process.zone->header, fuzz_zone_size());

    return 0;
}


static void
fuzz_write(void)
{
    size_t         offset, len, i;
    fuzz_part_t   *part;
    fuzz_input_t  *in;

    in = &fuzz_in;

    if (in->p == in->last) {
        return;
    }

    part = &fuzz_parts[fuzz_take(in, 1) % FUZZ_PARTS];

    offset = fuzz_take(in, 2) % part->size;
    len = fuzz_take(in, 1) & 63;

    len = ngx_min(len, part->size - offset);
    len = ngx_min(len, (size_t) (in->last - in->p));

    for (i = 0; i < len; i++) {
        part->start[offset + i] = *in->p++;
    }
}


static void
fuzz_read(const fuzz_reader_t *reader)
{
    u_char          uri[64];
    fuzz_request_t  request;

    ngx_memzero(&request, sizeof(request));

    request.uri.data = uri;
    request.uri.len = snprintf((char *) uri, sizeof(uri),
                               "/api/profiling/%s", reader->uri);
    request.args.data = (u_char *) reader->args;
    request.args.len = ngx_strlen(reader->args);
    request.handler = reader->handler;
    request.method = reader->method;
    request.access = NGX_PROF_ANY;
    request.fd = -1;
    request.between = fuzz_write;

    fuzz_request(&request, 64);
}


/* a table of stacks that its owner goes on with, or takes over */

static void
fuzz_tables(ngx_uint_t seed)
{
    uint64_t            pcs[8];
    ngx_uint_t          i, n, k;
    ngx_prof_path_t     path;
    ngx_prof_slot_t    *slot;
    ngx_prof_zone_t    *zone;
    ngx_prof_tally_t    tally;
    ngx_prof_stacks_t  *stacks;

    zone = ngx_prof_process.zone;
    slot = ngx_prof_zone_slot(zone, seed & 1);
    stacks = ngx_prof_zone_stacks(zone, slot);

    if (seed & 2) {
        ngx_prof_stacks_take(stacks, zone->stacks);
    }

    ngx_memzero(&path, sizeof(path));

    for (i = 1; i < 8; i++) {
        pcs[i - 1] = seed * i;

        k = ngx_prof_stacks_put(stacks, zone->stacks, &path, pcs, i,
                                seed, 1, 2);

        if (k >= zone->stacks) {
            abort();
        }

        ngx_prof_stacks_count(stacks, zone->stacks, k, 1, 2);
    }

    n = ngx_prof_stacks_tallies(stacks, zone->stacks);

    if (n > zone->stacks) {
        abort();
    }

    for (i = 0; i < n; i++) {

        if (ngx_prof_stacks_tally(stacks, zone->stacks, i, &tally)
            == NGX_OK
            && ngx_prof_stacks_frames(stacks, zone->stacks, tally.node, pcs, 8)
               > 8)
        {
            abort();
        }
    }

    (void) ngx_prof_stacks_empty(stacks, zone->stacks);
}


static void
fuzz_slots(ngx_uint_t seed)
{
    ngx_uint_t             i;
    ngx_prof_slot_t       *slot;
    ngx_prof_zone_t       *zone;
    ngx_prof_slot_claim_t  claim;
    ngx_prof_pause_t       pause;
    ngx_prof_sample_t      sample;

    zone = ngx_prof_process.zone;

    ngx_memzero(&claim, sizeof(claim));
    claim.pid = ngx_pid;
    claim.alive = ngx_prof_slot_alive;
    claim.tick = seed;
    claim.interval = 1 + (seed & 3);

    slot = ngx_prof_slot_claim(zone, &claim);

    if (slot == NULL) {
        slot = ngx_prof_zone_slot(zone, seed & 1);
        ngx_prof_slot_release(slot);
        slot->owner = 0;

        slot = ngx_prof_slot_claim(zone, &claim);
    }

    if (slot == NULL || ngx_prof_zone_slot_index(zone, slot) >= zone->slots) {
        abort();
    }

    ngx_memzero(&pause, sizeof(pause));
    pause.duration = NGX_PROF_PAUSE_LONG;
    ngx_prof_slot_pause_add(slot, seed, &pause);

    for (i = 0; i < 4; i++) {
        ngx_memzero(&sample, sizeof(sample));
        sample.tick = seed + i + 1;
        ngx_prof_ring_write(ngx_prof_zone_history(slot),
                            zone->history, &sample);

        if (ngx_prof_ring_read(
                                       ngx_prof_zone_history(slot),
                                       zone->history, sample.tick, &sample)
            != NGX_OK)
        {
            abort();
        }
    }
}


static void
fuzz_names(ngx_uint_t seed)
{
    u_char                text[256];
    ngx_str_t             name, location;
    ngx_uint_t            n;
    ngx_prof_zone_t      *zone;
    ngx_prof_registry_t   registry;

    zone = ngx_prof_process.zone;

    ngx_memset(text, 'a' + (seed & 15), sizeof(text));
    name.data = text;
    name.len = seed & 0xff;
    location = name;
    location.len /= 2;

    fuzz_registry(&registry);
    n = ngx_prof_registry_place(&registry, &name,
                                (seed & 0x100) ? &location : NULL, 1);

    if (n >= zone->places) {
        abort();
    }

    fuzz_place(zone, ngx_prof_zone_slot(zone, seed & 1), n, seed * 1000);

    if (ngx_prof_zone_register_upstream(zone, &name)
        >= NGX_PROF_UPSTREAMS
        || ngx_prof_zone_register_name(zone, &name)
           >= NGX_PROF_ZONES)
    {
        abort();
    }
}


static void
fuzz_dumps(ngx_uint_t seed)
{
    ngx_uint_t             limit, copy;
    ngx_prof_zone_t       *zone;
    ngx_prof_dump_area_t  *area;
    ngx_prof_dump_copy_t   head;

    zone = ngx_prof_process.zone;
    area = ngx_prof_zone_dump(zone, seed & 1);

    (void) ngx_prof_dump_ask(area, seed);
    (void) ngx_prof_dump_take(area, &limit);

    copy = ngx_prof_dump_begin(area);

    if (copy > 1) {
        abort();
    }

    ngx_memzero(&head, sizeof(head));
    head.number = (uint64_t) -1;
    head.pid = ngx_pid;

    ngx_prof_dump_end(area, copy, &head);

    if (ngx_prof_dump_find(area, (uint64_t) -1, ngx_pid, &head)
        == NGX_DECLINED)
    {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t            i, n, seed;
    ngx_prof_zone_t      *zone;
    ngx_prof_registry_t   registry;

    if (size < 3) {
        return 0;
    }

    zone = ngx_prof_process.zone;

    fuzz_in.p = data;
    fuzz_in.last = data + size;

    n = fuzz_take(&fuzz_in, 1) % (FUZZ_READERS + FUZZ_WRITERS);
    seed = fuzz_take(&fuzz_in, 2);

    for (i = 0; i < FUZZ_WRITES && fuzz_in.p < fuzz_in.last; i++) {

        if (*fuzz_in.p & FUZZ_LATER) {
            break;
        }

        fuzz_write();
    }

    if (seed & 0x8000) {
        ngx_prof_zone_mend(zone);
        fuzz_registry(&registry);

        if (ngx_prof_zone_check(zone)) {
            abort();
        }
    }

    if (n < FUZZ_READERS) {
        fuzz_read(&fuzz_readers[n]);

    } else {
        fuzz_writers[n - FUZZ_READERS](seed);
    }

    memcpy(zone->header, fuzz_good, fuzz_zone_size());

    return 0;
}
