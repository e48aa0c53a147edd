
#include <endian.h>
#include <string.h>

#include "section.h"


uint64_t
profiling_raw_u64(const uint8_t *p)
{
    uint64_t  v;

    memcpy(&v, p, sizeof(v));

    return le64toh(v);
}


uint32_t
profiling_raw_u32(const uint8_t *p)
{
    uint32_t  v;

    memcpy(&v, p, sizeof(v));

    return le32toh(v);
}


const uint8_t *
profiling_raw_take(profiling_section_t *s, uint64_t size)
{
    const uint8_t  *p;

    if (size > (uint64_t) (s->last - s->pos)) {
        profiling_raw_invalid("record is cut off");
    }

    p = s->pos;
    s->pos += size;

    return p;
}


const uint8_t *
profiling_raw_rest(profiling_section_t *s, size_t *size)
{
    const uint8_t  *p;

    p = s->pos;
    *size = s->last - s->pos;
    s->pos = s->last;

    return p;
}


uint32_t
profiling_raw_count(profiling_section_t *s)
{
    return s->count;
}


profiling_str_t
profiling_raw_string(profiling_raw_t *raw, uint32_t n)
{
    if (n >= raw->nstrings) {
        profiling_raw_invalid("string out of range");
    }

    return raw->strings[n];
}


/*
 * Capacities are powers of two, so that a capture of many small sections does
 * not copy the array for each of them.
 */

void *
profiling_raw_append(void *old, size_t *used, uint32_t count, size_t size)
{
    void    *p;
    size_t   n, room;

    for (room = 1; room < *used; room *= 2) { /* void */ }

    n = *used + count;

    if (n <= room && *used != 0) {
        *used = n;
        return old;
    }

    while (room < n) {
        room *= 2;
    }

    p = profiling_calloc(room, size);

    if (*used != 0) {
        memcpy(p, old, *used * size);
    }

    *used = n;

    return p;
}


void
profiling_raw_invalid(const char *what)
{
    profiling_fail(PROFILING_CAPTURE, "capture is not valid: %s", what);
}
