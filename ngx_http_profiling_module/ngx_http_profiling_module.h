
/*
 * What the files of the module share: its configuration, and the state of
 * the process that it runs in.
 */


#ifndef _NGX_HTTP_PROFILING_MODULE_H_INCLUDED_
#define _NGX_HTTP_PROFILING_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include "ngx_http_profiling_alive.h"
#include "ngx_http_profiling_settings.h"


#define NGX_HTTP_PROFILING_VERSION    "0.1.0"

#define NGX_HTTP_PROFILING_ZONE_NAME  "profiling"

#define NGX_HTTP_PROFILING_LOCAL      0
#define NGX_HTTP_PROFILING_ANY        1


/* where a location configuration was created */

typedef enum {
    NGX_HTTP_PROFILING_IN_HTTP = 0,
    NGX_HTTP_PROFILING_IN_SERVER,
    NGX_HTTP_PROFILING_IN_LOCATION,
    NGX_HTTP_PROFILING_IN_BLOCK         /* if, limit_except: as around it */
} ngx_http_profiling_context_e;


typedef struct ngx_http_profiling_loc_conf_s  ngx_http_profiling_loc_conf_t;

struct ngx_http_profiling_loc_conf_s {
    ngx_flag_t                       enable;
    ngx_uint_t                       access;      /* LOCAL, ANY */
    ngx_uint_t                       place;       /* index in the zone */
    ngx_uint_t                       counted;     /* its requests are */
    ngx_uint_t                       context;
    ngx_uint_t                       prefix;      /* neither exact nor regex */
    ngx_http_handler_pt              handler;     /* of ours, or NULL */
    ngx_str_t                        name;        /* as configured */
    ngx_str_t                        label;       /* of the server */
    ngx_array_t                     *names;       /* ngx_str_t, of it too */
    ngx_http_profiling_loc_conf_t   *parent;
    ngx_http_core_srv_conf_t        *server;
};


typedef struct {
    ngx_flag_t                       active;
    ngx_uint_t                       used;        /* any directive of ours */
    int64_t                          setting[NGX_HTTP_PROFILING_SETTINGS];
    uint64_t                         memory_limit;    /* bytes */

    ngx_shm_zone_t                  *shm_zone;
    ngx_str_t                        zone_name;
    size_t                           zone_size;   /* 0: by itself */
    ngx_int_t                        slots;       /* NGX_CONF_UNSET: same */
    ngx_uint_t                       slot_n;      /* as it came out */
    ngx_http_profiling_zone_t       *zone;

    ngx_array_t                      locations;
                                    /* of ngx_http_profiling_loc_conf_t * */
    ngx_array_t                      peers;       /* see context.c */
} ngx_http_profiling_main_conf_t;


/*
 * This process, if it is a worker (or the single process): written when it
 * starts, and on a reload of a single process.
 */

typedef struct {
    ngx_http_profiling_zone_t       *zone;
    ngx_http_profiling_slot_t       *slot;        /* NULL: not profiled */
    ngx_http_profiling_main_conf_t  *conf;
    uint64_t                         pause_threshold;   /* ns */
    uint64_t                         unavailable; /* bits that never change */
} ngx_http_profiling_process_t;


extern ngx_module_t                  ngx_http_profiling_core_module;
extern ngx_module_t                  ngx_http_profiling_module;

/*
 * What each request passes reads its own object's data directly, not through
 * the table of what other objects define.
 */
#define NGX_HTTP_PROFILING_HIDDEN  __attribute__((visibility("hidden")))

#define ngx_http_profiling_always_inline                                      \
    ngx_inline __attribute__((always_inline))

#define ngx_http_profiling_likely(e)    __builtin_expect(e, 1)
#define ngx_http_profiling_unlikely(e)  __builtin_expect(e, 0)

extern ngx_http_profiling_process_t  ngx_http_profiling_process
    NGX_HTTP_PROFILING_HIDDEN;


/* ns of CLOCK_MONOTONIC, which all processes of the machine share */
static ngx_inline uint64_t
ngx_http_profiling_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


/* ms since the epoch, UTC, as of now */
static ngx_inline uint64_t
ngx_http_profiling_time(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


/* the number of the collector's tick at a clock reading; never 0 */
static ngx_inline uint32_t
ngx_http_profiling_tick(uint64_t clock, int64_t interval)
{
    return (uint32_t) (clock / 1000000 / (uint64_t) interval + 1);
}


#endif /* _NGX_HTTP_PROFILING_MODULE_H_INCLUDED_ */
