
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_api.h"
#include "ngx_prof_access.h"
#include "ngx_prof_answer.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_caches.h"
#include "ngx_prof_capacity_view.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_describe.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_connections.h"
#include "ngx_prof_crashes.h"
#include "ngx_prof_handshakes.h"
#include "ngx_prof_slow_view.h"
#include "ngx_prof_health.h"
#include "ngx_prof_history.h"
#include "ngx_prof_incident_view.h"
#include "ngx_prof_modules_view.h"
#include "ngx_prof_job.h"
#include "ngx_prof_json.h"
#include "ngx_prof_locations.h"
#include "ngx_prof_metrics.h"
#include "ngx_prof_names_run.h"
#include "ngx_prof_memory.h"
#include "ngx_prof_pprof.h"
#include "ngx_prof_pprof_cpu.h"
#include "ngx_prof_pprof_heap.h"
#include "ngx_prof_prometheus.h"
#include "ngx_prof_range.h"
#include "ngx_prof_pauses.h"
#include "ngx_prof_reaper.h"
#include "ngx_prof_reloads.h"
#include "ngx_prof_runtime.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_text.h"
#include "ngx_prof_timeline.h"
#include "ngx_prof_trim.h"
#include "ngx_prof_trim_view.h"
#include "ngx_prof_upstreams.h"
#include "ngx_prof_work.h"
#include "ngx_prof_worker.h"


/* parameters that an endpoint takes, besides worker */
#define NGX_PROF_TAKES_COUNT   1
#define NGX_PROF_TAKES_RANGE   64

/* the number is that of an incident, which has a profile behind it */
#define NGX_PROF_IS_INCIDENT   128

/* a number behind its name, of one of many */
#define NGX_PROF_TAKES_ID      8

/* names that the answer needs: of the causes of pauses, of whole stacks */
#define NGX_PROF_NEEDS_PLACES  2
#define NGX_PROF_NEEDS_STACKS  4
#define NGX_PROF_NEEDS_DEATHS  16

/* it is large, and its status is known from the beginning */
#define NGX_PROF_IN_PARTS      32


/* seconds of a CPU profile */
#define NGX_PROF_DURATION      30

/* samples in an answer, by default */
#define NGX_PROF_COUNT         100

typedef struct {
    ngx_str_t    name;
    ngx_uint_t   methods;
    ngx_uint_t   takes;

    /* either a text made in steps, or a handler of its own */
    ngx_int_t  (*step)(ngx_prof_work_t *w);
    ngx_int_t  (*handler)(ngx_http_request_t *r, ngx_pid_t worker);
} ngx_prof_endpoint_t;


static ngx_int_t ngx_prof_api_begin(ngx_http_request_t *r,
    ngx_prof_error_pt error);
static ngx_int_t ngx_prof_api_enter(ngx_http_request_t *r,
    ngx_prof_error_pt error);
static ngx_prof_endpoint_t *ngx_prof_api_find(ngx_http_request_t *r,
    uint64_t *id, ngx_uint_t *profile);
static uint64_t ngx_prof_api_id(ngx_str_t *rest, ngx_uint_t *profile);
static ngx_int_t ngx_prof_api_report(ngx_prof_work_t *w);
static ngx_int_t ngx_prof_api_incident(ngx_prof_work_t *w,
    ngx_uint_t profile);
static ngx_int_t ngx_prof_api_allow(ngx_http_request_t *r, ngx_uint_t methods);
static ngx_int_t ngx_prof_api_arguments(ngx_prof_work_t *w, ngx_uint_t takes);
static ngx_int_t ngx_prof_api_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...);
static ngx_int_t ngx_prof_text_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...);
static ngx_int_t ngx_prof_body_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...);
static ngx_int_t ngx_prof_api_heap(ngx_http_request_t *r, ngx_pid_t worker);
static ngx_int_t ngx_prof_api_cpu(ngx_http_request_t *r, ngx_pid_t worker);
static ngx_int_t ngx_prof_api_connections(ngx_http_request_t *r,
    ngx_pid_t worker);
static ngx_int_t ngx_prof_api_force(ngx_http_request_t *r, ngx_pid_t worker);
static ngx_int_t ngx_prof_api_index(ngx_prof_work_t *w);


static ngx_prof_endpoint_t  ngx_prof_endpoints[] = {

    { ngx_string("metrics"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_prof_view_metrics, NULL },

    { ngx_string("metrics/history"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      NGX_PROF_TAKES_COUNT|NGX_PROF_IN_PARTS, ngx_prof_view_history, NULL },

    { ngx_string("memory"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      NULL, ngx_prof_memory_request },

    { ngx_string("gc"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      NGX_PROF_NEEDS_STACKS, ngx_prof_pauses_view, NULL },

    { ngx_string("goroutines"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      NULL, ngx_prof_api_connections },

    { ngx_string("runtime"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_prof_view_runtime, NULL },

    { ngx_string("health"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      NGX_PROF_NEEDS_PLACES, ngx_prof_view_health,
      NULL },

    { ngx_string("capacity"), NGX_HTTP_GET|NGX_HTTP_HEAD, NGX_PROF_IN_PARTS,
      ngx_prof_view_capacity, NULL },

    { ngx_string("crashes"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      NGX_PROF_TAKES_ID|NGX_PROF_NEEDS_DEATHS, ngx_prof_crashes_view, NULL },

    { ngx_string("slow"), NGX_HTTP_GET|NGX_HTTP_HEAD, NGX_PROF_TAKES_ID,
      ngx_prof_slow_view, NULL },

    { ngx_string("locations"), NGX_HTTP_GET|NGX_HTTP_HEAD, NGX_PROF_IN_PARTS,
      ngx_prof_view_locations, NULL },

    { ngx_string("upstreams"), NGX_HTTP_GET|NGX_HTTP_HEAD, NGX_PROF_IN_PARTS,
      ngx_prof_view_upstreams, NULL },

    { ngx_string("tls"), NGX_HTTP_GET|NGX_HTTP_HEAD, NGX_PROF_IN_PARTS,
      ngx_prof_view_handshakes, NULL },

    { ngx_string("caches"), NGX_HTTP_GET|NGX_HTTP_HEAD, NGX_PROF_IN_PARTS,
      ngx_prof_view_caches, NULL },

    { ngx_string("incidents"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      NGX_PROF_TAKES_ID|NGX_PROF_IS_INCIDENT|NGX_PROF_NEEDS_STACKS,
      ngx_prof_incidents_view, NULL },

    { ngx_string("timeline"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      NGX_PROF_TAKES_RANGE|NGX_PROF_IN_PARTS, ngx_prof_timeline_view, NULL },

    { ngx_string("modules"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_prof_modules_view, NULL },

    { ngx_string("reloads"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_prof_view_reloads, NULL },

    { ngx_string("cpu-profile"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      NULL, ngx_prof_api_cpu },

    { ngx_string("heap-dump"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      NULL, ngx_prof_api_heap },

    { ngx_string("force-gc"), NGX_HTTP_POST, 0,
      NULL, ngx_prof_api_force },

    { ngx_null_string, NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_prof_api_index, NULL }
};


#define NGX_PROF_ENDPOINTS                                                    \
    (sizeof(ngx_prof_endpoints)                                               \
     / sizeof(ngx_prof_endpoint_t))


ngx_int_t
ngx_prof_api_handler(ngx_http_request_t *r)
{
    uint64_t              id;
    ngx_int_t             rc;
    ngx_uint_t            profile;
    ngx_prof_work_t      *w;
    ngx_prof_endpoint_t  *endpoint;

    rc = ngx_prof_api_begin(r, ngx_prof_api_error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    endpoint = ngx_prof_api_find(r, &id, &profile);

    if (endpoint == NULL) {
        return ngx_prof_api_error(r, NGX_HTTP_NOT_FOUND,
                                  "unknown endpoint");
    }

    if (!(r->method & endpoint->methods)) {
        return ngx_prof_api_allow(r, endpoint->methods);
    }

    w = ngx_prof_work_create(r);
    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_prof_api_arguments(w, endpoint->takes);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (endpoint->handler) {
        return endpoint->handler(r, w->worker);
    }

    w->step = endpoint->step;
    w->parts = (endpoint->takes & NGX_PROF_IN_PARTS)
               && ngx_prof_stream_able(r);
    w->report = id;

    if (w->step == ngx_prof_slow_view) {
        rc = ngx_prof_slow_arguments(w, ngx_prof_api_error);

        if (rc != NGX_DECLINED) {
            return rc;
        }

    } else if (id) {
        rc = (endpoint->takes & NGX_PROF_IS_INCIDENT)
             ? ngx_prof_api_incident(w, profile)
             : ngx_prof_api_report(w);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    if (endpoint->takes & NGX_PROF_TAKES_RANGE) {
        rc = ngx_prof_timeline_arguments(w, ngx_prof_api_error);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    if (endpoint->takes & NGX_PROF_NEEDS_PLACES) {
        return ngx_prof_names_run(w, NGX_PROF_NAMES_PLACES);
    }

    if (endpoint->takes & NGX_PROF_NEEDS_STACKS) {
        return ngx_prof_names_run(w, NGX_PROF_NAMES_STACKS);
    }

    if (endpoint->takes & NGX_PROF_NEEDS_DEATHS) {
        return ngx_prof_names_run(w, NGX_PROF_NAMES_DEATHS);
    }

    return ngx_prof_work_run(w);
}


ngx_int_t
ngx_prof_prometheus_handler(ngx_http_request_t *r)
{
    ngx_int_t         rc;
    ngx_str_t         value;
    ngx_uint_t        i;
    ngx_prof_work_t  *w;

    static const ngx_str_t  words[] = {
        ngx_string("busy"), ngx_string("all"), ngx_string("none")
    };

    rc = ngx_prof_api_begin(r, ngx_prof_text_error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        if (ngx_prof_header(r, "Allow", "GET, HEAD") != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_prof_text_error(r, NGX_HTTP_NOT_ALLOWED,
                                   "only GET and HEAD");
    }

    w = ngx_prof_work_create(r);
    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w->step = ngx_prof_view_prometheus;
    w->parts = ngx_prof_stream_able(r);

    if (ngx_prof_argument(r, "histograms", &value) == NGX_OK) {

        for (i = 0; i < 3; i++) {

            if (value.len == words[i].len
                && ngx_strncmp(value.data, words[i].data, value.len) == 0)
            {
                break;
            }
        }

        if (i == 3) {
            return ngx_prof_text_error(r, NGX_HTTP_BAD_REQUEST,
                                       "histograms must be busy, all or none, "
                                       "not \"%V\"", &value);
        }

        w->histograms = i;
    }

    return ngx_prof_work_run(w);
}


ngx_int_t
ngx_prof_pprof_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    /* a refused client may still have sent a body */

    rc = ngx_prof_api_enter(r, ngx_prof_body_error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    return ngx_prof_pprof_tree(r, ngx_prof_text_error);
}


/* entry of handlers that take no body; returns as api_enter() */

static ngx_int_t
ngx_prof_api_begin(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_int_t  rc;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_prof_api_enter(r, error);
}


/* entry of all handlers; NGX_DECLINED: nothing was sent yet, go on */

static ngx_int_t
ngx_prof_api_enter(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    const char  *why;

    if (ngx_prof_access_check(r, &why) != NGX_OK) {
        return error(r, NGX_HTTP_FORBIDDEN, "%s", why);
    }

    if (ngx_prof_process.zone == NULL) {
        return error(r, NGX_HTTP_SERVICE_UNAVAILABLE, "profiling is off");
    }

    if (ngx_prof_turn_full()) {
        return ngx_prof_answer_busy(r, error,
                                    "too many answers are being made");
    }

    ngx_prof_reap(r->connection->log);

    if (ngx_prof_answer_open(r, error) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/*
 * The endpoint is the path after the location's prefix; if the location is no
 * prefix, the longest end of the path that is an endpoint's name.
 */

static ngx_prof_endpoint_t *
ngx_prof_api_find(ngx_http_request_t *r, uint64_t *id, ngx_uint_t *profile)
{
    u_char                    *start;
    ngx_str_t                  rest, *name;
    uint64_t                   number;
    ngx_uint_t                 i, prefix;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_prof_endpoint_t       *found;
    ngx_prof_loc_conf_t       *lcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    rest = r->uri;
    prefix = 0;

    if (lcf->prefix
        && clcf->name.len <= r->uri.len
        && ngx_strncmp(clcf->name.data, r->uri.data, clcf->name.len) == 0)
    {
        prefix = 1;
        rest.data += clcf->name.len;
        rest.len -= clcf->name.len;

        if (rest.len && rest.data[0] == '/') {
            rest.data++;
            rest.len--;

        } else if (rest.len && rest.data[-1] != '/') {
            return NULL;
        }
    }

    found = NULL;
    number = ngx_prof_api_id(&rest, profile);
    *id = number;

    for (i = 0; i < NGX_PROF_ENDPOINTS; i++) {
        name = &ngx_prof_endpoints[i].name;

        if ((number && !(ngx_prof_endpoints[i].takes & NGX_PROF_TAKES_ID))
            || (*profile
                && !(ngx_prof_endpoints[i].takes & NGX_PROF_IS_INCIDENT)))
        {
            continue;
        }

        if (name->len > rest.len || (prefix && name->len != rest.len)) {
            continue;
        }

        start = rest.data + rest.len - name->len;

        if ((name->len == 0
             || ngx_memcmp(start, name->data, name->len) == 0)
            && (start == rest.data || start[-1] == '/')
            && (found == NULL || name->len > found->name.len))
        {
            found = &ngx_prof_endpoints[i];
        }
    }

    return found;
}


/* takes "/7" or "/7/profile" off the end of a path; 0: there is no such end */

static uint64_t
ngx_prof_api_id(ngx_str_t *rest, ngx_uint_t *profile)
{
    size_t     n, len;
    ngx_int_t  id;

    len = rest->len;
    n = sizeof("/profile") - 1;

    *profile = (len > n
                && ngx_strncmp(rest->data + len - n, "/profile", n) == 0);

    if (*profile) {
        len -= n;
    }

    for (n = len; n > 0 && rest->data[n - 1] != '/'; n--) { /* void */ }

    if (n == 0) {
        *profile = 0;
        return 0;
    }

    id = ngx_atoi(rest->data + n, len - n);

    if (id <= 0) {
        *profile = 0;
        return 0;
    }

    rest->len = n - 1;

    return (uint64_t) id;
}


/* one of them, and its format; NGX_DECLINED: nothing was sent */

static ngx_int_t
ngx_prof_api_report(ngx_prof_work_t *w)
{
    ngx_str_t  value;

    if (ngx_prof_crashes_find(w->report) == NULL) {
        return ngx_prof_api_error(w->request, NGX_HTTP_NOT_FOUND,
                                  "report %uL is not kept", w->report);
    }

    if (ngx_prof_argument(w->request, "format", &value) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (value.len == 4 && ngx_strncmp(value.data, "text", 4) == 0) {
        w->step = ngx_prof_crashes_text;

    } else if (value.len != 4 || ngx_strncmp(value.data, "json", 4) != 0) {
        return ngx_prof_api_error(w->request, NGX_HTTP_BAD_REQUEST,
                                  "format must be json or text, not \"%V\"",
                                  &value);
    }

    return NGX_DECLINED;
}


/* likewise an incident, or its profile, which may be in progress */

static ngx_int_t
ngx_prof_api_incident(ngx_prof_work_t *w, ngx_uint_t profile)
{
    u_char               *p;
    ngx_int_t             rc;
    ngx_str_t             type;
    ngx_prof_span_t       span;
    ngx_prof_zone_t      *zone;
    ngx_prof_incident_t  *incident;

    zone = ngx_prof_process.zone;

    incident = ngx_prof_incident_find(zone->incidents, zone->incident_n,
                                      w->report);
    if (incident == NULL) {
        return ngx_prof_api_error(w->request, NGX_HTTP_NOT_FOUND,
                                  "incident %uL is not kept", w->report);
    }

    if (!profile) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(w->request->pool,
                    sizeof("attachment; filename=incident-.prof")
                    + NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_sprintf(p, "attachment; filename=incident-%uL.prof%Z",
                       w->report);

    rc = ngx_prof_incident_profile(w->report, &w->json.text);

    if (rc == NGX_AGAIN) {
        span.from = ngx_prof_load(&incident->begin) / NGX_PROF_NSEC_PER_MSEC;
        span.until = ngx_prof_clock() / NGX_PROF_NSEC_PER_MSEC;

        return ngx_prof_pprof_cpu(w->request, 0, &span, 0, (const char *) p,
                                  ngx_prof_api_error);
    }

    if (rc != NGX_OK) {
        return ngx_prof_api_error(w->request, NGX_HTTP_NOT_FOUND,
                                  "incident %uL has no profile", w->report);
    }

    if (ngx_prof_header(w->request, "Content-Disposition", (const char *) p)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&type, "application/octet-stream");

    return ngx_prof_send(w->request, NGX_HTTP_OK, &type, &w->json.text);
}


static ngx_int_t
ngx_prof_api_allow(ngx_http_request_t *r, ngx_uint_t methods)
{
    const char  *allow;

    allow = (methods & NGX_HTTP_POST) ? "POST" : "GET, HEAD";

    if (ngx_prof_header(r, "Allow", allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_prof_api_error(r, NGX_HTTP_NOT_ALLOWED,
                              "method %V is not allowed, use %s",
                              &r->method_name, allow);
}


/* NGX_DECLINED: the arguments are valid, and nothing was sent */

static ngx_int_t
ngx_prof_api_arguments(ngx_prof_work_t *w, ngx_uint_t takes)
{
    ngx_int_t            rc, n, max;
    ngx_str_t            value;
    ngx_http_request_t  *r;

    r = w->request;

    rc = ngx_prof_argument_worker(r, &w->worker, ngx_prof_api_error);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (ngx_prof_argument_fields(r, &w->fields) == NGX_ERROR) {
        return ngx_prof_api_error(r, NGX_HTTP_BAD_REQUEST,
                                  "fields must be 1 to %d names with commas "
                                  "between them", NGX_PROF_FIELDS);
    }

    max = ngx_prof_setting(NGX_PROF_HISTORY);
    w->count = ngx_min(NGX_PROF_COUNT, max);

    if (!(takes & NGX_PROF_TAKES_COUNT)) {
        return NGX_DECLINED;
    }

    if (ngx_prof_argument(r, "since", &value) == NGX_OK) {
        w->count = max;

        if (ngx_prof_range_date(&value, &w->since) != NGX_OK) {
            return ngx_prof_api_error(r, NGX_HTTP_BAD_REQUEST,
                                     "since must be a time such as "
                                     "2026-02-10T09:59:58Z, not \"%V\"",
                                     &value);
        }
    }

    if (ngx_prof_argument(r, "count", &value) == NGX_OK) {
        n = ngx_atoi(value.data, value.len);

        if (n < 1 || n > max) {
            return ngx_prof_api_error(r, NGX_HTTP_BAD_REQUEST,
                                     "count must be an integer from 1 to %i, "
                                     "not \"%V\"", max, &value);
        }

        w->count = n;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_prof_api_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...)
{
    u_char          *p, message[512];
    va_list          args;
    ngx_str_t        type;
    ngx_prof_json_t  j;

    va_start(args, format);
    p = ngx_vslprintf(message, message + sizeof(message), format, args);
    va_end(args);

    ngx_memzero(&j, sizeof(ngx_prof_json_t));
    ngx_prof_text_init(&j.text, r->pool);

    ngx_prof_json_open(&j, NULL, '{');
    ngx_prof_json_open(&j, "error", '{');
    ngx_prof_json_uint(&j, "status", status);
    ngx_prof_json_string(&j, "message", message, p - message);
    ngx_prof_json_close(&j, '}');
    ngx_prof_json_close(&j, '}');

    ngx_str_set(&type, "application/json; charset=utf-8");

    return ngx_prof_send(r, status, &type, &j.text);
}


/*
 * in the form of net/http/pprof: go tool pprof prints the body of such an
 * answer
 */

static ngx_int_t
ngx_prof_text_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...)
{
    u_char          *p, message[512];
    va_list          args;
    ngx_str_t        type;
    ngx_prof_text_t  text;

    va_start(args, format);
    p = ngx_vslprintf(message, message + sizeof(message) - 1, format, args);
    va_end(args);

    *p++ = '\n';

    ngx_prof_text_init(&text, r->pool);
    ngx_prof_text_write(&text, message, p - message);

    if (ngx_prof_header(r, "X-Go-Pprof", "1") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&type, "text/plain; charset=utf-8");

    return ngx_prof_send(r, status, &type, &text);
}


/* like text_error(), for a request whose body was not read yet */

static ngx_int_t
ngx_prof_body_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...)
{
    u_char      *p, message[512];
    va_list      args;
    ngx_int_t    rc;
    ngx_str_t    text;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    va_start(args, format);
    p = ngx_vslprintf(message, message + sizeof(message), format, args);
    va_end(args);

    text.data = message;
    text.len = p - message;

    return ngx_prof_text_error(r, status, "%V", &text);
}


/* unlike "seconds" of /debug/pprof/profile, duration is checked */

static ngx_int_t
ngx_prof_api_cpu(ngx_http_request_t *r, ngx_pid_t worker)
{
    u_char           *p;
    ngx_int_t         rc, duration;
    ngx_str_t         value;
    ngx_prof_span_t   span;

    duration = NGX_PROF_DURATION;

    if (ngx_prof_argument(r, "duration", &value) == NGX_OK) {
        duration = ngx_atoi(value.data, value.len);

        if (duration < 1 || duration > NGX_PROF_SECONDS_MAX) {
            return ngx_prof_api_error(r, NGX_HTTP_BAD_REQUEST,
                                     "duration must be an integer from 1 to "
                                     "%d, not \"%V\"",
                                     NGX_PROF_SECONDS_MAX, &value);
        }
    }

    rc = ngx_prof_range(r, &span, "duration", ngx_prof_api_error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    p = ngx_pnalloc(r->pool, sizeof("attachment; filename=cpu-.prof")
                             + NGX_TIME_T_LEN);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_sprintf(p, "attachment; filename=cpu-%T.prof%Z", ngx_time());

    return ngx_prof_pprof_cpu(r, duration, &span, worker,
                              (const char *) p,
                              ngx_prof_api_error);
}


static ngx_int_t
ngx_prof_api_heap(ngx_http_request_t *r, ngx_pid_t worker)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, sizeof("attachment; filename=heap-.prof")
                             + NGX_TIME_T_LEN);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_sprintf(p, "attachment; filename=heap-%T.prof%Z", ngx_time());

    return ngx_prof_pprof_dump(r, worker, (const char *) p,
                               ngx_prof_api_error);
}


static ngx_int_t
ngx_prof_api_connections(ngx_http_request_t *r, ngx_pid_t worker)
{
    ngx_int_t  limit;
    ngx_str_t  value;

    limit = NGX_PROF_DUMP_LIMIT;

    if (ngx_prof_argument(r, "limit", &value) == NGX_OK) {
        limit = ngx_atoi(value.data, value.len);

        if (limit < 0 || limit > NGX_PROF_DUMP_LIMIT_MAX) {
            return ngx_prof_api_error(r, NGX_HTTP_BAD_REQUEST,
                                     "limit must be an integer from 0 to %d, "
                                     "not \"%V\"",
                                     NGX_PROF_DUMP_LIMIT_MAX,
                                     &value);
        }
    }

    return ngx_prof_connections_request(r, worker, limit);
}


static ngx_int_t
ngx_prof_api_force(ngx_http_request_t *r, ngx_pid_t worker)
{
    if (ngx_prof_process.slot == NULL) {
        return ngx_prof_api_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                 "this worker has no slot in the zone and "
                                 "cannot wait for others");
    }

    if (ngx_prof_trim_reserve() != NGX_OK) {

        if (ngx_prof_header(r, "Retry-After", "1") != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_prof_api_error(r, NGX_HTTP_TOO_MANY_REQUESTS,
                                 "force-gc may be requested once a second");
    }

    return ngx_prof_trim_request(r, worker);
}


/* the tree describes itself */

static ngx_int_t
ngx_prof_api_index(ngx_prof_work_t *w)
{
    ngx_uint_t                  i;
    ngx_prof_json_t            *j;
    const ngx_prof_endpoint_t  *e;

    j = &w->json;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_open(j, "endpoints", '[');

    for (i = 0; i < NGX_PROF_ENDPOINTS - 1; i++) {
        e = &ngx_prof_endpoints[i];

        ngx_prof_describe(j, &e->name,
                          (e->methods & NGX_HTTP_POST) ? "POST" : "GET",
                          (e->takes & NGX_PROF_TAKES_ID) != 0);
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}
