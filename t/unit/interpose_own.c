
/*
 * Linked with the patcher into one shared object, as the module is: the calls
 * of this object must not be led to the hook, which calls by name here, so
 * that a mistake ends in endless recursion.
 */

#include "ngx_prof_interpose.h"


int profiling_target(int n);

int own_plt(int n);
int own_start(void);
void own_stop(void);
int own_count(int what);
int own_original(int n);


static int
own_hook(int n)
{
    return profiling_target(n) + 1000;
}


static int  (*own_real)(int n);

static ngx_prof_hook_t  own_hooks[] = {
    { "profiling_target", (void *) own_hook, (void **) &own_real,
      NGX_PROF_HOOK_ALL }
};


int
own_start(void)
{
    return ngx_prof_interpose(own_hooks, 1, NULL);
}


void
own_stop(void)
{
    ngx_prof_interpose_restore(own_hooks, 1, NULL);
}


int
own_plt(int n)
{
    return profiling_target(n);
}


int
own_original(int n)
{
    return own_real(n);
}


/* 0: patched, 1: forwarded, 2: foreign, 3: failed */

int
own_count(int what)
{
    ngx_uint_t                 count[4];
    ngx_prof_interpose_stat_t  stat;

    ngx_prof_interpose_stat(&stat);

    count[0] = stat.patched;
    count[1] = stat.forwarded;
    count[2] = stat.foreign;
    count[3] = stat.failed;

    return (int) count[what];
}
