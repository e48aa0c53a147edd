
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_connection_list.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


ngx_int_t
ngx_prof_connections_next(const ngx_prof_dumps_t *g, ngx_uint_t limit,
    ngx_prof_list_cursor_t *cursor, ngx_prof_listed_t *listed)
{
    ngx_prof_dump_page_t    *page;
    ngx_prof_worker_dump_t  *w;

    if (cursor->n == limit) {
        return NGX_DONE;
    }

    for ( ;; ) {

        if (cursor->worker == g->ask.workers.nelts) {

            if (cursor->listed) {
                return NGX_DONE;
            }

            cursor->listed = 1;
            cursor->worker = 0;
            continue;
        }

        w = g->ask.workers.elts;
        w += cursor->worker;

        listed->worker = w;

        if (!cursor->listed) {
            cursor->worker++;

            if (w->asked.state == NGX_PROF_ASKED_STUCK) {
                listed->detail = NULL;
                listed->id = NGX_PROF_ID_WORKER | (uint64_t) w->asked.pid;
                break;
            }

            continue;
        }

        page = cursor->page;

        if (page == NULL && w->asked.state == NGX_PROF_ASKED_ANSWERED) {
            page = w->pages;
        }

        if (page) {
            listed->detail = ngx_prof_dump_next((u_char *) (page + 1),
                                              page->used, w->head.groups,
                                              &cursor->offset);
            if (listed->detail) {
                listed->id = listed->detail->id;
                break;
            }
        }

        cursor->page = page ? page->next : NULL;
        cursor->worker += (cursor->page == NULL);
        cursor->offset = 0;
    }

    cursor->n++;

    return NGX_OK;
}


ngx_uint_t
ngx_prof_connections_none(const ngx_prof_dumps_t *g, ngx_uint_t limit)
{
    ngx_prof_listed_t       listed;
    ngx_prof_list_cursor_t  cursor;

    ngx_memzero(&cursor, sizeof(ngx_prof_list_cursor_t));

    return ngx_prof_connections_next(g, limit, &cursor, &listed)
           == NGX_DONE;
}


uint64_t
ngx_prof_connections_total(void)
{
    uint64_t          n;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    n = 0;
    zone = ngx_prof_process.zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load(&slot->claims)
            && ngx_prof_slot_pid(slot)
            && ngx_prof_slot_alive(slot))
        {
            n += ngx_prof_load(&slot->gauges.connections);
        }
    }

    return n;
}
