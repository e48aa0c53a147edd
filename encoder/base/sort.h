
/*
 * Sorting by addresses.
 */


#ifndef _PROFILING_SORT_H_INCLUDED_
#define _PROFILING_SORT_H_INCLUDED_


#include <stddef.h>


/*
 * Sorts items that begin with a number of 64 bits by that number; their size is
 * a multiple of its.  Items of one number stay in their order.
 */
void profiling_sort(void *items, size_t n, size_t size);


#endif /* _PROFILING_SORT_H_INCLUDED_ */
