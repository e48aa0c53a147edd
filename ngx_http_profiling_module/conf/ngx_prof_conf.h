
/*
 * The module's configuration.
 */


#ifndef _NGX_PROF_CONF_H_INCLUDED_
#define _NGX_PROF_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_base.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_zone.h"


#define NGX_PROF_ZONE_NAME  "profiling"

#define NGX_PROF_LOCAL      0
#define NGX_PROF_ANY        1


/* where a location configuration was created */

typedef enum {
    NGX_PROF_IN_HTTP = 0,
    NGX_PROF_IN_SERVER,
    NGX_PROF_IN_LOCATION,
    NGX_PROF_IN_BLOCK                   /* if, limit_except: as the block
                                           around */
} ngx_prof_context_e;


/* of profiling_expensive: ns and bytes, 0: none */

typedef struct {
    uint64_t                   cpu;
    uint64_t                   loop;
    uint64_t                   wait;
    uint64_t                   alloc;
} ngx_prof_bounds_t;


typedef struct ngx_prof_loc_conf_s  ngx_prof_loc_conf_t;

struct ngx_prof_loc_conf_s {
    ngx_flag_t                 enable;
    ngx_uint_t                 access;            /* LOCAL, ANY */
    ngx_prof_bounds_t         *expensive;         /* NULL: not set */
    uint64_t                   slow;              /* ns, 0: off */
    ngx_uint_t                 slow_rate;         /* a second */
    ngx_uint_t                 place;             /* index in the zone */
    ngx_uint_t                 counted;           /* 1: its requests are
                                                     counted */
    ngx_uint_t                 marked;            /* place + 1, as labels
                                                     have it */
    ngx_uint_t                 counter;           /* the place, or one that
                                                     is none if they are not */
    ngx_uint_t                 context;
    ngx_uint_t                 prefix;            /* 1: neither exact nor
                                                     regex */
    ngx_http_handler_pt        handler;           /* of ours, or NULL */
    ngx_str_t                  name;              /* as configured */
    ngx_str_t                  label;             /* of the server */
    ngx_array_t               *names;             /* ngx_str_t, the server's
                                                     names */
    ngx_prof_loc_conf_t       *parent;
    ngx_http_core_loc_conf_t  *core;
    ngx_http_core_srv_conf_t  *server;
};


typedef struct {
    ngx_flag_t             active;
    ngx_uint_t             used;                  /* 1: any directive of
                                                     ours is used */
    ngx_uint_t             cost;                  /* 1: of requests, is asked
                                                     for */
    ngx_uint_t             watch;                 /* 1: for slow requests */
    ngx_uint_t             slow_keep;             /* slow requests, 0: not
                                                     set */
    int64_t                setting[NGX_PROF_SETTINGS];

    ngx_shm_zone_t        *shm_zone;
    ngx_str_t              zone_name;
    size_t                 zone_size;             /* 0: by itself */
    ngx_str_t              zone_file;             /* where the size stands */
    ngx_uint_t             zone_line;
    ngx_int_t              slots;                 /* NGX_CONF_UNSET: same */
    ngx_uint_t             slot_n;                /* as it came out */
    ngx_prof_zone_t        memory;                /* shm_zone->data */
    ngx_prof_zone_t       *zone;                  /* it, once it is made */

    ngx_array_t            locations;
                                    /* of ngx_prof_loc_conf_t * */
    ngx_array_t            peers;                 /* see context.c */
} ngx_prof_main_conf_t;


extern ngx_module_t  ngx_http_profiling_core_module;
extern ngx_module_t  ngx_http_profiling_module;


/* a setting in force; a time in ms or ns */

static ngx_inline int64_t
ngx_prof_conf_setting(const ngx_prof_main_conf_t *mcf,
    ngx_prof_setting_e setting)
{
    return mcf->setting[setting];
}


static ngx_inline uint64_t
ngx_prof_conf_ms(const ngx_prof_main_conf_t *mcf, ngx_prof_setting_e setting)
{
    return mcf->setting[setting];
}


static ngx_inline uint64_t
ngx_prof_conf_ns(const ngx_prof_main_conf_t *mcf, ngx_prof_setting_e setting)
{
    return (uint64_t) mcf->setting[setting] * NGX_PROF_NSEC_PER_MSEC;
}


#endif /* _NGX_PROF_CONF_H_INCLUDED_ */
