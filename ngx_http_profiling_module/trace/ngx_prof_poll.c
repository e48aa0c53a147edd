
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/epoll.h>
#include "ngx_prof_poll.h"


static ngx_connection_t *ngx_prof_poll_connection(
    const struct epoll_event *event);


static ngx_connection_t *
ngx_prof_poll_connection(const struct epoll_event *event)
{
    return (ngx_connection_t *) ((uintptr_t) event->data.ptr
                                 & ~(uintptr_t) 1);
}


int
ngx_prof_poll_ask(ngx_prof_poll_t *poll, int ep, int timeout,
    int (*wait)(int, struct epoll_event *, int, int))
{
    int                      i, n;
    const ngx_connection_t  *c;

    poll->next = 0;
    poll->n = 0;

    n = wait(ep, poll->event, NGX_PROF_POLL_EVENTS, timeout);

    for (i = 0; i < n; i++) {
        c = ngx_prof_poll_connection(&poll->event[i]);

        poll->number[i] = c->number;
        poll->fd[i] = c->fd;
    }

    if (n > 0) {
        poll->n = n;
    }

    return n;
}


int
ngx_prof_poll_next(ngx_prof_poll_t *poll, struct epoll_event *events, int n)
{
    int                      i, given;
    const ngx_connection_t  *c;

    given = 0;

    while (given < n && poll->next < poll->n) {
        i = poll->next++;
        c = ngx_prof_poll_connection(&poll->event[i]);

        if (c->number == poll->number[i] && c->fd == poll->fd[i]) {
            events[given++] = poll->event[i];
        }
    }

    return given;
}
