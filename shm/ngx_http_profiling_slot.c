
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_profiling_zone.h"


/* bytes of a pause from number on: what seq guards */
#define NGX_HTTP_PROFILING_PAUSE_BODY                                         \
    (sizeof(ngx_http_profiling_pause_t)                                       \
     - offsetof(ngx_http_profiling_pause_t, number))


static ngx_uint_t ngx_http_profiling_slot_try(
    ngx_http_profiling_slot_t *slot, uint64_t owner,
    const ngx_http_profiling_claim_t *claim);
static void ngx_http_profiling_slot_take(ngx_http_profiling_zone_t *zone,
    ngx_http_profiling_slot_t *slot, const ngx_http_profiling_claim_t *claim);
static void ngx_http_profiling_slot_base(ngx_http_profiling_zone_t *zone,
    ngx_http_profiling_slot_t *slot);


/*
 * The statuses that nginx itself sends or knows by name, RFC 9110 and its
 * registry.  Indices are part of the zone's layout.
 */

#define NGX_HTTP_PROFILING_CODE_OTHER  1

static const uint16_t  ngx_http_profiling_codes[NGX_HTTP_PROFILING_CODES] = {
    0, 100, 200, 300, 400, 500,           /* 1 to 5: the rest of a class */

    101, 102, 103,
    200, 201, 202, 203, 204, 205, 206, 207, 208, 226,
    300, 301, 302, 303, 304, 307, 308,
    400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413,
    414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431,
    444, 451, 494, 495, 496, 497, 498, 499,
    500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 520, 521, 522
};


ngx_http_profiling_slot_t *
ngx_http_profiling_slot_claim(ngx_http_profiling_zone_t *zone,
    const ngx_http_profiling_claim_t *claim)
{
    uint64_t                    owner;
    ngx_uint_t                  i, fresh;
    ngx_http_profiling_slot_t  *slot;

    /* first the slots that were used before: their pages exist */

    for (fresh = 0; fresh < 2; fresh++) {

        for (i = 0; i < zone->slots; i++) {
            slot = ngx_http_profiling_zone_slot(zone, i);

            if ((ngx_http_profiling_load(&slot->claims) == 0) != fresh) {
                continue;
            }

            owner = ngx_http_profiling_load_acquire(&slot->owner);

            if (ngx_http_profiling_slot_try(slot, owner, claim)) {
                ngx_http_profiling_slot_take(zone, slot, claim);
                return slot;
            }
        }
    }

    (void) __atomic_fetch_add(&zone->unprofiled, 1, __ATOMIC_RELAXED);

    return NULL;
}


static ngx_uint_t
ngx_http_profiling_slot_try(ngx_http_profiling_slot_t *slot, uint64_t owner,
    const ngx_http_profiling_claim_t *claim)
{
    if (owner != 0 && ngx_http_profiling_slot_alive(slot)) {
        return 0;
    }

    return __atomic_compare_exchange_n(&slot->owner, &owner,
                              (uint64_t) claim->pid
                              | NGX_HTTP_PROFILING_CLAIMING,
                              0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}


static void
ngx_http_profiling_slot_take(ngx_http_profiling_zone_t *zone,
    ngx_http_profiling_slot_t *slot, const ngx_http_profiling_claim_t *claim)
{
    ngx_http_profiling_gauges_t  gauges;

    ngx_http_profiling_store(&slot->start, claim->start);
    ngx_http_profiling_store(&slot->claimed, claim->time);
    ngx_http_profiling_slot_renumber(zone, slot, claim->interval,
                                     claim->tick);
    ngx_http_profiling_store(&slot->generation, claim->generation);
    ngx_http_profiling_store(&slot->process_slot, claim->process_slot);
    ngx_http_profiling_store(&slot->worker, claim->worker);

    if (slot->claims) {
        ngx_http_profiling_slot_base(zone, slot);
    }

    ngx_http_profiling_store(&slot->claims, slot->claims + 1);
    ngx_http_profiling_store(&slot->pass_start, 0);
    ngx_http_profiling_store(&slot->wait_start, 0);
    ngx_http_profiling_store(&slot->awaiting, 0);

    /* it has no handler of signals yet, and one would end it */

    ngx_http_profiling_store(&slot->sampler, NGX_HTTP_PROFILING_SAMPLER_NONE);
    ngx_http_profiling_store(&slot->sample_until, 0);

    ngx_memzero(&gauges, sizeof(ngx_http_profiling_gauges_t));
    ngx_http_profiling_record_write(&slot->gauges_seq, &slot->gauges, &gauges,
                                    sizeof(ngx_http_profiling_gauges_t));

    ngx_http_profiling_store_release(&slot->owner, (uint64_t) claim->pid);
}


void
ngx_http_profiling_slot_renumber(ngx_http_profiling_zone_t *zone,
    ngx_http_profiling_slot_t *slot, uint64_t interval, uint64_t tick)
{
    ngx_uint_t                    i;
    ngx_http_profiling_sample_t  *ring;

    ngx_http_profiling_store(&slot->tick, tick);

    if (slot->interval == interval) {
        return;
    }

    ring = ngx_http_profiling_zone_history(slot);

    /* killed in between, the next owner does it again */

    for (i = 0; slot->claims && i < zone->history; i++) {
        ngx_http_profiling_store(&ring[i].tick, 0);
    }

    ngx_http_profiling_store_release(&slot->interval, interval);
}


static void
ngx_http_profiling_slot_base(ngx_http_profiling_zone_t *zone,
    ngx_http_profiling_slot_t *slot)
{
    ngx_uint_t                    i;
    ngx_http_profiling_counts_t  *counts;

    ngx_http_profiling_copy_words(&slot->base, &slot->totals,
                                  sizeof(ngx_http_profiling_totals_t));
    ngx_http_profiling_copy_words(&slot->base_passes, &slot->passes,
                                  sizeof(ngx_http_profiling_hist_t));
    ngx_http_profiling_copy_words(&slot->base_all, &slot->all,
                                  sizeof(ngx_http_profiling_counts_t));

    for (i = 0; i < zone->place_n; i++) {
        counts = ngx_http_profiling_zone_counts(zone, slot, i);

        if (counts->latency.top) {
            ngx_http_profiling_copy_words(
                          ngx_http_profiling_zone_base_counts(zone, slot, i),
                          counts, sizeof(ngx_http_profiling_counts_t));
        }
    }
}


void
ngx_http_profiling_slot_release(ngx_http_profiling_slot_t *slot)
{
    ngx_http_profiling_store_release(&slot->owner, 0);
}


ngx_pid_t
ngx_http_profiling_slot_pid(const ngx_http_profiling_slot_t *slot)
{
    uint64_t  owner;

    owner = ngx_http_profiling_load_acquire(&slot->owner);

    return (owner & NGX_HTTP_PROFILING_CLAIMING) ? 0 : (ngx_pid_t) owner;
}


ngx_uint_t
ngx_http_profiling_slot_alive(const ngx_http_profiling_slot_t *slot)
{
    u_char     state;
    uint64_t   owner, start, now;
    ngx_pid_t  pid;

    owner = ngx_http_profiling_load_acquire(&slot->owner);
    pid = (ngx_pid_t) (owner & ~NGX_HTTP_PROFILING_CLAIMING);

    if (pid <= 0 || (kill(pid, 0) == -1 && errno == ESRCH)) {
        return 0;
    }

    start = ngx_http_profiling_load(&slot->start);
    now = ngx_http_profiling_process_start(pid, &state);

    if (state == 'Z' || state == 'X') {
        return 0;
    }

    /* while a claim is made, start may still be that of the owner before */

    if (owner & NGX_HTTP_PROFILING_CLAIMING) {
        return 1;
    }

    if (start && now && start != now) {
        return 0;
    }

    return 1;
}


ngx_uint_t
ngx_http_profiling_slot_of(const ngx_http_profiling_slot_t *slot,
    ngx_pid_t pid)
{
    return ngx_http_profiling_load(&slot->claims)
           && (pid == 0 || ngx_http_profiling_slot_pid(slot) == pid);
}


ngx_pid_t
ngx_http_profiling_slot_worker(const ngx_http_profiling_slot_t *slot,
    ngx_pid_t pid)
{
    ngx_pid_t  owner;

    if (!ngx_http_profiling_slot_of(slot, pid)) {
        return 0;
    }

    owner = ngx_http_profiling_slot_pid(slot);

    return (owner && ngx_http_profiling_slot_alive(slot)) ? owner : 0;
}


uint64_t
ngx_http_profiling_process_start(ngx_pid_t pid, u_char *state)
{
    int         fd;
    char       *p, path[sizeof("/proc//stat") + NGX_INT64_LEN];
    char        buf[1024];
    ssize_t     n;
    ngx_uint_t  field;

    if (state) {
        *state = 0;
    }

    (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);

    fd = open(path, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return 0;
    }

    n = read(fd, buf, sizeof(buf) - 1);
    (void) close(fd);

    if (n <= 0) {
        return 0;
    }

    buf[n] = '\0';

    /* field 2 is the name in parentheses and may hold any character */

    p = strrchr(buf, ')');

    if (p == NULL || p[1] != ' ') {
        return 0;
    }

    p += 2;

    if (state) {
        *state = (u_char) *p;
    }

    for (field = 3; field < 22; field++) {
        p = strchr(p, ' ');

        if (p == NULL) {
            return 0;
        }

        p++;
    }

    return strtoull(p, NULL, 10);
}


void
ngx_http_profiling_slot_pause(ngx_http_profiling_slot_t *slot, uint64_t time,
    uint64_t duration, ngx_uint_t cause)
{
    ngx_http_profiling_pause_t  pause;

    ngx_memzero(&pause, sizeof(ngx_http_profiling_pause_t));

    pause.duration = duration;
    pause.cause = cause;

    ngx_http_profiling_slot_stall(slot, time, &pause);
}


void
ngx_http_profiling_slot_stall(ngx_http_profiling_slot_t *slot, uint64_t time,
    ngx_http_profiling_pause_t *pause)
{
    ngx_http_profiling_pause_t  *p;

    ngx_http_profiling_add(&slot->totals.pauses, 1);
    ngx_http_profiling_add(&slot->totals.pause_total, pause->duration);
    ngx_http_profiling_store(&slot->last_pause, pause->duration);
    ngx_http_profiling_store(&slot->last_pause_time, time);

    pause->number = slot->totals.pauses;
    pause->time = time;
    pause->pid = slot->owner;

    p = &slot->pause[pause->number % NGX_HTTP_PROFILING_PAUSES];

    ngx_http_profiling_record_write(&p->seq, &p->number, &pause->number,
                                    NGX_HTTP_PROFILING_PAUSE_BODY);

    if (pause->duration >= NGX_HTTP_PROFILING_STALL) {
        ngx_http_profiling_store_release(&slot->last_stall, pause->number);
    }
}


ngx_int_t
ngx_http_profiling_pause_read(const ngx_http_profiling_pause_t *from,
    ngx_http_profiling_pause_t *to)
{
    return ngx_http_profiling_record_read(&from->seq, &to->number,
                                          &from->number,
                                          NGX_HTTP_PROFILING_PAUSE_BODY);
}


ngx_uint_t
ngx_http_profiling_code_find(ngx_uint_t status)
{
    ngx_uint_t  low, high, middle;

    if (status < 100) {
        return 0;
    }

    /* what has no class is to be treated as 5xx, RFC 9110, 15 */

    if (status > 599) {
        return 5;
    }

    if (status == 200) {
        return 9;
    }

    low = 6;
    high = NGX_HTTP_PROFILING_CODES;

    while (low < high) {
        middle = (low + high) / 2;

        if (ngx_http_profiling_codes[middle] == status) {
            return middle;
        }

        if (ngx_http_profiling_codes[middle] != 0
            && ngx_http_profiling_codes[middle] < status)
        {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return status / 100;
}


ngx_int_t
ngx_http_profiling_code_status(ngx_uint_t index, ngx_uint_t *status,
    ngx_uint_t *other)
{
    if (index >= NGX_HTTP_PROFILING_CODES
        || (index && ngx_http_profiling_codes[index] == 0))
    {
        return NGX_DECLINED;
    }

    *status = ngx_http_profiling_codes[index];
    *other = (index >= NGX_HTTP_PROFILING_CODE_OTHER && index <= 5);

    return NGX_OK;
}


uint64_t
ngx_http_profiling_counts_requests(const ngx_http_profiling_counts_t *counts)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < NGX_HTTP_PROFILING_CODES; i++) {
        n += ngx_http_profiling_load(&counts->code[i]);
    }

    return n;
}


uint64_t
ngx_http_profiling_counts_class(const ngx_http_profiling_counts_t *counts,
    ngx_uint_t class)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < NGX_HTTP_PROFILING_CODES; i++) {

        if (ngx_http_profiling_codes[i] / 100 == class && (i == 0) == !class) {
            n += ngx_http_profiling_load(&counts->code[i]);
        }
    }

    return n;
}


void
ngx_http_profiling_counts_sum(ngx_http_profiling_counts_t *dst,
    const ngx_http_profiling_counts_t *src,
    const ngx_http_profiling_counts_t *base)
{
    uint64_t    less;
    ngx_uint_t  i;

    /* base first: it may be set to src meanwhile, but is never above it */

    for (i = 0; i < NGX_HTTP_PROFILING_CODES; i++) {
        less = base ? ngx_http_profiling_load_acquire(&base->code[i]) : 0;
        dst->code[i] += ngx_http_profiling_load(&src->code[i]) - less;
    }

    less = base ? ngx_http_profiling_load_acquire(&base->bytes_in) : 0;
    dst->bytes_in += ngx_http_profiling_load(&src->bytes_in) - less;

    less = base ? ngx_http_profiling_load_acquire(&base->bytes_out) : 0;
    dst->bytes_out += ngx_http_profiling_load(&src->bytes_out) - less;

    ngx_http_profiling_hist_sum(&dst->latency, &src->latency,
                                base ? &base->latency : NULL);
    ngx_http_profiling_hist_sum(&dst->upstream, &src->upstream,
                                base ? &base->upstream : NULL);
}


void
ngx_http_profiling_totals_sum(ngx_http_profiling_totals_t *dst,
    const ngx_http_profiling_totals_t *src,
    const ngx_http_profiling_totals_t *base)
{
    uint64_t        *to, less;
    ngx_uint_t       i;
    const uint64_t  *from, *words;

    to = (uint64_t *) dst;
    from = (const uint64_t *) src;
    words = (const uint64_t *) base;

    for (i = 0;
         i < sizeof(ngx_http_profiling_totals_t) / sizeof(uint64_t);
         i++)
    {
        less = words ? ngx_http_profiling_load_acquire(&words[i]) : 0;
        to[i] += ngx_http_profiling_load(&from[i]) - less;
    }
}
