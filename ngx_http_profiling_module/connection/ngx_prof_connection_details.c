
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <netinet/tcp.h>
#include "ngx_prof_connection_details.h"
#include "ngx_prof_base.h"
#include "ngx_prof_begun.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_worker.h"


static void ngx_prof_connection_timer(ngx_prof_connection_t *e,
    ngx_connection_t *c);
static int64_t ngx_prof_connection_wait(ngx_prof_connection_t *e);
static int64_t ngx_prof_connection_client_wait(ngx_prof_connection_t *e);
static int64_t ngx_prof_connection_upstream_wait(ngx_prof_connection_t *e);
static int64_t ngx_prof_connection_armed(ngx_event_t *ev, ngx_msec_t timeout);
static int64_t ngx_prof_connection_age(ngx_http_request_t *r);
static int64_t ngx_prof_connection_quiet(ngx_connection_t *c);
static void ngx_prof_connection_bytes(ngx_prof_connection_t *e);
static void ngx_prof_connection_texts(ngx_prof_connection_t *e);
static void ngx_prof_connection_uri(ngx_prof_connection_t *e, ngx_str_t *uri);
static void ngx_prof_connection_peer(ngx_prof_connection_t *e);


#define ngx_prof_connection_is_client(e)                                      \
    ((e)->kind == NGX_PROF_KIND_CLIENT                                        \
     || (e)->kind == NGX_PROF_KIND_STREAM                                     \
     || (e)->kind == NGX_PROF_KIND_HTTP3                                      \
     || (e)->kind == NGX_PROF_KIND_TASK)


void
ngx_prof_connection_details(ngx_prof_connection_t *e)
{
    e->timer = 0;
    e->remaining = 0;

    ngx_prof_connection_timer(e, e->connection);

    if (e->timer == 0 && e->owner
        && e->owner->upstream->peer.connection != e->connection)
    {
        ngx_prof_connection_timer(e, e->owner->upstream->peer.connection);
    }

    e->wait = ngx_prof_connection_wait(e);

    ngx_prof_connection_bytes(e);
    ngx_prof_connection_texts(e);
}


/* reports the timer that expires first, of reading and writing */

static void
ngx_prof_connection_timer(ngx_prof_connection_t *e, ngx_connection_t *c)
{
    int64_t  read, write;

    read = (ngx_msec_int_t) (c->read->timer.key - ngx_current_msec);
    write = (ngx_msec_int_t) (c->write->timer.key - ngx_current_msec);

    if (c->read->timer_set && (!c->write->timer_set || read <= write)) {
        e->timer = 1;
        e->remaining = ngx_max(read, 0);

    } else if (c->write->timer_set) {
        e->timer = 2;
        e->remaining = ngx_max(write, 0);
    }
}


/*
 * How long nothing has moved, in ms.  nginx records no such times, but a timer
 * of known length tells when it was set, and the kernel when data was last
 * received or sent.
 */

static int64_t
ngx_prof_connection_wait(ngx_prof_connection_t *e)
{
    int64_t  wait, age;

    age = (ngx_msec_int_t) (ngx_current_msec - e->connection->start_time);

    if (e->owner
        && e->state >= NGX_PROF_DUMP_CONNECTING
        && e->state <= NGX_PROF_DUMP_UPGRADED
        && e->state != NGX_PROF_DUMP_SENDING
        && e->state != NGX_PROF_DUMP_DELAYED
        && e->state != NGX_PROF_DUMP_TASK)
    {
        wait = ngx_prof_connection_upstream_wait(e);

    } else if (ngx_prof_connection_is_client(e)) {
        wait = ngx_prof_connection_client_wait(e);

    } else {
        wait = ngx_prof_connection_quiet(e->connection);
    }

    /* a wait cannot be longer than the connection's life */

    return (e->connection->start_time && wait > age) ? ngx_max(age, 0) : wait;
}


static int64_t
ngx_prof_connection_client_wait(ngx_prof_connection_t *e)
{
    int64_t                    wait;
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    c = e->connection;
    r = e->request;
    wait = NGX_PROF_DUMP_UNKNOWN;

    if (e->state == NGX_PROF_DUMP_TLS || e->state == NGX_PROF_DUMP_WAITING) {
        return (ngx_msec_int_t) (ngx_current_msec - c->start_time);
    }

    if (r == NULL) {
        return ngx_prof_connection_quiet(c);
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    switch (e->state) {

    case NGX_PROF_DUMP_READING:
    case NGX_PROF_DUMP_RESOLVING:
        return ngx_prof_connection_age(r);

    case NGX_PROF_DUMP_BODY:
        wait = ngx_prof_connection_armed(c->read, clcf->client_body_timeout);
        break;

    case NGX_PROF_DUMP_SENDING:
        wait = ngx_prof_connection_armed(c->write, clcf->send_timeout);
        break;

    case NGX_PROF_DUMP_DELAYED:
        if (!r->header_sent) {
            return ngx_prof_connection_age(r);
        }

        break;

    case NGX_PROF_DUMP_LINGERING:
        wait = ngx_prof_connection_armed(c->read, clcf->lingering_timeout);
        break;
    }

    if (wait == NGX_PROF_DUMP_UNKNOWN
#if (NGX_HTTP_V2)
        && !r->stream
#endif
       )
    {
        wait = ngx_prof_connection_quiet(c);
    }

    if (wait == NGX_PROF_DUMP_UNKNOWN) {
        wait = ngx_prof_connection_age(r);
    }

    return wait;
}


static int64_t
ngx_prof_connection_upstream_wait(ngx_prof_connection_t *e)
{
    int64_t                    wait, start;
    ngx_connection_t          *c;
    ngx_http_upstream_t       *u;
    ngx_http_upstream_conf_t  *conf;

    u = e->owner->upstream;
    c = u->peer.connection;
    conf = u->conf;

    start = (ngx_msec_int_t) (ngx_current_msec - u->start_time);

    if (e->state == NGX_PROF_DUMP_CONNECTING) {
        return start;
    }

    if (e->state == NGX_PROF_DUMP_REQUEST) {
        wait = ngx_prof_connection_armed(c->write, conf->send_timeout);

    } else {
        wait = ngx_prof_connection_armed(c->read, conf->read_timeout);
    }

    return (wait == NGX_PROF_DUMP_UNKNOWN) ? start : wait;
}


/* ms since a timer was set; nginx does not move a timer by 300 ms or less */

static int64_t
ngx_prof_connection_armed(ngx_event_t *ev, ngx_msec_t timeout)
{
    int64_t  elapsed;

    if (!ev->timer_set) {
        return NGX_PROF_DUMP_UNKNOWN;
    }

    elapsed = (int64_t) timeout
              - (ngx_msec_int_t) (ev->timer.key - ngx_current_msec);

    return ngx_max(elapsed, 0);
}


static int64_t
ngx_prof_connection_age(ngx_http_request_t *r)
{
    uint64_t  pass;

    pass = ngx_prof_loop_pass_start();

    return (int64_t) ((pass - ngx_prof_begun(r, pass, pass))
                      / NGX_PROF_NSEC_PER_MSEC);
}


/* ms since data was last sent or received, by the kernel */

static int64_t
ngx_prof_connection_quiet(ngx_connection_t *c)
{
    socklen_t        len;
    struct tcp_info  info;

    len = sizeof(struct tcp_info);

    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1
        || len < offsetof(struct tcp_info, tcpi_last_ack_recv))
    {
        return NGX_PROF_DUMP_UNKNOWN;
    }

    return ngx_min(info.tcpi_last_data_sent, info.tcpi_last_data_recv);
}


static void
ngx_prof_connection_bytes(ngx_prof_connection_t *e)
{
    ngx_http_upstream_t  *u;

    e->in = NGX_PROF_DUMP_UNKNOWN;
    e->out = e->connection->sent;

    if (e->kind == NGX_PROF_KIND_UPSTREAM) {
        u = e->owner ? e->owner->upstream : NULL;

        if (u && u->state) {
            e->in = u->state->bytes_received;
        }

    } else if (e->request) {
        e->in = e->request->request_length;
    }
}


static void
ngx_prof_connection_texts(ngx_prof_connection_t *e)
{
    size_t               len;
    ngx_log_t           *log;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    ngx_memzero(e->text, sizeof(e->text));

    r = e->request;
    c = r ? r->connection : e->connection;

    if (r || (e->log && c->listening)) {
        e->text[NGX_PROF_DUMP_CLIENT] = c->addr_text;
    }

    if (r) {
        e->text[NGX_PROF_DUMP_METHOD] = r->method_name;
        ngx_prof_connection_uri(e, (r == r->main) ? &r->unparsed_uri
                                                       : &r->uri);
    }

    ngx_prof_connection_peer(e);

    log = e->log;

    if (log && log->action) {
        for (len = 0; len < 64 && log->action[len]; len++) { /* void */ }

        e->text[NGX_PROF_DUMP_ACTION].data = (u_char *) log->action;
        e->text[NGX_PROF_DUMP_ACTION].len = len;
    }
}


/* what follows the path may contain secrets */

static void
ngx_prof_connection_uri(ngx_prof_connection_t *e, ngx_str_t *uri)
{
    size_t  i;

    for (i = 0; i < uri->len; i++) {

        if (uri->data[i] == '?' || uri->data[i] == '#') {
            break;
        }
    }

    e->text[NGX_PROF_DUMP_URI].data = uri->data;
    e->text[NGX_PROF_DUMP_URI].len = i;
}


static void
ngx_prof_connection_peer(ngx_prof_connection_t *e)
{
    socklen_t                    len;
    ngx_str_t                   *peer;
    ngx_sockaddr_t               sockaddr;
    ngx_resolver_connection_t   *rec;

    peer = &e->text[NGX_PROF_DUMP_PEER];

    if (e->owner && e->owner->upstream->peer.name) {
        *peer = *e->owner->upstream->peer.name;
        return;
    }

    if (e->kind == NGX_PROF_KIND_RESOLVER) {
        rec = e->connection->data;

        if (rec && (rec->udp == e->connection || rec->tcp == e->connection)) {
            *peer = rec->server;
        }

        return;
    }

    if (e->connection->listening) {
        return;
    }

    len = sizeof(ngx_sockaddr_t);

    if (getpeername(e->connection->fd, &sockaddr.sockaddr, &len) == 0
        && len > offsetof(struct sockaddr, sa_data))
    {
        peer->data = e->address;
        peer->len = ngx_sock_ntop(&sockaddr.sockaddr, len, e->address,
                                  NGX_SOCKADDR_STRLEN, 1);
    }
}
