
/* What the patcher uses of nginx, to build it where nginx is not at hand. */


#ifndef _INTERPOSE_NGINX_H_INCLUDED_
#define _INTERPOSE_NGINX_H_INCLUDED_


#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>


typedef intptr_t           ngx_int_t;
typedef uintptr_t          ngx_uint_t;
typedef int                ngx_err_t;
typedef unsigned char      u_char;
typedef struct {
    ngx_uint_t             log_level;
} ngx_log_t;


#define NGX_OK                0
#define NGX_ERROR            -1
#define NGX_DECLINED         -5
#define NGX_LOG_ALERT         2
#define NGX_LOG_INFO          7
#define NGX_EACCES            EACCES
#define NGX_EINVAL            EINVAL
#define NGX_MAX_UINT32_VALUE  0xffffffff

#define ngx_inline            inline
#define ngx_errno             errno
#define ngx_min(a, b)         ((a) > (b) ? (b) : (a))
#define ngx_memzero(p, n)     (void) memset(p, 0, n)
#define ngx_memcpy(d, s, n)   (void) memcpy(d, s, n)
#define ngx_memcmp(a, b, n)   memcmp(a, b, n)
#define ngx_strcmp(a, b)      strcmp(a, b)
#define ngx_strlen(s)         strlen(s)

#define ngx_log_error(level, log, ...)  (void) (log)


#endif /* _INTERPOSE_NGINX_H_INCLUDED_ */
