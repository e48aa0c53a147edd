
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_forwarded.h"
#include "ngx_prof_argument.h"


static ngx_uint_t ngx_prof_forwarded_list(void *data, ngx_str_t *value);
static ngx_uint_t ngx_prof_forwarded_header(void *data, ngx_str_t *header);
static u_char *ngx_prof_forwarded_value(u_char *p, u_char *last,
    ngx_str_t *value);
static ngx_uint_t ngx_prof_forwarded_address(u_char *data, size_t len);
static size_t ngx_prof_forwarded_port(const u_char *data, size_t len);


ngx_uint_t
ngx_prof_forwarded_foreign(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;

    /* realip puts what it believes in the place of the peer */

    if (!ngx_prof_forwarded_loopback(c->sockaddr)) {
        return 1;
    }

    if (c->proxy_protocol
        && ngx_prof_forwarded_address(c->proxy_protocol->src_addr.data,
                                       c->proxy_protocol->src_addr.len))
    {
        return 1;
    }

    return ngx_prof_any_header(r, "x-forwarded-for", ngx_prof_forwarded_list,
                               NULL)
           || ngx_prof_any_header(r, "x-real-ip", ngx_prof_forwarded_list,
                                  NULL)
           || ngx_prof_any_header(r, "forwarded", ngx_prof_forwarded_header,
                                  NULL);
}


ngx_uint_t
ngx_prof_forwarded_loopback(struct sockaddr *sa)
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


/* addresses between commas */

static ngx_uint_t
ngx_prof_forwarded_list(void *data, ngx_str_t *value)
{
    u_char  *p, *comma, *last;

    p = value->data;
    last = value->data + value->len;

    while (p < last) {
        comma = ngx_strlchr(p, last, ',');

        if (comma == NULL) {
            comma = last;
        }

        if (ngx_prof_forwarded_address(p, comma - p)) {
            return 1;
        }

        p = comma + 1;
    }

    return 0;
}


/* RFC 7239: pairs "name=value" between commas and semicolons */

static ngx_uint_t
ngx_prof_forwarded_header(void *data, ngx_str_t *header)
{
    u_char     *p, *name, *last;
    size_t      len;
    ngx_str_t   value;

    p = header->data;
    last = header->data + header->len;

    while (p < last) {

        if (*p == ' ' || *p == '\t' || *p == ',' || *p == ';') {
            p++;
            continue;
        }

        name = p;
        p = ngx_strlchr(p, last, '=');

        if (p == NULL) {
            return 1;
        }

        len = p - name;
        p = ngx_prof_forwarded_value(p + 1, last, &value);

        if (p == NULL
            || (len == 3 && ngx_strncasecmp(name, (u_char *) "for", 3) == 0
                && ngx_prof_forwarded_address(value.data, value.len)))
        {
            return 1;
        }
    }

    return 0;
}


/* returns what is behind a value; NULL: it ends within quotes, or too late */

static u_char *
ngx_prof_forwarded_value(u_char *p, u_char *last, ngx_str_t *value)
{
    if (p < last && *p == '"') {
        value->data = ++p;

        while (p < last && *p != '"') {
            p += (*p == '\\') ? 2 : 1;
        }

        if (p >= last) {
            return NULL;
        }

        value->len = p++ - value->data;

    } else {
        value->data = p;

        while (p < last && *p != ',' && *p != ';') {
            p++;
        }

        value->len = p - value->data;
    }

    return (p == last || ngx_strchr(",; \t", *p)) ? p : NULL;
}


/* whether a text is anything but an address of this machine, or nothing */

static ngx_uint_t
ngx_prof_forwarded_address(u_char *data, size_t len)
{
    in_addr_t             inaddr;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6   sin6;
#endif

    while (len && (*data == ' ' || *data == '\t')) {
        data++;
        len--;
    }

    while (len && (data[len - 1] == ' ' || data[len - 1] == '\t')) {
        len--;
    }

    if (len == 0 || (len >= 5 && ngx_strncmp(data, "unix:", 5) == 0)) {
        return 0;
    }

    len = ngx_prof_forwarded_port(data, len);

#if (NGX_HAVE_INET6)

    if (data[0] == '[' && data[len - 1] == ']') {
        data++;
        len -= 2;
    }

    ngx_memzero(&sin6, sizeof(struct sockaddr_in6));
    sin6.sin6_family = AF_INET6;

    if (ngx_inet6_addr(data, len, sin6.sin6_addr.s6_addr) == NGX_OK) {
        return !ngx_prof_forwarded_loopback((struct sockaddr *) &sin6);
    }

#endif

    inaddr = ngx_inet_addr(data, len);

    return inaddr == INADDR_NONE || (ntohl(inaddr) >> 24) != 127;
}


/* bytes before the port of "127.0.0.1:80" and "[::1]:80" */

static size_t
ngx_prof_forwarded_port(const u_char *data, size_t len)
{
    size_t  i;

    for (i = len; i > 1 && data[i - 1] >= '0' && data[i - 1] <= '9'; i--) {
        /* void */
    }

    if (i > 1 && i < len && data[i - 1] == ':'
        && (data[i - 2] == ']'
            || ngx_strlchr((u_char *) data, (u_char *) data + i - 1, ':')
               == NULL))
    {
        return i - 1;
    }

    return len;
}
