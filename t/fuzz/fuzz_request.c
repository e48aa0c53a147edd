
/*
 * Any bytes as a request to one of the handlers: path, query, body, host and
 * headers, from a client of this machine or one of a unix socket.  A capture
 * that begins ends when the client has gone away.
 */


#include "worker.h"

#include <sys/socket.h>


static int  fuzz_unix;
static int  fuzz_tcp;


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int                 pair[2], listening;
    socklen_t           len;
    struct sockaddr_in  sin;

    fuzz_worker();

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1) {
        abort();
    }

    fuzz_unix = pair[0];

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    len = sizeof(sin);

    listening = socket(AF_INET, SOCK_STREAM, 0);
    fuzz_tcp = socket(AF_INET, SOCK_STREAM, 0);

    if (listening == -1 || fuzz_tcp == -1
        || bind(listening, (struct sockaddr *) &sin, len) == -1
        || listen(listening, 1) == -1
        || getsockname(listening, (struct sockaddr *) &sin, &len) == -1
        || connect(fuzz_tcp, (struct sockaddr *) &sin, len) == -1)
    {
        abort();
    }

    return 0;
}


/* a part of the input, up to the next zero byte, in memory of its own */

static void
fuzz_part(fuzz_input_t *in, ngx_pool_t *pool, ngx_str_t *part)
{
    const uint8_t  *end;

    end = memchr(in->p, '\0', in->last - in->p);
    end = end ? end : in->last;

    part->len = end - in->p;
    part->data = ngx_pnalloc(pool, part->len);

    if (part->data == NULL) {
        abort();
    }

    ngx_memcpy(part->data, in->p, part->len);

    in->p = (end < in->last) ? end + 1 : end;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t       how, status;
    ngx_pool_t      *pool;
    fuzz_input_t     in;
    fuzz_request_t   request;

    static const ngx_uint_t  methods[] = {
        NGX_HTTP_GET, NGX_HTTP_GET, NGX_HTTP_POST, NGX_HTTP_HEAD
    };

    static const ngx_http_handler_pt  handlers[] = {
        ngx_prof_api_handler, ngx_prof_pprof_handler,
        ngx_prof_pprof_handler,
        ngx_prof_prometheus_handler
    };

    if (size < 1 || size > 4096) {
        return 0;
    }

    how = data[0];
    in.p = data + 1;
    in.last = data + size;
    pool = fuzz_pool();

    ngx_memzero(&request, sizeof(request));

    request.handler = handlers[how & 3];
    request.method = methods[how >> 2 & 3];
    request.access = (how & 0x10) ? NGX_PROF_ANY
                                  : NGX_PROF_LOCAL;
    request.fd = (how & 0x20) ? fuzz_unix : fuzz_tcp;

    fuzz_part(&in, pool, &request.uri);
    fuzz_part(&in, pool, &request.args);
    fuzz_part(&in, pool, &request.host);
    fuzz_part(&in, pool, &request.headers);
    fuzz_part(&in, pool, &request.body);

    fuzz_request(&request, 4);

    status = fuzz_status();

    if (status != 0 && status != 1 && (status < 200 || status > 599)) {
        abort();
    }

    fuzz_pool_free(pool);

    return 0;
}
