
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_modules.h"
#include "ngx_prof_record.h"


static const ngx_prof_module_object_t *ngx_prof_modules_look(
    const ngx_prof_modules_t *modules, uint64_t identity);
static ngx_uint_t ngx_prof_modules_number(ngx_prof_modules_t *modules,
    const ngx_str_t *name);


static const ngx_prof_module_object_t *
ngx_prof_modules_look(const ngx_prof_modules_t *modules, uint64_t identity)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = ngx_prof_load_acquire(&modules->object_n);

    for (i = 0; i < n && i < NGX_PROF_MODULE_OBJECTS; i++) {

        if (modules->object[i].identity == identity) {
            return &modules->object[i];
        }
    }

    return NULL;
}


ngx_uint_t
ngx_prof_modules_known(const ngx_prof_modules_t *modules, uint64_t identity)
{
    return ngx_prof_modules_look(modules, identity) != NULL;
}


ngx_uint_t
ngx_prof_modules_find(const ngx_prof_modules_t *modules, uint64_t identity,
    uint64_t offset)
{
    uint64_t                         low, high, mid;
    const ngx_prof_module_area_t    *area;
    const ngx_prof_module_object_t  *object;

    object = ngx_prof_modules_look(modules, identity);

    if (object == NULL || object->first > NGX_PROF_MODULE_AREAS
        || object->n > NGX_PROF_MODULE_AREAS - object->first)
    {
        return 0;
    }

    low = object->first;
    high = low + object->n;

    while (low < high) {
        mid = low + (high - low) / 2;

        if (modules->area[mid].start <= offset) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    if (low == object->first) {
        return 0;
    }

    area = &modules->area[low - 1];

    return (offset - area->start < area->len
            && area->module < NGX_PROF_MODULES)
           ? area->module : 0;
}


ngx_uint_t
ngx_prof_modules_area(ngx_prof_modules_t *modules, uint64_t start,
    uint64_t len, const ngx_str_t *name)
{
    uint64_t                         first;
    ngx_uint_t                       module;
    ngx_prof_module_area_t          *area;
    const ngx_prof_module_object_t  *last;

    /* behind those of the latest object, which one that was killed has left */

    first = 0;

    if (modules->object_n > NGX_PROF_MODULE_OBJECTS
        || modules->area_n >= NGX_PROF_MODULE_AREAS)
    {
        return 0;
    }

    if (modules->object_n) {
        last = &modules->object[modules->object_n - 1];
        first = (uint64_t) last->first + last->n;
    }

    module = ngx_prof_modules_number(modules, name);

    if (module == 0 || len > NGX_MAX_UINT32_VALUE) {
        return 0;
    }

    area = &modules->area[modules->area_n];

    /* they are looked up by their order */

    if (modules->area_n > first && area[-1].start + area[-1].len > start) {
        return 0;
    }

    area->start = start;
    area->len = (uint32_t) len;
    area->module = (uint32_t) module;

    modules->area_n++;

    return 1;
}


ngx_uint_t
ngx_prof_modules_object(ngx_prof_modules_t *modules, uint64_t identity)
{
    uint64_t                         n;
    ngx_prof_module_object_t        *object;
    const ngx_prof_module_object_t  *last;

    n = modules->object_n;

    if (n >= NGX_PROF_MODULE_OBJECTS) {
        return 0;
    }

    object = &modules->object[n];
    object->first = 0;

    if (n) {
        last = object - 1;
        object->first = last->first + last->n;
    }

    object->identity = identity;
    object->n = (uint32_t) modules->area_n - object->first;

    ngx_prof_store_release(&modules->object_n, n + 1);

    return 1;
}


/* 0: there is no room for it */

static ngx_uint_t
ngx_prof_modules_number(ngx_prof_modules_t *modules, const ngx_str_t *name)
{
    size_t      len;
    uint64_t    n;
    ngx_uint_t  i;

    len = ngx_min(name->len, NGX_PROF_MODULE_NAME - 1);
    n = ngx_max(ngx_prof_modules_n(modules), 1);

    for (i = 1; i < n; i++) {

        if (ngx_strncmp(modules->name[i], name->data, len) == 0
            && modules->name[i][len] == '\0')
        {
            return i;
        }
    }

    if (n >= NGX_PROF_MODULES) {
        return 0;
    }

    ngx_memcpy(modules->name[n], name->data, len);
    modules->name[n][len] = '\0';

    ngx_prof_store_release(&modules->module_n, n + 1);

    return (ngx_uint_t) n;
}


ngx_uint_t
ngx_prof_modules_n(const ngx_prof_modules_t *modules)
{
    return ngx_min(ngx_prof_load_acquire(&modules->module_n),
                   NGX_PROF_MODULES);
}


const char *
ngx_prof_modules_name(const ngx_prof_modules_t *modules, ngx_uint_t module)
{
    return (const char *) modules->name[module];
}
