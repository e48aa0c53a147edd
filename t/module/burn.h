
/*
 * Code of which a profile is known beforehand: it takes as long as it is
 * told to, a few ns a round, in functions with names of their own.  Compiled
 * three times, for what an unwinder can go by:
 *
 *     cfi      .eh_frame, rbp is a register like others: as Debian builds
 *     fp       frame pointers, and .eh_frame that goes by them
 *     nocfi    frame pointers and no .eh_frame at all
 */


#ifndef _PROFILING_TEST_BURN_H_INCLUDED_
#define _PROFILING_TEST_BURN_H_INCLUDED_


#include <stdint.h>


typedef void (*profiling_test_burn_pt)(uint64_t rounds);


/* one(n) and three(n): n and 3 * n rounds; deep(n): n rounds 40 calls deep */

void profiling_test_one_cfi(uint64_t n);
void profiling_test_three_cfi(uint64_t n);
void profiling_test_deep_cfi(uint64_t n);

void profiling_test_one_fp(uint64_t n);
void profiling_test_three_fp(uint64_t n);
void profiling_test_deep_fp(uint64_t n);

void profiling_test_one_nocfi(uint64_t n);
void profiling_test_three_nocfi(uint64_t n);
void profiling_test_deep_nocfi(uint64_t n);


#endif /* _PROFILING_TEST_BURN_H_INCLUDED_ */
