
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


#endif /* _NGX_PROF_ARCH_H_INCLUDED_ */
