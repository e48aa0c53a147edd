
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_shared.h"
#include "ngx_prof_trace.h"


static ngx_int_t ngx_prof_trace_put_checked(ngx_uint_t type, uint64_t time,
    ngx_uint_t n, const uint64_t *args)
    __attribute__((noinline));
static ngx_int_t ngx_prof_trace_room(void);
static void ngx_prof_trace_write(const u_char *p, size_t len);


ngx_prof_tracing_t   ngx_prof_tracing;
ngx_prof_recorder_t  ngx_prof_recorder;


static ngx_prof_always_inline u_char *
ngx_prof_trace_number(u_char *p, uint64_t value)
{
    while (ngx_prof_unlikely(value >= 0x80)) {
        *p++ = (u_char) (value | 0x80);
        value >>= 7;
    }

    *p++ = (u_char) value;

    return p;
}


void
ngx_prof_trace_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone)
{
    void                  *p;
    size_t                 size, total;
    ngx_uint_t             i;
    ngx_prof_region_t     *region;
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);

    size = ngx_prof_conf_setting(mcf, NGX_PROF_TRACE_BUFFER);
    size = ngx_align(size, ngx_pagesize);

    if (zone->ring == 0) {
        zone->ring = size;

    } else if (zone->ring != size) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "a new profiling_trace_buffer takes effect when "
                      "nginx is started anew, it stays %uzk",
                      zone->ring / 1024);
    }

    for (i = 0; i < zone->region_n; i++) {
        region = &zone->region[i];

        if (region->rings || region->n == 0) {
            continue;
        }

        p = NULL;

        if (!__builtin_mul_overflow(zone->ring, (size_t) region->n, &total)) {
            p = ngx_prof_shared(total);
        }

        if (p == NULL) {
            ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                          "there will be no execution traces: mmap() of %ui "
                          "buffers of %uz bytes failed",
                          region->n, zone->ring);
            continue;
        }

        region->rings = p;
    }
}


ngx_prof_trace_ring_t *
ngx_prof_trace_ring(const ngx_prof_zone_t *zone, ngx_uint_t slot)
{
    return (ngx_prof_trace_ring_t *) ngx_prof_zone_ring(zone, slot);
}


u_char *
ngx_prof_trace_data(ngx_prof_trace_ring_t *ring)
{
    return (u_char *) ring + sizeof(ngx_prof_trace_ring_t);
}


size_t
ngx_prof_trace_size(const ngx_prof_zone_t *zone)
{
    return zone->ring - sizeof(ngx_prof_trace_ring_t);
}


void
ngx_prof_trace_blocked(const char *name, uint64_t duration)
{
    uint64_t    args[2];
    ngx_uint_t  i, n;

    static const char *const  names[] = {
        NGX_PROF_TRACE_CALL_NAMES
    };

    if (!ngx_prof_tracing.on) {
        return;
    }

    n = sizeof(names) / sizeof(names[0]);

    for (i = 1; i < n && ngx_strcmp(names[i], name) != 0; i++) { /* void */ }

    args[0] = (i < n) ? i : 0;
    args[1] = duration;

    (void) ngx_prof_trace_put(NGX_PROF_TRACE_BLOCKED,
                              ngx_prof_clock(), 2, args);
}


/* signal-safe: one atomic addition, and stores */

void
ngx_prof_trace_sample(uint64_t now, uint32_t node, ngx_uint_t main)
{
    uint64_t                  i;
    ngx_prof_trace_ring_t    *ring;
    ngx_prof_trace_moment_t  *moment;

    if (!ngx_prof_tracing.on) {
        return;
    }

    ring = ngx_prof_recorder.ring;

    i = __atomic_fetch_add(&ring->moment_n, 1, __ATOMIC_RELAXED);

    if (i >= NGX_PROF_TRACE_MOMENTS) {
        return;
    }

    moment = &ring->moment[i];

    moment->goroutine = main ? ngx_prof_tracing.goroutine : 0;
    moment->node = node;
    ngx_prof_store_release(&moment->time, now);
}


static ngx_prof_always_inline u_char *
ngx_prof_trace_encode(u_char *p, ngx_uint_t type, uint64_t time, ngx_uint_t n,
    const uint64_t *args)
{
    uint64_t              since;
    ngx_uint_t            i;
    ngx_prof_recorder_t  *r;

    r = &ngx_prof_recorder;

    since = 0;

    if (time > r->time) {
        since = time - r->time;
        r->time = time;
    }

    *p++ = (u_char) type;
    p = ngx_prof_trace_number(p, since);

    for (i = 0; i < n; i++) {
        p = ngx_prof_trace_number(p, args[i]);
    }

    return p;
}


/* this is a good part of a trace's cost: rare cases are elsewhere */

ngx_int_t
ngx_prof_trace_put(ngx_uint_t type, uint64_t time, ngx_uint_t n,
    const uint64_t *args)
{
    size_t                len;
    u_char               *p;
    ngx_prof_recorder_t  *r;

    r = &ngx_prof_recorder;

    if (ngx_prof_unlikely(r->at >= r->stop)) {
        return ngx_prof_trace_put_checked(type, time, n, args);
    }

    p = r->data + r->at;

    len = ngx_prof_trace_encode(p, type, time, n, args) - p;

    r->at += len;
    r->head += len;

    /* readers see the whole event or nothing of it */

    ngx_prof_store_release(&r->ring->head, r->head);

    return NGX_OK;
}


/*
 * near the end of the ring, an event is assembled in a buffer and then copied
 */

static ngx_int_t
ngx_prof_trace_put_checked(ngx_uint_t type, uint64_t time, ngx_uint_t n,
    const uint64_t *args)
{
    size_t                len, room;
    u_char                buf[NGX_PROF_TRACE_EVENT_MAX];
    ngx_prof_recorder_t  *r;

    r = &ngx_prof_recorder;

    if (ngx_prof_trace_room() != NGX_OK) {
        return NGX_DECLINED;
    }

    len = ngx_prof_trace_encode(buf, type, time, n, args) - buf;

    ngx_prof_trace_write(buf, len);
    r->head += len;

    ngx_prof_store_release(&r->ring->head, r->head);

    /* room for further events: neither past the end nor over what is unread */

    room = r->size - (size_t) (r->head - r->tail);
    room = (room > 2 * NGX_PROF_TRACE_EVENT_MAX)
           ? room - 2 * NGX_PROF_TRACE_EVENT_MAX : 0;

    r->stop = ngx_min(r->at + room, r->size - NGX_PROF_TRACE_EVENT_MAX);

    return NGX_OK;
}


/* room for this event, and for one before it that reports the lost ones */

static ngx_int_t
ngx_prof_trace_room(void)
{
    u_char               *p;
    u_char                buf[NGX_PROF_TRACE_EVENT_MAX];
    ngx_prof_recorder_t  *r;

    r = &ngx_prof_recorder;

    r->tail = ngx_prof_load_acquire(&r->ring->tail);

    if (r->size - (size_t) (r->head - r->tail) < 2 * NGX_PROF_TRACE_EVENT_MAX)
    {
        r->stop = 0;
        r->lost++;
        ngx_prof_store(&r->ring->lost, r->ring->lost + 1);
        return NGX_DECLINED;
    }

    if (r->lost) {
        p = buf;
        *p++ = NGX_PROF_TRACE_LOST;
        *p++ = 0;
        p = ngx_prof_trace_number(p, r->lost);

        ngx_prof_trace_write(buf, p - buf);
        r->head += p - buf;
        r->lost = 0;
    }

    return NGX_OK;
}


static void
ngx_prof_trace_write(const u_char *p, size_t len)
{
    size_t                part;
    ngx_prof_recorder_t  *r;

    r = &ngx_prof_recorder;

    part = ngx_min(len, r->size - r->at);

    ngx_memcpy(r->data + r->at, p, part);

    if (part < len) {
        ngx_memcpy(r->data, p + part, len - part);
    }

    r->at += len;

    if (r->at >= r->size) {
        r->at -= r->size;
    }
}
