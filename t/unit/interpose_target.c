
/* The library whose functions are interposed by test_interpose.c. */

int profiling_target(int n);
int profiling_got(int n);
int profiling_ifunc(int n);
int profiling_old(int n);
int profiling_new(int n);


__attribute__((noinline)) int
profiling_target(int n)
{
    return n + 1;
}


int
profiling_got(int n)
{
    return n + 1;
}


static int
profiling_ifunc_chosen(int n)
{
    return n + 2;
}


/* called by the loader: no library function may be used here */

static void *
profiling_ifunc_resolve(void)
{
    return (void *) profiling_ifunc_chosen;
}


int profiling_ifunc(int n)
    __attribute__((ifunc("profiling_ifunc_resolve")));


/* one name, two versions; the second is the default */

__asm__(".symver profiling_old, profiling_versioned@PROFILING_1");
__asm__(".symver profiling_new, profiling_versioned@@PROFILING_2");


int
profiling_old(int n)
{
    return n + 3;
}


int
profiling_new(int n)
{
    return n + 4;
}


/* what must not be found: no default version; no size, as a PLT address */

int profiling_first(int n);

__asm__(".symver profiling_first, profiling_hidden@PROFILING_1");

__asm__(".text\n"
        ".globl profiling_sizeless\n"
        ".type profiling_sizeless, %function\n"
        "profiling_sizeless:\n"
        "ret\n");


int
profiling_first(int n)
{
    return n + 5;
}
