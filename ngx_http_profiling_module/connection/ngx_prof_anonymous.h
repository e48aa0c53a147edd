
/*
 * Names that replace private texts.  The same text has the same name until
 * nginx is restarted; the names depend on a secret, so nobody can find a text
 * by trying.
 */


#ifndef _NGX_PROF_ANONYMOUS_H_INCLUDED_
#define _NGX_PROF_ANONYMOUS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* bytes that a name takes, for a prefix of 8 */
#define NGX_PROF_ANONYMOUS_LEN  (8 + 1 + 16)


/* SipHash-2-4 of Aumasson and Bernstein, https://www.aumasson.jp/siphash/ */
uint64_t ngx_prof_siphash(const uint64_t key[2], const u_char *data,
    size_t len);

/* writes "prefix-0123456789abcdef"; returns the end of what was written */
u_char *ngx_prof_anonymous(u_char *dst, const char *prefix, const u_char *data,
    size_t len);

/*
 * does the name of an upstream identify a machine: is it an address or a path?
 */
ngx_uint_t ngx_prof_is_address(const u_char *data, size_t len);


#endif /* _NGX_PROF_ANONYMOUS_H_INCLUDED_ */
