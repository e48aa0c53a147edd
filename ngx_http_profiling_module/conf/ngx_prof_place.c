
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_place.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_registry.h"
#include "ngx_prof_zone.h"


static void ngx_prof_place_address(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_str_t *label);
static ngx_uint_t ngx_prof_place_listens(ngx_http_conf_addr_t *addr,
    ngx_http_core_srv_conf_t *cscf);


ngx_int_t
ngx_prof_place_name(ngx_conf_t *cf, ngx_prof_loc_conf_t *lcf)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *value;
    ngx_uint_t   i, n;

    /* Lua's init_worker_by_lua creates configurations without a block */

    if (cf->args == NULL) {
        lcf->context = NGX_PROF_IN_BLOCK;
        return NGX_OK;
    }

    value = cf->args->elts;
    n = cf->args->nelts;

    if (n == 0 || ngx_strcmp(value[0].data, "http") == 0) {
        lcf->context = NGX_PROF_IN_HTTP;
        return NGX_OK;
    }

    if (ngx_strcmp(value[0].data, "server") == 0) {
        lcf->context = NGX_PROF_IN_SERVER;
        return NGX_OK;
    }

    if (ngx_strcmp(value[0].data, "location") != 0 || n < 2) {
        lcf->context = NGX_PROF_IN_BLOCK;
        return NGX_OK;
    }

    lcf->context = NGX_PROF_IN_LOCATION;

    if (n == 2 && value[1].len == 0) {

        /* no name at all is that of the server, before a location is found */

        ngx_str_set(&lcf->name, "\"\"");
        return NGX_OK;
    }

    len = n - 2;

    for (i = 1; i < n; i++) {
        len += value[i].len;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    lcf->name.data = p;
    lcf->name.len = len;

    for (i = 1; i < n; i++) {

        if (i > 1) {
            *p++ = ' ';
        }

        p = ngx_cpymem(p, value[i].data, value[i].len);
    }

    return NGX_OK;
}


ngx_int_t
ngx_prof_place_labels(ngx_conf_t *cf, ngx_prof_main_conf_t *mcf)
{
    ngx_str_t              label;
    ngx_uint_t             i;
    ngx_prof_loc_conf_t  **lcf;

    lcf = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {

        label = lcf[i]->server->server_name;

        if (label.len == 0) {
            ngx_prof_place_address(cf, lcf[i]->server, &label);
        }

        /* the text of an address is in a pool that will be destroyed */

        lcf[i]->label.len = label.len;
        lcf[i]->label.data = ngx_pstrdup(cf->pool, &label);

        if (lcf[i]->label.data == NULL && label.len) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_prof_place_address(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf,
    ngx_str_t *label)
{
    ngx_uint_t                  i, n;
    ngx_http_conf_addr_t       *addr;
    ngx_http_conf_port_t       *port;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return;
    }

    port = cmcf->ports->elts;

    for (i = 0; i < cmcf->ports->nelts; i++) {

        addr = port[i].addrs.elts;

        for (n = 0; n < port[i].addrs.nelts; n++) {

            if (ngx_prof_place_listens(&addr[n], cscf)) {
                *label = addr[n].opt.addr_text;
                return;
            }
        }
    }
}


static ngx_uint_t
ngx_prof_place_listens(ngx_http_conf_addr_t *addr,
    ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                  i;
    ngx_http_core_srv_conf_t  **server;

    server = addr->servers.elts;

    for (i = 0; i < addr->servers.nelts; i++) {

        if (server[i] == cscf) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_prof_place_number(ngx_prof_main_conf_t *mcf)
{
    ngx_uint_t             i, n;
    ngx_prof_loc_conf_t  **lcf;

    n = 1;
    lcf = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
        n += (lcf[i]->context != NGX_PROF_IN_BLOCK);
    }

    return n;
}


ngx_int_t
ngx_prof_place_register(ngx_prof_main_conf_t *mcf, ngx_log_t *log)
{
    void                  *memory;
    uint64_t               lost;
    ngx_uint_t             i;
    ngx_prof_loc_conf_t  **lcfp, *lcf;
    ngx_prof_registry_t    reg;

    memory = ngx_calloc(ngx_prof_registry_size(mcf->zone), log);
    if (memory == NULL) {
        return NGX_ERROR;
    }

    ngx_prof_registry_open(&reg, mcf->zone, memory, ngx_prof_slot_alive);

    lcfp = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
        lcf = lcfp[i];

        lcf->counted = lcf->enable && lcf->handler == NULL;

        if (lcf->context == NGX_PROF_IN_BLOCK) {

            /*
             * the parent comes earlier in the list, since it was merged before
             */
            lcf->place = lcf->parent->place;
            lcf->marked = lcf->place + 1;
            lcf->counter = lcf->counted ? lcf->place : mcf->zone->places;
            continue;
        }

        /* a place whose requests are not counted still appears in profiles */

        lcf->place = ngx_prof_registry_place(&reg, &lcf->label,
                               lcf->context == NGX_PROF_IN_LOCATION
                               ? &lcf->name : NULL,
                               lcf->counted);
        lcf->marked = lcf->place + 1;
        lcf->counter = lcf->counted ? lcf->place : mcf->zone->places;
    }

    ngx_free(memory);

    lost = mcf->zone->header->uncounted;

    if (lost) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "profiling zone \"%V\" has no room for %uL of the "
                      "locations, they are counted together; "
                      "it needs a larger size and a restart",
                      &mcf->shm_zone->shm.name, lost);
    }

    return NGX_OK;
}
