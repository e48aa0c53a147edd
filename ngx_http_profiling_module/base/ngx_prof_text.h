
/*
 * Text that grows: a chain of buffers from a request's pool.  An allocation
 * that fails is remembered and told once, at the end.
 */


#ifndef _NGX_PROF_TEXT_H_INCLUDED_
#define _NGX_PROF_TEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    ngx_pool_t    *pool;
    ngx_chain_t   *first;
    ngx_chain_t  **last;
    ngx_buf_t     *buf;         /* the one being filled, NULL: none */
    off_t          size;        /* bytes, of all buffers */
    ngx_uint_t     failed;
} ngx_prof_text_t;


void ngx_prof_text_init(ngx_prof_text_t *t, ngx_pool_t *pool);

void ngx_prof_text_write(ngx_prof_text_t *t, const void *data, size_t len);

/*
 * Room for len bytes in one piece, which the caller fills, now or later; NULL:
 * out of memory.
 */
void *ngx_prof_text_reserve(ngx_prof_text_t *t, size_t len);

/* as ngx_sprintf(); what it prints must fit into 512 bytes */
void ngx_prof_text_printf(ngx_prof_text_t *t, const char *format, ...);

#define ngx_prof_text_puts(t, s)                                              \
    ngx_prof_text_write(t, s, ngx_strlen(s))

/*
 * Writes bytes as UTF-8: what is no UTF-8 becomes U+FFFD.  escape() writes
 * the replacement of an ASCII character and returns 1, or returns 0.
 * Returns the number of bytes that were no UTF-8.
 */
ngx_uint_t ngx_prof_text_utf8(ngx_prof_text_t *t, const u_char *p, size_t len,
    ngx_uint_t (*escape)(ngx_prof_text_t *t, u_char ch));

/* the whole as one chain, its last buffer marked; NULL: out of memory */
ngx_chain_t *ngx_prof_text_finish(ngx_prof_text_t *t);


#endif /* _NGX_PROF_TEXT_H_INCLUDED_ */
