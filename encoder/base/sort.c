
/*
 * Tables of files have tens of thousands of addresses in a few megabytes: they
 * are sorted digit by digit, in a tenth of the time that comparing them takes.
 */


#include <stdint.h>
#include <string.h>

#include "memory.h"
#include "sort.h"


/* bits of a digit: of few items, and of many */
#define PROFILING_FEW     7
#define PROFILING_MANY    11
#define PROFILING_DIGITS  (1 << PROFILING_MANY)


static void profiling_sort_digit(const uint64_t *from, uint64_t *to, size_t n,
    size_t words, uint64_t least, unsigned shift, unsigned bits);


void
profiling_sort(void *items, size_t n, size_t size)
{
    size_t      i, words;
    uint64_t    least, most, *from, *to, *p;
    unsigned    bits, shift, sorted;

    from = items;
    words = size / sizeof(uint64_t);
    least = UINT64_MAX;
    most = 0;
    sorted = 1;

    for (i = 0; i < n; i++) {
        p = &from[i * words];

        sorted = sorted && *p >= most;
        least = (*p < least) ? *p : least;
        most = (*p > most) ? *p : most;
    }

    if (sorted) {
        return;
    }

    to = profiling_calloc(n, size);

    bits = (n < PROFILING_DIGITS) ? PROFILING_FEW : PROFILING_MANY;

    for (shift = 0; shift < 64 && (most - least) >> shift != 0; shift += bits)
    {
        profiling_sort_digit(from, to, n, words, least, shift, bits);

        p = from;
        from = to;
        to = p;
    }

    if (from != items) {
        memcpy(items, from, n * size);
    }
}


static void
profiling_sort_digit(const uint64_t *from, uint64_t *to, size_t n,
    size_t words, uint64_t least, unsigned shift, unsigned bits)
{
    size_t           i, k, at, next, digits, place[PROFILING_DIGITS];
    uint64_t        *p;
    const uint64_t  *last;

    digits = (size_t) 1 << bits;
    memset(place, 0, digits * sizeof(size_t));

    last = from + n * words;

    for (i = 0; i < n * words; i += words) {
        place[(from[i] - least) >> shift & (digits - 1)]++;
    }

    for (at = 0, i = 0; i < digits; i++) {
        next = at + place[i];
        place[i] = at;
        at = next;
    }

    for ( /* void */ ; from < last; from += words) {
        i = (*from - least) >> shift & (digits - 1);
        p = to + place[i]++ * words;

        for (k = 0; k < words; k++) {
            p[k] = from[k];
        }
    }
}
