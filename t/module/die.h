
/*
 * Ways to die, each in a function with a name of its own: "die_null" is
 * profiling_test_die_null().
 */


#ifndef _PROFILING_TEST_DIE_H_INCLUDED_
#define _PROFILING_TEST_DIE_H_INCLUDED_


#include <stdint.h>
#include "block.h"


/* as profiling_test_waits[]; what n and file mean stands there */
extern const profiling_test_wait_t  profiling_test_deaths[];

/* in a thread of a pool */
void profiling_test_die_thread(uint64_t n);
void profiling_test_die_deep(uint64_t n);

/* with the slot overwritten, see damage.c */
void profiling_test_die_damaged(long n, const char *file);

/* n: the address */
void profiling_test_die_null(long n, const char *file);

/* by die_goes, as the configuration is read */
void profiling_test_goes_init(void);

/* in init_process, as long as this file is there */
void profiling_test_die_init(const char *file);


#endif /* _PROFILING_TEST_DIE_H_INCLUDED_ */
