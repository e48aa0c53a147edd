
/*
 * Memory, growing buffers, hashes and the clock.
 */


#ifndef _PROFILING_MEMORY_H_INCLUDED_
#define _PROFILING_MEMORY_H_INCLUDED_


#include "encoder.h"


typedef struct {
    uint8_t     *data;
    size_t       len;
    size_t       size;
} profiling_buf_t;


/*
 * Zeroed memory.  Blocks are not freed one by one, because the program exits
 * soon.  Without memory the program ends with PROFILING_MEMORY.
 */
void *profiling_alloc(size_t size);
void *profiling_calloc(size_t n, size_t size);
void profiling_release(void);

/* copies a full array to a larger one; sets "n" to the new capacity */
void *profiling_grow(void *old, size_t used, size_t size, size_t *n);

char *profiling_strdup(const char *s, size_t len);
char *profiling_printf(const char *fmt, ...)
    __attribute__ ((format(printf, 1, 2)));

void profiling_buf_put(profiling_buf_t *b, const void *data, size_t len);
void profiling_buf_free(profiling_buf_t *b);
void profiling_buf_printf(profiling_buf_t *b, const char *fmt, ...)
    __attribute__ ((format(printf, 2, 3)));

/* a LEB128 number */
void profiling_leb(profiling_buf_t *b, uint64_t value);

/* FNV-1a; to continue a hash, pass the previous result */

#define PROFILING_HASH  0xcbf29ce484222325ULL

uint64_t profiling_hash(uint64_t hash, const void *data, size_t len);

/* nanoseconds of CLOCK_MONOTONIC */
int64_t profiling_now(void);


#endif /* _PROFILING_MEMORY_H_INCLUDED_ */
