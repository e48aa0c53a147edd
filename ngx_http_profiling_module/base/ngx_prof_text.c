
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_text.h"
#include "ngx_prof_budget.h"


#define NGX_PROF_TEXT_BUF   16384
#define NGX_PROF_TEXT_LINE  512


static u_char *ngx_prof_text_room(ngx_prof_text_t *t, size_t len);
static size_t ngx_prof_utf8_length(const u_char *p, size_t len);


void
ngx_prof_text_init(ngx_prof_text_t *t, ngx_pool_t *pool)
{
    ngx_memzero(t, sizeof(ngx_prof_text_t));

    t->pool = pool;
    t->last = &t->first;
}


static u_char *
ngx_prof_text_room(ngx_prof_text_t *t, size_t len)
{
    size_t        size;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (t->buf && (size_t) (t->buf->end - t->buf->last) >= len) {
        return t->buf->last;
    }

    if (t->failed) {
        return NULL;
    }

    size = ngx_max(len, NGX_PROF_TEXT_BUF) + sizeof(uint64_t);

    cl = ngx_alloc_chain_link(t->pool);
    b = cl ? ngx_calloc_buf(t->pool) : NULL;

    if (b) {
        b->start = ngx_prof_budget_alloc(t->pool, size);
    }

    if (b == NULL || b->start == NULL) {
        t->buf = NULL;
        t->failed = 1;
        return NULL;
    }

    b->pos = b->start;
    b->end = b->start + size;
    b->temporary = 1;

    t->buf = b;

    /* data aligned in the whole text is then aligned in memory too */

    t->buf->pos += (size_t) t->size & (sizeof(uint64_t) - 1);
    t->buf->last = t->buf->pos;

    cl->buf = t->buf;
    cl->next = NULL;
    *t->last = cl;
    t->last = &cl->next;

    return t->buf->last;
}


void
ngx_prof_text_write(ngx_prof_text_t *t, const void *data, size_t len)
{
    u_char  *p;

    /* an empty string may have no address */

    if (len == 0) {
        return;
    }

    p = ngx_prof_text_room(t, len);

    if (p) {
        t->buf->last = ngx_cpymem(p, data, len);
        t->size += len;
    }
}


void *
ngx_prof_text_reserve(ngx_prof_text_t *t, size_t len)
{
    u_char  *p;

    p = ngx_prof_text_room(t, len);

    if (p) {
        t->buf->last += len;
        t->size += len;
    }

    return p;
}


void
ngx_prof_text_printf(ngx_prof_text_t *t, const char *format, ...)
{
    u_char   *p;
    va_list   args;

    p = ngx_prof_text_room(t, NGX_PROF_TEXT_LINE);

    if (p == NULL) {
        return;
    }

    va_start(args, format);
    t->buf->last = ngx_vslprintf(p, p + NGX_PROF_TEXT_LINE, format, args);
    va_end(args);

    t->size += t->buf->last - p;
}


ngx_uint_t
ngx_prof_text_utf8(ngx_prof_text_t *t, const u_char *p, size_t len,
    ngx_uint_t (*escape)(ngx_prof_text_t *t, u_char ch))
{
    size_t         n;
    ngx_uint_t     replaced, how;
    const u_char  *last;

    last = p + len;
    replaced = 0;

    for ( /* void */ ; p < last; p += n) {
        n = (*p < 0x80) ? 1 : ngx_prof_utf8_length(p, last - p);

        if (n == 0) {
            ngx_prof_text_write(t, "\xef\xbf\xbd", 3);
            replaced++;
            n = 1;
            continue;
        }

        /* U+0080 to U+00BF have their last six bits in the second byte */

        how = (n == 1) ? escape(t, *p)
              : (*p == 0xc2) ? escape(t, p[1]) : NGX_PROF_TEXT_SAME;

        replaced += (how == NGX_PROF_TEXT_OTHER);

        if (how == NGX_PROF_TEXT_SAME) {
            ngx_prof_text_write(t, p, n);
        }
    }

    return replaced;
}


/*
 * The length of a sequence of two to four bytes, 0 if it is not well-formed:
 * RFC 3629, section 4 (no overlong forms, no surrogates, at most U+10FFFF).
 */

static size_t
ngx_prof_utf8_length(const u_char *p, size_t len)
{
    u_char  low, high;
    size_t  i, n;

    low = 0x80;
    high = 0xbf;

    if (*p >= 0xc2 && *p <= 0xdf) {
        n = 2;

    } else if (*p >= 0xe0 && *p <= 0xef) {
        n = 3;
        low = (*p == 0xe0) ? 0xa0 : 0x80;
        high = (*p == 0xed) ? 0x9f : 0xbf;

    } else if (*p >= 0xf0 && *p <= 0xf4) {
        n = 4;
        low = (*p == 0xf0) ? 0x90 : 0x80;
        high = (*p == 0xf4) ? 0x8f : 0xbf;

    } else {
        return 0;
    }

    if (n > len || p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < n; i++) {

        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }

    return n;
}


void
ngx_prof_text_free(ngx_pool_t *pool, ngx_chain_t *cl)
{
    ngx_prof_budget_free(pool, cl->buf->start);

    cl->buf->start = NULL;
    ngx_free_chain(pool, cl);
}


ngx_chain_t *
ngx_prof_text_finish(ngx_prof_text_t *t)
{
    if (t->failed || t->buf == NULL) {
        return NULL;
    }

    /* room that was asked for but not used: nginx takes no empty memory */

    t->buf->temporary = (t->buf->pos != t->buf->last);

    t->buf->last_buf = 1;
    t->buf->last_in_chain = 1;

    return t->first;
}
