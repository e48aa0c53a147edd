
/*
 * What the tests of shm/ share: zones in shared memory, random numbers,
 * child processes, and a child that is looked at after each instruction.
 */


#ifndef _SHM_TEST_H_INCLUDED_
#define _SHM_TEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "ngx_prof_alive.h"
#include "ngx_prof_cell.h"
#include "ngx_prof_owner.h"


#define TEST_MAX     ((uint64_t) -1)

/* the tables of stacks are not looked at here */
#define TEST_STACKS  16

/* bytes of a dump */
#define TEST_DUMP    4096

/* of names, a place; of pages, a place in each slot */
#define TEST_NAME    64
#define TEST_PAGES   4


/* prints the seed; the environment variable TEST_SEED repeats a run */
void test_seed(void);
uint64_t test_random(void);

/* a number below n, n > 0 */
uint64_t test_below(uint64_t n);

/* seconds of CLOCK_MONOTONIC */
double test_clock(void);

/* lets some time go by, without the system's help */
void test_spin(uint64_t n);

/* zeroed memory that children share */
void *test_share(size_t size);

ngx_prof_zone_t *test_zone(ngx_uint_t slots, ngx_uint_t history,
    ngx_uint_t places);
void test_zone_free(ngx_prof_zone_t *zone);

/* ms from tick to tick */
#define TEST_INTERVAL  2000

/* claims as this process would */
ngx_prof_slot_t *test_claim(ngx_prof_zone_t *zone, uint32_t tick);

/* gives a slot back, as a process that is gone by now */
void test_release(ngx_prof_slot_t *slot);

/*
 * Counts one request of a place, with an upstream that took as long, as a
 * worker does: in the place `other` where there is no room.
 */
void test_place_count(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot,
    ngx_uint_t place, ngx_uint_t code, uint64_t in, uint64_t out, uint64_t ns);

/* runs fn in a child, which ends with 0 when fn returns */
pid_t test_fork(void (*fn)(void *), void *data);

/*
 * The same without a copy of this process's memory: fast enough to be killed
 * thousands of times.  fn must do nothing but write to memory; one at a time.
 */
pid_t test_spawn(void (*fn)(void *), void *data);

/* waits for a child: its exit code, or 128 + the signal that ended it */
int test_wait(pid_t pid);

/* the pid of a process that has ended and was waited for */
pid_t test_dead_pid(void);

/*
 * Runs fn in a child and calls look after each of its instructions, from
 * which on it might have been killed.  The number of these.  The test is
 * skipped where processes must not be traced.  In shm_step.c.
 */
ngx_uint_t test_step(void (*fn)(void *), void *data, void (*look)(void *));

/*
 * Words that tell from which number they were made, to find mixtures.
 * TEST_MAX: they are from more than one.
 */
void test_fill(uint64_t *words, ngx_uint_t n, uint64_t number);
uint64_t test_whole(const uint64_t *words, ngx_uint_t n);


#endif /* _SHM_TEST_H_INCLUDED_ */
