
/*
 * Clocks that pass a fiftieth as fast, preloaded where callgrind makes a
 * program take fifty times as long: it sees the times that it sees without.
 */

#define _GNU_SOURCE

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>


#define SLOWER  50


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int                      rc;
    unsigned long            ns;
    static struct timespec  first[16];

    rc = syscall(SYS_clock_gettime, id, ts);

    if (rc != 0 || id == CLOCK_REALTIME || id < 0 || id > 15) {
        return rc;
    }

    if (first[id].tv_sec == 0) {
        first[id] = *ts;
    }

    ns = (ts->tv_sec - first[id].tv_sec) * 1000000000UL
         + ts->tv_nsec - first[id].tv_nsec;
    ns = ns / SLOWER + first[id].tv_sec * 1000000000UL + first[id].tv_nsec;

    ts->tv_sec = ns / 1000000000UL;
    ts->tv_nsec = ns % 1000000000UL;

    return 0;
}
