
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_incident.h"
#include "ngx_prof_base.h"
#include "ngx_prof_record.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


void
ngx_prof_incident(ngx_uint_t reason, uint64_t key, uint64_t pid,
    uint64_t value, const ngx_prof_pause_t *where)
{
    uint64_t                          now;
    ngx_uint_t                        i;
    ngx_prof_slot_t                  *slot;
    ngx_prof_zone_t                  *zone;
    ngx_prof_gauges_t                 g;
    ngx_prof_incident_connections_t   c;

    zone = ngx_prof_process.zone;
    now = ngx_prof_clock();

    if (zone->incidents == NULL
        || !ngx_prof_incident_due(zone->incidents, reason, key, now))
    {
        return;
    }

    ngx_memzero(&c, sizeof(ngx_prof_incident_connections_t));

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load(&slot->owner) == 0
            || ngx_prof_record_read(&slot->gauges_seq, &g, &slot->gauges,
                                    sizeof(ngx_prof_gauges_t))
               != NGX_OK)
        {
            continue;
        }

        c.active += g.active;
        c.reading += g.reading;
        c.writing += g.writing;
        c.waiting += g.waiting;
        c.upstream += g.upstream;
        c.keepalive += g.keepalive;
        c.other += g.other;
        c.streams += g.streams;
        c.free += g.free;
    }

    (void) ngx_prof_incident_raise(zone->incidents, zone->incident_n, reason,
                                   key, now, pid, value, &c, where);
}


void
ngx_prof_incident_stall(uint64_t duration, const ngx_prof_pause_t *pause)
{
    if (duration >= NGX_PROF_PAUSE_LONG) {
        ngx_prof_incident(NGX_PROF_INCIDENT_STALL, 0,
                          ngx_prof_process.slot->owner, duration, pause);
    }
}
