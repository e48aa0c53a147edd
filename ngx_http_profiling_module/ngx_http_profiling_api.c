
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_api.h"
#include "ngx_http_profiling_gc.h"
#include "ngx_http_profiling_view.h"


/* parameters that an endpoint takes, besides worker */
#define NGX_HTTP_PROFILING_TAKES_COUNT   1


/* samples told if count is not given */
#define NGX_HTTP_PROFILING_COUNT         100

/* bytes of a parameter's value that are looked at */
#define NGX_HTTP_PROFILING_VALUE         64


typedef struct {
    ngx_str_t     name;
    ngx_uint_t    methods;
    ngx_uint_t    takes;
    ngx_int_t   (*step)(ngx_http_profiling_work_t *w);   /* NULL: force-gc */
} ngx_http_profiling_endpoint_t;


static ngx_int_t ngx_http_profiling_api_enter(ngx_http_request_t *r,
    ngx_int_t (*error)(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...));
static ngx_http_profiling_endpoint_t *ngx_http_profiling_api_find(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_profiling_api_allow(ngx_http_request_t *r,
    ngx_uint_t methods);
static ngx_int_t ngx_http_profiling_api_arguments(
    ngx_http_profiling_work_t *w, ngx_uint_t takes);
static ngx_int_t ngx_http_profiling_api_argument(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_http_profiling_api_worker(ngx_http_profiling_work_t *w);
static ngx_int_t ngx_http_profiling_api_date(const ngx_str_t *text,
    uint64_t *ms);
static ngx_int_t ngx_http_profiling_api_error(ngx_http_request_t *r,
    ngx_uint_t status, const char *format, ...);
static ngx_int_t ngx_http_profiling_text_error(ngx_http_request_t *r,
    ngx_uint_t status, const char *format, ...);
static ngx_int_t ngx_http_profiling_api_force(ngx_http_request_t *r,
    ngx_pid_t worker);
static ngx_int_t ngx_http_profiling_api_index(ngx_http_profiling_work_t *w);


static ngx_http_profiling_endpoint_t  ngx_http_profiling_endpoints[] = {

    { ngx_string("metrics"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_http_profiling_view_metrics },

    { ngx_string("metrics/history"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      NGX_HTTP_PROFILING_TAKES_COUNT, ngx_http_profiling_view_history },

    { ngx_string("memory"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_http_profiling_view_memory },

    { ngx_string("gc"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_http_profiling_view_gc },

    { ngx_string("goroutines"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_http_profiling_view_goroutines },

    { ngx_string("runtime"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_http_profiling_view_runtime },

    { ngx_string("health"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_http_profiling_view_health },

    { ngx_string("locations"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_http_profiling_view_locations },

    { ngx_string("force-gc"), NGX_HTTP_POST, 0, NULL },

    { ngx_null_string, NGX_HTTP_GET|NGX_HTTP_HEAD, 0,
      ngx_http_profiling_api_index }
};


#define NGX_HTTP_PROFILING_ENDPOINTS                                          \
    (sizeof(ngx_http_profiling_endpoints)                                     \
     / sizeof(ngx_http_profiling_endpoint_t))


ngx_int_t
ngx_http_profiling_api_handler(ngx_http_request_t *r)
{
    ngx_int_t                       rc;
    ngx_http_profiling_work_t      *w;
    ngx_http_profiling_endpoint_t  *endpoint;

    rc = ngx_http_profiling_api_enter(r, ngx_http_profiling_api_error);

    if (rc != NGX_OK) {
        return rc;
    }

    endpoint = ngx_http_profiling_api_find(r);

    if (endpoint == NULL) {
        return ngx_http_profiling_api_error(r, NGX_HTTP_NOT_FOUND,
                                            "unknown endpoint");
    }

    if (!(r->method & endpoint->methods)) {
        return ngx_http_profiling_api_allow(r, endpoint->methods);
    }

    w = ngx_http_profiling_work_create(r);
    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_profiling_api_arguments(w, endpoint->takes);

    if (rc != NGX_OK) {
        return rc;
    }

    if (endpoint->step == NULL) {
        return ngx_http_profiling_api_force(r, w->worker);
    }

    w->step = endpoint->step;

    return ngx_http_profiling_work_run(w);
}


ngx_int_t
ngx_http_profiling_prometheus_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_profiling_work_t  *w;

    rc = ngx_http_profiling_api_enter(r, ngx_http_profiling_text_error);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        if (ngx_http_profiling_header(r, "Allow", "GET, HEAD") != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_profiling_text_error(r, NGX_HTTP_NOT_ALLOWED,
                                             "only GET and HEAD");
    }

    w = ngx_http_profiling_work_create(r);
    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w->step = ngx_http_profiling_view_prometheus;

    return ngx_http_profiling_work_run(w);
}


ngx_int_t
ngx_http_profiling_pprof_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_profiling_api_enter(r, ngx_http_profiling_text_error);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_profiling_text_error(r, NGX_HTTP_NOT_FOUND,
                                         "Unknown profile");
}


/* what all handlers do first */

static ngx_int_t
ngx_http_profiling_api_enter(ngx_http_request_t *r,
    ngx_int_t (*error)(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...))
{
    ngx_int_t    rc;
    const char  *why;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_profiling_access_check(r, &why) != NGX_OK) {
        return error(r, NGX_HTTP_FORBIDDEN, "%s", why);
    }

    if (ngx_http_profiling_process.zone == NULL) {
        return error(r, NGX_HTTP_SERVICE_UNAVAILABLE, "profiling is off");
    }

    return NGX_OK;
}


/*
 * The endpoint is what follows the location's prefix; where the location is
 * no prefix, the longest end of the path that is an endpoint's name.
 */

static ngx_http_profiling_endpoint_t *
ngx_http_profiling_api_find(ngx_http_request_t *r)
{
    u_char                         *start;
    ngx_str_t                       rest, *name;
    ngx_uint_t                      i, prefix;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_profiling_endpoint_t  *found;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    rest = r->uri;
    prefix = 0;

    if (!clcf->exact_match
        && clcf->name.len <= r->uri.len
        && ngx_strncmp(clcf->name.data, r->uri.data, clcf->name.len) == 0)
    {
        prefix = 1;
        rest.data += clcf->name.len;
        rest.len -= clcf->name.len;

        if (rest.len && rest.data[0] == '/') {
            rest.data++;
            rest.len--;
        }
    }

    found = NULL;

    for (i = 0; i < NGX_HTTP_PROFILING_ENDPOINTS; i++) {
        name = &ngx_http_profiling_endpoints[i].name;

        if (name->len > rest.len || (prefix && name->len != rest.len)) {
            continue;
        }

        start = rest.data + rest.len - name->len;

        if (ngx_memcmp(start, name->data, name->len) == 0
            && (start == rest.data || start[-1] == '/')
            && (found == NULL || name->len > found->name.len))
        {
            found = &ngx_http_profiling_endpoints[i];
        }
    }

    return found;
}


static ngx_int_t
ngx_http_profiling_api_allow(ngx_http_request_t *r, ngx_uint_t methods)
{
    const char  *allow;

    allow = (methods & NGX_HTTP_POST) ? "POST" : "GET, HEAD";

    if (ngx_http_profiling_header(r, "Allow", allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_profiling_api_error(r, NGX_HTTP_NOT_ALLOWED,
                                        "method %V is not allowed, use %s",
                                        &r->method_name, allow);
}


static ngx_int_t
ngx_http_profiling_api_arguments(ngx_http_profiling_work_t *w,
    ngx_uint_t takes)
{
    ngx_int_t            n, max;
    ngx_str_t            value;
    ngx_http_request_t  *r;

    r = w->request;

    if (ngx_http_profiling_api_argument(r, "worker", &value) == NGX_OK) {
        w->worker = (ngx_pid_t) ngx_atoi(value.data, value.len);

        if (w->worker <= 0) {
            return ngx_http_profiling_api_error(r, NGX_HTTP_BAD_REQUEST,
                                     "worker must be the pid of a worker, "
                                     "not \"%V\"", &value);
        }

        if (ngx_http_profiling_api_worker(w) != NGX_OK) {
            return ngx_http_profiling_api_error(r, NGX_HTTP_NOT_FOUND,
                                                "there is no worker %P",
                                                w->worker);
        }
    }

    max = ngx_http_profiling_process.conf->setting[NGX_HTTP_PROFILING_HISTORY];
    w->count = ngx_min(NGX_HTTP_PROFILING_COUNT, max);

    if (!(takes & NGX_HTTP_PROFILING_TAKES_COUNT)) {
        return NGX_OK;
    }

    if (ngx_http_profiling_api_argument(r, "since", &value) == NGX_OK) {
        w->count = max;

        if (ngx_http_profiling_api_date(&value, &w->since) != NGX_OK) {
            return ngx_http_profiling_api_error(r, NGX_HTTP_BAD_REQUEST,
                                     "since must be a time such as "
                                     "2026-02-10T09:59:58Z, not \"%V\"",
                                     &value);
        }
    }

    if (ngx_http_profiling_api_argument(r, "count", &value) == NGX_OK) {
        n = ngx_atoi(value.data, value.len);

        if (n < 1 || n > max) {
            return ngx_http_profiling_api_error(r, NGX_HTTP_BAD_REQUEST,
                                     "count must be an integer from 1 to %i, "
                                     "not \"%V\"", max, &value);
        }

        w->count = n;
    }

    return NGX_OK;
}


/* the value of a parameter, unescaped and cut; NGX_DECLINED: not given */

static ngx_int_t
ngx_http_profiling_api_argument(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    u_char  *dst, *src;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), value) != NGX_OK) {
        return NGX_DECLINED;
    }

    value->len = ngx_min(value->len, NGX_HTTP_PROFILING_VALUE);

    src = value->data;
    dst = ngx_pnalloc(r->pool, value->len + 1);

    if (dst == NULL) {
        return NGX_DECLINED;
    }

    value->data = dst;
    ngx_unescape_uri(&dst, &src, value->len, 0);
    value->len = dst - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_profiling_api_worker(ngx_http_profiling_work_t *w)
{
    ngx_uint_t                  i;
    ngx_http_profiling_slot_t  *slot;
    ngx_http_profiling_zone_t  *zone;

    zone = ngx_http_profiling_process.zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_http_profiling_zone_slot(zone, i);

        if (ngx_http_profiling_load(&slot->claims)
            && ngx_http_profiling_slot_pid(slot) == w->worker
            && ngx_http_profiling_slot_alive(slot))
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* RFC 3339 in UTC, with or without a fraction: 2026-02-10T09:59:58.25Z */

static ngx_int_t
ngx_http_profiling_api_date(const ngx_str_t *text, uint64_t *ms)
{
    int         used;
    char       *p, buf[NGX_HTTP_PROFILING_VALUE + 1];
    time_t      time;
    uint64_t    fraction, scale;
    struct tm   tm;

    (void) ngx_cpystrn((u_char *) buf, text->data, text->len + 1);
    ngx_memzero(&tm, sizeof(struct tm));
    used = 0;

    if (sscanf(buf, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon,
               &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used)
        != 6
        || used != 19)
    {
        return NGX_ERROR;
    }

    p = buf + used;
    fraction = 0;

    if (*p == '.') {

        for (p++, scale = 100; *p >= '0' && *p <= '9'; p++, scale /= 10) {
            fraction += (*p - '0') * scale;
        }
    }

    if ((*p != 'Z' && *p != 'z') || p[1] != '\0'
        || tm.tm_mon < 1 || tm.tm_mon > 12
        || tm.tm_mday < 1 || tm.tm_mday > 31
        || tm.tm_hour < 0 || tm.tm_hour > 23
        || tm.tm_min < 0 || tm.tm_min > 59
        || tm.tm_sec < 0 || tm.tm_sec > 60)
    {
        return NGX_ERROR;
    }

    tm.tm_year -= 1900;
    tm.tm_mon--;

    time = timegm(&tm);

    if (time < 0) {
        return NGX_ERROR;
    }

    *ms = (uint64_t) time * 1000 + fraction;

    return NGX_OK;
}


static ngx_int_t
ngx_http_profiling_api_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...)
{
    u_char                     *p, message[512];
    va_list                     args;
    ngx_str_t                   type;
    ngx_http_profiling_json_t   j;

    va_start(args, format);
    p = ngx_vslprintf(message, message + sizeof(message), format, args);
    va_end(args);

    ngx_memzero(&j, sizeof(ngx_http_profiling_json_t));
    ngx_http_profiling_text_init(&j.text, r->pool);

    ngx_http_profiling_json_open(&j, NULL, '{');
    ngx_http_profiling_json_open(&j, "error", '{');
    ngx_http_profiling_json_uint(&j, "status", status);
    ngx_http_profiling_json_string(&j, "message", message, p - message);
    ngx_http_profiling_json_close(&j, '}');
    ngx_http_profiling_json_close(&j, '}');

    ngx_str_set(&type, "application/json; charset=utf-8");

    return ngx_http_profiling_send(r, status, &type, &j.text);
}


/* as net/http/pprof does: go tool pprof prints the body of such an answer */

static ngx_int_t
ngx_http_profiling_text_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...)
{
    u_char                     *p, message[512];
    va_list                     args;
    ngx_str_t                   type;
    ngx_http_profiling_text_t   text;

    va_start(args, format);
    p = ngx_vslprintf(message, message + sizeof(message) - 1, format, args);
    va_end(args);

    *p++ = '\n';

    ngx_http_profiling_text_init(&text, r->pool);
    ngx_http_profiling_text_write(&text, message, p - message);

    if (ngx_http_profiling_header(r, "X-Go-Pprof", "1") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&type, "text/plain; charset=utf-8");

    return ngx_http_profiling_send(r, status, &type, &text);
}


static ngx_int_t
ngx_http_profiling_api_force(ngx_http_request_t *r, ngx_pid_t worker)
{
    if (ngx_http_profiling_process.slot == NULL) {
        return ngx_http_profiling_api_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                 "this worker has no slot in the zone and "
                                 "cannot wait for others");
    }

    return ngx_http_profiling_gc_request(r, worker);
}


/* the tree describes itself */

static ngx_int_t
ngx_http_profiling_api_index(ngx_http_profiling_work_t *w)
{
    ngx_uint_t                            i;
    ngx_http_profiling_json_t            *j;
    const ngx_http_profiling_endpoint_t  *e;

    j = &w->json;

    ngx_http_profiling_json_open(j, NULL, '{');
    ngx_http_profiling_json_open(j, "endpoints", '[');

    for (i = 0; i < NGX_HTTP_PROFILING_ENDPOINTS - 1; i++) {
        e = &ngx_http_profiling_endpoints[i];

        ngx_http_profiling_json_open(j, NULL, '{');
        ngx_http_profiling_json_string(j, "name", e->name.data, e->name.len);
        ngx_http_profiling_json_cstring(j, "method",
                             (e->methods & NGX_HTTP_POST) ? "POST" : "GET");
        ngx_http_profiling_json_close(j, '}');
    }

    ngx_http_profiling_json_close(j, ']');
    ngx_http_profiling_json_close(j, '}');

    return NGX_DONE;
}
