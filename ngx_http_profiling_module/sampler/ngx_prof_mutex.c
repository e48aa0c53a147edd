
#include <ngx_config.h>
#include <ngx_core.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include "ngx_prof_mutex.h"
#include "ngx_prof_block.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_hook_code.h"
#include "ngx_prof_meter.h"
#include "ngx_prof_label.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_signal.h"
#include "ngx_prof_throttle.h"
#include "ngx_prof_wait.h"
#include "ngx_prof_worker.h"


/* ns between two calls of one wait at most: nginx spins between them */
#define NGX_PROF_MUTEX_SPIN  1000000


/* a zone of shared memory of this process */

typedef struct {
    uintptr_t   start;
    uintptr_t   end;
    uint32_t    name;           /* its number in the profiling zone */
} ngx_prof_range_zone_t;


/*
 * A wait of the main thread that may consist of several calls: it is the
 * same if it comes from the same frame in the same pass.
 */

typedef struct {
    uintptr_t   lock;           /* the argument of sem_wait() */
    uintptr_t   sp;             /* of the hook */
    uint64_t    pass;
    uint64_t    last;           /* ticks when its latest call returned */
    ngx_uint_t  open;           /* the lock was still taken then */
    uint64_t    weight;         /* 0: not sampled */
    uint32_t    label;
    ngx_uint_t  n;
    uint64_t    pcs[NGX_PROF_WAIT_FRAMES];
} ngx_prof_long_wait_t;


static void ngx_prof_mutex_waited(int rc, const ngx_prof_blocked_t *b,
    uintptr_t lock, const void *function);
static uint64_t ngx_prof_mutex_fraction(void);
static uint32_t ngx_prof_mutex_zone(uintptr_t lock);
static uint32_t ngx_prof_mutex_label(uintptr_t sp,
    const ngx_prof_unwind_path_t *walk, uintptr_t lock);
static void ngx_prof_mutex_step(const ngx_prof_blocked_t *b, uintptr_t sp,
    uintptr_t lock, const void *function);
static void ngx_prof_mutex_begin(ngx_prof_long_wait_t *w, uintptr_t sp,
    uintptr_t lock, const void *function);
static ngx_uint_t ngx_prof_mutex_held(uintptr_t sem);


static int (*ngx_prof_real_mutex_lock)(pthread_mutex_t *);
static int (*ngx_prof_real_rdlock)(pthread_rwlock_t *);
static int (*ngx_prof_real_wrlock)(pthread_rwlock_t *);
static int (*ngx_prof_real_sem_wait)(sem_t *);
static int (*ngx_prof_real_sched_yield)(void);


static ngx_prof_range_zone_t
                   ngx_prof_mutex_zones[NGX_PROF_ZONES];
static ngx_uint_t  ngx_prof_mutex_nzones;

static ngx_prof_long_wait_t  ngx_prof_mutex_wait;


/* locks are waited for in any thread: that of another is not noted */

static ngx_prof_always_inline void
ngx_prof_mutex_note(ngx_prof_blocked_t *b, const void *function)
{
    if (ngx_prof_block_timed()) {
        ngx_prof_block_begin(b, function);

    } else {
        ngx_prof_block_clock(b);
    }
}


static NGX_PROF_HOOK_CODE int
ngx_prof_mutex_lock(pthread_mutex_t *mutex)
{
    int                 rc;
    ngx_prof_blocked_t  b;

    rc = pthread_mutex_trylock(mutex);

    if (rc == 0 || rc == EOWNERDEAD) {
        return rc;
    }

    ngx_prof_mutex_note(&b, (const void *) ngx_prof_real_mutex_lock);

    rc = ngx_prof_real_mutex_lock(mutex);

    ngx_prof_mutex_waited(rc, &b, (uintptr_t) mutex,
                                (void *) ngx_prof_real_mutex_lock);

    return rc;
}


static NGX_PROF_HOOK_CODE int
ngx_prof_mutex_rdlock(pthread_rwlock_t *lock)
{
    int                 rc;
    ngx_prof_blocked_t  b;

    rc = pthread_rwlock_tryrdlock(lock);

    if (rc == 0) {
        return rc;
    }

    ngx_prof_mutex_note(&b, (const void *) ngx_prof_real_rdlock);

    rc = ngx_prof_real_rdlock(lock);

    ngx_prof_mutex_waited(rc, &b, (uintptr_t) lock,
                          (void *) ngx_prof_real_rdlock);

    return rc;
}


static NGX_PROF_HOOK_CODE int
ngx_prof_mutex_wrlock(pthread_rwlock_t *lock)
{
    int                 rc;
    ngx_prof_blocked_t  b;

    rc = pthread_rwlock_trywrlock(lock);

    if (rc == 0) {
        return rc;
    }

    ngx_prof_mutex_note(&b, (const void *) ngx_prof_real_wrlock);

    rc = ngx_prof_real_wrlock(lock);

    ngx_prof_mutex_waited(rc, &b, (uintptr_t) lock,
                          (void *) ngx_prof_real_wrlock);

    return rc;
}


static NGX_PROF_HOOK_CODE int
ngx_prof_mutex_sem_wait(sem_t *sem)
{
    int                 rc;
    ngx_prof_blocked_t  b;

    if (!ngx_prof_block_timed()) {
        return ngx_prof_real_sem_wait(sem);
    }

    ngx_prof_block_begin(&b, (const void *) ngx_prof_real_sem_wait);

    rc = ngx_prof_real_sem_wait(sem);

    ngx_prof_mutex_step(&b,
                        (uintptr_t) __builtin_frame_address(0),
                        (uintptr_t) sem,
                        (void *) ngx_prof_real_sem_wait);
    return rc;
}


static NGX_PROF_HOOK_CODE int
ngx_prof_mutex_sched_yield(void)
{
    int                 rc;
    ngx_prof_blocked_t  b;

    if (!ngx_prof_block_timed()) {
        return ngx_prof_real_sched_yield();
    }

    ngx_prof_block_clock(&b);

    rc = ngx_prof_real_sched_yield();

    ngx_prof_mutex_step(&b,
                                (uintptr_t) __builtin_frame_address(0), 0,
                                (void *) ngx_prof_real_sched_yield);
    return rc;
}


static ngx_prof_hook_t  ngx_prof_mutex_hooks[] = {

    { "pthread_mutex_lock", (void *) ngx_prof_mutex_lock,
      (void **) &ngx_prof_real_mutex_lock,
      NGX_PROF_HOOK_ALL },

    { "pthread_rwlock_rdlock", (void *) ngx_prof_mutex_rdlock,
      (void **) &ngx_prof_real_rdlock,
      NGX_PROF_HOOK_ALL },

    { "pthread_rwlock_wrlock", (void *) ngx_prof_mutex_wrlock,
      (void **) &ngx_prof_real_wrlock,
      NGX_PROF_HOOK_ALL },

    { "sem_wait", (void *) ngx_prof_mutex_sem_wait,
      (void **) &ngx_prof_real_sem_wait,
      NGX_PROF_HOOK_ALL },

    { "sched_yield", (void *) ngx_prof_mutex_sched_yield,
      (void **) &ngx_prof_real_sched_yield,
      NGX_PROF_HOOK_ALL }
};

ngx_prof_hooks_expected(ngx_prof_mutex_hooks)


void
ngx_prof_mutex_register(ngx_cycle_t *cycle, ngx_prof_zone_t *zone)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *shm_zone;
    ngx_list_part_t  *part;

    for (part = &cycle->shared_memory.part; part; part = part->next) {
        shm_zone = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_prof_zone_register_name(zone, &shm_zone[i].shm.name) == 0)
            {
                ngx_prof_store(&zone->header->unnamed,
                               zone->header->unnamed + 1);
            }
        }
    }
}


void
ngx_prof_mutex_init(ngx_cycle_t *cycle)
{
    ngx_uint_t              i, n;
    ngx_shm_zone_t         *shm_zone;
    ngx_list_part_t        *part;
    ngx_prof_range_zone_t  *range;

    n = 0;

    part = &cycle->shared_memory.part;

    do {
        shm_zone = part->elts;

        for (i = 0; i < part->nelts && n < NGX_PROF_ZONES; i++) {
            range = &ngx_prof_mutex_zones[n++];

            range->start = (uintptr_t) shm_zone[i].shm.addr;
            range->end = range->start + shm_zone[i].shm.size;

            /* the master has already added every name */

            range->name = (uint32_t) ngx_prof_zone_register_name(
                                              ngx_prof_process.zone,
                                              &shm_zone[i].shm.name);
        }

        part = part->next;

    } while (part);

    ngx_prof_mutex_nzones = n;

    n = sizeof(ngx_prof_mutex_hooks)
        / sizeof(ngx_prof_hook_t);

    if (ngx_prof_interpose(ngx_prof_mutex_hooks, n, cycle->log) == NGX_ERROR) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "locks of this worker are not profiled");
    }
}


/* the fraction if this event is sampled; else 0 */

static uint64_t
ngx_prof_mutex_fraction(void)
{
    uint64_t  n;

    n = (uint64_t) ngx_prof_setting(NGX_PROF_MUTEX_FRACTION)
        << ngx_prof_throttle(NGX_PROF_METER_WAIT);

    return (n && ngx_prof_wait_one_of(n)) ? n : 0;
}


static uint32_t
ngx_prof_mutex_zone(uintptr_t lock)
{
    ngx_uint_t                    i;
    const ngx_prof_range_zone_t  *range;

    for (i = 0; i < ngx_prof_mutex_nzones; i++) {
        range = &ngx_prof_mutex_zones[i];

        if (lock >= range->start && lock < range->end) {
            return range->name;
        }
    }

    return 0;
}


/* the zone's number takes the upstream's place */

static uint32_t
ngx_prof_mutex_label(uintptr_t sp, const ngx_prof_unwind_path_t *walk,
    uintptr_t lock)
{
    uint32_t  label;

    label = ngx_prof_wait_main(sp)
            ? ngx_prof_context_label(sp, walk)
            : ngx_prof_label(0, 0, NGX_PROF_STATE_THREAD);

    return ngx_prof_label(ngx_prof_label_place(label),
                          ngx_prof_mutex_zone(lock),
                          ngx_prof_label_state(label));
}


/*
 * Counts a wait that has ended.  rc: what the locking function returned; if the
 * caller already had the lock, there was no wait.
 *
 * A short wait is taken with a probability of its share of BLOCK_MIN, as in
 * the block profile: profiling a contended lock must not cost more time than
 * the lock.
 */

static NGX_PROF_HOOK_CODE void
ngx_prof_mutex_waited(int rc, const ngx_prof_blocked_t *b, uintptr_t lock,
    const void *function)
{
    int         err;
    uint64_t    ticks, n, count, value;
    uint64_t    pcs[NGX_PROF_WAIT_FRAMES];
    uintptr_t   sp;
    ngx_uint_t  depth;

    ngx_prof_meter_t  cost;
    ngx_prof_unwind_path_t  path;

    err = errno;

    ngx_prof_block_leave(b);

    ticks = ngx_prof_counter_read() - b->start;
    sp = (uintptr_t) __builtin_frame_address(0);

    if (rc == EDEADLK
        || ngx_prof_process.slot == NULL
        || !ngx_prof_wait_owner())
    {
        errno = err;
        return;
    }

    n = ngx_prof_mutex_fraction();

    if (n
        && ngx_prof_wait_sample(
                                    ngx_prof_counter_took(ticks),
                                    NGX_PROF_BLOCK_MIN,
                                    &count, &value))
    {
        ngx_prof_meter_begin(&cost);

        depth = ngx_prof_wait_stack(sp, function, pcs, &path);

        if (depth) {
            ngx_prof_wait_add(NGX_PROF_MUTEX, pcs, depth,
                                   ngx_prof_mutex_label(sp, &path, lock),
                                   count * n, value * n);
        }

        ngx_prof_meter_end(&cost, NGX_PROF_METER_WAIT, 1,
                           ngx_prof_wait_main(sp));
    }

    if (ngx_prof_wait_main(sp) && ticks >= ngx_prof_block_ticks) {
        ngx_prof_block_ended(ticks, b->told, function);
    }

    errno = err;
}


/*
 * One call of a wait that may need several.  Where the lock can be read it
 * tells whether the wait is over: if it is taken when the call returns, the
 * caller keeps waiting.  So a wait ends when its last call returns; time that
 * nginx spins afterwards is not included.
 */

static NGX_PROF_HOOK_CODE void
ngx_prof_mutex_step(const ngx_prof_blocked_t *b, uintptr_t sp,
    uintptr_t lock, const void *function)
{
    int                    err;
    uint64_t               now, pass, ticks;
    ngx_uint_t             again;
    ngx_prof_meter_t        cost;
    ngx_prof_long_wait_t  *w;

    err = errno;
    w = &ngx_prof_mutex_wait;

    ngx_prof_block_leave(b);

    if (ngx_prof_process.slot == NULL || !ngx_prof_wait_owner()) {
        errno = err;
        return;
    }

    ngx_prof_meter_begin(&cost);

    now = ngx_prof_counter_read();
    pass = ngx_prof_process.slot->pass_start;

    again = w->open
            && w->lock == lock
            && w->sp == sp
            && w->pass == pass
            && ngx_prof_counter_took(b->start - w->last)
               < NGX_PROF_MUTEX_SPIN;

    ticks = now - (again ? w->last : b->start);

    if (!again) {
        ngx_prof_mutex_begin(w, sp, lock, function);
        w->pass = pass;
    }

    if (w->weight && w->n) {
        ngx_prof_wait_add(NGX_PROF_MUTEX, w->pcs, w->n,
                          w->label, again ? 0 : w->weight,
                          ngx_prof_counter_took(ticks)
                          * w->weight);
    }

    if (ticks >= ngx_prof_block_ticks) {
        ngx_prof_block_ended(ticks, b->told, function);
    }

    w->last = ngx_prof_counter_read();
    w->open = lock ? ngx_prof_mutex_held(lock) : 1;

    ngx_prof_meter_end(&cost, NGX_PROF_METER_WAIT, 1, 1);

    errno = err;
}


static NGX_PROF_HOOK_CODE void
ngx_prof_mutex_begin(ngx_prof_long_wait_t *w, uintptr_t sp, uintptr_t lock,
    const void *function)
{
    ngx_prof_unwind_path_t  path;

    w->sp = sp;
    w->lock = lock;
    w->weight = ngx_prof_mutex_fraction();

    if (w->weight) {
        w->n = ngx_prof_wait_stack(sp, function, w->pcs, &path);

        if (w->n) {
            w->label = ngx_prof_mutex_label(sp, &path, lock);
        }
    }
}


/* is the nginx mutex with this semaphore taken? */

static ngx_uint_t
ngx_prof_mutex_held(uintptr_t sem)
{
#if (NGX_HAVE_ATOMIC_OPS && NGX_HAVE_POSIX_SEM)

    uint32_t            zone;
    const ngx_shmtx_t  *mtx;

    mtx = (const ngx_shmtx_t *) (sem - offsetof(ngx_shmtx_t, sem));
    zone = ngx_prof_mutex_zone(sem);

    return zone
           && ngx_prof_mutex_zone((uintptr_t) mtx) == zone
           && ngx_prof_mutex_zone((uintptr_t) mtx->lock) == zone
           && *mtx->lock != 0;

#else

    return 0;

#endif
}
