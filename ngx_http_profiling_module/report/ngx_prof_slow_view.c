
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_slow_view.h"
#include "ngx_prof_anonymous.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_holder.h"
#include "ngx_prof_json.h"
#include "ngx_prof_label.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_slow.h"
#include "ngx_prof_view.h"
#include "ngx_prof_worker.h"


/* requests in an answer, and of these at most */
#define NGX_PROF_SLOW_LIMIT      256
#define NGX_PROF_SLOW_LIMIT_MAX  1000

/* entries that are looked at in one step */
#define NGX_PROF_SLOW_CHUNK      32


/* an entry of the table that is reported, in order */

typedef struct {
    uint64_t    order;
    uint64_t    clock;
    ngx_uint_t  entry;
} ngx_prof_slow_listed_t;


typedef struct {
    ngx_str_t                location;      /* data NULL: any */
    ngx_str_t                server;
    ngx_uint_t               sort;          /* index */
    ngx_uint_t               limit;
    ngx_uint_t               perfetto;

    ngx_uint_t               entry;         /* to look at next */
    ngx_uint_t               n;
    ngx_uint_t               told;
    ngx_prof_slow_listed_t  *listed;        /* n of them, of limit */
} ngx_prof_slow_list_t;


/* what requests are sorted by: the largest first */

typedef struct {
    ngx_str_t   name;
    size_t      offset;                     /* in ngx_prof_slow_t */
} ngx_prof_slow_sort_t;


static ngx_int_t ngx_prof_slow_argument(ngx_prof_work_t *w,
    const char *name, ngx_str_t *to);
static ngx_int_t ngx_prof_slow_collect(ngx_prof_work_t *w);
static ngx_uint_t ngx_prof_slow_wanted(const ngx_prof_work_t *w,
    const ngx_prof_slow_t *slow);
static ngx_uint_t ngx_prof_slow_is(const ngx_str_t *wanted,
    const ngx_str_t *name);
static void ngx_prof_slow_insert(ngx_prof_slow_list_t *list,
    const ngx_prof_slow_t *slow, ngx_uint_t entry);
static ngx_int_t ngx_prof_slow_next(ngx_prof_work_t *w);
static void ngx_prof_slow_print(ngx_prof_json_t *j, const ngx_prof_slow_t *s);
static void ngx_prof_slow_place(ngx_prof_json_t *j, const char *key,
    uint64_t place);
static void ngx_prof_slow_by(ngx_prof_json_t *j, const ngx_prof_slow_t *s);
static void ngx_prof_slow_uri(ngx_prof_json_t *j, const ngx_prof_slow_t *s);
static void ngx_prof_slow_parts(ngx_prof_json_t *j, const ngx_prof_slow_t *s);
static void ngx_prof_slow_tries(ngx_prof_json_t *j, const ngx_prof_slow_t *s);
static void ngx_prof_slow_after(ngx_prof_json_t *j, const char *key,
    int64_t ms);
static void ngx_prof_slow_stamps(ngx_prof_json_t *j, const ngx_prof_slow_t *s);
static void ngx_prof_slow_stamp(ngx_prof_json_t *j, const char *key,
    int64_t ns);
static void ngx_prof_slow_trace(ngx_prof_json_t *j, const ngx_prof_slow_t *s);
static void ngx_prof_slow_instants(ngx_prof_json_t *j,
    const ngx_prof_slow_t *s, double begin);
static void ngx_prof_slow_named(ngx_prof_json_t *j, const ngx_prof_slow_t *s);


static const char *const  ngx_prof_slow_kinds[NGX_PROF_PART_KINDS] = {
    "other", "client", "sending", "upstream", "timer", "loop", "wait"
};


/* and why there is none */

static const struct {
    const char  *name;
    const char  *path;
    const char  *without;
} ngx_prof_slow_stamped[NGX_PROF_STAMPS] = {

    { "accepted", "at.accepted",
      "its connection has had requests before, or has streams" },

    { "tls", "at.tls",
      "its connection has no TLS that is seen, or has had requests before" },

    { "header", "at.header", "it ended before, or is not recorded" },
    { "first_sent", "at.first_sent", "nothing has been sent" },
    { "last_sent", "at.last_sent", "nothing has been sent" }
};


#define ngx_prof_slow_sum(kind)                                               \
    (offsetof(ngx_prof_slow_t, sum) + (kind) * sizeof(uint64_t))

static const ngx_prof_slow_sort_t  ngx_prof_slow_sorts[] = {
    { ngx_string("time"), offsetof(ngx_prof_slow_t, clock) },
    { ngx_string("seconds"), offsetof(ngx_prof_slow_t, total) },
    { ngx_string("cpu"), offsetof(ngx_prof_slow_t, cpu) },
    { ngx_string("blocked"), offsetof(ngx_prof_slow_t, blocked) },
    { ngx_string("alloc"), offsetof(ngx_prof_slow_t, alloc) },
    { ngx_string("client"), ngx_prof_slow_sum(NGX_PROF_PART_CLIENT) },
    { ngx_string("sending"), ngx_prof_slow_sum(NGX_PROF_PART_SENDING) },
    { ngx_string("upstream"), ngx_prof_slow_sum(NGX_PROF_PART_UPSTREAM) },
    { ngx_string("timer"), ngx_prof_slow_sum(NGX_PROF_PART_TIMER) },
    { ngx_string("other"), ngx_prof_slow_sum(NGX_PROF_PART_OTHER) },
    { ngx_string("loop"), ngx_prof_slow_sum(NGX_PROF_PART_LOOP) },
    { ngx_string("wait"), ngx_prof_slow_sum(NGX_PROF_PART_WAIT) }
};

#define NGX_PROF_SLOW_SORTS                                                   \
    (sizeof(ngx_prof_slow_sorts) / sizeof(ngx_prof_slow_sort_t))


ngx_int_t
ngx_prof_slow_arguments(ngx_prof_work_t *w, ngx_prof_error_pt error)
{
    ngx_int_t              n;
    ngx_str_t              value;
    ngx_http_request_t    *r;
    ngx_prof_slow_list_t  *list;

    r = w->request;

    list = ngx_pcalloc(r->pool, sizeof(ngx_prof_slow_list_t));
    if (list == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w->data = list;
    list->limit = w->report ? 1 : NGX_PROF_SLOW_LIMIT;

    if (ngx_prof_slow_argument(w, "location", &list->location) != NGX_OK
        || ngx_prof_slow_argument(w, "server", &list->server) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_prof_argument(r, "sort", &value) == NGX_OK) {

        while (!ngx_prof_slow_is(&ngx_prof_slow_sorts[list->sort].name,
                                 &value))
        {
            if (++list->sort == NGX_PROF_SLOW_SORTS) {
                return error(r, NGX_HTTP_BAD_REQUEST,
                             "sort must be time, seconds, cpu, blocked, "
                             "alloc, client, sending, upstream, timer, "
                             "other, loop or wait, not \"%V\"", &value);
            }
        }
    }

    if (ngx_prof_argument(r, "limit", &value) == NGX_OK) {
        n = ngx_atoi(value.data, value.len);

        if (n < 1 || n > NGX_PROF_SLOW_LIMIT_MAX) {
            return error(r, NGX_HTTP_BAD_REQUEST, "limit must be an integer "
                         "from 1 to %d, not \"%V\"", NGX_PROF_SLOW_LIMIT_MAX,
                         &value);
        }

        list->limit = n;
    }

    if (ngx_prof_argument(r, "format", &value) == NGX_OK) {
        list->perfetto = (value.len == 8
                          && ngx_strncmp(value.data, "perfetto", 8) == 0);

        if (!list->perfetto
            && (value.len != 4 || ngx_strncmp(value.data, "json", 4) != 0))
        {
            return error(r, NGX_HTTP_BAD_REQUEST,
                         "format must be json or perfetto, not \"%V\"",
                         &value);
        }
    }

    list->listed = ngx_palloc(r->pool, list->limit
                                       * sizeof(ngx_prof_slow_listed_t));
    if (list->listed == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (w->report) {
        while (ngx_prof_slow_collect(w) == NGX_AGAIN) { /* void */ }

        if (list->n == 0) {
            return error(r, NGX_HTTP_NOT_FOUND, "request %uL is not kept",
                         w->report);
        }
    }

    return NGX_DECLINED;
}


/* a name, which may be long */

static ngx_int_t
ngx_prof_slow_argument(ngx_prof_work_t *w, const char *name, ngx_str_t *to)
{
    u_char     *dst, *src;
    ngx_str_t   value;

    if (ngx_http_arg(w->request, (u_char *) name, ngx_strlen(name), &value)
        != NGX_OK)
    {
        return NGX_OK;
    }

    src = value.data;
    dst = ngx_pnalloc(w->request->pool, value.len + 1);

    if (dst == NULL) {
        return NGX_ERROR;
    }

    to->data = dst;
    ngx_unescape_uri(&dst, &src, value.len, 0);
    to->len = dst - to->data;

    return NGX_OK;
}


/* those that are wanted, in their order; NGX_AGAIN: there are more entries */

static ngx_int_t
ngx_prof_slow_collect(ngx_prof_work_t *w)
{
    ngx_uint_t              n, last;
    ngx_prof_slow_t         slow;
    ngx_prof_slow_list_t   *list;
    ngx_prof_slow_table_t  *table;

    list = w->data;
    table = ngx_prof_process.zone->slow;

    if (table == NULL) {
        return NGX_OK;
    }

    last = table->keep + NGX_PROF_SLOW_LIVE;
    n = ngx_min(list->entry + NGX_PROF_SLOW_CHUNK, last);

    for ( /* void */ ; list->entry < n; list->entry++) {

        if (ngx_prof_slow_read(table, list->entry, &slow) == NGX_OK
            && ngx_prof_slow_wanted(w, &slow))
        {
            ngx_prof_slow_insert(list, &slow, list->entry);
        }
    }

    return (n < last) ? NGX_AGAIN : NGX_OK;
}


static ngx_uint_t
ngx_prof_slow_wanted(const ngx_prof_work_t *w, const ngx_prof_slow_t *slow)
{
    ngx_prof_place_name_t        place;
    const ngx_prof_slow_list_t  *list;

    list = w->data;

    if (w->report) {
        return slow->number == w->report;
    }

    ngx_prof_label_where(slow->label, &place);

    return (w->worker == 0 || (uint64_t) w->worker
                                == ngx_prof_claim_pid(slow->owner))
           && ngx_prof_slow_is(&list->location, &place.location)
           && ngx_prof_slow_is(&list->server, &place.server);
}


static ngx_uint_t
ngx_prof_slow_is(const ngx_str_t *wanted, const ngx_str_t *name)
{
    return wanted->data == NULL
           || (wanted->len == name->len
               && ngx_memcmp(wanted->data, name->data, name->len) == 0);
}


static void
ngx_prof_slow_insert(ngx_prof_slow_list_t *list, const ngx_prof_slow_t *slow,
    ngx_uint_t entry)
{
    uint64_t                 order;
    ngx_uint_t               i;
    ngx_prof_slow_listed_t  *l;

    l = list->listed;
    order = *(const uint64_t *) ((const u_char *) slow
                               + ngx_prof_slow_sorts[list->sort].offset);

    for (i = list->n;
         i > 0
         && (l[i - 1].order < order
             || (l[i - 1].order == order && l[i - 1].clock < slow->clock));
         i--)
    {
        if (i < list->limit) {
            l[i] = l[i - 1];
        }
    }

    if (i < list->limit) {
        l[i].order = order;
        l[i].clock = slow->clock;
        l[i].entry = entry;

        list->n += (list->n < list->limit);
    }
}


/* one a step */

ngx_int_t
ngx_prof_slow_view(ngx_prof_work_t *w)
{
    ngx_prof_json_t        *j;
    ngx_prof_slow_list_t   *list;
    ngx_prof_slow_table_t  *table;

    j = &w->json;
    list = w->data;
    table = ngx_prof_process.zone->slow;

    if (list->told == 0 && ngx_prof_slow_collect(w) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (w->next++ == 0 && (w->report == 0 || list->perfetto)) {
        ngx_prof_json_open(j, NULL, '{');

        if (list->perfetto) {
            ngx_prof_json_cstring(j, "displayTimeUnit", "ms");
            ngx_prof_json_open(j, "traceEvents", '[');

        } else {
            ngx_prof_json_uint(j, "total",
                               table ? ngx_prof_load(&table->number) : 0);
            ngx_prof_json_uint(j, "dropped",
                               table ? ngx_prof_load(&table->dropped) : 0);
            ngx_prof_json_uint(j, "keep", table ? table->keep : 0);
            ngx_prof_json_open(j, "requests", '[');
        }
    }

    if (ngx_prof_slow_next(w) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (w->report == 0 || list->perfetto) {
        ngx_prof_json_close(j, ']');
        ngx_prof_json_close(j, '}');
    }

    return NGX_DONE;
}


/* another request may be there by now: it is reported as well */

static ngx_int_t
ngx_prof_slow_next(ngx_prof_work_t *w)
{
    ngx_prof_json_t       *j;
    ngx_prof_slow_t        slow;
    ngx_prof_slow_list_t  *list;

    j = &w->json;
    list = w->data;

    if (list->told == list->n) {
        return NGX_DONE;
    }

    if (ngx_prof_slow_read(ngx_prof_process.zone->slow,
                           list->listed[list->told++].entry, &slow)
        != NGX_OK)
    {
        return NGX_AGAIN;
    }

    if (list->perfetto) {
        ngx_prof_slow_trace(j, &slow);
        return NGX_AGAIN;
    }

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_slow_print(j, &slow);

    if (w->report || slow.number == 0) {
        ngx_prof_slow_stamps(j, &slow);
        ngx_prof_slow_parts(j, &slow);
        ngx_prof_slow_tries(j, &slow);
    }

    ngx_prof_json_close(j, '}');

    return NGX_AGAIN;
}


static void
ngx_prof_slow_print(ngx_prof_json_t *j, const ngx_prof_slow_t *s)
{
    const char  *method;

    if (s->number) {
        ngx_prof_json_uint(j, "id", s->number);

    } else {
        ngx_prof_json_null(j, "id");
    }

    ngx_prof_json_bool(j, "live", s->number == 0);
    ngx_prof_view_day(j, "time", s->clock);
    ngx_prof_json_uint(j, "worker", ngx_prof_claim_pid(s->owner));
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
    ngx_prof_json_double(j, "seconds", ngx_prof_seconds(s->total));
    ngx_prof_json_double(j, "cpu_seconds", ngx_prof_seconds(s->cpu));
    ngx_prof_json_double(j, "blocked_seconds", ngx_prof_seconds(s->blocked));
    ngx_prof_json_uint(j, "alloc_bytes", s->alloc);
    ngx_prof_json_uint(j, "bytes_in", s->in);
    ngx_prof_json_uint(j, "bytes_out", s->out);
    ngx_prof_json_uint(j, "temporary_bytes", s->temporary);
    ngx_prof_json_uint(j, "redirects", s->redirects);

    if (s->stamp[NGX_PROF_STAMP_ACCEPTED] == NGX_PROF_NO_STAMP) {
        ngx_prof_json_null(j, "connection_seconds");

    } else {
        ngx_prof_json_double(j, "connection_seconds",
                     ngx_prof_seconds(-s->stamp[NGX_PROF_STAMP_ACCEPTED]));
    }

    ngx_prof_slow_by(j, s);
}


/* what it has come to, from its begin on; before that, if it is negative */

static void
ngx_prof_slow_stamps(ngx_prof_json_t *j, const ngx_prof_slow_t *s)
{
    ngx_uint_t  i;

    ngx_prof_json_open(j, "at", '{');

    for (i = 0; i < NGX_PROF_STAMPS; i++) {
        ngx_prof_slow_stamp(j, ngx_prof_slow_stamped[i].name, s->stamp[i]);
    }

    ngx_prof_json_close(j, '}');
    ngx_prof_json_open(j, "unavailable", '{');

    for (i = 0; i < NGX_PROF_STAMPS; i++) {

        if (s->stamp[i] == NGX_PROF_NO_STAMP) {
            ngx_prof_json_cstring(j, ngx_prof_slow_stamped[i].path,
                                  ngx_prof_slow_stamped[i].without);
        }
    }

    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_slow_stamp(ngx_prof_json_t *j, const char *key, int64_t ns)
{
    if (ns == NGX_PROF_NO_STAMP) {
        ngx_prof_json_null(j, key);

    } else {
        ngx_prof_json_double(j, key, ngx_prof_seconds(ns));
    }
}


static void
ngx_prof_slow_by(ngx_prof_json_t *j, const ngx_prof_slow_t *s)
{
    ngx_uint_t  i;

    ngx_prof_json_open(j, "by", '{');

    for (i = 0; i < NGX_PROF_PART_KINDS; i++) {
        ngx_prof_json_double(j, ngx_prof_slow_kinds[i],
                             ngx_prof_seconds(s->sum[i]));
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
        ngx_prof_json_double(j, "start_seconds", ngx_prof_seconds(p->start));
        ngx_prof_json_double(j, "seconds", ngx_prof_seconds(p->duration));

        if (p->kind == NGX_PROF_PART_WAIT) {
            ngx_prof_slow_place(j, "for", p->holder);
        }

        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
}


static void
ngx_prof_slow_place(ngx_prof_json_t *j, const char *key, uint64_t place)
{
    ngx_prof_json_open(j, key, '{');
    ngx_prof_view_place(j, ngx_prof_label(place, 0, NGX_PROF_STATE_OTHER));
    ngx_prof_json_close(j, '}');
}


/* as nginx has noted them, in its ms */

static void
ngx_prof_slow_tries(ngx_prof_json_t *j, const ngx_prof_slow_t *s)
{
    u_char                      name[NGX_PROF_ANONYMOUS_LEN], *end;
    ngx_uint_t                  i;
    const ngx_prof_slow_try_t  *t;

    ngx_prof_json_open(j, "tries", '[');

    for (i = 0; i < s->tries; i++) {
        t = &s->try[i];

        ngx_prof_json_open(j, NULL, '{');

        if (ngx_prof_setting(NGX_PROF_ANONYMIZE)) {
            end = ngx_prof_anonymous(name, "addr", t->peer,
                                     ngx_min(t->peer_len, NGX_PROF_SLOW_PEER));
            ngx_prof_json_string(j, "peer", name, end - name);

        } else {
            ngx_prof_json_string(j, "peer", t->peer,
                                 ngx_min(t->peer_len, NGX_PROF_SLOW_PEER));
        }

        ngx_prof_json_uint(j, "status", t->status);
        ngx_prof_slow_stamp(j, "start_seconds", t->start);
        ngx_prof_slow_after(j, "connect_seconds", t->connect);
        ngx_prof_slow_after(j, "header_seconds", t->header);
        ngx_prof_slow_after(j, "response_seconds", t->response);
        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
}


static void
ngx_prof_slow_after(ngx_prof_json_t *j, const char *key, int64_t ms)
{
    if (ms < 0) {
        ngx_prof_json_null(j, key);

    } else {
        ngx_prof_json_double(j, key, (double) ms / 1e3);
    }
}


/*
 * Chrome's form of a trace: a worker is a process, each request a thread with
 * its parts below it.  Times are microseconds of CLOCK_MONOTONIC.
 */

static void
ngx_prof_slow_trace(ngx_prof_json_t *j, const ngx_prof_slow_t *s)
{
    double                  begin;
    ngx_uint_t              i;
    const ngx_prof_part_t  *p;

    begin = ((double) s->clock - (double) s->total) / 1e3;

    for (i = 0; i <= s->parts; i++) {
        p = &s->part[i - (i > 0)];

        if (i && p->kind >= NGX_PROF_PART_KINDS) {
            continue;
        }

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_cstring(j, "ph", "X");
        ngx_prof_json_uint(j, "pid", ngx_prof_claim_pid(s->owner));
        ngx_prof_json_uint(j, "tid", s->number ? s->number : s->connection);
        ngx_prof_json_double(j, "ts", begin
                                      + (i ? (double) p->start / 1e3 : 0));
        ngx_prof_json_double(j, "dur", (double) (i ? p->duration : s->total)
                                       / 1e3);

        if (i) {
            ngx_prof_json_cstring(j, "name", ngx_prof_slow_kinds[p->kind]);

            if (p->kind == NGX_PROF_PART_WAIT) {
                ngx_prof_slow_place(j, "args", p->holder);
            }

        } else {
            ngx_prof_slow_named(j, s);
        }

        ngx_prof_json_close(j, '}');
    }

    ngx_prof_slow_instants(j, s, begin);
}


static void
ngx_prof_slow_instants(ngx_prof_json_t *j, const ngx_prof_slow_t *s,
    double begin)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_STAMPS; i++) {

        if (s->stamp[i] == NGX_PROF_NO_STAMP) {
            continue;
        }

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_cstring(j, "ph", "i");
        ngx_prof_json_cstring(j, "s", "t");
        ngx_prof_json_uint(j, "pid", ngx_prof_claim_pid(s->owner));
        ngx_prof_json_uint(j, "tid", s->number ? s->number : s->connection);
        ngx_prof_json_double(j, "ts", begin + (double) s->stamp[i] / 1e3);
        ngx_prof_json_cstring(j, "name", ngx_prof_slow_stamped[i].name);
        ngx_prof_json_close(j, '}');
    }
}


static void
ngx_prof_slow_named(ngx_prof_json_t *j, const ngx_prof_slow_t *s)
{
    ngx_prof_place_name_t  place;

    ngx_prof_label_where(s->label, &place);

    ngx_prof_json_string(j, "name", place.location.data, place.location.len);
    ngx_prof_json_open(j, "args", '{');
    ngx_prof_slow_print(j, s);
    ngx_prof_json_close(j, '}');
}
