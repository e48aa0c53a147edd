
/*
 * Allocations of which the number and the sizes are known, for the tests of
 * heap profiles.  A function that finds the allocator to behave otherwise
 * than it should returns what is wrong, else NULL.
 */


#ifndef _PROFILING_TEST_HEAP_H_INCLUDED_
#define _PROFILING_TEST_HEAP_H_INCLUDED_


#include <stddef.h>


typedef const char *(*profiling_test_heap_pt)(long n);


/* a block of n bytes that is never freed */
const char *profiling_test_leak(long n);

/* n blocks of 1 to 20000 bytes that are kept until drop() */
const char *profiling_test_keep(long n);
const char *profiling_test_drop(long n);

/* n times blocks of six sizes in known numbers, by one call, freed at once */
const char *profiling_test_mixed(long n);

/* n times: a chain of realloc() up and down, one that fails between */
const char *profiling_test_chain(long n);

/* the same without failures, which valgrind takes for the end of memory */
const char *profiling_test_grow(long n);

/* n times each function that allocates, with what it fails for; all freed */
const char *profiling_test_family(long n);

/* n of 2^20 stacks, with 64 malloc() and free() of 32 bytes in each */
const char *profiling_test_storm(long n);

/* n blocks each that are allocated in one thread and freed in another */
const char *profiling_test_cross(long n);

/* n malloc() and free() of 1000 bytes */
const char *profiling_test_pairs(long n);

/* the same of 32 bytes */
const char *profiling_test_small(long n);


#endif /* _PROFILING_TEST_HEAP_H_INCLUDED_ */
