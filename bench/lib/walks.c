
/*
 * Walks under a profiling timer, in work of the libraries that nginx uses: to
 * be run by callgrind, which counts the instructions of the walks.  Prints
 * their number.  "walks NAME N": of t/unit/unwind_work.c, or "aligned", which
 * is assembly without CFI; until there were N of them.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "ngx_prof_objects.h"
#include "ngx_prof_unwind.h"
#include "unwind_work.h"


static volatile unsigned        walks;
static ngx_prof_stack_t         stack;
static ngx_prof_unwind_cache_t  cache;


static void
on_prof(int signo, siginfo_t *si, void *uc)
{
    uint64_t           pcs[NGX_PROF_FRAMES];
    ngx_prof_unwind_t  result;

    (void) signo;
    (void) si;

    (void) ngx_prof_unwind_cached(&stack, uc, &cache, pcs,
                                  NGX_PROF_FRAMES,
                                  &result);
    walks++;
}


int
main(int argc, char **argv)
{
    unsigned              n;
    void                (*work)(void);
    struct sigaction      sa;
    struct itimerval      it;
    const unwind_work_t  *w;

    if (argc != 3
        || ngx_prof_unwind_stack(&stack) != NGX_OK
        || ngx_prof_objects_refresh() != NGX_OK)
    {
        return 2;
    }

    work = unwind_code_aligned;

    for (w = unwind_works; w->name; w++) {
        if (strcmp(w->name, argv[1]) == 0) {
            work = w->once;
        }
    }

    n = (unsigned) atoi(argv[2]);
    work();

    memset(&sa, 0, sizeof(sa));
    sa.sa_sigaction = on_prof;
    sa.sa_flags = SA_SIGINFO|SA_RESTART;
    sigaction(SIGPROF, &sa, NULL);

    memset(&it, 0, sizeof(it));
    it.it_interval.tv_usec = 1000;
    it.it_value.tv_usec = 1000;
    setitimer(ITIMER_PROF, &it, NULL);

    while (walks < n) {
        work();
    }

    memset(&it, 0, sizeof(it));
    setitimer(ITIMER_PROF, &it, NULL);

    printf("%u\n", walks);

    return 0;
}
