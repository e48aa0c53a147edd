
/*
 * Who held the event loop longest in a pass.
 *
 * Slices know it.  Where nothing asks for what requests cost, a pass of one
 * event needs no slices, and after a pause the passes of the next minute are
 * marked: a pause is often followed by others.
 *
 * Worker's main thread, normal context, unless told otherwise.
 */


#ifndef _NGX_PROF_HOLDER_H_INCLUDED_
#define _NGX_PROF_HOLDER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    uint64_t    place;          /* + 1, 0: of none that is known */
    uint64_t    number;         /* of nginx's connection, 0: not known */
    uint64_t    method;         /* NGX_HTTP_GET .., 0: not known */
    uint64_t    loop;           /* ns that its slice took, and when that began;
                                   0: slices were not told apart */
    uint64_t    slice;
} ngx_prof_holder_t;


/* of the pass that ends */
void ngx_prof_holder(ngx_prof_holder_t *holder);

/* anywhere: the method's name, NULL: not known */
const char *ngx_prof_holder_method(uint64_t method);


#endif /* _NGX_PROF_HOLDER_H_INCLUDED_ */
