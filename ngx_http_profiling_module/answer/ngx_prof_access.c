
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_access.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_argument.h"


static ngx_array_t *ngx_prof_access_names(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_prof_access_peer(ngx_http_request_t *r,
    ngx_sockaddr_t *sa);
static ngx_uint_t ngx_prof_address_loopback(struct sockaddr *sa);
static ngx_uint_t ngx_prof_access_host(ngx_http_request_t *r);
static ngx_uint_t ngx_prof_access_named(ngx_http_request_t *r,
    ngx_str_t *host);
static ngx_uint_t ngx_prof_access_match(const ngx_str_t *name,
    const ngx_str_t *host);
static ngx_uint_t ngx_prof_access_other_site(ngx_http_request_t *r,
    ngx_str_t *site);
static ngx_uint_t ngx_prof_access_other_origin(ngx_http_request_t *r,
    ngx_str_t *origin);


ngx_int_t
ngx_prof_access_init(ngx_conf_t *cf, ngx_prof_main_conf_t *mcf)
{
    ngx_uint_t             i;
    ngx_prof_loc_conf_t  **lcf;

    lcf = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {

        if (lcf[i]->handler == NULL) {
            continue;
        }

        lcf[i]->names = ngx_prof_access_names(cf, lcf[i]->server);

        if (lcf[i]->names == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * The names of a server; nginx keeps no list of them.  "www.*" and regular
 * expressions do not count: they may match a name that anybody owns.
 */

static ngx_array_t *
ngx_prof_access_names(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    ngx_str_t               *name;
    ngx_uint_t               i;
    ngx_array_t             *names;
    ngx_http_server_name_t  *sn;

    sn = cscf->server_names.elts;

    names = ngx_array_create(cf->pool, cscf->server_names.nelts,
                             sizeof(ngx_str_t));
    if (names == NULL) {
        return NULL;
    }

    for (i = 0; i < cscf->server_names.nelts; i++) {

#if (NGX_PCRE)

        if (sn[i].regex) {
            continue;
        }

#endif

        if (sn[i].name.len == 0) {
            continue;
        }

        name = ngx_array_push(names);
        if (name == NULL) {
            return NULL;
        }

        *name = sn[i].name;
    }

    return names;
}


ngx_int_t
ngx_prof_access_check(ngx_http_request_t *r, const char **why)
{
    ngx_sockaddr_t        peer;
    ngx_prof_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    if (lcf->access == NGX_PROF_ANY) {
        return NGX_OK;
    }

    if (ngx_prof_access_peer(r, &peer) != NGX_OK
        || !ngx_prof_address_loopback(&peer.sockaddr))
    {
        *why = "only local clients may ask (profiling_access local)";
        return NGX_HTTP_FORBIDDEN;
    }

    /* no browser reaches a unix socket */

    if (peer.sockaddr.sa_family != AF_UNIX && !ngx_prof_access_host(r)) {
        *why = "this host is neither localhost nor a server_name here "
               "(profiling_access local)";
        return NGX_HTTP_FORBIDDEN;
    }

    if (ngx_prof_any_header(r, "sec-fetch-site",
                            ngx_prof_access_other_site)
        || ngx_prof_any_header(r, "origin",
                                      ngx_prof_access_other_origin))
    {
        *why = "pages of other sites may not ask (profiling_access local)";
        return NGX_HTTP_FORBIDDEN;
    }

    return NGX_OK;
}


/*
 * The address of the socket's peer: r->connection->sockaddr may have been
 * replaced by a header (realip).
 */

static ngx_int_t
ngx_prof_access_peer(ngx_http_request_t *r, ngx_sockaddr_t *sa)
{
    socklen_t  len;

#if (NGX_HTTP_V3)

    if (r->connection->quic) {
        ngx_memcpy(sa, r->connection->quic->parent->sockaddr,
                   r->connection->quic->parent->socklen);
        return NGX_OK;
    }

#endif

    len = sizeof(ngx_sockaddr_t);
    ngx_memzero(sa, len);

    if (ngx_prof_barred(NGX_PROF_BARRED_PEER)
        || getpeername(r->connection->fd, &sa->sockaddr, &len) == -1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_prof_address_loopback(struct sockaddr *sa)
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
 * DNS rebinding: the owner of a name can let it point to this machine, and
 * then his pages have the same origin as the site here, in a browser on this
 * machine.  So over loopback the host must be one that only this machine can
 * have: an address, localhost, or a name of the server block.
 */

static ngx_uint_t
ngx_prof_access_host(ngx_http_request_t *r)
{
    ngx_str_t   host;
    ngx_addr_t  addr;

    /* in lower case, without a port */

    host = r->headers_in.server;

    if (host.len == 0
        || (host.len == sizeof("localhost") - 1
            && ngx_strncmp(host.data, "localhost", host.len) == 0))
    {
        return 1;
    }

    if (ngx_prof_access_named(r, &host)) {
        return 1;
    }

    if (host.data[0] == '[' && host.data[host.len - 1] == ']') {
        host.data++;
        host.len -= 2;
    }

    return ngx_parse_addr(r->pool, &addr, host.data, host.len) == NGX_OK
           && ngx_prof_address_loopback(addr.sockaddr);
}


/* does the server block name this host, or a wildcard of its domain? */

static ngx_uint_t
ngx_prof_access_named(ngx_http_request_t *r, ngx_str_t *host)
{
    ngx_str_t            *name;
    ngx_uint_t            i;
    ngx_prof_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    /* profiling is off: no names were collected, and nothing is revealed */

    if (lcf->names == NULL) {
        return 1;
    }

    name = lcf->names->elts;

    for (i = 0; i < lcf->names->nelts; i++) {

        if (ngx_prof_access_match(&name[i], host)) {
            return 1;
        }
    }

    return 0;
}


/*
 * name: "*.example.com", or ".example.com", which includes the domain itself
 */

static ngx_uint_t
ngx_prof_access_match(const ngx_str_t *name, const ngx_str_t *host)
{
    ngx_str_t  tail;

    if (host->len == name->len
        && ngx_strncmp(host->data, name->data, name->len) == 0)
    {
        return 1;
    }

    tail = *name;

    if (tail.data[0] == '*') {
        tail.data++;
        tail.len--;

    } else if (tail.data[0] == '.'
               && host->len == tail.len - 1
               && ngx_strncmp(host->data, tail.data + 1, host->len) == 0)
    {
        return 1;
    }

    return tail.data[0] == '.'
           && host->len > tail.len
           && ngx_strncmp(host->data + host->len - tail.len, tail.data,
                          tail.len)
              == 0;
}


/*
 * A browser marks requests made by pages of another site: by Sec-Fetch-Site
 * (https://www.w3.org/TR/fetch-metadata/), and by an Origin that differs from
 * the Host.  "same-site" also is another origin: another port of this machine.
 */

static ngx_uint_t
ngx_prof_access_other_site(ngx_http_request_t *r, ngx_str_t *site)
{
    return !(site->len == sizeof("none") - 1
             && ngx_strncasecmp(site->data, (u_char *) "none", site->len)
                == 0)
           && !(site->len == sizeof("same-origin") - 1
                && ngx_strncasecmp(site->data, (u_char *) "same-origin",
                                   site->len)
                   == 0);
}


static ngx_uint_t
ngx_prof_access_other_origin(ngx_http_request_t *r, ngx_str_t *origin)
{
    u_char     *p;
    ngx_str_t  *host;

    if (r->headers_in.host == NULL) {
        return 1;
    }

    host = &r->headers_in.host->value;
    p = ngx_strlcasestrn(origin->data, origin->data + origin->len,
                         (u_char *) "://", 3 - 1);

    if (p == NULL || p == origin->data) {
        return 1;
    }

    p += 3;

    return (size_t) (origin->data + origin->len - p) != host->len
           || ngx_strncasecmp(p, host->data, host->len) != 0;
}
