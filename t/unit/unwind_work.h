
/*
 * Code to walk in: work of the libraries that nginx uses, assembly without
 * CFI, and a stepper that knows the true stack at each instruction.
 */


#ifndef _UNWIND_WORK_H_INCLUDED_
#define _UNWIND_WORK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_prof_unwind.h"


/* of an interrupted thread */

#if defined(__aarch64__)

#define unwind_pc(uc)  ((uc)->uc_mcontext.pc)
#define unwind_sp(uc)  ((uc)->uc_mcontext.sp)

#else

#define unwind_pc(uc)  ((uc)->uc_mcontext.gregs[REG_RIP])
#define unwind_sp(uc)  ((uc)->uc_mcontext.gregs[REG_RSP])

#endif


/* by what the code for them is chosen */
#define UNWIND_WORK_CIPHER  1
#define UNWIND_WORK_BIGNUM  2
#define UNWIND_WORK_LIBC    4
#define UNWIND_WORK_PLAIN   8    /* nothing */


typedef struct {
    const char   *name;
    void        (*once)(void);
    unsigned      steps;         /* instructions to look at */
    unsigned      kind;          /* UNWIND_WORK_* */
} unwind_work_t;


typedef struct {
    unsigned      steps;         /* that were compared */
    unsigned      wrong;
    unsigned      deepest;
    unsigned      recovered;     /* without CFI */
    unsigned      changed;       /* another walk with a cache */

    uint64_t      got[NGX_PROF_FRAMES];                  /* first wrong one */
    uint64_t      expected[NGX_PROF_FRAMES];
    ngx_uint_t    ngot;
    ngx_uint_t    nexpected;
} unwind_step_t;


extern const unwind_work_t  unwind_works[];         /* ends with name NULL */

void unwind_pcre2_jit(void);

/* calls work again and again for ms milliseconds of processor time */
void unwind_profiled(void (*work)(void), unsigned ms);
extern volatile uint64_t          unwind_profiled_return;
extern volatile sig_atomic_t      unwind_inside;

/*
 * Runs work instruction by instruction, at most limit of them, and walks at
 * each of the first visits of a place.  Functions of x86_64 run through after
 * as many calls, so that work comes to its end.
 */
void unwind_step(const ngx_prof_stack_t *stack, void (*work)(void),
    unsigned limit, unwind_step_t *result);

/* frames that a walk says that the one before had, too, and that had them */

typedef struct {
    uint64_t      pcs[NGX_PROF_FRAMES];                  /* of that one */
    ngx_uint_t    n;
    uint64_t      walk;                                  /* its number */
} unwind_before_t;

/* 1: it had them; keeps what the walk has found, for the next one */
ngx_uint_t unwind_had(unwind_before_t *before, const uint64_t *pcs,
    ngx_uint_t n, const ngx_prof_unwind_t *result);

/* a stack of its own whose upper part is a copy; uc is made to fit */
char *unwind_copy_stack(const char *saved, uintptr_t low, size_t size,
    ucontext_t *uc, char **mapping);
void unwind_free_stack(char *mapping);
ngx_uint_t unwind_on_copy(char *mapping, char *image, size_t size,
    const ucontext_t *uc, uint64_t *pcs, ngx_uint_t max,
    ngx_prof_unwind_t *result);

/* unwind_code.S */

void unwind_code_frame_pointer(void);
void unwind_code_leaf(void);
void unwind_code_aligned(void);
void unwind_code_nothing(void);
void unwind_code_scratch_cfa(void);
extern uint64_t  unwind_code_scratch_return;

/*
 * Calls in a function that has saved the registers in which its caller has a
 * and b, and has written c to the second one.
 */
void unwind_code_holds(uint64_t a, uint64_t b, uint64_t c, void (*call)(void));

void unwind_code_after(void);
ngx_uint_t unwind_code_last_call(const ngx_prof_stack_t *stack, uint64_t *pcs,
    ngx_uint_t max, ngx_prof_unwind_t *result);
ngx_uint_t unwind_code_walk_with_return(uint64_t ra,
    const ngx_prof_stack_t *stack, uint64_t *pcs, ngx_uint_t max,
    ngx_prof_unwind_t *result);


#endif /* _UNWIND_WORK_H_INCLUDED_ */
