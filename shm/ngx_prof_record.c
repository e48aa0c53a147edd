
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_record.h"


void
ngx_prof_copy_words(void *dst, const void *src, size_t size)
{
    size_t           i, n;
    uint64_t        *to;
    const uint64_t  *from;

    to = dst;
    from = src;
    n = size / sizeof(uint64_t);

    for (i = 0; i < n; i++) {
        ngx_prof_store(&to[i], ngx_prof_load(&from[i]));
    }
}


void
ngx_prof_record_write(uint64_t *seq, void *dst, const void *src, size_t size)
{
    uint64_t  n;

    n = ngx_prof_load(seq) | 1;

    ngx_prof_store(seq, n);
    __atomic_thread_fence(__ATOMIC_RELEASE);

    ngx_prof_copy_words(dst, src, size);

    ngx_prof_store_release(seq, n + 1);
}


ngx_int_t
ngx_prof_record_try(uint64_t *seq, void *dst, const void *src, size_t size)
{
    uint64_t  n;

    n = ngx_prof_load(seq);

    if ((n & 1)
        || !__atomic_compare_exchange_n(seq, &n, n + 1, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
    {
        return NGX_AGAIN;
    }

    __atomic_thread_fence(__ATOMIC_RELEASE);

    ngx_prof_copy_words(dst, src, size);

    ngx_prof_store_release(seq, n + 2);

    return NGX_OK;
}


ngx_int_t
ngx_prof_record_read(const uint64_t *seq, void *dst, const void *src,
    size_t size)
{
    uint64_t    before;
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_RECORD_TRIES; i++) {

        before = ngx_prof_load_acquire(seq);

        if (before & 1) {
            ngx_cpu_pause();
            continue;
        }

        ngx_prof_copy_words(dst, src, size);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);

        if (ngx_prof_load(seq) == before) {
            return NGX_OK;
        }
    }

    return NGX_AGAIN;
}
