
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_argument.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static ngx_int_t ngx_prof_argument_pid(ngx_http_request_t *r,
    ngx_pid_t *worker, ngx_uint_t helpers, ngx_prof_error_pt error);
static ngx_uint_t ngx_prof_argument_alive(ngx_pid_t pid, ngx_uint_t helpers);


ngx_int_t
ngx_prof_argument(ngx_http_request_t *r, const char *name, ngx_str_t *value)
{
    u_char  *dst, *src;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), value) != NGX_OK) {
        return NGX_DECLINED;
    }

    value->len = ngx_min(value->len, NGX_PROF_VALUE);

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


ngx_int_t
ngx_prof_argument_fields(ngx_http_request_t *r, ngx_prof_fields_t *fields)
{
    u_char     *dst, *src, *p, *last;
    ngx_str_t   value;

    if (ngx_http_arg(r, (u_char *) "fields", 6, &value) != NGX_OK) {
        return NGX_DECLINED;
    }

    src = value.data;
    dst = ngx_pnalloc(r->pool, value.len + 1);

    if (dst == NULL) {
        return NGX_ERROR;
    }

    p = dst;
    ngx_unescape_uri(&dst, &src, value.len, 0);
    last = dst;

    ngx_memzero(fields, sizeof(ngx_prof_fields_t));

    while (p < last) {
        dst = ngx_strlchr(p, last, ',');
        dst = dst ? dst : last;

        if (dst == p
            || dst - p > NGX_PROF_FIELDS_PATH
            || fields->n == NGX_PROF_FIELDS)
        {
            return NGX_ERROR;
        }

        fields->field[fields->n].data = p;
        fields->field[fields->n++].len = dst - p;

        p = dst + 1;
    }

    return fields->n ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_prof_argument_number(ngx_http_request_t *r, const char *name, ngx_int_t *n)
{
    ngx_str_t   value;
    ngx_uint_t  minus;

    if (ngx_prof_argument(r, name, &value) != NGX_OK || value.len == 0) {
        return NGX_DECLINED;
    }

    minus = (value.data[0] == '-');

    if (minus || value.data[0] == '+') {
        value.data++;
        value.len--;
    }

    *n = ngx_atoi(value.data, value.len);

    if (*n == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (minus) {
        *n = -*n;
    }

    return NGX_OK;
}


ngx_int_t
ngx_prof_argument_delta(ngx_http_request_t *r, ngx_int_t *debug,
    ngx_int_t *seconds, ngx_prof_error_pt error)
{
    ngx_int_t  rc;

    if (ngx_prof_argument_number(r, "debug", debug) != NGX_OK) {
        *debug = 0;
    }

    rc = ngx_prof_argument_number(r, "seconds", seconds);

    if (rc == NGX_DECLINED) {
        *seconds = 0;
        return NGX_DECLINED;
    }

    if (rc == NGX_ERROR || *seconds <= 0) {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "invalid value for \"seconds\" - "
                     "must be a positive integer");
    }

    if (*debug) {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "seconds and debug params are incompatible");
    }

    return ngx_prof_argument_seconds(r, *seconds, error);
}


ngx_int_t
ngx_prof_argument_seconds(ngx_http_request_t *r, ngx_int_t seconds,
    ngx_prof_error_pt error)
{
    if (seconds > NGX_PROF_SECONDS_MAX) {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "profile duration exceeds the limit of %d seconds",
                     NGX_PROF_SECONDS_MAX);
    }

    return NGX_DECLINED;
}


ngx_uint_t
ngx_prof_any_header(ngx_http_request_t *r, const char *name,
    ngx_prof_header_pt test, void *data)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0
                && test(data, &h[i].value))
            {
                return 1;
            }
        }
    }

    return 0;
}


ngx_int_t
ngx_prof_argument_worker(ngx_http_request_t *r, ngx_pid_t *worker,
    ngx_prof_error_pt error)
{
    return ngx_prof_argument_pid(r, worker, 0, error);
}


ngx_int_t
ngx_prof_argument_process(ngx_http_request_t *r, ngx_pid_t *process,
    ngx_prof_error_pt error)
{
    return ngx_prof_argument_pid(r, process, 1, error);
}


static ngx_int_t
ngx_prof_argument_pid(ngx_http_request_t *r, ngx_pid_t *worker,
    ngx_uint_t helpers, ngx_prof_error_pt error)
{
    ngx_int_t  pid;
    ngx_str_t  value;

    *worker = 0;

    if (ngx_prof_argument(r, "worker", &value) != NGX_OK) {
        return NGX_DECLINED;
    }

    pid = ngx_atoi(value.data, value.len);

    if (pid <= 0 || pid > NGX_MAX_INT32_VALUE) {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "worker must be the pid of a worker, not \"%V\"", &value);
    }

    if (!ngx_prof_argument_alive((ngx_pid_t) pid, helpers)) {
        return error(r, NGX_HTTP_NOT_FOUND, "there is no worker %i", pid);
    }

    *worker = (ngx_pid_t) pid;

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_prof_argument_alive(ngx_pid_t pid, ngx_uint_t helpers)
{
    ngx_uint_t        i, n;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;
    n = helpers ? ngx_prof_zone_process_n(zone) : zone->slots;

    for (i = 0; i < n; i++) {
        slot = ngx_prof_zone_process(zone, i);

        if (ngx_prof_slot_worker(slot, pid)) {
            return 1;
        }
    }

    return 0;
}
