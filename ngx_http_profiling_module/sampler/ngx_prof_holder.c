
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <sys/epoll.h>
#include "ngx_prof_holder.h"
#include "ngx_prof_context.h"
#include "ngx_prof_slice.h"


void
ngx_prof_holder(ngx_prof_holder_t *holder)
{
    uintptr_t          c;
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    ngx_memzero(holder, sizeof(ngx_prof_holder_t));

    if (!s->on && ngx_prof_dispatch.n == 1) {

        /* the pass was that of one event */

        c = (uintptr_t) ngx_prof_dispatch.events[0].data.ptr & ~(uintptr_t) 1;
        s->connection = ngx_prof_context((ngx_connection_t *) c)
                        ? (ngx_connection_t *) c : NULL;
        s->marked = 0;
        s->number = 0;
        s->method = 0;

        ngx_prof_slice_latest();

        holder->place = s->marked;
        holder->number = s->number;
        holder->method = s->method;

    } else if (s->on && s->longest) {
        holder->loop = s->longest;
        holder->slice = s->longest_start;
        holder->place = s->longest_by;
        holder->number = s->longest_number;
        holder->method = s->longest_method;
    }
}


const char *
ngx_prof_holder_method(uint64_t method)
{
    ngx_uint_t  i;

    static const char *const  names[] = {
        "GET", "HEAD", "POST", "PUT", "DELETE", "MKCOL", "COPY", "MOVE",
        "OPTIONS", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "PATCH", "TRACE"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        if (method == (uint64_t) NGX_HTTP_GET << i) {
            return names[i];
        }
    }

    return NULL;
}
