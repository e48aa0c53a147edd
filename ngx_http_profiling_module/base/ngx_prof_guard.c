
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_guard.h"
#include "ngx_prof_arch.h"


/* a load at a known instruction, and where it continues if that faults */

__asm__ (NGX_PROF_ARCH_GUARD);

ngx_int_t ngx_prof_guard_word(uintptr_t addr, uint64_t *value);
extern const u_char  ngx_prof_guard_at[];
extern const u_char  ngx_prof_guard_failed[];


static ngx_uint_t  ngx_prof_guarded;


void
ngx_prof_guard_set(ngx_uint_t on)
{
    ngx_prof_guarded = on;
}


ngx_uint_t
ngx_prof_guard_fault(ucontext_t *uc)
{
    uintptr_t  *pc;

    pc = (uintptr_t *) ((u_char *) uc + ngx_prof_arch_place(NGX_PROF_ARCH_PC));

    if (*pc != (uintptr_t) ngx_prof_guard_at) {
        return 0;
    }

    *pc = (uintptr_t) ngx_prof_guard_failed;

    return 1;
}


ngx_int_t
ngx_prof_guard_load(uintptr_t addr, uint64_t *value)
{
    return ngx_prof_guarded ? ngx_prof_guard_word(addr, value) : NGX_ERROR;
}


/* aligned words never lie across two pages */

ngx_int_t
ngx_prof_guard_copy(void *dst, const void *src, size_t n)
{
    u_char     *to;
    size_t      skip, size;
    uint64_t    word;
    uintptr_t   from;

    to = dst;
    from = (uintptr_t) src;

    while (n) {
        skip = from & (sizeof(uint64_t) - 1);
        size = ngx_min(n, sizeof(uint64_t) - skip);

        if (ngx_prof_guard_load(from - skip, &word) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_memcpy(to, (u_char *) &word + skip, size);

        to += size;
        from += size;
        n -= size;
    }

    return NGX_OK;
}
