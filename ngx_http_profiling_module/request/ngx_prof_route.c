
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_route.h"
#include "ngx_prof_context.h"


/*
 * nginx evaluates the value of an error_page when it uses it, and nowhere
 * else.  Each value gets one piece of script code of ours, which tells of the
 * request and has no length itself.  A value without variables had no code at
 * all: ours then stands for its text.
 */

typedef struct {
    ngx_http_script_len_code_pt  code;
    u_char                      *next;          /* the code that follows */
    size_t                       len;           /* of the text */
    uintptr_t                    end;           /* 0 */
} ngx_prof_route_code_t;


static ngx_int_t ngx_prof_route_page(ngx_conf_t *cf,
    ngx_http_err_page_t *page);
static u_char *ngx_prof_route_text(ngx_conf_t *cf, const ngx_str_t *text);
static size_t ngx_prof_route_used(ngx_http_script_engine_t *e);


/* of the worker, as the master left it */
static void (*ngx_prof_route_handler)(ngx_http_request_t *r);


ngx_int_t
ngx_prof_route_init(ngx_conf_t *cf, void (*failed)(ngx_http_request_t *r))
{
    ngx_uint_t              i, n;
    ngx_array_t            *pages;
    ngx_http_err_page_t    *page;
    ngx_prof_loc_conf_t   **lcf;
    ngx_prof_main_conf_t   *mcf;

    ngx_prof_route_handler = failed;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profiling_module);
    lcf = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
        pages = lcf[i]->core->error_pages;

        if (pages == NULL) {
            continue;
        }

        page = pages->elts;

        for (n = 0; n < pages->nelts; n++) {

            if (ngx_prof_route_page(cf, &page[n]) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_prof_route_page(ngx_conf_t *cf, ngx_http_err_page_t *page)
{
    ngx_str_t                  text;
    ngx_prof_route_code_t     *code;
    ngx_http_complex_value_t  *value;

    value = &page->value;
    code = value->lengths;

    /* locations share what they inherit */

    if (code && code->code == ngx_prof_route_used) {
        return NGX_OK;
    }

    code = ngx_pcalloc(cf->pool, sizeof(ngx_prof_route_code_t));
    if (code == NULL) {
        return NGX_ERROR;
    }

    code->code = ngx_prof_route_used;

    if (value->lengths) {
        code->next = value->lengths;
        value->lengths = code;
        return NGX_OK;
    }

    /* arguments, which nginx had split off, follow the text in memory */

    text = value->value;

    if (page->args.len) {
        text.len = page->args.data + page->args.len - text.data;
    }

    value->values = ngx_prof_route_text(cf, &text);

    if (value->values == NULL) {
        return NGX_ERROR;
    }

    code->next = (u_char *) &code->end;
    code->len = text.len;
    value->lengths = code;

    return NGX_OK;
}


/* script code that copies a text */

static u_char *
ngx_prof_route_text(ngx_conf_t *cf, const ngx_str_t *text)
{
    size_t                        size;
    ngx_http_script_copy_code_t  *code;

    size = sizeof(ngx_http_script_copy_code_t)
           + ngx_align(text->len, sizeof(uintptr_t));

    code = ngx_pcalloc(cf->pool, size + sizeof(uintptr_t));
    if (code == NULL) {
        return NULL;
    }

    code->code = (ngx_http_script_code_pt) ngx_http_script_copy_code;
    code->len = text->len;
    ngx_memcpy(code + 1, text->data, text->len);

    return (u_char *) code;
}


static size_t
ngx_prof_route_used(ngx_http_script_engine_t *e)
{
    ngx_prof_route_code_t  *code;

    code = (ngx_prof_route_code_t *) e->ip;
    e->ip = code->next;

    ngx_prof_route_handler(e->request);

    return code->len;
}


void
ngx_prof_route_failed(uintptr_t *counted, const ngx_http_request_t *r)
{
    if (!(*counted & 1)) {
        *counted = (uintptr_t) ngx_prof_context_location(r) | 1;
    }
}


ngx_prof_route_e
ngx_prof_route(uintptr_t *counted, const ngx_http_request_t *r)
{
    ngx_prof_loc_conf_t  *from, *to;

    if (r->post_action) {
        *counted |= 1;
        return NGX_PROF_ROUTE_SAME;
    }

    if (*counted & 1) {
        return NGX_PROF_ROUTE_INTERNAL;
    }

    from = (ngx_prof_loc_conf_t *) *counted;
    to = ngx_prof_context_location(r);
    *counted = (uintptr_t) to;

    return (ngx_prof_route_is_first(r) || from->place == to->place)
           ? NGX_PROF_ROUTE_SAME : NGX_PROF_ROUTE_HANDED_OVER;
}
