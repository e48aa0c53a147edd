
/*
 * Places by their names, while the master (or the single process) starts or
 * reloads: found by a hash, added, and given back.
 *
 * A place that no configuration in force has, and that no living worker can
 * count for, gives its cells back at the next reload: its series end.  Its
 * entry and its name follow when the tables are filling up and no table of
 * stacks and no pause of any slot has a label that names it.
 *
 * The hash lies in memory of the caller's, so that nothing but the table of
 * places itself can have been overwritten.
 */


#ifndef _NGX_PROF_REGISTRY_H_INCLUDED_
#define _NGX_PROF_REGISTRY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


typedef struct {
    ngx_prof_zone_t   *zone;
    uint32_t          *bucket;          /* a place, 0: none */
    uint32_t          *next;            /* of the place's bucket */
    u_char            *units;           /* of names: a bit each, 1: taken */
    u_char            *marks;           /* of places or pages */
    ngx_uint_t         mask;
    ngx_uint_t         unit_n;
    ngx_uint_t         unit;            /* where the search continues */
    ngx_uint_t         refused;         /* so many found no room, 0: none */
    ngx_uint_t         place;
} ngx_prof_registry_t;


/* bytes of memory that a registry needs */
size_t ngx_prof_registry_size(const ngx_prof_zone_t *zone);

/*
 * After the generation was raised.  memory: zeroed.  alive: whether the owner
 * of a slot lives.
 */
void ngx_prof_registry_open(ngx_prof_registry_t *reg, ngx_prof_zone_t *zone,
    void *memory, ngx_uint_t (*alive)(const ngx_prof_slot_t *slot));

/*
 * The index of a place, which is added if it is new.  location is NULL for the
 * server itself; counted: whether its requests are.  PLACE_OTHER if there is no
 * room.
 */
ngx_uint_t ngx_prof_registry_place(ngx_prof_registry_t *reg,
    const ngx_str_t *server, const ngx_str_t *location, ngx_uint_t counted);


#endif /* _NGX_PROF_REGISTRY_H_INCLUDED_ */
