
#include "burn.h"


#define PROFILING_TEST_DEPTH  40

/* KIND is given to the compiler: cfi, fp or nocfi */

#define paste(name, kind)   profiling_test_ ## name ## _ ## kind
#define pasted(name, kind)  paste(name, kind)
#define name(what)          pasted(what, KIND)

#define apart               __attribute__((noinline, noclone))


static volatile uint64_t  sink;


/* one round of a generator whose next number depends on the last */

static inline uint64_t
name(mix)(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}


static inline __attribute__((always_inline)) uint64_t
name(inlined)(uint64_t n)
{
    uint64_t  x;

    for (x = n | 1; n; n--) {
        x = name(mix)(x);
    }

    return x;
}


/* each has a copy of the loop, so that samples are in its own lines */

apart void
name(one)(uint64_t n)
{
    sink += name(inlined)(n);
}


apart void
name(three)(uint64_t n)
{
    sink += name(inlined)(3 * n);
}


/* not a tail call: there is something left to do behind it */

static apart uint64_t
name(descend)(uint64_t n, unsigned depth)
{
    uint64_t  x;

    if (depth == 0) {
        return name(inlined)(n);
    }

    x = name(descend)(n, depth - 1);

    return x ^ (x >> depth);
}


void
name(deep)(uint64_t n)
{
    sink += name(descend)(n, PROFILING_TEST_DEPTH);
}
