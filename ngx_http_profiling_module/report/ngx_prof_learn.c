
#include <ngx_config.h>
#include <ngx_core.h>
#include <dlfcn.h>
#include "ngx_prof_learn.h"
#include "ngx_prof_base.h"
#include "ngx_prof_claim.h"
#include "ngx_prof_encode.h"
#include "ngx_prof_modules.h"
#include "ngx_prof_names.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_record.h"
#include "ngx_prof_recorder.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_shared.h"
#include "ngx_prof_text.h"
#include "ngx_prof_worker.h"


/* attempts, and ns from the first to the second */
#define NGX_PROF_LEARN_TRIES  8
#define NGX_PROF_LEARN_AGAIN  2000000000ULL

/* objects that are asked for at once */
#define NGX_PROF_LEARN_MAX    64

/* "0x... 0x... ngx_http_gzip_filter_module" */
#define NGX_PROF_LEARN_LINE   256


typedef struct {
    ngx_pool_t     *pool;                       /* NULL: nothing is asked */
    ngx_uint_t      n;
    uint64_t        pc[NGX_PROF_LEARN_MAX];
    uint64_t        identity[NGX_PROF_LEARN_MAX];
    ngx_uint_t      object;                     /* whose lines are read */
    ngx_uint_t      got;                        /* objects with areas */
} ngx_prof_learn_t;


static ngx_uint_t ngx_prof_learn_wanted(ngx_prof_learn_t *l);
static ngx_uint_t ngx_prof_learn_has(const ngx_prof_object_t *object);
static void ngx_prof_learn_ask(ngx_prof_learn_t *l, ngx_log_t *log);
static void ngx_prof_learn_answer(void *data, ngx_int_t rc,
    ngx_prof_text_t *out, ngx_str_t *error);
static void ngx_prof_learn_line(ngx_prof_learn_t *l, u_char *p, u_char *last);
static void ngx_prof_learn_object(ngx_prof_learn_t *l);
static void ngx_prof_learn_end(ngx_prof_learn_t *l, ngx_uint_t failed);


static ngx_prof_learn_t  ngx_prof_learning;
static ngx_log_t         ngx_prof_learn_log;

/* of the list of objects whose modules are all known */
static uint32_t          ngx_prof_learnt;


void
ngx_prof_learn_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone)
{
    if (zone->modules) {

        /* what this configuration has loaded may be readable now */

        ngx_prof_store(&zone->modules->tries, 0);
        return;
    }

    zone->modules = ngx_prof_shared(sizeof(ngx_prof_modules_t));

    if (zone->modules == NULL) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "CPU time is not told by module: mmap() of %uz bytes "
                      "failed", sizeof(ngx_prof_modules_t));
    }
}


void
ngx_prof_learn_tick(ngx_log_t *log)
{
    ngx_prof_learn_t    *l;
    ngx_prof_modules_t  *modules;

    l = &ngx_prof_learning;
    modules = ngx_prof_process.zone->modules;

    if (modules == NULL || l->pool || ngx_exiting || ngx_quit
        || ngx_prof_load(&modules->asked) == 0
        || ngx_prof_recorder_rate() == 0
        || !ngx_prof_learn_wanted(l)
        || ngx_prof_load(&modules->tries) >= NGX_PROF_LEARN_TRIES
        || ngx_prof_clock() < ngx_prof_load(&modules->next))
    {
        return;
    }

    ngx_prof_claim_reap(&modules->owner);

    if (ngx_prof_claim_take(&modules->owner) == NGX_OK) {

        /* another worker may have told what this one wants */

        if (ngx_prof_learn_wanted(l)) {
            ngx_prof_learn_ask(l, log);

        } else {
            ngx_prof_claim_give(&modules->owner);
        }
    }
}


void
ngx_prof_learn_for(ngx_prof_modules_t *modules)
{
    if (modules && ngx_prof_load(&modules->asked) == 0) {
        ngx_prof_store(&modules->asked, 1);
    }
}


void
ngx_prof_learn_finish(void)
{
    if (ngx_prof_learning.pool) {
        ngx_prof_learn_end(&ngx_prof_learning, 0);
    }
}


/* objects that have modules of nginx, which are not known */

static ngx_uint_t
ngx_prof_learn_wanted(ngx_prof_learn_t *l)
{
    ngx_uint_t                 i;
    const ngx_prof_object_t   *object;
    const ngx_prof_modules_t  *modules;
    const ngx_prof_objects_t  *objects;

    modules = ngx_prof_process.zone->modules;
    objects = ngx_prof_objects_acquire();

    l->n = 0;

    if (objects && objects->generation != ngx_prof_learnt) {

        for (i = 0; i < objects->n && l->n < NGX_PROF_LEARN_MAX; i++) {
            object = &objects->object[i];

            if (!object->vdso
                && !ngx_prof_modules_known(modules, object->identity)
                && ngx_prof_learn_has(object))
            {
                l->identity[l->n] = object->identity;
                l->pc[l->n++] = object->start;
            }
        }

        if (l->n == 0) {
            ngx_prof_learnt = objects->generation;
        }
    }

    ngx_prof_recorder_learnt(l->n == 0);
    ngx_prof_objects_release();

    return l->n;
}


static ngx_uint_t
ngx_prof_learn_has(const ngx_prof_object_t *object)
{
    Dl_info     info;
    ngx_uint_t  i;

    if (object->main) {
        return 1;
    }

    for (i = 0; ngx_cycle->modules[i]; i++) {

        if (dladdr(ngx_cycle->modules[i], &info) && info.dli_fname
            && object->path && ngx_strcmp(object->path, info.dli_fname) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_prof_learn_ask(ngx_prof_learn_t *l, ngx_log_t *log)
{
    ngx_str_t            error;
    ngx_prof_rawfile_t  *f;

    /* nobody has asked for what fails here */

    ngx_prof_learn_log = *log;
    ngx_prof_learn_log.log_level = ngx_min(log->log_level, NGX_LOG_CRIT);

    log = &ngx_prof_learn_log;

    l->object = l->n;
    l->got = 0;
    l->pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);

    if (l->pool == NULL) {
        ngx_prof_claim_give(&ngx_prof_process.zone->modules->owner);
        return;
    }

    f = ngx_prof_names_open(l->pool, 0);

    if (f) {
        f->header->output = NGX_PROF_RAW_MODULES;
        ngx_prof_names_add(f, l->pc, l->n);
    }

    if (f == NULL
        || ngx_prof_rawfile_finish(f) != NGX_OK
        || ngx_prof_encode(l->pool, log, &f->text, NGX_PROF_ENCODE_TURN, 0,
                           ngx_prof_learn_answer, l, &error)
           != NGX_OK)
    {
        ngx_prof_learn_end(l, 1);
    }
}


/*
 * Of each object a line "0xPC", and behind it "0xSTART 0xLEN MODULE" for each
 * of its areas
 */

static void
ngx_prof_learn_answer(void *data, ngx_int_t rc, ngx_prof_text_t *out,
    ngx_str_t *error)
{
    ngx_prof_learn_t *l = data;

    u_char       *p, *line, text[NGX_PROF_LEARN_LINE];
    ngx_chain_t  *cl;

    line = text;

    for (cl = (rc == NGX_OK) ? out->first : NULL; cl; cl = cl->next) {

        for (p = cl->buf->pos; p < cl->buf->last; p++) {

            if (*p != '\n') {
                if (line < text + sizeof(text)) {
                    *line++ = *p;
                }

                continue;
            }

            ngx_prof_learn_line(l, text, line);
            line = text;
        }
    }

    ngx_prof_learn_object(l);
    ngx_prof_learn_end(l, l->got != l->n);
}


static void
ngx_prof_learn_line(ngx_prof_learn_t *l, u_char *p, u_char *last)
{
    u_char      *one, *two;
    ngx_int_t    start, len;
    ngx_str_t    name;
    ngx_uint_t   i;

    if (last - p < 3 || ngx_strncmp(p, "0x", 2) != 0) {
        return;
    }

    one = ngx_strlchr(p, last, ' ');

    if (one == NULL) {
        ngx_prof_learn_object(l);

        start = ngx_hextoi(p + 2, last - p - 2);

        for (i = 0; i < l->n && l->pc[i] != (uint64_t) start; i++) {
            /* void */
        }

        l->object = i;
        return;
    }

    two = ngx_strlchr(one + 1, last, ' ');

    if (two == NULL || l->object == l->n || two - one < 4) {
        return;
    }

    start = ngx_hextoi(p + 2, one - p - 2);
    len = ngx_hextoi(one + 3, two - one - 3);

    name.data = two + 1;
    name.len = last - name.data;

    for (i = 0; i < name.len; i++) {

        if (!((name.data[i] | 0x20) >= 'a' && (name.data[i] | 0x20) <= 'z')
            && !(name.data[i] >= '0' && name.data[i] <= '9'))
        {
            name.data[i] = '_';
        }
    }

    if (start != NGX_ERROR && len > 0 && name.len) {
        (void) ngx_prof_modules_area(ngx_prof_process.zone->modules,
                                     (uint64_t) start, (uint64_t) len, &name);
    }
}


/* the one whose areas were read is whole */

static void
ngx_prof_learn_object(ngx_prof_learn_t *l)
{
    if (l->object < l->n
        && ngx_prof_modules_object(ngx_prof_process.zone->modules,
                                   l->identity[l->object]))
    {
        l->got++;
    }

    l->object = l->n;
}


static void
ngx_prof_learn_end(ngx_prof_learn_t *l, ngx_uint_t failed)
{
    uint64_t             tries;
    ngx_pool_t          *pool;
    ngx_prof_modules_t  *modules;

    modules = ngx_prof_process.zone->modules;
    tries = ngx_prof_load(&modules->tries);

    if (failed) {
        ngx_prof_store(&modules->next, ngx_prof_clock()
                                       + (NGX_PROF_LEARN_AGAIN << tries));
        ngx_prof_store(&modules->tries, tries + 1);
    }

    pool = l->pool;
    l->pool = NULL;

    ngx_prof_claim_give(&modules->owner);
    ngx_destroy_pool(pool);
}
