
/*
 * Sorting by addresses, and searching.
 */


#ifndef _PROFILING_SORT_H_INCLUDED_
#define _PROFILING_SORT_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/*
 * Sorts items that begin with a number of 64 bits by that number; their size is
 * a multiple of its.  Items of one number stay in their order.
 */
void profiling_sort(void *items, size_t n, size_t size);


/* how many of such items have a number of at most so much */

static inline size_t
profiling_sorted(const void *items, size_t n, size_t size, uint64_t number)
{
    size_t  low, high, mid;

    low = 0;
    high = n;

    while (low < high) {
        mid = low + (high - low) / 2;

        if (*(const uint64_t *) ((const char *) items + mid * size) <= number) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    return low;
}


#endif /* _PROFILING_SORT_H_INCLUDED_ */
