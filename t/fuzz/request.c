
/*
 * nginx's side of a request: what content handlers call of it.
 */


#include "worker.h"

#include "ngx_prof_encode.h"
#include "ngx_prof_raw_file.h"
#include "ngx_prof_wake.h"


static void fuzz_headers(ngx_http_request_t *r, const ngx_str_t *text);
static void fuzz_events(const fuzz_request_t *request, ngx_uint_t rounds);
static void fuzz_timers(void);


static ngx_uint_t  fuzz_answered;
static ngx_str_t   fuzz_body;


void
fuzz_request(const fuzz_request_t *request, ngx_uint_t rounds)
{
    void                     *conf[2];
    ngx_int_t                 rc;
    ngx_str_t                 name;
    ngx_event_t               read, write;
    ngx_array_t               names;
    ngx_connection_t          c;
    ngx_table_elt_t           host;
    ngx_http_request_t        r;
    ngx_http_core_loc_conf_t  clcf;
    ngx_prof_loc_conf_t       lcf;

    static struct sockaddr_in  loopback = { AF_INET, 0, { 0x0100007f }, { 0 } };

    ngx_memzero(&r, sizeof(r));
    ngx_memzero(&c, sizeof(c));
    ngx_memzero(&read, sizeof(read));
    ngx_memzero(&write, sizeof(write));
    ngx_memzero(&host, sizeof(host));
    ngx_memzero(&lcf, sizeof(lcf));
    ngx_memzero(&clcf, sizeof(clcf));

    c.fd = request->fd;
    c.sockaddr = (struct sockaddr *) &loopback;
    c.socklen = sizeof(loopback);
    c.log = ngx_cycle->log;
    c.read = &read;
    c.write = &write;
    c.data = &r;

    r.pool = fuzz_pool();
    r.connection = &c;
    r.main = &r;
    r.count = 1;
    r.signature = NGX_HTTP_MODULE;
    r.method = request->method;
    ngx_str_set(&r.method_name, "GET");
    r.uri = request->uri;
    r.args = request->args;
    r.loc_conf = conf;
    r.main_conf = conf;
    r.srv_conf = conf;
    fuzz_body = request->body;

    ngx_str_set(&name, "*.example.com");
    names.elts = &name;
    names.nelts = 1;
    lcf.names = &names;
    lcf.access = request->access;
    lcf.enable = 1;
    lcf.prefix = 1;
    ngx_str_set(&clcf.name, "/api/profiling");

    ngx_http_core_module.ctx_index = 0;
    ngx_http_profiling_module.ctx_index = 1;
    conf[0] = &clcf;
    conf[1] = &lcf;

    r.headers_in.server = request->host;
    host.value = request->host;
    r.headers_in.host = request->host.len ? &host : NULL;

    fuzz_headers(&r, &request->headers);

    fuzz_answered = 0;

    rc = request->handler(&r);

    if (rc == NGX_DONE) {
        fuzz_events(request, rounds);

    } else {
        ngx_http_finalize_request(&r, rc);
    }

    fuzz_pool_free(r.pool);
}


ngx_uint_t
fuzz_status(void)
{
    return fuzz_answered;
}


static void
fuzz_headers(ngx_http_request_t *r, const ngx_str_t *text)
{
    u_char           *p, *last, *end, *colon;
    ngx_list_t       *lists[2];
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    lists[0] = &r->headers_in.headers;
    lists[1] = &r->headers_out.headers;

    for (i = 0; i < 2; i++) {
        lists[i]->part.elts = ngx_palloc(r->pool,
                                         4 * sizeof(ngx_table_elt_t));
        lists[i]->last = &lists[i]->part;
        lists[i]->size = sizeof(ngx_table_elt_t);
        lists[i]->nalloc = 4;
        lists[i]->pool = r->pool;
    }

    if (text->len == 0) {
        return;
    }

    p = text->data;
    last = text->data + text->len;

    while (p < last) {
        end = memchr(p, '\n', last - p);
        end = end ? end : last;
        colon = memchr(p, ':', end - p);

        if (colon) {
            h = ngx_list_push(lists[0]);

            if (h == NULL) {
                abort();
            }

            ngx_memzero(h, sizeof(ngx_table_elt_t));
            h->key.data = p;
            h->key.len = colon - p;
            h->value.data = colon + 1;
            h->value.len = end - colon - 1;
        }

        p = end + 1;
    }
}


static void
fuzz_events(const fuzz_request_t *request, ngx_uint_t rounds)
{
    while (rounds-- && fuzz_answered == 0) {

        if (request->between) {
            request->between();
        }

        if (ngx_queue_empty(&ngx_posted_events)
            && ngx_queue_empty(&ngx_posted_next_events))
        {
            fuzz_timers();
        }

        ngx_event_process_posted((ngx_cycle_t *) ngx_cycle,
                                 &ngx_posted_events);
        ngx_event_move_posted_next((ngx_cycle_t *) ngx_cycle);
        ngx_event_process_posted((ngx_cycle_t *) ngx_cycle,
                                 &ngx_posted_events);
    }
}


/* time goes on until the next timer */

static void
fuzz_timers(void)
{
    ngx_msec_t  timer;

    timer = ngx_event_find_timer();

    if (timer != NGX_TIMER_INFINITE) {
        ngx_current_msec += timer;
        ngx_event_expire_timers();
    }
}


ngx_int_t
ngx_http_send_header(ngx_http_request_t *r)
{
    if (r->method == NGX_HTTP_HEAD) {
        r->header_only = 1;
    }

    fuzz_answered = r->headers_out.status;

    return NGX_OK;
}


/* each byte of it is read */

ngx_int_t
ngx_http_output_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    u_char  *p;

    static volatile u_char  sum;

    for ( /* void */ ; in; in = in->next) {
        for (p = in->buf->pos; p < in->buf->last; p++) {
            sum = *p;
        }
    }

    (void) sum;

    return NGX_OK;
}


void
ngx_http_finalize_request(ngx_http_request_t *r, ngx_int_t rc)
{
    if (rc == NGX_DONE) {
        return;
    }

    if (fuzz_answered == 0) {
        fuzz_answered = (rc >= NGX_HTTP_OK) ? (ngx_uint_t) rc : 1;
    }
}


void
ngx_http_run_posted_requests(ngx_connection_t *c)
{
    /* void */
}


ngx_int_t
ngx_http_discard_request_body(ngx_http_request_t *r)
{
    return NGX_OK;
}


ngx_int_t
ngx_http_read_client_request_body(ngx_http_request_t *r,
    ngx_http_client_body_handler_pt handler)
{
    r->request_body = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));

    if (r->request_body == NULL) {
        return NGX_ERROR;
    }

    if (fuzz_body.len) {
        r->request_body->bufs = ngx_alloc_chain_link(r->pool);
        r->request_body->bufs->next = NULL;
        r->request_body->bufs->buf = ngx_create_temp_buf(r->pool,
                                                         fuzz_body.len);
        r->request_body->bufs->buf->last
            = ngx_cpymem(r->request_body->bufs->buf->pos, fuzz_body.data,
                         fuzz_body.len);
    }

    handler(r);

    return NGX_OK;
}


/*
 * Of the module itself: no program is started, no worker is woken, and none
 * gets a signal; what it reads of /proc is not read.
 */

ngx_int_t
ngx_prof_encode(ngx_pool_t *pool, ngx_log_t *log, ngx_prof_text_t *raw,
    ngx_uint_t how, size_t part, ngx_prof_encode_pt done, void *data,
    ngx_str_t *error)
{
    ngx_chain_t  *out;

    out = ngx_prof_text_finish(raw);

    if (out) {
        (void) ngx_http_output_filter(NULL, out);
    }

    ngx_str_set(error, "there is no encoder");

    return NGX_ERROR;
}


/* the mappings of this process are those of a fuzzer */

void
ngx_prof_rawfile_maps(ngx_prof_rawfile_t *f, ngx_pid_t pid)
{
    f->mapsets++;
}


ngx_int_t
ngx_prof_wake(ngx_prof_slot_t *slot)
{
    return NGX_OK;
}
