
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_accept.h"
#include "ngx_prof_argument.h"


/* the best range so far */

typedef struct {
    const char  *type;
    size_t       len;
    size_t       major;                 /* of the type, with its slash */
    ngx_uint_t   specific;              /* 1: any, 2: of the major type, 3 */
    ngx_uint_t   quality;
} ngx_prof_accepted_t;


static ngx_uint_t ngx_prof_accept_header(void *data, ngx_str_t *value);
static ngx_uint_t ngx_prof_accept_specific(const ngx_prof_accepted_t *a,
    u_char *p, u_char *last);
static ngx_uint_t ngx_prof_accept_quality(u_char *p, u_char *last);


ngx_uint_t
ngx_prof_accept(ngx_http_request_t *r, const char *type, ngx_uint_t named)
{
    ngx_prof_accepted_t  a;

    ngx_memzero(&a, sizeof(ngx_prof_accepted_t));

    a.type = type;
    a.len = ngx_strlen(type);
    a.major = strcspn(type, "/") + 1;
    a.specific = named ? 3 : 0;

    (void) ngx_prof_any_header(r, "accept", ngx_prof_accept_header, &a);

    return a.quality;
}


/* all of them count: none is the one that is looked for */

static ngx_uint_t
ngx_prof_accept_header(void *data, ngx_str_t *value)
{
    ngx_prof_accepted_t *a = data;

    u_char      *p, *last, *end, *parameters, *q;
    ngx_uint_t   specific, quality;

    p = value->data;
    last = p + value->len;

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        end = end ? end : last;

        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }

        parameters = ngx_strlchr(p, end, ';');
        parameters = parameters ? parameters : end;

        for (q = parameters;
             q > p && (q[-1] == ' ' || q[-1] == '\t');
             q--)
        {
            /* void */
        }

        specific = ngx_prof_accept_specific(a, p, q);

        if (specific == 0 || specific < a->specific) {
            continue;
        }

        quality = ngx_prof_accept_quality(parameters, end);

        /* of several versions of a type, the one that is liked best */

        a->quality = (specific == a->specific)
                     ? ngx_max(a->quality, quality) : quality;
        a->specific = specific;
    }

    return 0;
}


static ngx_uint_t
ngx_prof_accept_specific(const ngx_prof_accepted_t *a, u_char *p, u_char *last)
{
    size_t  len;

    len = last - p;

    if (len == a->len && ngx_strncasecmp(p, (u_char *) a->type, len) == 0) {
        return 3;
    }

    if (len == a->major + 1
        && p[a->major] == '*'
        && ngx_strncasecmp(p, (u_char *) a->type, a->major) == 0)
    {
        return 2;
    }

    return (len == 3 && ngx_strncmp(p, "*/*", 3) == 0) ? 1 : 0;
}


/* of "; version=1.0.0; q=0.75", in thousandths; 1000 if it is not given */

static ngx_uint_t
ngx_prof_accept_quality(u_char *p, u_char *last)
{
    ngx_uint_t  n, unit;

    for ( /* void */ ; p < last; p++) {

        if (*p != ';') {
            continue;
        }

        do {
            p++;
        } while (p < last && (*p == ' ' || *p == '\t'));

        if (last - p >= 3 && (p[0] == 'q' || p[0] == 'Q') && p[1] == '=') {
            break;
        }

        p--;
    }

    if (p >= last) {
        return 1000;
    }

    p += 2;

    if (*p == '1') {
        return 1000;
    }

    n = 0;
    unit = 100;

    for (p += 2; p < last && unit && *p >= '0' && *p <= '9'; p++) {
        n += (*p - '0') * unit;
        unit /= 10;
    }

    return n;
}
