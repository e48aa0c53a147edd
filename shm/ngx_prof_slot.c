
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


static void ngx_prof_words_sum(void *dst, const void *src, const void *base,
    size_t size);


/* bytes of a pause from number on: what seq guards */
#define NGX_PROF_PAUSE_BODY                                                   \
    (sizeof(ngx_prof_pause_t)                                                 \
     - offsetof(ngx_prof_pause_t, number))


/*
 * Statuses that nginx sends or knows by name, and those of RFC 9110 and its
 * registry.  The indices are part of the layout of the zone.
 */

#define NGX_PROF_CODE_OTHER  1

static const uint16_t  ngx_prof_codes[NGX_PROF_CODES] = {
    0, 100, 200, 300, 400, 500,           /* 1 to 5: the rest of a class */

    101, 102, 103,
    200, 201, 202, 203, 204, 205, 206, 207, 208, 226,
    300, 301, 302, 303, 304, 307, 308,
    400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413,
    414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431,
    444, 451, 494, 495, 496, 497, 498, 499,
    500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 520, 521, 522
};


void
ngx_prof_slot_pause(ngx_prof_slot_t *slot, uint64_t clock, uint64_t duration,
    ngx_uint_t cause)
{
    ngx_prof_pause_t  pause;

    ngx_memzero(&pause, sizeof(ngx_prof_pause_t));

    pause.duration = duration;
    pause.cause = cause;

    ngx_prof_slot_pause_add(slot, clock, &pause);
}


void
ngx_prof_slot_pause_add(ngx_prof_slot_t *slot, uint64_t clock,
    ngx_prof_pause_t *pause)
{
    ngx_prof_pause_t  *p;

    ngx_prof_add(&slot->totals.pauses, 1);
    ngx_prof_add(&slot->totals.pause_total, pause->duration);
    ngx_prof_store(&slot->last_pause, pause->duration);
    ngx_prof_store(&slot->last_pause_clock, clock);

    pause->number = slot->totals.pauses;
    pause->clock = clock;
    pause->pid = slot->owner;

    p = &slot->pause[pause->number % NGX_PROF_PAUSES];

    ngx_prof_record_write(&p->seq, &p->number, &pause->number,
                          NGX_PROF_PAUSE_BODY);

    if (pause->duration >= NGX_PROF_PAUSE_LONG) {
        ngx_prof_store_release(&slot->last_stall, pause->number);
    }
}


void
ngx_prof_slot_sample(const ngx_prof_slot_t *slot, ngx_prof_sample_t *s)
{
    const ngx_prof_totals_t  *t;

    t = &slot->totals;

    ngx_memzero(s, sizeof(ngx_prof_sample_t));

    s->tasks = (uint32_t) ngx_prof_load(&t->tasks);
    s->total_alloc = ngx_prof_load(&t->total_alloc);
    s->mallocs = ngx_prof_load(&t->mallocs);
    s->frees = ngx_prof_load(&t->frees);
    s->pause_total = ngx_prof_load(&t->pause_total);
    s->requests = ngx_prof_counts_requests(&slot->all);
    s->errors = ngx_prof_counts_class(&slot->all, 5);
    s->cpu = ngx_prof_load(&t->user) + ngx_prof_load(&t->system);
    s->pauses = (uint32_t) ngx_prof_load(&t->pauses);
    s->last_pause = (uint32_t) ngx_min(ngx_prof_load(&slot->last_pause) / 1000,
                                       0xffffffff);
}


ngx_int_t
ngx_prof_pause_read(const ngx_prof_pause_t *from, ngx_prof_pause_t *to)
{
    return ngx_prof_record_read(&from->seq, &to->number,
                                &from->number,
                                NGX_PROF_PAUSE_BODY);
}


ngx_uint_t
ngx_prof_code_find(ngx_uint_t status)
{
    ngx_uint_t  low, high, middle;

    if (status < 100) {
        return 0;
    }

    /* RFC 9110, 15: a status of an invalid class is treated as 5xx */

    if (status > 599) {
        return 5;
    }

    if (status == 200) {
        return 9;
    }

    low = 6;
    high = NGX_PROF_CODES;

    while (low < high) {
        middle = (low + high) / 2;

        if (ngx_prof_codes[middle] == status) {
            return middle;
        }

        if (ngx_prof_codes[middle] != 0 && ngx_prof_codes[middle] < status) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return status / 100;
}


ngx_int_t
ngx_prof_code_status(ngx_uint_t index, ngx_uint_t *status, ngx_uint_t *other)
{
    if (index >= NGX_PROF_CODES || (index && ngx_prof_codes[index] == 0)) {
        return NGX_DECLINED;
    }

    *status = ngx_prof_codes[index];
    *other = (index >= NGX_PROF_CODE_OTHER && index <= 5);

    return NGX_OK;
}


uint64_t
ngx_prof_counts_requests(const ngx_prof_counts_t *counts)
{
    return ngx_prof_plain_requests(&counts->plain);
}


uint64_t
ngx_prof_plain_requests(const ngx_prof_plain_t *plain)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < NGX_PROF_CODES; i++) {
        n += ngx_prof_load(&plain->code[i]);
    }

    return n;
}


uint64_t
ngx_prof_counts_class(const ngx_prof_counts_t *counts, ngx_uint_t class)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < NGX_PROF_CODES; i++) {

        if (ngx_prof_codes[i] / 100 == class && (i == 0) == !class) {
            n += ngx_prof_load(&counts->plain.code[i]);
        }
    }

    return n;
}


void
ngx_prof_plain_sum(ngx_prof_plain_t *dst, const ngx_prof_plain_t *src,
    const ngx_prof_plain_t *base)
{
    ngx_prof_words_sum(dst, src, base, sizeof(ngx_prof_plain_t));
}


void
ngx_prof_counts_sum(ngx_prof_counts_t *dst, const ngx_prof_counts_t *src,
    const ngx_prof_counts_t *base)
{
    ngx_prof_plain_sum(&dst->plain, &src->plain, base ? &base->plain : NULL);
    ngx_prof_hist_sum(&dst->latency, &src->latency,
                      base ? &base->latency : NULL);
    ngx_prof_hist_sum(&dst->upstream, &src->upstream,
                      base ? &base->upstream : NULL);
}


void
ngx_prof_totals_sum(ngx_prof_totals_t *dst, const ngx_prof_totals_t *src,
    const ngx_prof_totals_t *base)
{
    ngx_prof_words_sum(dst, src, base, sizeof(ngx_prof_totals_t));
}


static void
ngx_prof_words_sum(void *dst, const void *src, const void *base, size_t size)
{
    uint64_t        *to, less;
    ngx_uint_t       i;
    const uint64_t  *from, *words;

    to = dst;
    from = src;
    words = base;

    /* read base first: a new owner may set base to src, but never above it */

    for (i = 0; i < size / sizeof(uint64_t); i++) {
        less = words ? ngx_prof_load_acquire(&words[i]) : 0;
        to[i] += ngx_prof_load(&from[i]) - less;
    }
}
