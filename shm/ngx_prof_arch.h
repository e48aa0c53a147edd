
/*
 * What differs between processors.  Both headers define the same names; each
 * is empty where the code is compiled for the other processor.  All of it may
 * be used in signal handlers.
 */


#ifndef _NGX_PROF_ARCH_H_INCLUDED_
#define _NGX_PROF_ARCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "ngx_prof_arch_aarch64.h"
#include "ngx_prof_arch_x86_64.h"


/* a register of a ucontext, by its DWARF number, and PC */

static ngx_inline uint64_t
ngx_prof_arch_reg(const ucontext_t *uc, ngx_uint_t reg)
{
    return *(const uint64_t *) ((const u_char *) uc + ngx_prof_arch_place(reg));
}


#endif /* _NGX_PROF_ARCH_H_INCLUDED_ */
