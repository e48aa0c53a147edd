
/*
 * The settings of http{} that are one number each: parsed, checked, completed
 * from the environment, and reported by /api/profiling/runtime.
 *
 * A directive overrides the environment variable, which overrides the
 * default.  Used by the master while it reads the configuration.
 */


#ifndef _NGX_PROF_SETTINGS_H_INCLUDED_
#define _NGX_PROF_SETTINGS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* indices of ngx_prof_main_conf_t.setting */

typedef enum {
    NGX_PROF_INTERVAL = 0,                  /* ms */
    NGX_PROF_HISTORY,                       /* samples */
    NGX_PROF_MEMORY_LIMIT,                  /* bytes, 0: auto */
    NGX_PROF_MEMORY_WARNING,                /* percent */
    NGX_PROF_MEMORY_CRITICAL,
    NGX_PROF_CONNECTIONS_WARNING,           /* connections */
    NGX_PROF_CONNECTIONS_CRITICAL,
    NGX_PROF_PAUSE_THRESHOLD,               /* ms */
    NGX_PROF_CPU_RATE,                      /* hertz */
    NGX_PROF_HEAP_RATE,                     /* bytes, 0: off */
    NGX_PROF_BLOCK_RATE,                    /* ms, 0: off */
    NGX_PROF_MUTEX_FRACTION,                /* 0: off */
    NGX_PROF_TRACE_BUFFER,                  /* bytes */
    NGX_PROF_ANONYMIZE,                     /* 1 or 0 */
    NGX_PROF_ANSWER_MEMORY,                 /* bytes, of a worker */
    NGX_PROF_CRASH,                         /* 1 or 0 */
    NGX_PROF_BUDGET,                        /* percent of a processor, 0: no
                                               limit */
    NGX_PROF_RECORD,                        /* ms, 0: off */
    NGX_PROF_RECORD_RATE,                   /* hertz */
    NGX_PROF_INCIDENTS,                     /* 0: off */
    NGX_PROF_SETTINGS
} ngx_prof_setting_e;


typedef enum {
    NGX_PROF_NUMBER = 0,
    NGX_PROF_PERCENT,
    NGX_PROF_TIME,                          /* ms */
    NGX_PROF_SIZE,                          /* bytes */
    NGX_PROF_FLAG                           /* on, off */
} ngx_prof_setting_kind_e;


typedef struct {
    const char              *name;          /* of the directive */
    const char              *variable;      /* NULL: none */
    ngx_prof_setting_kind_e  kind;
    const char              *zero;          /* the word for 0, NULL: none */
    int64_t                  min;
    int64_t                  max;
    int64_t                  value;         /* default */
} ngx_prof_setting_t;


extern const ngx_prof_setting_t
    ngx_prof_settings[NGX_PROF_SETTINGS];


/* marks all values as unset */
void ngx_prof_settings_init(int64_t *values);

/* the handler of the directives; cmd->name says which */
char *ngx_prof_settings_set(ngx_conf_t *cf, ngx_command_t *cmd,
    int64_t *values);

/*
 * Completes unset values from the environment and the defaults, and checks
 * that they agree.  NGX_ERROR: logged, naming the directives, their line and
 * the variables.
 */
ngx_int_t ngx_prof_settings_finish(ngx_conf_t *cf, int64_t *values);

/*
 * ENABLE_PROFILING: 1, 0, or NGX_CONF_UNSET if it is not set.  A value that
 * cannot be read is logged and sets *failed.
 */
ngx_flag_t ngx_prof_settings_enabled(ngx_conf_t *cf, ngx_uint_t *failed);


#endif /* _NGX_PROF_SETTINGS_H_INCLUDED_ */
