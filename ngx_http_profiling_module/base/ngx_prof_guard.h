
/*
 * Loads from memory that may not be there: structures of other modules, or of
 * this process as it dies.  A load that faults fails.  Any thread, signal
 * handlers as well, unless they block SIGSEGV or SIGBUS.
 */


#ifndef _NGX_PROF_GUARD_H_INCLUDED_
#define _NGX_PROF_GUARD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ucontext.h>


/*
 * By who has the handler of SIGSEGV and of SIGBUS, and passes faults to
 * guard_fault(): from then on loads are made.  Without it all of them fail.
 */
void ngx_prof_guard_set(ngx_uint_t on);

/* in the handler: 1: a guarded load has faulted, and fails on return */
ngx_uint_t ngx_prof_guard_fault(ucontext_t *uc);

/* a word, at a multiple of 8.  NGX_ERROR: it cannot be read */
ngx_int_t ngx_prof_guard_load(uintptr_t addr, uint64_t *value);

/* n bytes; nothing but these is read */
ngx_int_t ngx_prof_guard_copy(void *dst, const void *src, size_t n);


#endif /* _NGX_PROF_GUARD_H_INCLUDED_ */
