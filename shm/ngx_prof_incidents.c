
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_incidents.h"
#include "ngx_prof_record.h"


size_t
ngx_prof_incidents_size(ngx_uint_t n)
{
    return sizeof(ngx_prof_incidents_t) + n * sizeof(ngx_prof_incident_t);
}


ngx_uint_t
ngx_prof_incident_due(ngx_prof_incidents_t *incidents, ngx_uint_t reason,
    uint64_t key, uint64_t clock)
{
    uint64_t  latest;

    latest = ngx_prof_load(&incidents->latest[reason]);

    if (key && ngx_prof_load(&incidents->key[reason]) == key) {
        return 0;
    }

    if (latest == 0 || clock >= latest + NGX_PROF_INCIDENT_QUIET) {
        return 1;
    }

    /* what lasts is seen at each tick, and counts once */

    if (key == 0 || ngx_prof_load(&incidents->refused[reason]) != key) {
        ngx_prof_store(&incidents->refused[reason], key);
        (void) __atomic_add_fetch(&incidents->further[reason], 1,
                                  __ATOMIC_RELAXED);
        (void) __atomic_add_fetch(&incidents->suppressed[reason], 1,
                                  __ATOMIC_RELAXED);
    }

    return 0;
}


uint64_t
ngx_prof_incident_raise(ngx_prof_incidents_t *incidents, ngx_uint_t n,
    ngx_uint_t reason, uint64_t key, uint64_t clock, uint64_t pid,
    uint64_t value, const ngx_prof_incident_connections_t *connections,
    const ngx_prof_pause_t *where)
{
    uint64_t              latest, number;
    ngx_prof_incident_t  *incident;

    if (incidents == NULL || n == 0) {
        return 0;
    }

    do {
        latest = ngx_prof_load(&incidents->latest[reason]);

        if (!ngx_prof_incident_due(incidents, reason, key, clock)) {
            return 0;
        }
    } while (!__atomic_compare_exchange_n(&incidents->latest[reason], &latest,
                                          clock, 0, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED));

    ngx_prof_store(&incidents->key[reason], key);
    ngx_prof_store(&incidents->further[reason], 0);
    (void) __atomic_add_fetch(&incidents->total[reason], 1, __ATOMIC_RELAXED);

    number = __atomic_add_fetch(&incidents->number, 1, __ATOMIC_ACQ_REL);
    incident = &incidents->incident[number % n];

    ngx_prof_store(&incident->number, 0);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);

    ngx_prof_store(&incident->reason, reason);
    ngx_prof_store(&incident->clock, clock);
    ngx_prof_store(&incident->pid, pid);
    ngx_prof_store(&incident->value, value);
    ngx_prof_store(&incident->owner, 0);
    ngx_prof_store(&incident->state, NGX_PROF_INCIDENT_RECORDING);
    ngx_prof_store(&incident->tries, 0);
    ngx_prof_store(&incident->sample_n, 0);
    ngx_prof_store(&incident->pause_n, 0);
    ngx_prof_store(&incident->profile_len, 0);

    /* a stall began before it was seen */

    if (reason == NGX_PROF_INCIDENT_STALL) {
        clock -= ngx_min(clock, value);
    }

    ngx_prof_store(&incident->begin,
                   clock - ngx_min(clock - 1, NGX_PROF_INCIDENT_BEFORE));

    incident->connections = *connections;

    if (where) {
        incident->where = *where;

    } else {
        ngx_memzero(&incident->where, sizeof(ngx_prof_pause_t));
    }

    ngx_prof_store_release(&incident->number, number);

    return number;
}


void
ngx_prof_incident_over(ngx_prof_incidents_t *incidents, ngx_uint_t reason)
{
    if (ngx_prof_load(&incidents->key[reason])) {
        ngx_prof_store(&incidents->key[reason], 0);
    }

    if (ngx_prof_load(&incidents->refused[reason])) {
        ngx_prof_store(&incidents->refused[reason], 0);
    }
}


ngx_prof_incident_t *
ngx_prof_incident_find(ngx_prof_incidents_t *incidents, ngx_uint_t n,
    uint64_t number)
{
    ngx_prof_incident_t  *incident;

    if (incidents == NULL || n == 0 || number == 0) {
        return NULL;
    }

    incident = &incidents->incident[number % n];

    return (ngx_prof_load_acquire(&incident->number) == number) ? incident
                                                                : NULL;
}
