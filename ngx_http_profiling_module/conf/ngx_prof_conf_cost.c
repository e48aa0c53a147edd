
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_conf_cost.h"
#include "ngx_prof_base.h"


/* a bound of profiling_expensive */

typedef struct {
    ngx_str_t   name;           /* with its = */
    size_t      offset;         /* in ngx_prof_bounds_t */
    ngx_uint_t  size;           /* 1: a size, 0: a time */
} ngx_prof_bound_t;


static ngx_int_t ngx_prof_conf_cost_bound(const ngx_prof_bound_t *bound,
    ngx_str_t *value, uint64_t *to);


static const ngx_str_t  ngx_prof_vars[NGX_PROF_VARS] = {
    ngx_string("profiling_cpu_time"),
    ngx_string("profiling_loop_time"),
    ngx_string("profiling_loop_max"),
    ngx_string("profiling_blocked_time"),
    ngx_string("profiling_wait_time"),
    ngx_string("profiling_wait_for"),
    ngx_string("profiling_alloc_bytes"),
    ngx_string("profiling_expensive"),
    ngx_string("profiling_slow_id")
};


static const ngx_prof_bound_t  ngx_prof_bounds[] = {
    { ngx_string("cpu="), offsetof(ngx_prof_bounds_t, cpu), 0 },
    { ngx_string("loop="), offsetof(ngx_prof_bounds_t, loop), 0 },
    { ngx_string("wait="), offsetof(ngx_prof_bounds_t, wait), 0 },
    { ngx_string("alloc="), offsetof(ngx_prof_bounds_t, alloc), 1 }
};


ngx_int_t
ngx_prof_conf_cost_variables(ngx_conf_t *cf, ngx_http_get_variable_pt get)
{
    ngx_str_t             name;
    ngx_uint_t            i;
    ngx_http_variable_t  *v;

    for (i = 0; i < NGX_PROF_VARS; i++) {
        name = ngx_prof_vars[i];

        v = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
        if (v == NULL) {
            return NGX_ERROR;
        }

        v->get_handler = get;
        v->data = i;
    }

    return NGX_OK;
}


void
ngx_prof_conf_cost_used(ngx_conf_t *cf, ngx_prof_main_conf_t *mcf)
{
    ngx_uint_t                  i, n;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {

        for (n = 0; n < NGX_PROF_VARS; n++) {

            if (v[i].name.len == ngx_prof_vars[n].len
                && ngx_memcmp(v[i].name.data, ngx_prof_vars[n].data,
                              v[i].name.len)
                   == 0)
            {
                mcf->used = 1;

                if (n == NGX_PROF_VAR_SLOW_ID) {
                    mcf->watch = 1;

                } else {
                    mcf->cost = 1;
                }
            }
        }
    }
}


/* profiling_expensive [cpu=time] [loop=time] [wait=time] [alloc=size]; */

char *
ngx_prof_conf_cost_expensive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_prof_loc_conf_t *lcf = conf;

    uint64_t              *to;
    ngx_int_t              rc;
    ngx_str_t             *value;
    ngx_uint_t             i, n;
    ngx_prof_bounds_t     *bounds;
    ngx_prof_main_conf_t  *mcf;

    if (lcf->expensive != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profiling_module);
    mcf->used = 1;
    mcf->cost = 1;

    bounds = ngx_pcalloc(cf->pool, sizeof(ngx_prof_bounds_t));
    if (bounds == NULL) {
        return NGX_CONF_ERROR;
    }

    lcf->expensive = bounds;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rc = NGX_DECLINED;

        for (n = 0;
             rc == NGX_DECLINED
             && n < sizeof(ngx_prof_bounds) / sizeof(ngx_prof_bounds[0]);
             n++)
        {
            to = (uint64_t *) ((u_char *) bounds + ngx_prof_bounds[n].offset);

            rc = ngx_prof_conf_cost_bound(&ngx_prof_bounds[n], &value[i], to);
        }

        if (rc != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", \"%V\" takes "
                               "[cpu=time] [loop=time] [wait=time] "
                               "[alloc=size], each once and more than 0",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* NGX_DECLINED: it is another bound's */

static ngx_int_t
ngx_prof_conf_cost_bound(const ngx_prof_bound_t *bound, ngx_str_t *value,
    uint64_t *to)
{
    off_t      size;
    ngx_int_t  ms;
    ngx_str_t  text;

    if (value->len < bound->name.len
        || ngx_memcmp(value->data, bound->name.data, bound->name.len) != 0)
    {
        return NGX_DECLINED;
    }

    text.data = value->data + bound->name.len;
    text.len = value->len - bound->name.len;

    if (*to) {
        return NGX_ERROR;
    }

    if (bound->size) {
        size = ngx_parse_offset(&text);

        if (size == NGX_ERROR || size == 0) {
            return NGX_ERROR;
        }

        *to = size;
        return NGX_OK;
    }

    ms = ngx_parse_time(&text, 0);

    if (ms == NGX_ERROR || ms == 0) {
        return NGX_ERROR;
    }

    *to = (uint64_t) ms * NGX_PROF_NSEC_PER_MSEC;

    return NGX_OK;
}


/* profiling_slow time | off [rate=N] [keep=N]; */

char *
ngx_prof_conf_cost_slow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_prof_loc_conf_t *lcf = conf;

    ngx_int_t              ms, n;
    ngx_str_t             *value;
    ngx_uint_t             i, rate;
    ngx_prof_main_conf_t  *mcf;

    if (lcf->slow != NGX_PROF_SLOW_UNSET) {
        return "is duplicate";
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profiling_module);
    mcf->used = 1;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0 && cf->args->nelts == 2) {
        lcf->slow = 0;
        return NGX_CONF_OK;
    }

    i = 1;
    ms = ngx_parse_time(&value[1], 0);

    if (ms == NGX_ERROR || ms == 0) {
        goto invalid;
    }

    lcf->slow = (uint64_t) ms * NGX_PROF_NSEC_PER_MSEC;
    mcf->watch = 1;

    for (i = 2; i < cf->args->nelts; i++) {

        if (value[i].len <= 5) {
            goto invalid;
        }

        rate = (ngx_strncmp(value[i].data, "rate=", 5) == 0);
        n = ngx_atoi(value[i].data + 5, value[i].len - 5);

        if ((!rate && ngx_strncmp(value[i].data, "keep=", 5) != 0)
            || n < 1
            || n > NGX_PROF_SLOW_MAX
            || (rate && lcf->slow_rate))
        {
            goto invalid;
        }

        if (rate) {
            lcf->slow_rate = n;

        } else {
            mcf->slow_keep = ngx_max(mcf->slow_keep, (ngx_uint_t) n);
        }
    }

    if (lcf->slow_rate == 0) {
        lcf->slow_rate = NGX_PROF_SLOW_RATE;
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", \"%V\" takes time | off "
                       "[rate=number] [keep=number], numbers from 1 to %d",
                       &value[i], &cmd->name, NGX_PROF_SLOW_MAX);

    return NGX_CONF_ERROR;
}
