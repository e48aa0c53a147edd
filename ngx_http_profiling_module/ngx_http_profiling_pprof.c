
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_pprof.h"
#include "ngx_http_profiling_argument.h"
#include "ngx_http_profiling_capture.h"
#include "ngx_http_profiling_connection_list.h"
#include "ngx_http_profiling_encode.h"
#include "ngx_http_profiling_goroutine_pprof.h"
#include "ngx_http_profiling_rawfile.h"
#include "ngx_http_profiling_worker.h"
#include "ngx_prof_raw.h"


/* addresses that one request may ask the names of */
#define NGX_HTTP_PROFILING_ADDRESSES  4096

#define NGX_HTTP_PROFILING_SECONDS    30


/* an answer that is being made */

struct ngx_http_profiling_profile_s {
    ngx_http_request_t           *request;
    const char                   *disposition;  /* NULL: text */
    uint32_t                      output;       /* of the raw capture, 0: as
                                                   it is */
    ngx_http_profiling_error_pt   error;
};


typedef struct {
    ngx_str_t                     name;
    ngx_uint_t                    methods;
    const char                   *help;         /* NULL: not in the index */
    ngx_int_t                   (*handler)(ngx_http_request_t *r,
                                     ngx_http_profiling_error_pt error);
} ngx_http_profiling_page_t;


static void ngx_http_profiling_pprof_output(ngx_http_profiling_text_t *raw,
    uint32_t output);
static void ngx_http_profiling_pprof_encoded(void *data, ngx_int_t rc,
    ngx_http_profiling_text_t *out, ngx_str_t *error);
static ngx_uint_t ngx_http_profiling_pprof_whole(
    const ngx_http_profiling_text_t *out);
static ngx_int_t ngx_http_profiling_pprof_send(
    ngx_http_profiling_profile_t *p, ngx_http_profiling_text_t *out);
static ngx_int_t ngx_http_profiling_pprof_redirect(ngx_http_request_t *r);
static ngx_http_profiling_page_t *ngx_http_profiling_pprof_find(
    ngx_http_request_t *r, ngx_uint_t *root);
static ngx_int_t ngx_http_profiling_pprof_index(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);
static ngx_int_t ngx_http_profiling_pprof_profile(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);
static ngx_int_t ngx_http_profiling_pprof_cmdline(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);
static ngx_int_t ngx_http_profiling_pprof_symbol(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);
static void ngx_http_profiling_pprof_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_profiling_pprof_symbols(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error, const u_char *p, size_t len);
static ngx_uint_t ngx_http_profiling_pprof_addresses(uint64_t *pcs,
    const u_char *p, size_t len);
static ngx_int_t ngx_http_profiling_pprof_error(ngx_http_request_t *r,
    ngx_uint_t status, const char *format, ...);


static ngx_http_profiling_page_t  ngx_http_profiling_pages[] = {

    { ngx_string("allocs"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Memory that was allocated since the start, as sampled: the heap "
      "profile, which shows what was allocated first.",
      ngx_http_profiling_pprof_allocs },

    { ngx_string("block"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Stacks that held up the event loops of workers: blocking calls, and "
      "passes above the threshold of pauses. \"seconds\" makes it the "
      "difference over that time.",
      ngx_http_profiling_pprof_block },

    { ngx_string("cmdline"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "The command line of nginx, its arguments separated by NUL.",
      ngx_http_profiling_pprof_cmdline },

    { ngx_string("goroutine"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Connections of all workers, with the handlers that come next. "
      "\"debug=2\" lists them one by one, up to \"limit\" (10000).",
      ngx_http_profiling_goroutine_pprof },

    { ngx_string("heap"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Memory in use, as sampled. \"gc=1\" makes the allocators give free "
      "memory back before; \"seconds\" makes it the difference over that "
      "time.",
      ngx_http_profiling_pprof_heap },

    { ngx_string("mutex"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Stacks that waited for locks: of zones in shared memory, with the "
      "name of the zone, and of threads. \"seconds\" makes it the "
      "difference over that time.",
      ngx_http_profiling_pprof_mutex },

    { ngx_string("profile"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "CPU profile of all workers. \"seconds\" sets the duration (30), "
      "\"worker\" narrows it to the worker of that pid.",
      ngx_http_profiling_pprof_profile },

    { ngx_string("symbol"), NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_POST, NULL,
      ngx_http_profiling_pprof_symbol },

    { ngx_string("threadcreate"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "The stacks that made the threads of the workers.",
      ngx_http_profiling_pprof_threadcreate },

    { ngx_string("trace"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Execution trace of all workers, for \"go tool trace\". \"seconds\" "
      "sets the duration (1), \"format=perfetto\" is for Perfetto; \"server\", "
      "\"location\", \"min_ms\" keep only such requests.",
      ngx_http_profiling_pprof_trace },

    { ngx_null_string, NGX_HTTP_GET|NGX_HTTP_HEAD, NULL,
      ngx_http_profiling_pprof_index }
};


#define NGX_HTTP_PROFILING_PAGES                                              \
    (sizeof(ngx_http_profiling_pages) / sizeof(ngx_http_profiling_page_t))


ngx_int_t
ngx_http_profiling_pprof_tree(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error)
{
    ngx_int_t                   rc;
    ngx_uint_t                  root;
    ngx_http_profiling_page_t  *page;

    page = ngx_http_profiling_pprof_find(r, &root);

    if (page == NULL || page->handler != ngx_http_profiling_pprof_symbol
        || r->method != NGX_HTTP_POST)
    {
        rc = ngx_http_discard_request_body(r);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (root) {
        return ngx_http_profiling_pprof_redirect(r);
    }

    if (page == NULL) {
        return error(r, NGX_HTTP_NOT_FOUND, "Unknown profile");
    }

    if (!(r->method & page->methods)) {
        if (ngx_http_profiling_header(r, "Allow",
                                      (page->methods & NGX_HTTP_POST)
                                      ? "GET, HEAD, POST" : "GET, HEAD")
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return error(r, NGX_HTTP_NOT_ALLOWED, "method %V is not allowed",
                     &r->method_name);
    }

    return page->handler(r, error);
}


/* root: the tree itself, without a slash at its end */

static ngx_http_profiling_page_t *
ngx_http_profiling_pprof_find(ngx_http_request_t *r, ngx_uint_t *root)
{
    u_char      *slash;
    ngx_str_t    name;
    ngx_uint_t   i;

    name = r->uri;

    for (slash = name.data + name.len; slash > name.data; slash--) {

        if (slash[-1] == '/') {
            break;
        }
    }

    name.len = name.data + name.len - slash;
    name.data = slash;

    *root = (name.len == 5 && ngx_strncmp(name.data, "pprof", 5) == 0);

    for (i = 0; i < NGX_HTTP_PROFILING_PAGES; i++) {

        if (name.len == ngx_http_profiling_pages[i].name.len
            && (name.len == 0
                || ngx_memcmp(name.data,
                              ngx_http_profiling_pages[i].name.data,
                              name.len)
                   == 0))
        {
            return &ngx_http_profiling_pages[i];
        }
    }

    return NULL;
}


/* relative: a proxy may serve the tree below any path */

static ngx_int_t
ngx_http_profiling_pprof_redirect(ngx_http_request_t *r)
{
    ngx_table_elt_t  *location;

    location = ngx_list_push(&r->headers_out.headers);
    if (location == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(location, sizeof(ngx_table_elt_t));

    location->hash = 1;
    ngx_str_set(&location->key, "Location");
    ngx_str_set(&location->value, "pprof/");

    return NGX_HTTP_MOVED_PERMANENTLY;
}


/* "seconds" as Go reads it: what is no positive integer means the default */

static ngx_int_t
ngx_http_profiling_pprof_profile(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error)
{
    ngx_int_t    seconds, rc;
    ngx_pid_t    worker;
    ngx_str_t    value;

    seconds = NGX_HTTP_PROFILING_SECONDS;

    if (ngx_http_profiling_argument(r, "seconds", &value) == NGX_OK) {
        seconds = ngx_atoi(value.data, value.len);

        if (seconds <= 0) {
            seconds = NGX_HTTP_PROFILING_SECONDS;
        }
    }

    rc = ngx_http_profiling_argument_seconds(r, seconds, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (ngx_http_profiling_argument(r, "format", &value) == NGX_OK
        && (value.len != 5 || ngx_strncmp(value.data, "pprof", 5) != 0))
    {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "format must be pprof, which \"go tool pprof\" reads, "
                     "not \"%V\"", &value);
    }

    rc = ngx_http_profiling_argument_worker(r, &worker, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    return ngx_http_profiling_pprof_cpu(r, seconds, worker,
                                     "attachment; filename=\"profile\"",
                                     error);
}


ngx_int_t
ngx_http_profiling_pprof_cpu(ngx_http_request_t *r, ngx_uint_t seconds,
    ngx_pid_t worker, const char *disposition,
    ngx_http_profiling_error_pt error)
{
    ngx_int_t                      rc;
    ngx_http_profiling_profile_t  *p;

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_http_profiling_pprof_head(r, disposition);
    }

    if (ngx_http_profiling_process.slot == NULL) {
        return error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                     "this worker has no slot in the profiling zone");
    }

    p = ngx_http_profiling_pprof_create(r, disposition, error);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_profiling_capture_cpu(r->pool, r->connection->log,
                                        seconds * 1000, worker,
                                        ngx_http_profiling_pprof_captured, p);
    if (rc == NGX_BUSY) {
        return error(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                     "Could not enable CPU profiling: "
                     "cpu profiling already in use");
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_profiling_answer_later(r);

    return NGX_DONE;
}


ngx_http_profiling_profile_t *
ngx_http_profiling_pprof_create(ngx_http_request_t *r,
    const char *disposition, ngx_http_profiling_error_pt error)
{
    ngx_http_profiling_profile_t  *p;

    p = ngx_palloc(r->pool, sizeof(ngx_http_profiling_profile_t));

    if (p) {
        p->request = r;
        p->disposition = disposition;
        p->output = 0;
        p->error = error;
    }

    return p;
}


static void
ngx_http_profiling_pprof_output(ngx_http_profiling_text_t *raw,
    uint32_t output)
{
    ngx_http_profiling_raw_header_t  *h;

    h = (ngx_http_profiling_raw_header_t *) raw->first->buf->pos;
    h->output = output;
}


void
ngx_http_profiling_pprof_form(ngx_http_profiling_profile_t *p,
    uint32_t output)
{
    p->output = output;
}


void
ngx_http_profiling_pprof_captured(void *data, ngx_int_t rc,
    ngx_http_profiling_text_t *raw)
{
    ngx_http_profiling_profile_t *p = data;

    rc = ngx_http_profiling_pprof_encode(p, rc, raw);

    if (rc != NGX_DONE) {
        ngx_http_profiling_answer(p->request, rc);
    }
}


ngx_int_t
ngx_http_profiling_pprof_encode(ngx_http_profiling_profile_t *p, ngx_int_t rc,
    ngx_http_profiling_text_t *raw)
{
    ngx_str_t            error;
    ngx_http_request_t  *r;

    r = p->request;

    ngx_str_set(&error, "out of memory");

    if (rc == NGX_OK && p->output) {
        ngx_http_profiling_pprof_output(raw, p->output);
    }

    if (rc == NGX_OK
        && ngx_http_profiling_encode(r->pool, r->connection->log, raw,
                                     ngx_http_profiling_pprof_encoded, p,
                                     &error)
           == NGX_OK)
    {
        return NGX_DONE;
    }

    rc = p->error(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                  "profile not encoded: %V", &error);

    /* what the client has not taken yet is nginx's, not ours */

    return (rc == NGX_AGAIN) ? NGX_OK : rc;
}


static void
ngx_http_profiling_pprof_encoded(void *data, ngx_int_t rc,
    ngx_http_profiling_text_t *out, ngx_str_t *error)
{
    ngx_connection_t              *c;
    ngx_http_request_t            *r;
    ngx_http_profiling_profile_t  *p;

    p = data;
    r = p->request;
    c = r->connection;

    if (rc == NGX_OK && p->disposition && p->output == 0
        && !ngx_http_profiling_pprof_whole(out))
    {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "profile not encoded: the encoder wrote no profile");

        rc = p->error(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                      "profile not encoded: the encoder wrote no profile");

    } else if (rc == NGX_OK) {
        rc = ngx_http_profiling_pprof_send(p, out);

    } else {
        rc = p->error(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                      "profile not encoded: %V", error);
    }

    ngx_http_profiling_answer(r, rc);
}


/* profiles are gzip: RFC 1952, 2.3 */

static ngx_uint_t
ngx_http_profiling_pprof_whole(const ngx_http_profiling_text_t *out)
{
    const ngx_buf_t  *b;

    b = out->first->buf;

    return b->last - b->pos > 18 && b->pos[0] == 0x1f && b->pos[1] == 0x8b;
}


static ngx_int_t
ngx_http_profiling_pprof_send(ngx_http_profiling_profile_t *p,
    ngx_http_profiling_text_t *out)
{
    ngx_str_t            type;
    ngx_http_request_t  *r;

    r = p->request;

    if (p->disposition == NULL) {
        ngx_str_set(&type, "text/plain; charset=utf-8");
        return ngx_http_profiling_send(r, NGX_HTTP_OK, &type, out);
    }

    if (ngx_http_profiling_header(r, "Content-Disposition", p->disposition)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&type, "application/octet-stream");

    return ngx_http_profiling_send(r, NGX_HTTP_OK, &type, out);
}


/* at once, and without a length: nobody knows it */

ngx_int_t
ngx_http_profiling_pprof_head(ngx_http_request_t *r, const char *disposition)
{
    if ((disposition
         && ngx_http_profiling_header(r, "Content-Disposition", disposition)
            != NGX_OK)
        || ngx_http_profiling_header(r, "X-Content-Type-Options", "nosniff")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    ngx_str_set(&r->headers_out.content_type, "application/octet-stream");

    if (disposition == NULL) {
        ngx_str_set(&r->headers_out.content_type, "text/plain; charset=utf-8");
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_length_n = -1;

    return ngx_http_send_header(r);
}


static ngx_int_t
ngx_http_profiling_pprof_index(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error)
{
    ngx_str_t                         type;
    ngx_uint_t                        i;
    ngx_http_profiling_text_t         text;
    const ngx_http_profiling_page_t  *page;

    ngx_http_profiling_text_init(&text, r->pool);

    ngx_http_profiling_text_puts(&text,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
        "<meta charset=\"utf-8\">\n<title>/debug/pprof/</title>\n"
        "</head>\n<body>\n<h1>/debug/pprof/</h1>\n"
        "<p>Set debug=1 as a query parameter to export in legacy text "
        "format.</p>\n<p>Types of profiles available:</p>\n"
        "<table>\n<thead><tr><th>Count</th><th>Profile</th></tr></thead>\n");

    for (i = 0; i < NGX_HTTP_PROFILING_PAGES; i++) {
        page = &ngx_http_profiling_pages[i];

        if (page->help) {
            ngx_http_profiling_text_printf(&text,
                "<tr><td>%uL</td><td><a href=\"%V?debug=1\">%V</a></td>"
                "</tr>\n",
                (page->handler == ngx_http_profiling_goroutine_pprof)
                ? ngx_http_profiling_goroutine_count() : (uint64_t) 0,
                &page->name, &page->name);
        }
    }

    ngx_http_profiling_text_puts(&text,
        "</table>\n<p><a href=\"goroutine?debug=2\">full goroutine stack "
        "dump</a></p>\n<p>Profile descriptions:</p>\n<ul>\n");

    for (i = 0; i < NGX_HTTP_PROFILING_PAGES; i++) {
        page = &ngx_http_profiling_pages[i];

        if (page->help) {
            ngx_http_profiling_text_printf(&text, "<li>%V: %s</li>\n",
                                           &page->name, page->help);
        }
    }

    ngx_http_profiling_text_puts(&text, "</ul>\n</body>\n</html>\n");

    ngx_str_set(&type, "text/html; charset=utf-8");

    return ngx_http_profiling_send(r, NGX_HTTP_OK, &type, &text);
}


static ngx_int_t
ngx_http_profiling_pprof_cmdline(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error)
{
    int                         i;
    ngx_str_t                   type;
    ngx_http_profiling_text_t   text;

    ngx_http_profiling_text_init(&text, r->pool);

    for (i = 0; i < ngx_argc; i++) {

        if (i) {
            ngx_http_profiling_text_write(&text, "", 1);
        }

        ngx_http_profiling_text_puts(&text, ngx_argv[i]);
    }

    ngx_str_set(&type, "text/plain; charset=utf-8");

    return ngx_http_profiling_send(r, NGX_HTTP_OK, &type, &text);
}


static ngx_int_t
ngx_http_profiling_pprof_symbol(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error)
{
    ngx_int_t  rc;

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_profiling_pprof_symbols(r, error, r->args.data,
                                                r->args.len);
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_profiling_pprof_body);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


/*
 * The tools ask for some dozens of addresses at a time.  nginx has the body in
 * several buffers: what came with the header, the rest, a file, and one that
 * has nothing and marks the end.
 */

static void
ngx_http_profiling_pprof_body(ngx_http_request_t *r)
{
    size_t        len;
    u_char       *body, *p;
    ngx_buf_t    *b;
    ngx_chain_t  *in, *cl;

    in = r->request_body ? r->request_body->bufs : NULL;
    len = 0;

    for (cl = in; cl; cl = cl->next) {
        len += (size_t) ngx_buf_size(cl->buf);
    }

    body = ngx_pnalloc(r->pool, len + 1);
    if (body == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    p = body;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {
            continue;
        }

        if (ngx_read_file(b->file, p, (size_t) ngx_buf_size(b), b->file_pos)
            != (ssize_t) ngx_buf_size(b))
        {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }

        p += ngx_buf_size(b);
    }

    ngx_http_finalize_request(r,
                    ngx_http_profiling_pprof_symbols(r,
                                 ngx_http_profiling_pprof_error, body, len));
}


static ngx_int_t
ngx_http_profiling_pprof_symbols(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error, const u_char *p, size_t len)
{
    uint64_t                      *pcs;
    ngx_str_t                      type, why;
    ngx_uint_t                     n;
    ngx_http_profiling_text_t      text;
    ngx_http_profiling_profile_t  *profile;
    ngx_http_profiling_rawfile_t  *f;

    pcs = ngx_palloc(r->pool,
                     NGX_HTTP_PROFILING_ADDRESSES * sizeof(uint64_t));
    if (pcs == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n = ngx_http_profiling_pprof_addresses(pcs, p, len);

    if (n == 0) {
        ngx_http_profiling_text_init(&text, r->pool);
        ngx_http_profiling_text_puts(&text, "num_symbols: 1\n");
        ngx_str_set(&type, "text/plain; charset=utf-8");

        return ngx_http_profiling_send(r, NGX_HTTP_OK, &type, &text);
    }

    f = ngx_http_profiling_rawfile_symbols(r->pool, pcs, n);
    profile = ngx_http_profiling_pprof_create(r, NULL, error);

    if (f == NULL || profile == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_profiling_encode(r->pool, r->connection->log, &f->text,
                                  ngx_http_profiling_pprof_encoded, profile,
                                  &why)
        != NGX_OK)
    {
        return error(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                     "names not looked up: %V", &why);
    }

    ngx_http_profiling_answer_later(r);

    return NGX_DONE;
}


/* "0x4719ae+0x4719b2+..."; what is no number is left out, as Go does */

static ngx_uint_t
ngx_http_profiling_pprof_addresses(uint64_t *pcs, const u_char *p, size_t len)
{
    uint64_t       pc;
    ngx_int_t      digit;
    ngx_uint_t     n;
    const u_char  *last;

    n = 0;
    last = p + len;

    while (p < last && n < NGX_HTTP_PROFILING_ADDRESSES) {

        pc = 0;

        if (last - p > 2 && p[0] == '0' && (p[1] | 0x20) == 'x') {
            p += 2;
        }

        for ( /* void */ ; p < last && *p != '+'; p++) {
            digit = (*p >= '0' && *p <= '9') ? *p - '0'
                    : ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')
                    ? (*p | 0x20) - 'a' + 10 : -1;

            if (digit == -1) {
                pc = 0;

                while (p + 1 < last && p[1] != '+') {
                    p++;
                }

                continue;
            }

            pc = pc << 4 | (uint64_t) digit;
        }

        p++;

        if (pc) {
            pcs[n++] = pc;
        }
    }

    return n;
}


/* behind a body that was read the tree's own error function is not at hand */

static ngx_int_t
ngx_http_profiling_pprof_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...)
{
    return (ngx_int_t) status;
}
