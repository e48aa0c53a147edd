
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_descriptor.h"


/* nginx's modules of events keep a bit of an address for themselves */

typedef struct {
    ngx_connection_t  connection;
    ngx_event_t       read;
    ngx_event_t       write;
} ngx_prof_descriptor_t;


static ngx_connection_t  *ngx_prof_descriptor_free;


ngx_connection_t *
ngx_prof_descriptor_open(int fd, ngx_log_t *log)
{
    ngx_uint_t              instance;
    ngx_connection_t       *c;
    ngx_prof_descriptor_t  *d;

    if (!(ngx_event_flags & NGX_USE_EPOLL_EVENT)) {
        c = ngx_get_connection(fd, log);

        if (c) {
            c->read->channel = 1;
            c->write->channel = 1;
        }

        return c;
    }

    c = ngx_prof_descriptor_free;

    if (c) {
        ngx_prof_descriptor_free = c->data;
        d = (ngx_prof_descriptor_t *) c;
        instance = !d->read.instance;

    } else {
        d = ngx_alloc(sizeof(ngx_prof_descriptor_t), log);
        if (d == NULL) {
            return NULL;
        }

        instance = 0;
    }

    ngx_memzero(d, sizeof(ngx_prof_descriptor_t));

    c = &d->connection;

    c->fd = fd;
    c->log = log;
    c->read = &d->read;
    c->write = &d->write;

    d->read.data = c;
    d->read.log = log;
    d->read.channel = 1;
    d->read.index = NGX_INVALID_INDEX;

    d->write.data = c;
    d->write.log = log;
    d->write.write = 1;
    d->write.channel = 1;
    d->write.index = NGX_INVALID_INDEX;

    /* this bit marks events of the one before, which are stale */

    d->read.instance = instance;
    d->write.instance = instance;

    return c;
}


void
ngx_prof_descriptor_close(ngx_connection_t *c)
{
    int  fd;

    if (!(ngx_event_flags & NGX_USE_EPOLL_EVENT)) {
        ngx_close_connection(c);
        return;
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    fd = c->fd;

    if (c->read->active || c->write->active) {
        (void) ngx_del_conn(c, 0);
    }

    c->fd = (ngx_socket_t) -1;

    (void) close(fd);

    c->data = ngx_prof_descriptor_free;
    ngx_prof_descriptor_free = c;
}
