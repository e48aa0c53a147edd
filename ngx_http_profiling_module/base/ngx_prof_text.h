
/*
 * Text that grows: a chain of buffers from a request's pool.  A failed
 * allocation is remembered, and reported once, at the end.
 */


#ifndef _NGX_PROF_TEXT_H_INCLUDED_
#define _NGX_PROF_TEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    ngx_pool_t    *pool;
    ngx_chain_t   *first;
    ngx_chain_t  **last;
    ngx_buf_t     *buf;         /* being filled, NULL: none */
    off_t          size;        /* bytes, of all buffers */
    ngx_uint_t     failed;
} ngx_prof_text_t;


void ngx_prof_text_init(ngx_prof_text_t *t, ngx_pool_t *pool);

void ngx_prof_text_write(ngx_prof_text_t *t, const void *data, size_t len);

/*
 * Reserves len bytes in one piece, for the caller to fill now or later; NULL:
 * out of memory.
 */
void *ngx_prof_text_reserve(ngx_prof_text_t *t, size_t len);

/* like ngx_sprintf(); the result must fit into 512 bytes */
void ngx_prof_text_printf(ngx_prof_text_t *t, const char *format, ...);

#define ngx_prof_text_puts(t, s)                                              \
    ngx_prof_text_write(t, s, ngx_strlen(s))

/* escape() has written nothing, what reads as the same, or another text */

enum {
    NGX_PROF_TEXT_SAME = 0,
    NGX_PROF_TEXT_ESCAPED,
    NGX_PROF_TEXT_OTHER
};

/* whether a character below U+00C0 is a control character, of C0 or C1 */
#define ngx_prof_text_control(ch)                                             \
    ((ch) < 0x20 || ((ch) >= 0x7f && (ch) < 0xa0))

/*
 * Writes bytes as UTF-8; a byte that is not UTF-8 becomes U+FFFD.  escape() is
 * asked for each character below U+00C0 and may write its replacement.
 * Returns how many characters have become others.
 */
ngx_uint_t ngx_prof_text_utf8(ngx_prof_text_t *t, const u_char *p, size_t len,
    ngx_uint_t (*escape)(ngx_prof_text_t *t, u_char ch));

/*
 * returns the text as one chain, with its last buffer marked; NULL: out of
 * memory
 */
ngx_chain_t *ngx_prof_text_finish(ngx_prof_text_t *t);

/* a buffer of a text that was finished, and that nothing needs any more */
void ngx_prof_text_free(ngx_pool_t *pool, ngx_chain_t *cl);


#endif /* _NGX_PROF_TEXT_H_INCLUDED_ */
