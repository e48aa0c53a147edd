
/*
 * Which of nginx's modules the functions of a loaded object are of, and what
 * CPU time each has taken.
 *
 * It lies in memory of its own that the master maps before it forks, so what is
 * learned of an object once is known to all workers and after a reload.  Areas
 * are added by the one worker that has claimed it, and never change; CPU time
 * is added by all.
 */


#ifndef _NGX_PROF_MODULES_H_INCLUDED_
#define _NGX_PROF_MODULES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* names, of which number 0 stands for none of them */
#define NGX_PROF_MODULES         256
#define NGX_PROF_MODULE_NAME     64

#define NGX_PROF_MODULE_OBJECTS  256
#define NGX_PROF_MODULE_AREAS    16384


/* functions of one module that lie together */

typedef struct {
    uint64_t                 start;         /* less the object's base */
    uint32_t                 len;
    uint32_t                 module;
} ngx_prof_module_area_t;


typedef struct {
    uint64_t                 identity;
    uint32_t                 first;         /* of its areas, sorted */
    uint32_t                 n;
} ngx_prof_module_object_t;


typedef struct {
    uint64_t                 owner;         /* claim.h: it learns */
    uint64_t                 asked;         /* someone reads the figures */
    uint64_t                 tries;         /* that have failed */
    uint64_t                 next;          /* ns: of the next one */
    uint64_t                 module_n;      /* names, 0 included */
    uint64_t                 object_n;
    uint64_t                 area_n;
    uint64_t                 ns[NGX_PROF_MODULES];
    u_char                   name[NGX_PROF_MODULES][NGX_PROF_MODULE_NAME];
    ngx_prof_module_object_t object[NGX_PROF_MODULE_OBJECTS];
    ngx_prof_module_area_t   area[NGX_PROF_MODULE_AREAS];
} ngx_prof_modules_t;


/* whether the modules of an object are known */
ngx_uint_t ngx_prof_modules_known(const ngx_prof_modules_t *modules,
    uint64_t identity);

/* the module of an address less its object's base, 0: none.  Signal-safe. */
ngx_uint_t ngx_prof_modules_find(const ngx_prof_modules_t *modules,
    uint64_t identity, uint64_t offset);

/*
 * Owner of the claim: areas of an object, in order, and then the object
 * itself.  0: there is no room.
 */
ngx_uint_t ngx_prof_modules_area(ngx_prof_modules_t *modules, uint64_t start,
    uint64_t len, const ngx_str_t *name);
ngx_uint_t ngx_prof_modules_object(ngx_prof_modules_t *modules,
    uint64_t identity);

/* numbers in use, 0 included, and the name of one */
ngx_uint_t ngx_prof_modules_n(const ngx_prof_modules_t *modules);
const char *ngx_prof_modules_name(const ngx_prof_modules_t *modules,
    ngx_uint_t module);


#endif /* _NGX_PROF_MODULES_H_INCLUDED_ */
