
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include "ngx_prof_received.h"

#if (NGX_HTTP_V2)
#include <ngx_http_v2_module.h>
#endif


/*
 * tcpi_bytes_received in struct tcp_info as the kernel has it, in words: the
 * C library has an older one
 */
#define NGX_PROF_TCP_RECEIVED  16


static off_t ngx_prof_received_stream(ngx_http_request_t *r);
static off_t ngx_prof_received_unparsed(const ngx_http_request_t *r);
static off_t ngx_prof_received_discarded(const ngx_http_request_t *r);
static off_t ngx_prof_received_upgraded(const ngx_http_request_t *r);
static off_t ngx_prof_received_alone(const ngx_http_request_t *r);


off_t
ngx_prof_received(ngx_http_request_t *r)
{
    off_t       in;
    ngx_uint_t  parsed, dropped;

    in = r->request_length;

    if (r->upstream && r->upstream->upgrade) {
        return in + ngx_prof_received_upgraded(r);
    }

    if (r->http_version >= NGX_HTTP_VERSION_20) {
        return in + ngx_prof_received_stream(r);
    }

    parsed = (r->http_state == NGX_HTTP_PROCESS_REQUEST_STATE);
    dropped = r->lingering_time
              || (r->headers_in.chunked && r->request_body
                  && r->request_body->bufs == NULL);

    if (parsed && !dropped) {
        return in + ngx_prof_received_discarded(r);
    }

    return ngx_max(in + (parsed ? ngx_prof_received_discarded(r)
                                : ngx_prof_received_unparsed(r)),
                   ngx_prof_received_alone(r));
}


/* of a stream what nginx has not read until its request ends */

static off_t
ngx_prof_received_stream(ngx_http_request_t *r)
{
#if (NGX_HTTP_V2)
    ngx_http_v2_srv_conf_t    *h2scf;
    ngx_http_v2_connection_t  *h2c;
#endif

#if (NGX_HTTP_V3)

    if (r->connection->quic) {
        return ngx_max((off_t) r->connection->quic->recv_last
                       - r->request_length, 0);
    }

#endif

#if (NGX_HTTP_V2)

    /* no window is opened further for a body that nobody reads */

    if (r->stream && r->request_body == NULL) {
        h2c = r->stream->connection;
        h2scf = ngx_http_get_module_srv_conf(h2c->http_connection->conf_ctx,
                                             ngx_http_v2_module);

        return ngx_max((off_t) h2scf->preread_size
                       - (off_t) r->stream->recv_window, 0);
    }

#endif

    return 0;
}


/* the rest of the buffer, from where nginx has not yet counted */

static off_t
ngx_prof_received_unparsed(const ngx_http_request_t *r)
{
    u_char     *from;
    ngx_buf_t  *b;

    b = r->header_in;

    if (b == NULL) {
        return 0;
    }

    from = r->request_length ? r->header_name_start : r->request_start;

    if (from < b->start || from > b->last) {
        from = r->request_length ? b->pos : b->start;
    }

    return b->last - from;
}


/* content_length_n becomes what is left of a body that is discarded */

static off_t
ngx_prof_received_discarded(const ngx_http_request_t *r)
{
    off_t  length;

    if (r->request_body || r->headers_in.content_length == NULL) {
        return 0;
    }

    length = ngx_atoof(r->headers_in.content_length->value.data,
                       r->headers_in.content_length->value.len);

    return (length > r->headers_in.content_length_n)
           ? length - r->headers_in.content_length_n : 0;
}


/* what went to the upstream behind the request, or was about to */

static off_t
ngx_prof_received_upgraded(const ngx_http_request_t *r)
{
    off_t                 n;
    ngx_buf_t            *b;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u->state == NULL || u->request_bufs == NULL) {
        return 0;
    }

    b = u->request_bufs->buf;
    n = u->state->bytes_sent - (b->last - b->start);

    if (r->request_body) {
        n -= ngx_max(r->headers_in.content_length_n, 0);
    }

    if (u->from_client.start) {
        n += u->from_client.last - u->from_client.pos;
    }

    return ngx_max(n, 0);
}


/*
 * What the kernel has received of a connection with one request, less what
 * nginx has not read, and the end of the stream, which counts as a byte.
 */

static off_t
ngx_prof_received_alone(const ngx_http_request_t *r)
{
    int                unread;
    uint64_t           info[NGX_PROF_TCP_RECEIVED + 1];
    socklen_t          len;
    ngx_uint_t         end;
    ngx_connection_t  *c;

    c = r->connection;

    if (c->requests != 1 || c->proxy_protocol) {
        return 0;
    }

#if (NGX_SSL || NGX_COMPAT)

    if (c->ssl) {
        return 0;
    }

#endif

    len = sizeof(info);

    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, info, &len) == -1
        || len < sizeof(info)
        || ioctl(c->fd, FIONREAD, &unread) == -1)
    {
        return 0;
    }

    switch (*(u_char *) info) {

    case TCP_CLOSE_WAIT:
    case TCP_LAST_ACK:
    case TCP_CLOSING:
    case TCP_TIME_WAIT:
        end = 1;
        break;

    case TCP_CLOSE:
        end = c->read->eof && !c->read->error;
        break;

    default:
        end = 0;
    }

    return (off_t) info[NGX_PROF_TCP_RECEIVED] - unread - end;
}
