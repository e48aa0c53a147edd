
/*
 * A hash table of pointers that only grows, and strings stored once.
 */


#ifndef _PROFILING_TABLE_H_INCLUDED_
#define _PROFILING_TABLE_H_INCLUDED_


#include "memory.h"


typedef struct {
    uint64_t           hash;
    void              *item;          /* NULL: free */
} profiling_slot_t;


typedef struct {
    profiling_slot_t  *slots;
    size_t             nslots;        /* a power of two, or 0 */
    size_t             nitems;
} profiling_table_t;


typedef int (*profiling_equal_pt)(void *item, void *key);


/*
 * Returns the place of the item that equals the key.  If there is none, *place
 * is NULL and the caller must set it.  The place is valid until the next call.
 */
void **profiling_table_place(profiling_table_t *table, uint64_t hash,
    profiling_equal_pt equal, void *key);


typedef struct {
    const char        *data;
    uint32_t           len;
    uint32_t           index;
} profiling_string_t;


typedef struct {
    profiling_table_t    table;
    profiling_string_t **items;       /* by index; [0] is "" */
    size_t               nitems;
    size_t               room;
} profiling_strings_t;


/*
 * Index of a string.  U+FFFD replaces invalid UTF-8 and zero bytes; a string
 * of more than max bytes is cut between two characters.
 */
uint32_t profiling_strings_add(profiling_strings_t *strings, const char *data,
    size_t len, size_t max);


#endif /* _PROFILING_TABLE_H_INCLUDED_ */
