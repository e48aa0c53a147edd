
/*
 * Calls the functions of interpose_target.c in all the ways an import table
 * has.  Built by test_interpose.c with several linker options.
 */

#include <unistd.h>


int profiling_target(int n);
int profiling_got(int n);
int profiling_ifunc(int n);
int profiling_old_version(int n);
int profiling_versioned(int n);

int caller_plt(int n);
int caller_got(int n);
int caller_data(int n);
int caller_ifunc(int n);
int caller_old(int n);
int caller_new(int n);
int caller_getppid(void);


__asm__(".symver profiling_old_version, profiling_versioned@PROFILING_1");

int  (*caller_pointer)(int n) = profiling_target;


int
caller_plt(int n)
{
    return profiling_target(n);
}


int
caller_got(int n)
{
    int  (*volatile function)(int n);

    function = profiling_got;

    return function(n);
}


int
caller_data(int n)
{
    return caller_pointer(n);
}


int
caller_ifunc(int n)
{
    return profiling_ifunc(n);
}


int
caller_old(int n)
{
    return profiling_old_version(n);
}


int
caller_new(int n)
{
    return profiling_versioned(n);
}


int
caller_getppid(void)
{
    return getppid();
}
