
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_channel.h>
#include "ngx_prof_wake.h"
#include "ngx_prof_record.h"
#include "ngx_prof_worker.h"


/* descriptors that are left to nginx, or half of them if there are few */
#define NGX_PROF_WAKE_RESERVE  64


static int ngx_prof_wake_descriptor(void);
static void ngx_prof_wake_handler(ngx_event_t *ev);


static void (*ngx_prof_wake_asked)(void);


void
ngx_prof_wake_open(ngx_prof_zone_t *zone, ngx_log_t *log)
{
    int          fd;
    int32_t     *wake;
    ngx_uint_t   i;

    wake = ngx_prof_zone_wake(zone);

    for (i = 0; i < zone->slots; i++) {

        if (wake[i] != -1) {
            continue;
        }

        fd = ngx_prof_wake_descriptor();

        if (fd == -1) {
            ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                          "eventfd() failed, %uL workers cannot be asked",
                          zone->slots - i);
            return;
        }

        ngx_prof_store(&wake[i], fd);
    }
}


/* without one of ours a worker cannot be asked, without its own none starts */

static int
ngx_prof_wake_descriptor(void)
{
    int            fd;
    rlim_t         reserve;
    struct rlimit  limit;

    fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

    if (fd == -1 || getrlimit(RLIMIT_NOFILE, &limit) == -1) {
        return fd;
    }

    reserve = ngx_min(limit.rlim_cur / 2, NGX_PROF_WAKE_RESERVE);

    if ((rlim_t) fd >= limit.rlim_cur - reserve) {
        (void) close(fd);
        ngx_set_errno(EMFILE);
        return -1;
    }

    return fd;
}


void
ngx_prof_wake_init(ngx_cycle_t *cycle, void (*asked)(void))
{
    int         fd;
    ngx_uint_t  i;

    ngx_prof_wake_asked = asked;

    i = ngx_prof_zone_slot_index(ngx_prof_process.zone, ngx_prof_process.slot);
    fd = ngx_prof_zone_wake(ngx_prof_process.zone)[i];

    /*
     * added as a channel: nginx then neither waits for it nor complains of
     * it when the worker exits
     */

    if (fd == -1
        || ngx_add_channel_event(cycle, fd, NGX_READ_EVENT,
                                 ngx_prof_wake_handler)
           != NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "this worker cannot be asked for profiles");
        return;
    }
}


static void
ngx_prof_wake_handler(ngx_event_t *ev)
{
    uint64_t           n;
    ngx_connection_t  *c;

    if (ev->timedout) {
        ev->timedout = 0;
        return;
    }

    c = ev->data;

    if (read(c->fd, &n, sizeof(uint64_t)) == -1 && ngx_errno != NGX_EAGAIN) {
        ngx_log_error(NGX_LOG_ALERT, ev->log, ngx_errno,
                      "read() of an eventfd failed");
    }

    if (ngx_prof_process.slot) {
        ngx_prof_wake_asked();
    }
}


ngx_int_t
ngx_prof_wake(const ngx_prof_slot_t *slot)
{
    int         fd;
    uint64_t    n;
    ngx_uint_t  i;

    i = ngx_prof_zone_slot_index(ngx_prof_process.zone, slot);
    fd = ngx_prof_zone_wake(ngx_prof_process.zone)[i];

    if (fd == -1) {
        return NGX_ERROR;
    }

    n = 1;

    /* EAGAIN: the counter is full, so the worker is to be woken already */

    if (write(fd, &n, sizeof(uint64_t)) == -1 && ngx_errno != NGX_EAGAIN) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_prof_wake_awaiting(void)
{
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load(&slot->claims)
            && ngx_prof_load_acquire(&slot->awaiting))
        {
            (void) ngx_prof_wake(slot);
        }
    }
}
