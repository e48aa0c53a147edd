
/*
 * Reads the bytes of a section of a raw capture.  A read beyond the section
 * ends the program with PROFILING_CAPTURE.
 */


#ifndef _PROFILING_SECTION_H_INCLUDED_
#define _PROFILING_SECTION_H_INCLUDED_


#include "raw_types.h"


typedef struct {
    const uint8_t  *pos;
    const uint8_t  *last;
    uint32_t        count;
    uint32_t        type;
} profiling_section_t;


/* the next bytes; all remaining bytes; the number of records */
const uint8_t *profiling_raw_take(profiling_section_t *s, uint64_t size);
const uint8_t *profiling_raw_rest(profiling_section_t *s, size_t *size);
uint32_t profiling_raw_count(profiling_section_t *s);

/* room for "count" more records of an array */
void *profiling_raw_append(void *old, size_t *used, uint32_t count,
    size_t size);

profiling_str_t profiling_raw_string(profiling_raw_t *raw, uint32_t n);
void profiling_raw_invalid(const char *what) __attribute__ ((noreturn));

uint32_t profiling_raw_u32(const uint8_t *p);
uint64_t profiling_raw_u64(const uint8_t *p);

#define profiling_raw_pc(stack, i)                                            \
    profiling_raw_u64((stack)->pcs + (size_t) (i) * 8)
#define profiling_raw_value(s, i)                                             \
    ((int64_t) profiling_raw_u64((s)->values + (size_t) (i) * 8))


#endif /* _PROFILING_SECTION_H_INCLUDED_ */
