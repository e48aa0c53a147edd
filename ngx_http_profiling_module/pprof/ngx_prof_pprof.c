
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pprof.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_connection_list.h"
#include "ngx_prof_pprof_connections.h"
#include "ngx_prof_pprof_cpu.h"
#include "ngx_prof_pprof_death.h"
#include "ngx_prof_pprof_heap.h"
#include "ngx_prof_pprof_latency.h"
#include "ngx_prof_pprof_profile.h"
#include "ngx_prof_pprof_symbol.h"
#include "ngx_prof_pprof_trace.h"
#include "ngx_prof_pprof_wait.h"
#include "ngx_prof_text.h"


typedef struct {
    ngx_str_t                     name;
    ngx_uint_t                    methods;
    const char                   *help;         /* NULL: not in the index */
    ngx_int_t                   (*handler)(ngx_http_request_t *r,
                                     ngx_prof_error_pt error);
} ngx_prof_pprof_page_t;


static ngx_uint_t ngx_prof_pprof_instant(ngx_http_request_t *r,
    ngx_prof_pprof_page_t *page);
static ngx_int_t ngx_prof_pprof_redirect(ngx_http_request_t *r);
static ngx_prof_pprof_page_t *ngx_prof_pprof_find(ngx_http_request_t *r,
    ngx_uint_t *root);
static ngx_int_t ngx_prof_pprof_index(ngx_http_request_t *r,
    ngx_prof_error_pt error);
static ngx_int_t ngx_prof_pprof_cmdline(ngx_http_request_t *r,
    ngx_prof_error_pt error);


static ngx_prof_pprof_page_t  ngx_prof_pages[] = {

    { ngx_string("allocs"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Memory that was allocated since the start, as sampled: the heap "
      "profile, which shows what was allocated first.",
      ngx_prof_pprof_allocs },

    { ngx_string("block"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Stacks that held up the event loops of workers: blocking calls, and "
      "passes above the threshold of pauses. \"seconds\" makes it the "
      "difference over that time.",
      ngx_prof_pprof_block },

    { ngx_string("cmdline"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "The command line of nginx, its arguments separated by NUL.",
      ngx_prof_pprof_cmdline },

    { ngx_string("crash"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Stacks in which workers have died, by location and signal.",
      ngx_prof_pprof_death },

    { ngx_string("goroutine"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Connections of all workers, with the handlers that come next. "
      "\"debug=2\" lists them one by one, up to \"limit\" (10000).",
      ngx_prof_pprof_connections_begin },

    { ngx_string("heap"), NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_POST,
      "Memory in use, as sampled. \"gc=1\", by POST or from a page of this "
      "origin, makes the allocators give free memory back before; "
      "\"seconds\" makes it the difference over that time.",
      ngx_prof_pprof_heap },

    { ngx_string("latency"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Wall-clock time of requests by location and by what they waited for, "
      "where what requests cost is measured. \"seconds\" makes it that of "
      "the requests that end in that time.",
      ngx_prof_pprof_latency },

    { ngx_string("mutex"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Stacks that waited for locks: of zones in shared memory, with the "
      "name of the zone, and of threads. \"seconds\" makes it the "
      "difference over that time.",
      ngx_prof_pprof_mutex },

    { ngx_string("profile"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "CPU profile of all workers. \"seconds\" sets the duration (30), "
      "\"worker\" narrows it to the worker of that pid.",
      ngx_prof_pprof_profile },

    { ngx_string("symbol"), NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_POST, NULL,
      ngx_prof_pprof_symbol },

    { ngx_string("threadcreate"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "The stacks that made the threads of the workers.",
      ngx_prof_pprof_threadcreate },

    { ngx_string("trace"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      "Execution trace of all workers, for \"go tool trace\". \"seconds\" "
      "sets the duration (1), \"format=perfetto\" is for Perfetto; \"server\", "
      "\"location\", \"min_ms\" keep only such requests.",
      ngx_prof_pprof_trace },

    { ngx_null_string, NGX_HTTP_GET|NGX_HTTP_HEAD, NULL,
      ngx_prof_pprof_index }
};


#define NGX_PROF_PAGES                                                        \
    (sizeof(ngx_prof_pages) / sizeof(ngx_prof_pprof_page_t))


ngx_int_t
ngx_prof_pprof_tree(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_int_t               rc;
    ngx_uint_t              root;
    ngx_prof_pprof_page_t  *page;

    page = ngx_prof_pprof_find(r, &root);

    if (page == NULL || page->handler != ngx_prof_pprof_symbol
        || r->method != NGX_HTTP_POST)
    {
        rc = ngx_http_discard_request_body(r);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (root) {
        return ngx_prof_pprof_redirect(r);
    }

    if (page == NULL) {
        return error(r, NGX_HTTP_NOT_FOUND, "Unknown profile");
    }

    if (!(r->method & page->methods)) {
        if (ngx_prof_header(r, "Allow",
                            (page->methods & NGX_HTTP_POST)
                            ? "GET, HEAD, POST" : "GET, HEAD")
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return error(r, NGX_HTTP_NOT_ALLOWED, "method %V is not allowed",
                     &r->method_name);
    }

    if (ngx_prof_pprof_instant(r, page)) {
        rc = ngx_prof_pprof_enter(r, error);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return page->handler(r, error);
}


/* captures, which have a number of their own, and differences take time */

static ngx_uint_t
ngx_prof_pprof_instant(ngx_http_request_t *r, ngx_prof_pprof_page_t *page)
{
    ngx_int_t  seconds;

    if (page->handler == ngx_prof_pprof_symbol) {
        return 1;
    }

    return page->handler != ngx_prof_pprof_index
           && page->handler != ngx_prof_pprof_cmdline
           && page->handler != ngx_prof_pprof_profile
           && page->handler != ngx_prof_pprof_trace
           && ngx_prof_argument_number(r, "seconds", &seconds) != NGX_OK;
}


/* *root: the tree itself was asked for, without a slash at its end */

static ngx_prof_pprof_page_t *
ngx_prof_pprof_find(ngx_http_request_t *r, ngx_uint_t *root)
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

    for (i = 0; i < NGX_PROF_PAGES; i++) {

        if (name.len == ngx_prof_pages[i].name.len
            && (name.len == 0
                || ngx_memcmp(name.data, ngx_prof_pages[i].name.data, name.len)
                   == 0))
        {
            return &ngx_prof_pages[i];
        }
    }

    return NULL;
}


/* a relative Location: a proxy may serve the tree below any path */

static ngx_int_t
ngx_prof_pprof_redirect(ngx_http_request_t *r)
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


static ngx_int_t
ngx_prof_pprof_index(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_str_t                     type;
    ngx_uint_t                    i;
    ngx_prof_text_t               text;
    const ngx_prof_pprof_page_t  *page;

    ngx_prof_text_init(&text, r->pool);

    ngx_prof_text_puts(&text,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
        "<meta charset=\"utf-8\">\n<title>/debug/pprof/</title>\n"
        "</head>\n<body>\n<h1>/debug/pprof/</h1>\n"
        "<p>Set debug=1 as a query parameter to export in legacy text "
        "format.</p>\n<p>Types of profiles available:</p>\n"
        "<table>\n<thead><tr><th>Count</th><th>Profile</th></tr></thead>\n");

    for (i = 0; i < NGX_PROF_PAGES; i++) {
        page = &ngx_prof_pages[i];

        if (page->help) {
            ngx_prof_text_printf(&text,
                "<tr><td>%uL</td><td><a href=\"%V?debug=1\">%V</a></td>"
                "</tr>\n",
                (page->handler == ngx_prof_pprof_connections_begin)
                ? ngx_prof_connections_total() : (uint64_t) 0,
                &page->name, &page->name);
        }
    }

    ngx_prof_text_puts(&text,
        "</table>\n<p><a href=\"goroutine?debug=2\">full goroutine stack "
        "dump</a></p>\n<p>Profile descriptions:</p>\n<ul>\n");

    for (i = 0; i < NGX_PROF_PAGES; i++) {
        page = &ngx_prof_pages[i];

        if (page->help) {
            ngx_prof_text_printf(&text, "<li>%V: %s</li>\n",
                                 &page->name, page->help);
        }
    }

    ngx_prof_text_puts(&text, "</ul>\n</body>\n</html>\n");

    ngx_str_set(&type, "text/html; charset=utf-8");

    return ngx_prof_send(r, NGX_HTTP_OK, &type, &text);
}


static ngx_int_t
ngx_prof_pprof_cmdline(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    int              i;
    ngx_str_t        type;
    ngx_prof_text_t  text;

    ngx_prof_text_init(&text, r->pool);

    for (i = 0; i < ngx_argc; i++) {

        if (i) {
            ngx_prof_text_write(&text, "", 1);
        }

        ngx_prof_text_puts(&text, ngx_argv[i]);
    }

    ngx_str_set(&type, "text/plain; charset=utf-8");

    return ngx_prof_send(r, NGX_HTTP_OK, &type, &text);
}
