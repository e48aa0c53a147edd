
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_channel.h>
#include <ngx_event.h>
#include "ngx_prof_wake.h"
#include "ngx_prof_job.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_worker.h"


/* "prof"; nginx's own commands are small numbers */
#define NGX_PROF_WAKE_COMMAND  0x666f7270


static void ngx_prof_wake_first(ngx_event_t *ev);
static void ngx_prof_wake_channel(ngx_event_t *ev);
static void ngx_prof_wake_rung(void);
static ngx_int_t ngx_prof_wake_ring(ngx_pid_t pid, ngx_int_t slot);


static void                  (*ngx_prof_wake_asked)(void);
static ngx_event_handler_pt    ngx_prof_wake_nginx;

static ngx_event_t             ngx_prof_wake_event;
static ngx_connection_t        ngx_prof_wake_connection;


void
ngx_prof_wake_init(ngx_cycle_t *cycle, void (*asked)(void))
{
    ngx_prof_wake_asked = asked;
    ngx_prof_wake_nginx = NULL;

    /* nginx polls the channel when all modules have their processes begun */

    ngx_memzero(&ngx_prof_wake_event, sizeof(ngx_event_t));

    ngx_prof_event_init(&ngx_prof_wake_event, &ngx_prof_wake_connection,
                        ngx_prof_wake_first, cycle->log);

    ngx_post_event(&ngx_prof_wake_event, &ngx_posted_next_events);
}


/* in the first pass, and then whenever this worker wakes itself */

static void
ngx_prof_wake_first(ngx_event_t *ev)
{
    ngx_uint_t         i;
    ngx_connection_t  *c;

    ngx_prof_wake_rung();

    if (ngx_prof_wake_nginx || ngx_process == NGX_PROCESS_SINGLE) {
        return;
    }

    c = ngx_cycle->connections;

    for (i = 0; i < ngx_cycle->connection_n; i++) {

        if (c[i].fd == ngx_channel
            && c[i].read->channel
            && c[i].read->active)
        {
            ngx_prof_wake_nginx = c[i].read->handler;
            c[i].read->handler = ngx_prof_wake_channel;
            return;
        }
    }

    ngx_log_error(NGX_LOG_ERR, ev->log, 0,
                  "nginx polls no channel, this worker cannot be asked for "
                  "profiles");
}


static void
ngx_prof_wake_channel(ngx_event_t *ev)
{
    ngx_prof_wake_nginx(ev);
    ngx_prof_wake_rung();
}


static void
ngx_prof_wake_rung(void)
{
    if (ngx_prof_process.slot == NULL) {
        return;
    }

    /* who asks from now on rings again */

    (void) __atomic_exchange_n(&ngx_prof_process.slot->rung, 0,
                               __ATOMIC_SEQ_CST);

    ngx_prof_wake_asked();
}


ngx_int_t
ngx_prof_wake(ngx_prof_slot_t *slot)
{
    ngx_pid_t  pid;

    pid = ngx_prof_slot_pid(slot);

    if (pid == ngx_pid) {

        if (!ngx_prof_wake_event.posted) {
            ngx_post_event(&ngx_prof_wake_event, &ngx_posted_next_events);
        }

        return NGX_OK;
    }

    /* one word in the channel is enough: those of the master have room */

    if (pid == 0 || __atomic_exchange_n(&slot->rung, 1, __ATOMIC_SEQ_CST)) {
        return pid ? NGX_OK : NGX_ERROR;
    }

    if (ngx_prof_wake_ring(pid, (ngx_int_t) ngx_prof_load(
                                                       &slot->process_slot))
        == NGX_OK)
    {
        return NGX_OK;
    }

    ngx_prof_store(&slot->rung, 0);

    return NGX_ERROR;
}


static ngx_int_t
ngx_prof_wake_ring(ngx_pid_t pid, ngx_int_t slot)
{
    ngx_channel_t  ch;

    /*
     * The master has announced it, and not its end.  Where this process came
     * for one that was killed, its own entry has still that one's pid, and a
     * descriptor that was closed: a client's by now.
     */

    if (slot < 0
        || slot >= NGX_MAX_PROCESSES
        || slot == ngx_process_slot
        || ngx_processes[slot].pid != pid
        || ngx_processes[slot].channel[0] == -1)
    {
        return NGX_ERROR;
    }

    ngx_memzero(&ch, sizeof(ngx_channel_t));

    ch.command = NGX_PROF_WAKE_COMMAND;
    ch.pid = ngx_pid;
    ch.slot = ngx_process_slot;
    ch.fd = -1;

    /* a channel that is full wakes it as well */

    if (send(ngx_processes[slot].channel[0], &ch, sizeof(ngx_channel_t),
             MSG_NOSIGNAL|MSG_DONTWAIT)
        == -1
        && ngx_errno != NGX_EAGAIN)
    {
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
