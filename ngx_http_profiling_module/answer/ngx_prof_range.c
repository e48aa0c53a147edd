
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_range.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_base.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* ms that the clock of a client may be fast */
#define NGX_PROF_RANGE_FAST  1000


static ngx_int_t ngx_prof_range_time(ngx_str_t *text, uint64_t now,
    uint64_t *ms);
static ngx_int_t ngx_prof_range_seconds(const ngx_str_t *text, uint64_t *ms);
static ngx_int_t ngx_prof_range_offset(const u_char *p, const u_char *last,
    int *offset);


ngx_int_t
ngx_prof_range(ngx_http_request_t *r, ngx_prof_span_t *span,
    const char *alone, ngx_prof_error_pt error)
{
    uint64_t    now, clock, from, until;
    ngx_int_t   given;
    ngx_str_t   value;

    ngx_memzero(span, sizeof(ngx_prof_span_t));

    clock = ngx_prof_clock();
    now = ngx_prof_zone_day(ngx_prof_process.zone, clock);
    clock /= NGX_PROF_NSEC_PER_MSEC;

    given = (ngx_prof_argument(r, "until", &value) == NGX_OK);
    until = now;

    if (given && ngx_prof_range_time(&value, now, &until) != NGX_OK) {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "until must be a time such as 2026-02-10T09:59:58Z, "
                     "1770717598 or -5m, not \"%V\"", &value);
    }

    if (ngx_prof_argument(r, "from", &value) != NGX_OK) {
        return given ? error(r, NGX_HTTP_BAD_REQUEST, "until needs from")
                     : NGX_DECLINED;
    }

    if (ngx_prof_range_time(&value, now, &from) != NGX_OK) {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "from must be a time such as 2026-02-10T09:59:58Z, "
                     "1770717598 or -10m, not \"%V\"", &value);
    }

    if (alone && ngx_prof_argument(r, alone, &value) == NGX_OK) {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "from and %s params are incompatible", alone);
    }

    if (until > now + NGX_PROF_RANGE_FAST || from > now) {
        return error(r, NGX_HTTP_BAD_REQUEST, "%s is in the future",
                     from > now ? "from" : "until");
    }

    until = ngx_min(until, now);

    if (from >= until) {
        return error(r, NGX_HTTP_BAD_REQUEST, "from must be before until");
    }

    if (ngx_prof_setting(NGX_PROF_RECORD) == 0) {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "nothing is recorded: profiling_record is off");
    }

    /* times before the machine was started are its start */

    span->until = (now - until < clock) ? clock - (now - until) : 2;
    span->from = (now - from < clock) ? clock - (now - from) : 1;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_prof_range_time(ngx_str_t *text, uint64_t now, uint64_t *ms)
{
    ngx_int_t  ago;
    ngx_str_t  time;

    if (text->len && text->data[0] == '-') {
        time.data = text->data + 1;
        time.len = text->len - 1;

        ago = ngx_parse_time(&time, 0);

        if (ago < 0) {
            return NGX_ERROR;
        }

        *ms = ((uint64_t) ago < now) ? now - (uint64_t) ago : 0;

        return NGX_OK;
    }

    return (ngx_prof_range_seconds(text, ms) == NGX_OK) ? NGX_OK
           : ngx_prof_range_date(text, ms);
}


/* since the epoch, with or without a fraction */

static ngx_int_t
ngx_prof_range_seconds(const ngx_str_t *text, uint64_t *ms)
{
    u_char     *p, *last;
    uint64_t    scale;
    ngx_int_t   n;

    last = text->data + text->len;

    for (p = text->data; p < last && *p >= '0' && *p <= '9'; p++) {
        /* void */
    }

    n = ngx_atoi(text->data, p - text->data);

    if (n == NGX_ERROR || n > NGX_MAX_INT_T_VALUE / 1000) {
        return NGX_ERROR;
    }

    *ms = (uint64_t) n * 1000;

    if (p == last) {
        return NGX_OK;
    }

    if (*p++ != '.' || p == last) {
        return NGX_ERROR;
    }

    for (scale = 100; p < last; p++, scale /= 10) {

        if (*p < '0' || *p > '9') {
            return NGX_ERROR;
        }

        *ms += (*p - '0') * scale;
    }

    return NGX_OK;
}


ngx_int_t
ngx_prof_range_date(const ngx_str_t *text, uint64_t *ms)
{
    int         day, leap, offset;
    u_char     *p, *last;
    time_t      time;
    uint64_t    fraction, scale;
    ngx_uint_t  i;
    struct tm   tm;

    static const u_char  pattern[] = "0000-00-00T00:00:00";

    if (text->len < sizeof(pattern)) {
        return NGX_ERROR;
    }

    p = text->data;
    last = p + text->len;

    for (i = 0; i < sizeof(pattern) - 1; i++) {

        if ((pattern[i] == '0') ? (p[i] < '0' || p[i] > '9')
                                : (p[i] != pattern[i]))
        {
            return NGX_ERROR;
        }
    }

    ngx_memzero(&tm, sizeof(struct tm));

    tm.tm_year = (int) ngx_atoi(p, 4) - 1900;
    tm.tm_mon = (int) ngx_atoi(p + 5, 2) - 1;
    tm.tm_mday = (int) ngx_atoi(p + 8, 2);
    tm.tm_hour = (int) ngx_atoi(p + 11, 2);
    tm.tm_min = (int) ngx_atoi(p + 14, 2);
    tm.tm_sec = (int) ngx_atoi(p + 17, 2);

    p += sizeof(pattern) - 1;
    fraction = 0;

    if (*p == '.') {

        for (p++, scale = 100;
             p < last && *p >= '0' && *p <= '9';
             p++, scale /= 10)
        {
            fraction += (*p - '0') * scale;
        }

        if (p[-1] == '.') {
            return NGX_ERROR;
        }
    }

    if (ngx_prof_range_offset(p, last, &offset) != NGX_OK
        || tm.tm_mon < 0 || tm.tm_mon > 11
        || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
    {
        return NGX_ERROR;
    }

    leap = (tm.tm_sec == 60);
    tm.tm_sec -= leap;

    day = tm.tm_mday;
    time = timegm(&tm) + leap - offset;

    /* timegm() turns a day that the month lacks into another day */

    if (time < 0 || tm.tm_mday != day) {
        return NGX_ERROR;
    }

    *ms = (uint64_t) time * 1000 + fraction;

    return NGX_OK;
}


/* "Z", or hours and minutes: in seconds */

static ngx_int_t
ngx_prof_range_offset(const u_char *p, const u_char *last, int *offset)
{
    ngx_int_t  hours, minutes;

    *offset = 0;

    if (last - p == 1 && *p == 'Z') {
        return NGX_OK;
    }

    /* a plus that was not escaped reads as a blank */

    if (last - p != 6 || p[3] != ':'
        || (*p != '+' && *p != ' ' && *p != '-'))
    {
        return NGX_ERROR;
    }

    hours = ngx_atoi((u_char *) p + 1, 2);
    minutes = ngx_atoi((u_char *) p + 4, 2);

    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
        return NGX_ERROR;
    }

    *offset = (int) (hours * 3600 + minutes * 60);

    if (*p == '-') {
        *offset = -*offset;
    }

    return NGX_OK;
}
