
/*
 * A file as processes have mapped it.
 */


#ifndef _PROFILING_OBJECT_H_INCLUDED_
#define _PROFILING_OBJECT_H_INCLUDED_


#include <stdint.h>


typedef struct profiling_object_s   profiling_object_t;
typedef struct profiling_mapping_s  profiling_mapping_t;
typedef struct profiling_symbols_s  profiling_symbols_t;


struct profiling_mapping_s {
    uint64_t              start;
    uint64_t              limit;
    uint64_t              offset;
    uint64_t              id;           /* set when the profile is written */
    profiling_object_t   *object;
    profiling_mapping_t  *next;         /* of the same object */
};


struct profiling_object_s {
    const char           *path;         /* without " (deleted)" */
    const char           *name;         /* last part of the path */
    const char           *build_id;     /* lower-case hex, "" if not known */
    uint64_t              inode;
    uint32_t              major;
    uint32_t              minor;
    uint32_t              pid;          /* of the first process seen */
    unsigned              deleted;
    unsigned              program;      /* is the main program */
    profiling_mapping_t  *mappings;
    profiling_symbols_t  *symbols;      /* set when first needed */
};


#endif /* _PROFILING_OBJECT_H_INCLUDED_ */
