
/*
 * The objects that masters had loaded when they forked: stacks that are kept
 * have addresses in them, also when the objects have gone.
 *
 * In memory of its own that the master maps; the master alone writes, before it
 * forks, and any worker reads.
 */


#ifndef _NGX_PROF_IMAGES_H_INCLUDED_
#define _NGX_PROF_IMAGES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* that are kept, and what is kept of each */
#define NGX_PROF_IMAGES         8
#define NGX_PROF_IMAGE_MAPS     16384
#define NGX_PROF_IMAGE_OBJECTS  96
#define NGX_PROF_IMAGE_ID       44


typedef struct {
    uint64_t                 start;         /* an address of its code */
    char                     build_id[NGX_PROF_IMAGE_ID];
                                            /* in hexadecimal, with a zero */
    uint32_t                 unused;
} ngx_prof_image_object_t;


typedef struct {
    uint64_t                 image;         /* as slot->image, 0: none */
    uint64_t                 number;        /* the oldest is replaced */
    uint32_t                 len;
    uint32_t                 n;
    ngx_prof_image_object_t  object[NGX_PROF_IMAGE_OBJECTS];
    u_char                   maps[NGX_PROF_IMAGE_MAPS];
                                            /* rows of proc(5), of code */
} ngx_prof_image_t;


/* master: where to keep an image, which is its own if it is known already */
ngx_prof_image_t *ngx_prof_image_place(ngx_prof_image_t *images,
    uint64_t image);

/* NULL: it is not kept */
ngx_prof_image_t *ngx_prof_image_find(ngx_prof_image_t *images,
    uint64_t image);


#endif /* _NGX_PROF_IMAGES_H_INCLUDED_ */
