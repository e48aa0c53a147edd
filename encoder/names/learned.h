
/*
 * Whose the functions of a file are: what was found out of it by nginx.h, in
 * a form that can be kept.
 */


#ifndef _PROFILING_LEARNED_H_INCLUDED_
#define _PROFILING_LEARNED_H_INCLUDED_


#include "nginx.h"


typedef struct {
    uint64_t                       start;
    uint64_t                       end;
    uint32_t                       owner;     /* in the text; 0: not known */
    uint32_t                       role;      /* 0: none */
} profiling_learned_function_t;


typedef struct {
    uint32_t                       n;
    uint32_t                       text;      /* bytes of it, behind them */
    uint32_t                       build_id;  /* in the text */
    uint32_t                       library;
} profiling_learned_head_t;


struct profiling_learned_s {
    const uint8_t                       *data;
    size_t                               size;

    const profiling_learned_function_t  *functions; /* sorted by start */
    size_t                               n;
    const char                          *text;
    const char                          *build_id;
    unsigned                             library;
};


/* x is NULL: nothing is known of any function */
profiling_learned_t *profiling_learned_make(profiling_nginx_t *x,
    const char *build_id);

/* of what profiling_learned_make() has made, or of any bytes; NULL: no such */
profiling_learned_t *profiling_learned_read(const uint8_t *data, size_t size);

/* the function with an address in it, if its owner is known, or NULL */
const profiling_learned_function_t *
    profiling_learned_find(profiling_learned_t *l, uint64_t address);


#endif /* _PROFILING_LEARNED_H_INCLUDED_ */
