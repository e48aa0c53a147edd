
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/mman.h>
#include "ngx_prof_shared.h"
#include "ngx_prof_barred.h"


void *
ngx_prof_shared(size_t size)
{
    void  *memory;

    memory = mmap(NULL, size, PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED) {
        return NULL;
    }

    ngx_prof_shared_not_dumped(memory, size);

    return memory;
}


void
ngx_prof_shared_not_dumped(void *memory, size_t size)
{
    if (!ngx_prof_barred(NGX_PROF_BARRED_ADVICE)) {
        (void) madvise(memory, size, MADV_DONTDUMP);
    }
}
