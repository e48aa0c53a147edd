
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_slow_view.h"
#include "ngx_prof_anonymous.h"
#include "ngx_prof_holder.h"
#include "ngx_prof_json.h"
#include "ngx_prof_label.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_view.h"
#include "ngx_prof_worker.h"


static const ngx_prof_slow_t *ngx_prof_slow_before(uint64_t number);
static void ngx_prof_slow_print(ngx_prof_json_t *j, const ngx_prof_slow_t *s);
static void ngx_prof_slow_uri(ngx_prof_json_t *j, const ngx_prof_slow_t *s);
static void ngx_prof_slow_parts(ngx_prof_json_t *j, const ngx_prof_slow_t *s);


static const char *const  ngx_prof_slow_kinds[NGX_PROF_PART_KINDS] = {
    "client", "sending", "upstream", "timer", "other", "loop", "wait"
};


const ngx_prof_slow_t *
ngx_prof_slow_find(uint64_t number)
{
    const ngx_prof_slow_t  *slow;

    slow = ngx_prof_slow_before(number + 1);

    return (slow && slow->number == number) ? slow : NULL;
}


/* the one with the largest number below this one */

static const ngx_prof_slow_t *
ngx_prof_slow_before(uint64_t number)
{
    ngx_uint_t               i;
    ngx_prof_slow_t          slow;
    ngx_prof_slow_table_t   *table;
    static ngx_prof_slow_t   found;

    table = ngx_prof_process.zone->slow;
    found.number = 0;

    for (i = 0; table && i < table->keep; i++) {

        if (ngx_prof_slow_read(table, i, &slow) == NGX_OK
            && slow.number < number
            && slow.number > found.number)
        {
            found = slow;
        }
    }

    return found.number ? &found : NULL;
}


/* one a step: they are looked for in all that are kept */

ngx_int_t
ngx_prof_slow_view(ngx_prof_work_t *w)
{
    ngx_prof_json_t         *j;
    ngx_prof_slow_table_t   *table;
    const ngx_prof_slow_t   *slow;

    j = &w->json;
    table = ngx_prof_process.zone->slow;

    if (w->report) {
        slow = ngx_prof_slow_find(w->report);

        if (slow == NULL) {
            return NGX_ERROR;
        }

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_slow_print(j, slow);
        ngx_prof_slow_parts(j, slow);
        ngx_prof_json_close(j, '}');

        return NGX_DONE;
    }

    if (w->next == 0) {
        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_uint(j, "total",
                           table ? ngx_prof_load(&table->number) : 0);
        ngx_prof_json_uint(j, "dropped",
                           table ? ngx_prof_load(&table->dropped) : 0);
        ngx_prof_json_uint(j, "keep", table ? table->keep : 0);
        ngx_prof_json_open(j, "requests", '[');
        w->since = (uint64_t) -1;
    }

    slow = ngx_prof_slow_before(w->since);

    if (slow && w->next++ < table->keep) {
        w->since = slow->number;

        if (w->worker == 0 || (uint64_t) w->worker == slow->pid) {
            ngx_prof_json_open(j, NULL, '{');
            ngx_prof_slow_print(j, slow);
            ngx_prof_json_close(j, '}');
        }

        return NGX_AGAIN;
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


static void
ngx_prof_slow_print(ngx_prof_json_t *j, const ngx_prof_slow_t *s)
{
    ngx_uint_t   i;
    const char  *method;

    ngx_prof_json_uint(j, "id", s->number);
    ngx_prof_view_day(j, "time", s->clock);
    ngx_prof_json_uint(j, "worker", s->pid);
    ngx_prof_json_uint(j, "connection", s->connection);

    method = ngx_prof_holder_method(s->method);

    if (method) {
        ngx_prof_json_cstring(j, "method", method);

    } else {
        ngx_prof_json_null(j, "method");
    }

    ngx_prof_slow_uri(j, s);
    ngx_prof_view_place(j, s->label);
    ngx_prof_json_uint(j, "status", s->status);
    ngx_prof_json_double(j, "seconds", (double) s->total / 1e9);
    ngx_prof_json_double(j, "cpu_seconds", (double) s->cpu / 1e9);
    ngx_prof_json_double(j, "blocked_seconds", (double) s->blocked / 1e9);
    ngx_prof_json_uint(j, "alloc_bytes", s->alloc);

    ngx_prof_json_open(j, "by", '{');

    for (i = 0; i < NGX_PROF_PART_KINDS; i++) {
        ngx_prof_json_double(j, ngx_prof_slow_kinds[i],
                             (double) s->sum[i] / 1e9);
    }

    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_slow_uri(ngx_prof_json_t *j, const ngx_prof_slow_t *s)
{
    u_char   name[NGX_PROF_ANONYMOUS_LEN], *end;

    if (ngx_prof_setting(NGX_PROF_ANONYMIZE)) {
        end = ngx_prof_anonymous(name, "uri", s->uri, s->uri_len);
        ngx_prof_json_string(j, "uri", name, end - name);

    } else {
        ngx_prof_json_string(j, "uri", s->uri, s->uri_len);
    }
}


static void
ngx_prof_slow_parts(ngx_prof_json_t *j, const ngx_prof_slow_t *s)
{
    ngx_uint_t              i;
    const ngx_prof_part_t  *p;

    ngx_prof_json_bool(j, "joined", s->joined != 0);
    ngx_prof_json_open(j, "parts", '[');

    for (i = 0; i < s->parts; i++) {
        p = &s->part[i];

        if (p->kind >= NGX_PROF_PART_KINDS) {
            continue;
        }

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_cstring(j, "what", ngx_prof_slow_kinds[p->kind]);
        ngx_prof_json_double(j, "start_seconds", (double) p->start / 1e9);
        ngx_prof_json_double(j, "seconds", (double) p->duration / 1e9);

        if (p->kind == NGX_PROF_PART_WAIT) {
            ngx_prof_json_open(j, "for", '{');
            ngx_prof_view_place(j, ngx_prof_label(p->holder, 0,
                                                  NGX_PROF_STATE_OTHER));
            ngx_prof_json_close(j, '}');
        }

        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
}
