
/*
 * Steps of aarch64, which has no trap flag for programs: a brk stands in place
 * of the instruction that comes next.  For one thread, in handlers of SIGTRAP.
 */


#ifndef _UNWIND_TRAP_ARM64_H_INCLUDED_
#define _UNWIND_TRAP_ARM64_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <ucontext.h>


/* what a program has where its steps begin and end: brk #1, brk #2 */
#define UNWIND_TRAP_FIRST  0xd4200020
#define UNWIND_TRAP_LAST   0xd4200040


/*
 * Takes the brk away that was met, so that the text is what it was.  Returns 0
 * at the last place; the context's pc is behind those of the program itself.
 */
ngx_uint_t unwind_trap_met(ucontext_t *uc);

/*
 * Sets a brk where the instruction at the context's pc leads to.  Returns
 * whether that instruction is a call.
 */
ngx_uint_t unwind_trap_next(const ucontext_t *uc);

/* all pages as they were: text that cannot be written to */
void unwind_trap_end(void);


#endif /* _UNWIND_TRAP_ARM64_H_INCLUDED_ */
