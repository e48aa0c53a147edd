
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_ring.h"


/*
 * The tick serves as the sample's sequence number: it is 0 while the sample is
 * written, and no tick repeats.
 */

#define ngx_prof_sample_body(s)                                               \
    ((u_char *) (s) + offsetof(ngx_prof_sample_t, clock))

#define NGX_PROF_SAMPLE_BODY                                                  \
    (sizeof(ngx_prof_sample_t)                                                \
     - offsetof(ngx_prof_sample_t, clock))


void
ngx_prof_ring_write(ngx_prof_sample_t *ring, ngx_uint_t n,
    const ngx_prof_sample_t *s)
{
    ngx_prof_sample_t  *to;

    to = &ring[s->tick % n];

    ngx_prof_store(&to->tick, 0);
    __atomic_thread_fence(__ATOMIC_RELEASE);

    ngx_prof_store(&to->tasks, s->tasks);
    ngx_prof_copy_words(ngx_prof_sample_body(to),
                        ngx_prof_sample_body(s),
                        NGX_PROF_SAMPLE_BODY);

    ngx_prof_store_release(&to->tick, s->tick);
}


ngx_int_t
ngx_prof_ring_read(const ngx_prof_sample_t *ring, ngx_uint_t n, uint32_t tick,
    ngx_prof_sample_t *s)
{
    const ngx_prof_sample_t  *from;

    from = &ring[tick % n];

    if (tick == 0 || ngx_prof_load_acquire(&from->tick) != tick) {
        return NGX_DECLINED;
    }

    s->tick = tick;
    s->tasks = ngx_prof_load(&from->tasks);
    ngx_prof_copy_words(ngx_prof_sample_body(s),
                        ngx_prof_sample_body(from),
                        NGX_PROF_SAMPLE_BODY);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    if (ngx_prof_load(&from->tick) != tick) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}
