
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_images.h"
#include "ngx_prof_record.h"


ngx_prof_image_t *
ngx_prof_image_find(ngx_prof_image_t *images, uint64_t image)
{
    ngx_uint_t  i;

    for (i = 0; images && image && i < NGX_PROF_IMAGES; i++) {

        if (ngx_prof_load_acquire(&images[i].image) == image) {
            return &images[i];
        }
    }

    return NULL;
}


ngx_prof_image_t *
ngx_prof_image_place(ngx_prof_image_t *images, uint64_t image)
{
    uint64_t           latest;
    ngx_uint_t         i;
    ngx_prof_image_t  *place;

    place = ngx_prof_image_find(images, image);
    latest = 0;

    for (i = 0; i < NGX_PROF_IMAGES; i++) {
        latest = ngx_max(latest, images[i].number);
    }

    if (place == NULL) {
        place = &images[0];

        for (i = 1; i < NGX_PROF_IMAGES; i++) {

            if (images[i].number < place->number) {
                place = &images[i];
            }
        }
    }

    if (place->image != image) {
        ngx_prof_store(&place->image, 0);
    }

    place->number = latest + 1;

    return place;
}
