
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_dump_area.h"


/* share of a copy's bytes that groups get */
#define NGX_PROF_DUMP_SHARE  4

/* bytes of a head without its sequence number */
#define NGX_PROF_DUMP_HEAD                                                    \
    (sizeof(ngx_prof_dump_copy_t)                                             \
     - offsetof(ngx_prof_dump_copy_t, number))


static ngx_int_t ngx_prof_dump_read(const ngx_prof_dump_area_t *area,
    ngx_uint_t i, ngx_prof_dump_copy_t *head);


ngx_uint_t
ngx_prof_dump_groups(size_t size)
{
    return size / NGX_PROF_DUMP_SHARE
           / sizeof(ngx_prof_dump_group_t);
}


size_t
ngx_prof_dump_room(size_t size)
{
    return size - ngx_prof_dump_groups(size)
                  * sizeof(ngx_prof_dump_group_t);
}


ngx_prof_dump_group_t *
ngx_prof_dump_group(const ngx_prof_dump_area_t *area, size_t size,
    ngx_uint_t copy)
{
    return (ngx_prof_dump_group_t *)
               ((u_char *) area + sizeof(ngx_prof_dump_area_t) + copy * size);
}


u_char *
ngx_prof_dump_details(const ngx_prof_dump_area_t *area, size_t size,
    ngx_uint_t copy)
{
    return (u_char *) (ngx_prof_dump_group(area, size, copy)
                       + ngx_prof_dump_groups(size));
}


uint64_t
ngx_prof_dump_ask(ngx_prof_dump_area_t *area, ngx_uint_t limit)
{
    uint64_t  asked, next;

    asked = ngx_prof_load(&area->asked);

    do {
        next = (ngx_prof_dump_number(asked) + 1)
               << NGX_PROF_DUMP_BITS
               | ngx_max(ngx_prof_dump_limit(asked), limit);

    } while (!__atomic_compare_exchange_n(&area->asked, &asked, next, 0,
                                          __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));

    return ngx_prof_dump_number(next);
}


/* number and limit share a word, so that no limit is lost */

uint64_t
ngx_prof_dump_take(ngx_prof_dump_area_t *area, ngx_uint_t *limit)
{
    uint64_t  asked, next, number;

    asked = ngx_prof_load_acquire(&area->asked);

    do {
        number = ngx_prof_dump_number(asked);

        if (number == ngx_prof_load(&area->begun)) {
            return 0;
        }

        next = number << NGX_PROF_DUMP_BITS;

    } while (!__atomic_compare_exchange_n(&area->asked, &asked, next, 0,
                                          __ATOMIC_SEQ_CST,
                                          __ATOMIC_ACQUIRE));

    *limit = ngx_prof_dump_limit(asked);

    ngx_prof_store_release(&area->begun, number);

    return number;
}


ngx_int_t
ngx_prof_dump_ask_part(ngx_prof_dump_area_t *area, uint64_t cursor,
    ngx_uint_t limit, uint64_t now)
{
    uint64_t  asked;

    asked = ngx_prof_load(&area->lease);

    /* the other process's clock may be a little ahead */

    if ((asked
         && now + NGX_PROF_DUMP_LEASE - asked < 2 * NGX_PROF_DUMP_LEASE)
        || !__atomic_compare_exchange_n(&area->lease, &asked, now, 0,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
    {
        return NGX_BUSY;
    }

    __atomic_store_n(&area->part,
                     cursor << NGX_PROF_DUMP_CURSOR_BITS
                     | ngx_min(limit, NGX_PROF_DUMP_LIMIT_MAX),
                     __ATOMIC_SEQ_CST);

    return NGX_OK;
}


uint64_t
ngx_prof_dump_take_part(ngx_prof_dump_area_t *area, ngx_uint_t *limit)
{
    uint64_t  question;

    question = __atomic_exchange_n(&area->part, 0, __ATOMIC_SEQ_CST);

    *limit = question & (((uint64_t) 1 << NGX_PROF_DUMP_CURSOR_BITS) - 1);

    return question >> NGX_PROF_DUMP_CURSOR_BITS;
}


ngx_uint_t
ngx_prof_dump_begin(ngx_prof_dump_area_t *area)
{
    uint64_t    seq;
    ngx_uint_t  i;

    i = (area->copy[0].number > area->copy[1].number);

    /* a copy that a killed owner left half written is the oldest */

    if ((area->copy[0].seq ^ area->copy[1].seq) & 1) {
        i = area->copy[1].seq & 1;
    }

    seq = area->copy[i].seq;

    __atomic_store_n(&area->copy[i].seq, seq + 1 + (seq & 1),
                     __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);

    return i;
}


void
ngx_prof_dump_end(ngx_prof_dump_area_t *area, ngx_uint_t copy,
    const ngx_prof_dump_copy_t *head)
{
    ngx_prof_copy_words(&area->copy[copy].number, &head->number,
                        NGX_PROF_DUMP_HEAD);

    ngx_prof_store_release(&area->copy[copy].seq, area->copy[copy].seq + 1);
}


ngx_int_t
ngx_prof_dump_find(const ngx_prof_dump_area_t *area, uint64_t number,
    ngx_pid_t pid, ngx_prof_dump_copy_t *head)
{
    uint64_t              latest;
    ngx_int_t             found;
    ngx_uint_t            i;
    ngx_prof_dump_copy_t  copy;

    found = NGX_DECLINED;
    latest = 0;

    for (i = 0; i < 2; i++) {

        if (ngx_prof_dump_read(area, i, &copy) == NGX_OK
            && copy.number >= number
            && copy.number > latest
            && copy.pid == (uint64_t) pid)
        {
            found = i;
            latest = copy.number;
            *head = copy;
        }
    }

    return found;
}


ngx_int_t
ngx_prof_dump_find_part(const ngx_prof_dump_area_t *area, uint64_t cursor,
    uint64_t clock, ngx_pid_t pid, ngx_prof_dump_copy_t *head)
{
    ngx_uint_t  i;

    for (i = 0; i < 2; i++) {

        if (ngx_prof_dump_read(area, i, head) == NGX_OK
            && head->from == cursor
            && head->clock >= clock
            && head->pid == (uint64_t) pid)
        {
            return i;
        }
    }

    return NGX_DECLINED;
}


void
ngx_prof_dump_release_part(ngx_prof_dump_area_t *area, uint64_t asked)
{
    (void) __atomic_compare_exchange_n(&area->lease, &asked, 0, 0,
                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}


static ngx_int_t
ngx_prof_dump_read(const ngx_prof_dump_area_t *area, ngx_uint_t i,
    ngx_prof_dump_copy_t *head)
{
    uint64_t  seq;

    seq = ngx_prof_load_acquire(&area->copy[i].seq);

    if (seq & 1) {
        return NGX_DECLINED;
    }

    ngx_prof_copy_words(head, &area->copy[i], sizeof(ngx_prof_dump_copy_t));

    return ngx_prof_dump_same(area, i, seq) ? NGX_OK : NGX_DECLINED;
}


ngx_uint_t
ngx_prof_dump_same(const ngx_prof_dump_area_t *area, ngx_uint_t copy,
    uint64_t seq)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    return ngx_prof_load(&area->copy[copy].seq) == seq;
}


ngx_uint_t
ngx_prof_dump_fits(const ngx_prof_dump_copy_t *head, size_t size)
{
    return head->groups <= ngx_prof_dump_groups(size)
           && head->used <= ngx_prof_dump_room(size)
           && head->used % sizeof(uint64_t) == 0;
}


void
ngx_prof_dump_mend(ngx_prof_dump_group_t *groups, ngx_uint_t n)
{
    ngx_uint_t              i;
    ngx_prof_dump_group_t  *g;

    for (i = 0; i < n; i++) {
        g = &groups[i];

        if (g->kind >= NGX_PROF_KINDS) {
            g->kind = NGX_PROF_KIND_OTHER;
        }

        if (g->state >= NGX_PROF_DUMP_STATES) {
            g->state = NGX_PROF_DUMP_OTHER;
        }

        g->depth = ngx_min(g->depth, NGX_PROF_DUMP_STACK);
    }
}


ngx_prof_dump_detail_t *
ngx_prof_dump_next(u_char *details, size_t used, ngx_uint_t groups,
    size_t *offset)
{
    size_t                   len;
    ngx_uint_t               i;
    ngx_prof_dump_detail_t  *d;

    len = sizeof(ngx_prof_dump_detail_t);

    if (*offset > used || used - *offset < len) {
        return NULL;
    }

    d = (ngx_prof_dump_detail_t *) (details + *offset);

    for (i = 0; i < NGX_PROF_DUMP_TEXTS; i++) {
        len += d->len[i];
    }

    if (d->size < len || d->size > used - *offset
        || d->size % sizeof(uint64_t) || d->group >= groups)
    {
        return NULL;
    }

    *offset += d->size;

    return d;
}
