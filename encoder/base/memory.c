
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memory.h"


#define PROFILING_BLOCK      65536
#define PROFILING_ALIGNMENT  16
#define PROFILING_MAX_ALLOC  ((size_t) 1 << 40)


typedef struct profiling_block_s  profiling_block_t;

struct profiling_block_s {
    profiling_block_t  *next;
    size_t              used;
    size_t              size;
    size_t              reserved;    /* keeps the data aligned */
    uint8_t             data[];
};


static profiling_block_t *profiling_block(size_t size);


static profiling_block_t  *profiling_blocks;


static profiling_block_t *
profiling_block(size_t size)
{
    size_t              room;
    profiling_block_t  *block;

    room = (size > PROFILING_BLOCK) ? size : PROFILING_BLOCK;

    block = calloc(1, sizeof(profiling_block_t) + room);
    if (block == NULL) {
        profiling_fail(PROFILING_MEMORY, "not enough memory for %zu bytes",
                       room);
    }

    block->size = room;
    block->next = profiling_blocks;
    profiling_blocks = block;

    return block;
}


void *
profiling_alloc(size_t size)
{
    void               *p;
    profiling_block_t  *block;

    if (size > PROFILING_MAX_ALLOC) {
        profiling_fail(PROFILING_MEMORY, "not enough memory for %zu bytes",
                       size);
    }

    size = (size + PROFILING_ALIGNMENT - 1)
           & ~((size_t) PROFILING_ALIGNMENT - 1);

    block = profiling_blocks;

    if (block == NULL || block->size - block->used < size) {
        block = profiling_block(size);
    }

    p = block->data + block->used;
    block->used += size;

    return p;
}


void *
profiling_calloc(size_t n, size_t size)
{
    if (size != 0 && n > PROFILING_MAX_ALLOC / size) {
        profiling_fail(PROFILING_MEMORY, "not enough memory for %zu items",
                       n);
    }

    return profiling_alloc(n * size);
}


void
profiling_release(void)
{
    profiling_block_t  *block;

    while (profiling_blocks != NULL) {
        block = profiling_blocks;
        profiling_blocks = block->next;
        free(block);
    }
}


void *
profiling_grow(void *old, size_t used, size_t size, size_t *n)
{
    void  *p;

    *n = (used < 8) ? 16 : used * 2;

    p = profiling_calloc(*n, size);

    if (used != 0) {
        memcpy(p, old, used * size);
    }

    return p;
}


char *
profiling_strdup(const char *s, size_t len)
{
    char  *p;

    p = profiling_alloc(len + 1);
    memcpy(p, s, len);

    return p;
}


char *
profiling_printf(const char *fmt, ...)
{
    int      n;
    char    *p;
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);

    if (n < 0) {
        profiling_fail(PROFILING_SYSTEM, "vsnprintf() failed");
    }

    p = profiling_alloc((size_t) n + 1);

    va_start(args, fmt);
    vsnprintf(p, (size_t) n + 1, fmt, args);
    va_end(args);

    return p;
}


void
profiling_buf_put(profiling_buf_t *b, const void *data, size_t len)
{
    size_t    size;
    uint8_t  *p;

    if (len > b->size - b->len) {
        size = b->size ? b->size : 4096;

        while (size - b->len < len) {
            if (size > PROFILING_MAX_ALLOC) {
                profiling_fail(PROFILING_MEMORY, "the answer is too large");
            }

            size *= 2;
        }

        p = realloc(b->data, size);
        if (p == NULL) {
            profiling_fail(PROFILING_MEMORY,
                           "not enough memory for %zu bytes", size);
        }

        b->data = p;
        b->size = size;
    }

    if (len != 0) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }
}


void
profiling_buf_free(profiling_buf_t *b)
{
    free(b->data);
    memset(b, 0, sizeof(profiling_buf_t));
}


void
profiling_buf_printf(profiling_buf_t *b, const char *fmt, ...)
{
    int      n;
    char    *p, buf[512];
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(buf, sizeof(buf), fmt, args);
    va_end(args);

    if (n < 0) {
        profiling_fail(PROFILING_SYSTEM, "vsnprintf() failed");
    }

    if ((size_t) n < sizeof(buf)) {
        profiling_buf_put(b, buf, n);
        return;
    }

    p = profiling_alloc((size_t) n + 1);

    va_start(args, fmt);
    vsnprintf(p, (size_t) n + 1, fmt, args);
    va_end(args);

    profiling_buf_put(b, p, n);
}


void
profiling_leb(profiling_buf_t *b, uint64_t value)
{
    size_t   n;
    uint8_t  bytes[10];

    for (n = 0; value >= 0x80; n++) {
        bytes[n] = (uint8_t) value | 0x80;
        value >>= 7;
    }

    bytes[n++] = (uint8_t) value;

    profiling_buf_put(b, bytes, n);
}


uint64_t
profiling_hash(uint64_t hash, const void *data, size_t len)
{
    size_t          i;
    const uint8_t  *p;

    p = data;

    for (i = 0; i < len; i++) {
        hash ^= p[i];
        hash *= 0x100000001b3ULL;
    }

    return hash;
}


int64_t
profiling_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * PROFILING_NSEC_PER_SEC + ts.tv_nsec;
}
