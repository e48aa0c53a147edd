
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_api.h"


static ngx_uint_t ngx_http_profiling_access_loopback(ngx_http_request_t *r);
static ngx_uint_t ngx_http_profiling_address_loopback(struct sockaddr *sa);
static ngx_uint_t ngx_http_profiling_access_foreign(ngx_http_request_t *r);
static ngx_uint_t ngx_http_profiling_access_site(ngx_str_t *site);
static ngx_uint_t ngx_http_profiling_access_origin(ngx_http_request_t *r,
    ngx_str_t *origin);


ngx_int_t
ngx_http_profiling_access_check(ngx_http_request_t *r, const char **why)
{
    ngx_http_profiling_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    if (lcf->access == NGX_HTTP_PROFILING_ANY) {
        return NGX_OK;
    }

    if (!ngx_http_profiling_access_loopback(r)) {
        *why = "only local clients may ask (profiling_access local)";
        return NGX_HTTP_FORBIDDEN;
    }

    if (ngx_http_profiling_access_foreign(r)) {
        *why = "pages of other sites may not ask (profiling_access local)";
        return NGX_HTTP_FORBIDDEN;
    }

    return NGX_OK;
}


/*
 * The peer of the socket itself: r->connection->sockaddr may be what a header
 * made of it (realip).
 */

static ngx_uint_t
ngx_http_profiling_access_loopback(ngx_http_request_t *r)
{
    socklen_t       len;
    ngx_sockaddr_t  sa;

#if (NGX_HTTP_V3)

    if (r->connection->quic) {
        return ngx_http_profiling_address_loopback(
                                     r->connection->quic->parent->sockaddr);
    }

#endif

    len = sizeof(ngx_sockaddr_t);
    ngx_memzero(&sa, len);

    if (getpeername(r->connection->fd, &sa.sockaddr, &len) == -1) {
        return 0;
    }

    return ngx_http_profiling_address_loopback(&sa.sockaddr);
}


static ngx_uint_t
ngx_http_profiling_address_loopback(struct sockaddr *sa)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (sa->sa_family) {

    case AF_UNIX:
        return 1;

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        return (ntohl(sin->sin_addr.s_addr) >> 24) == 127;

#if (NGX_HAVE_INET6)

    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            return sin6->sin6_addr.s6_addr[12] == 127;
        }

        return IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr);

#endif

    default:
        return 0;
    }
}


/*
 * A browser marks what a page of another site asks for: by Sec-Fetch-Site
 * (https://www.w3.org/TR/fetch-metadata/), and by an Origin that is not the
 * Host.  "same-site" is another origin too: another port of this machine.
 */

static ngx_uint_t
ngx_http_profiling_access_foreign(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == sizeof("sec-fetch-site") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "sec-fetch-site",
                                   h[i].key.len)
                   == 0
                && !ngx_http_profiling_access_site(&h[i].value))
            {
                return 1;
            }

            if (h[i].key.len == sizeof("origin") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "origin",
                                   h[i].key.len)
                   == 0
                && !ngx_http_profiling_access_origin(r, &h[i].value))
            {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_profiling_access_site(ngx_str_t *site)
{
    return (site->len == sizeof("none") - 1
            && ngx_strncasecmp(site->data, (u_char *) "none", site->len) == 0)
           || (site->len == sizeof("same-origin") - 1
               && ngx_strncasecmp(site->data, (u_char *) "same-origin",
                                  site->len)
                  == 0);
}


static ngx_uint_t
ngx_http_profiling_access_origin(ngx_http_request_t *r, ngx_str_t *origin)
{
    u_char     *p;
    ngx_str_t  *host;

    if (r->headers_in.host == NULL) {
        return 0;
    }

    host = &r->headers_in.host->value;
    p = ngx_strlcasestrn(origin->data, origin->data + origin->len,
                         (u_char *) "://", 3 - 1);

    if (p == NULL || p == origin->data) {
        return 0;
    }

    p += 3;

    return (size_t) (origin->data + origin->len - p) == host->len
           && ngx_strncasecmp(p, host->data, host->len) == 0;
}
