
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_access.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_forwarded.h"


static ngx_array_t *ngx_prof_access_names(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_prof_access_peer(ngx_http_request_t *r,
    ngx_sockaddr_t *sa);
static ngx_uint_t ngx_prof_access_host(ngx_http_request_t *r,
    ngx_uint_t access);
static ngx_uint_t ngx_prof_access_named(ngx_http_request_t *r,
    ngx_str_t *host);
static ngx_uint_t ngx_prof_access_match(const ngx_str_t *name,
    const ngx_str_t *host);
static ngx_uint_t ngx_prof_access_other_site(void *data, ngx_str_t *site);
static ngx_uint_t ngx_prof_access_this_site(void *data, ngx_str_t *site);
static ngx_uint_t ngx_prof_access_other_origin(void *data, ngx_str_t *origin);
static ngx_uint_t ngx_prof_access_this_origin(void *data, ngx_str_t *origin);
static void ngx_prof_access_authority(ngx_http_request_t *r, ngx_str_t *host);


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

    if (lcf->access != NGX_PROF_ANY) {

        if (ngx_prof_access_peer(r, &peer) != NGX_OK
            || !ngx_prof_forwarded_loopback(&peer.sockaddr))
        {
            *why = "only local clients may ask (profiling_access local)";
            return NGX_HTTP_FORBIDDEN;
        }

        if (ngx_prof_forwarded_foreign(r)) {
            *why = "a proxy says that the client is not local "
                   "(profiling_access local)";
            return NGX_HTTP_FORBIDDEN;
        }
    }

    if (!ngx_prof_access_host(r, lcf->access)) {
        *why = "this host is neither localhost nor a server_name here";
        return NGX_HTTP_FORBIDDEN;
    }

    if (ngx_prof_any_header(r, "sec-fetch-site", ngx_prof_access_other_site,
                            NULL)
        || ngx_prof_any_header(r, "origin", ngx_prof_access_other_origin, r))
    {
        *why = "pages of other sites may not ask";
        return NGX_HTTP_FORBIDDEN;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_prof_access_same_origin(ngx_http_request_t *r)
{
    return ngx_prof_any_header(r, "sec-fetch-site", ngx_prof_access_this_site,
                               NULL)
           || ngx_prof_any_header(r, "origin", ngx_prof_access_this_origin, r);
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


/*
 * DNS rebinding: the owner of a name can let it point to this server, and then
 * his pages have the same origin as the site here, in a browser that reaches
 * it.  So the host must be one that he cannot have: an address, localhost, or
 * a name of the server block.  A local client asks by a loopback address.
 */

static ngx_uint_t
ngx_prof_access_host(ngx_http_request_t *r, ngx_uint_t access)
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
           && (access == NGX_PROF_ANY
               || ngx_prof_forwarded_loopback(addr.sockaddr));
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
 * the host.  "same-site" also is another origin: another port of this machine.
 */

static ngx_uint_t
ngx_prof_access_other_site(void *data, ngx_str_t *site)
{
    return !ngx_prof_access_this_site(data, site)
           && !(site->len == sizeof("none") - 1
                && ngx_strncasecmp(site->data, (u_char *) "none", site->len)
                   == 0);
}


static ngx_uint_t
ngx_prof_access_this_site(void *data, ngx_str_t *site)
{
    return site->len == sizeof("same-origin") - 1
           && ngx_strncasecmp(site->data, (u_char *) "same-origin", site->len)
              == 0;
}


static ngx_uint_t
ngx_prof_access_other_origin(void *data, ngx_str_t *origin)
{
    return !ngx_prof_access_this_origin(data, origin);
}


static ngx_uint_t
ngx_prof_access_this_origin(void *data, ngx_str_t *origin)
{
    ngx_http_request_t *r = data;

    u_char     *p;
    ngx_str_t   host;

    p = ngx_strlcasestrn(origin->data, origin->data + origin->len,
                         (u_char *) "://", 3 - 1);

    if (p == NULL || p == origin->data) {
        return 0;
    }

    p += 3;

    ngx_prof_access_authority(r, &host);

    return host.len != 0
           && (size_t) (origin->data + origin->len - p) == host.len
           && ngx_strncasecmp(p, host.data, host.len) == 0;
}


/*
 * The host in force, with its port: the one of a whole URI, or of HTTP/3's
 * ":authority", takes precedence over the header.
 */

static void
ngx_prof_access_authority(ngx_http_request_t *r, ngx_str_t *host)
{
    u_char  *p, *last;

    /* a subrequest has the headers only */

    r = r->main;

    ngx_str_null(host);

    if (r->host_end == NULL) {

        if (r->headers_in.host) {
            *host = r->headers_in.host->value;
        }

        return;
    }

    p = r->host_end;
    last = r->request_line.data + r->request_line.len;

    if (r->host_start >= r->request_line.data) {

        while (p < last && (*p == ':' || (*p >= '0' && *p <= '9'))) {
            p++;
        }
    }

    host->data = r->host_start;
    host->len = p - r->host_start;
}
