
/* For LD_PRELOAD: comes before interpose_target.c in link order. */

int profiling_target(int n);


int
profiling_target(int n)
{
    return n + 101;
}
