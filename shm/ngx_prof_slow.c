
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slow.h"
#include "ngx_prof_units.h"


static void ngx_prof_slow_write(ngx_prof_slow_t *entry,
    const ngx_prof_slow_t *slow);
static ngx_prof_slow_t *ngx_prof_slow_fastest(ngx_prof_slow_table_t *table);


size_t
ngx_prof_slow_size(ngx_uint_t keep)
{
    return sizeof(ngx_prof_slow_table_t)
           + (keep - 1) * sizeof(ngx_prof_slow_t);
}


uint64_t
ngx_prof_slow_add(ngx_prof_slow_table_t *table, ngx_prof_slow_t *slow,
    uint64_t rate, ngx_uint_t (*alive)(uint64_t claim))
{
    uint64_t          owner, second;
    ngx_prof_slow_t  *entry, *old;

    owner = ngx_prof_load(&table->lock);

    if ((owner && alive(owner))
        || !__atomic_compare_exchange_n(&table->lock, &owner, slow->owner, 0,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    {
        (void) __atomic_fetch_add(&table->dropped, 1, __ATOMIC_RELAXED);
        return 0;
    }

    second = slow->clock / NGX_PROF_NSEC_PER_SEC;

    if (table->second != second) {
        table->second = second;
        table->kept = 0;
    }

    if (table->kept >= rate) {
        ngx_prof_store_release(&table->lock, 0);
        (void) __atomic_fetch_add(&table->dropped, 1, __ATOMIC_RELAXED);
        return 0;
    }

    table->kept++;
    slow->number = table->number + 1;
    ngx_prof_store(&table->number, slow->number);

    /* the first half has the latest; what leaves it may be slow */

    entry = &table->entry[slow->number % ((table->keep + 1) / 2)];
    old = ngx_prof_slow_fastest(table);

    if (entry->number && old && entry->total > old->total) {
        ngx_prof_slow_write(old, entry);
    }

    ngx_prof_slow_write(entry, slow);

    ngx_prof_store_release(&table->lock, 0);

    return slow->number;
}


static void
ngx_prof_slow_write(ngx_prof_slow_t *entry, const ngx_prof_slow_t *slow)
{
    ngx_prof_record_write(&entry->seq, &entry->number, &slow->number,
                          NGX_PROF_SLOW_BODY);
}


/* of the second half; NULL: it has no entries */

static ngx_prof_slow_t *
ngx_prof_slow_fastest(ngx_prof_slow_table_t *table)
{
    ngx_uint_t        i;
    ngx_prof_slow_t  *fastest;

    fastest = NULL;

    for (i = (table->keep + 1) / 2; i < table->keep; i++) {

        if (fastest == NULL || table->entry[i].total < fastest->total) {
            fastest = &table->entry[i];
        }
    }

    return fastest;
}


ngx_int_t
ngx_prof_slow_claim(ngx_prof_slow_table_t *table, uint64_t claim,
    ngx_uint_t (*alive)(uint64_t claim))
{
    uint64_t    owner, living;
    ngx_uint_t  i;

    living = claim;

    for (i = 0; i < NGX_PROF_SLOW_LIVE; i++) {
        owner = ngx_prof_load(&table->owner[i]);

        if (owner == living) {
            continue;
        }

        if (owner && alive(owner)) {
            living = owner;
            continue;
        }

        if (__atomic_compare_exchange_n(&table->owner[i], &owner, claim, 0,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        {
            return i;
        }
    }

    return -1;
}


void
ngx_prof_slow_live(ngx_prof_slow_table_t *table, ngx_uint_t i,
    const ngx_prof_slow_t *slow)
{
    ngx_prof_slow_write(&table->live[i], slow);
}


void
ngx_prof_slow_release(ngx_prof_slow_table_t *table, ngx_uint_t i)
{
    ngx_prof_store_release(&table->owner[i], 0);
}


ngx_int_t
ngx_prof_slow_read(const ngx_prof_slow_table_t *table, ngx_uint_t i,
    ngx_prof_slow_t *slow)
{
    uint64_t                owner;
    ngx_uint_t              live;
    const ngx_prof_slow_t  *entry;

    live = (i >= table->keep);

    if (live) {
        i -= table->keep;

        if (i >= NGX_PROF_SLOW_LIVE) {
            return NGX_DECLINED;
        }

        owner = ngx_prof_load(&table->owner[i]);
        entry = &table->live[i];

    } else {
        owner = 0;
        entry = &table->entry[i];
    }

    if (ngx_prof_record_read(&entry->seq, &slow->number, &entry->number,
                             NGX_PROF_SLOW_BODY)
        != NGX_OK
        || slow->parts > NGX_PROF_SLOW_PARTS
        || slow->tries > NGX_PROF_SLOW_TRIES
        || slow->uri_len > NGX_PROF_SLOW_URI)
    {
        return NGX_DECLINED;
    }

    /* who has just claimed it has not written it yet */

    if (live ? (owner == 0 || slow->owner != owner || slow->number)
             : slow->number == 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}
