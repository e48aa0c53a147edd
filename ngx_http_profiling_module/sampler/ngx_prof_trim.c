
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_trim.h"
#include "ngx_prof_allocator.h"
#include "ngx_prof_base.h"
#include "ngx_prof_heap_size.h"
#include "ngx_prof_loop.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_wake.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* ms after which one that does not answer may have ended */
#define NGX_PROF_TRIM_LATE  200


static ngx_int_t ngx_prof_trim_mail(ngx_prof_ask_t *a, ngx_prof_asked_t *to);
static ngx_int_t ngx_prof_trim_look(ngx_prof_ask_t *a, ngx_prof_asked_t *to);
static void ngx_prof_trim_read(ngx_prof_trim_heap_t *heap);


static const ngx_prof_question_t  ngx_prof_trim_question = {
    sizeof(ngx_prof_trim_worker_t), 1, NGX_PROF_TRIM_LATE,
    NGX_PROF_TRIM_DEADLINE,
    ngx_prof_trim_mail, ngx_prof_trim_look, NULL
};


ngx_prof_ask_t *
ngx_prof_trim_ask(ngx_pool_t *pool, ngx_log_t *log, ngx_pid_t worker,
    void (*done)(void *data), void *data)
{
    ngx_prof_ask_t  *a;

    a = ngx_prof_ask_create(pool, sizeof(ngx_prof_ask_t),
                            &ngx_prof_trim_question, done, data);

    return (a && ngx_prof_ask_start(a, worker, log) == NGX_OK) ? a : NULL;
}


static ngx_int_t
ngx_prof_trim_mail(ngx_prof_ask_t *a, ngx_prof_asked_t *to)
{
    to->number = __atomic_add_fetch(&to->slot->trim.asked, 1,
                                    __ATOMIC_SEQ_CST);

    return NGX_OK;
}


static ngx_int_t
ngx_prof_trim_look(ngx_prof_ask_t *a, ngx_prof_asked_t *to)
{
    ngx_prof_trim_t  *trim;

    trim = &((ngx_prof_trim_worker_t *) to)->trim;

    if (ngx_prof_record_read(&to->slot->trim.seq, &trim->done,
                             &to->slot->trim.done, NGX_PROF_TRIM_BODY)
        == NGX_OK
        && trim->done >= to->number
        && trim->pid == (uint64_t) to->pid)
    {
        to->state = NGX_PROF_ASKED_ANSWERED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_prof_trim_reserve(void)
{
    uint64_t          last, now;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;
    last = ngx_prof_load(&zone->header->trim_clock);
    now = ngx_prof_clock();

    if ((last && now < last + NGX_PROF_TRIM_INTERVAL * NGX_PROF_NSEC_PER_MSEC)
        || !__atomic_compare_exchange_n(&zone->header->trim_clock, &last, now,
                                        0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    {
        return NGX_BUSY;
    }

    return NGX_OK;
}


void
ngx_prof_trim_answer(void)
{
    uint64_t          start;
    ngx_prof_slot_t  *slot;
    ngx_prof_trim_t   trim;

    slot = ngx_prof_process.slot;

    ngx_memzero(&trim, sizeof(ngx_prof_trim_t));
    trim.done = ngx_prof_load_acquire(&slot->trim.asked);

    if (trim.done == slot->trim.done) {
        return;
    }

    start = ngx_prof_clock();

    ngx_prof_trim_read(&trim.before);

    trim.trimmed = (ngx_prof_allocator_trim() == NGX_OK);

    ngx_prof_trim_read(&trim.after);

    trim.pid = ngx_pid;
    trim.duration = ngx_prof_clock() - start;

    ngx_prof_add(&slot->totals.trims, 1);
    ngx_prof_loop_pause(trim.duration, NGX_PROF_CAUSE_TRIM);

    ngx_prof_record_write(&slot->trim.seq, &slot->trim.done,
                          &trim.done,
                          NGX_PROF_TRIM_BODY);

    ngx_prof_wake_awaiting();
}


static void
ngx_prof_trim_read(ngx_prof_trim_heap_t *heap)
{
    ngx_prof_heap_t  h;

    if (ngx_prof_heap_size_ask(&h) == NGX_OK) {
        heap->alloc = h.alloc;
        heap->sys = h.sys;
        heap->resident = h.resident;
    }

    heap->anonymous = ngx_prof_system_anonymous();
}
