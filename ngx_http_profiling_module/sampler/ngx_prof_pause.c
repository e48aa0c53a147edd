
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/syscall.h>
#include "ngx_prof_pause.h"
#include "ngx_prof_base.h"
#include "ngx_prof_context.h"
#include "ngx_prof_label.h"
#include "ngx_prof_meter.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_holder.h"
#include "ngx_prof_incident.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_signal.h"
#include "ngx_prof_slice.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_usage.h"
#include "ngx_prof_wait.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* the shortest period of the timer, ns of CPU time */
#define NGX_PROF_PAUSE_PERIOD  2000000

/* the longest: a worker that spins sees by it what others ask for */
#define NGX_PROF_PAUSE_LONGEST  10000000

/* ns from which on a pass does not leave that to the loop, at most */
#define NGX_PROF_PAUSE_HELD     5000000


/*
 * ns of CPU time, beside the period of the timer, to which it is known what a
 * worker has used that was killed, or does not return to its loop
 */
#define NGX_PROF_PAUSE_USAGE   25000000


/* stacks that are kept of a pass, the latest ones */
#define NGX_PROF_PAUSE_LOOKS  8

/* `next` of a pass that has been recorded */
#define NGX_PROF_PAUSE_OVER    ((uint64_t) -1)


/* a stack taken during the pass */

typedef struct {
    uint64_t    label;
    uint64_t    slice;     /* when the slice began that it was taken in */
    uint64_t    weight;    /* ns of CPU time since the one before */
    ngx_uint_t  n;
    uint64_t    pcs[NGX_PROF_WAIT_FRAMES];
} ngx_prof_pause_stack_t;


/*
 * What is known of the present pass.  The main thread writes it, and signal
 * handlers on that thread, which stay out while busy is set.
 */

typedef struct {
    volatile ngx_uint_t     busy;
    uint64_t                pass;         /* the slot's pass_start */
    uint64_t                blocked;      /* ns in calls that have ended */
    uint64_t                ticked;       /* other ns already counted in the
                                             block table */
    uint64_t                until;        /* when the latest of these ended */
    uint64_t                next;         /* CPU clock of the next look */
    uint64_t                longest;      /* of the call in `call`, ns */
    ngx_prof_pause_stack_t  call;
    ngx_prof_pause_stack_t  looks[NGX_PROF_PAUSE_LOOKS];
    ngx_uint_t              seen;         /* of them; the latest is the last */
    uint64_t         outside;      /* of ticked: told by other workers, while
                                      no hooked call went on */
    uint64_t         told;         /* the slot's, as this worker left it */
    uint64_t         answered;     /* the slot's ask that was */
    uint64_t             run;             /* the CPU clock then */
    uint64_t             from;            /* ... and when the pass began */

    /* whether the slot's CPU time is set by ticks, and the CPU clock then */
    ngx_uint_t           timed;
    uint64_t             used;

    /* the CPU clock at the last tick, and at the last one before this pass */
    uint64_t             tick_pass;
    uint64_t             tick;
    uint64_t             before;
} ngx_prof_pass_t;


static void ngx_prof_pause_tick(const void *timer, const siginfo_t *info,
    const ucontext_t *uc);
static void ngx_prof_pause_begin(uint64_t pass);
static void ngx_prof_pause_look(const ucontext_t *uc, uint64_t now);
static void ngx_prof_pause_keep(const ngx_prof_pause_stack_t *look);
static void ngx_prof_pause_tell(const ngx_prof_pause_stack_t *look,
    uint64_t now);
static uint64_t ngx_prof_pause_told(uint64_t more);
static const ngx_prof_pause_stack_t *ngx_prof_pause_outside(uint64_t slice);
static const ngx_prof_pause_stack_t *ngx_prof_pause_latest(void);
static const ngx_prof_pause_stack_t *ngx_prof_pause_choose(
    const ngx_prof_pause_t *pause, uint64_t slice);
static void ngx_prof_pause_held(ngx_prof_pause_t *pause,
    const ngx_prof_holder_t *holder, const ngx_prof_pause_stack_t *look);
static uint64_t ngx_prof_pause_alike(const ngx_prof_pause_stack_t *one,
    const ngx_prof_pause_stack_t *two);
static void ngx_prof_pause_count(uint64_t busy,
    const ngx_prof_pause_stack_t *look);
static ngx_uint_t ngx_prof_pause_loop(uint64_t *pcs);
static void ngx_prof_pause_log(const ngx_prof_pause_t *pause);


static ngx_prof_pass_t  ngx_prof_pause_pass;
static int              ngx_prof_pause_id = -1;
static pthread_t        ngx_prof_pause_thread;


static const ngx_prof_meter_e  ngx_prof_pause_cost = NGX_PROF_METER_WAIT;

static const ngx_prof_signal_t  ngx_prof_pause_signal = {
    &ngx_prof_pause_pass,
    sizeof(ngx_prof_pause_pass),
    1,
    ngx_prof_pause_tick,
    &ngx_prof_pause_cost,
    NULL
};


void
ngx_prof_pause_init(ngx_cycle_t *cycle)
{
    struct sigevent  sev;

    if (ngx_prof_process.slot->sampler != NGX_PROF_SAMPLER_READY) {
        return;
    }

    ngx_prof_pause_thread = pthread_self();

    ngx_prof_signal_register(&ngx_prof_pause_signal);

    ngx_memzero(&sev, sizeof(struct sigevent));

    sev.sigev_notify = SIGEV_THREAD_ID;
    sev.sigev_signo = SIGPROF;
    sev.sigev_value.sival_ptr = ngx_prof_signal_value(&ngx_prof_pause_pass);
    sev.sigev_notify_thread_id = (pid_t) syscall(SYS_gettid);

    if (syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &sev,
                &ngx_prof_pause_id)
        == -1)
    {
        ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno,
                      "timer_create() failed, pauses of this worker have "
                      "no stack");
        ngx_prof_pause_id = -1;
        return;
    }

    ngx_prof_pause_pass.timed = (ngx_prof_usage_timed() == NGX_OK);

    ngx_prof_pause_configure();
}


/*
 * With a period of half the threshold, a pass is looked at twice before it is
 * a pause; a shorter pass costs a comparison.
 */

void
ngx_prof_pause_configure(void)
{
    uint64_t           period;
    struct itimerspec  its;

    if (ngx_prof_pause_id == -1) {
        return;
    }

    period = ngx_max(ngx_prof_process.pause_threshold / 2,
                     NGX_PROF_PAUSE_PERIOD);
    period = ngx_min(period, NGX_PROF_PAUSE_LONGEST);

    its.it_interval.tv_sec = period / NGX_PROF_NSEC_PER_SEC;
    its.it_interval.tv_nsec = period % NGX_PROF_NSEC_PER_SEC;
    its.it_value = its.it_interval;

    (void) syscall(SYS_timer_settime, ngx_prof_pause_id, 0, &its, NULL);
}


static void
ngx_prof_pause_begin(uint64_t pass)
{
    ngx_prof_pass_t  *p;

    p = &ngx_prof_pause_pass;

    if (p->pass == pass) {
        return;
    }

    p->pass = pass;
    p->blocked = 0;
    p->ticked = 0;
    p->until = pass;
    p->next = 0;
    p->longest = 0;
    p->call.n = 0;
    p->seen = 0;
    p->outside = 0;
    p->told = pass;
    p->run = (p->tick_pass == pass) ? p->before : p->tick;
    p->from = p->run;
}


static void
ngx_prof_pause_tick(const void *timer, const siginfo_t *info,
    const ucontext_t *uc)
{
    uint64_t          now, pass, ask;
    ngx_prof_slot_t  *slot;
    ngx_prof_pass_t  *p;

    p = &ngx_prof_pause_pass;
    slot = ngx_prof_process.slot;

    if (!pthread_equal(ngx_prof_pause_thread, pthread_self())) {
        return;
    }

    pass = slot->pass_start;

    if (p->tick_pass != pass) {
        p->tick_pass = pass;
        p->before = p->tick;
    }

    p->tick = ngx_prof_thread_cpu();

    if (p->timed && p->tick - p->used >= NGX_PROF_PAUSE_USAGE) {
        p->used = p->tick;
        ngx_prof_usage();
    }

    if (ngx_prof_slot_waiting(slot) || p->busy) {
        return;
    }

    now = ngx_prof_clock();

    /* the loop's clock may be some us behind this one */

    if (now < pass
        || now - pass < ngx_min(ngx_prof_process.pause_threshold / 2,
                                NGX_PROF_PAUSE_HELD))
    {
        return;
    }

    if (pass && now - pass >= ngx_prof_process.pause_threshold / 2) {
        ask = ngx_prof_load(&slot->ask);

        ngx_prof_pause_begin(pass);

        if (p->next != NGX_PROF_PAUSE_OVER
            && (p->tick >= p->next || ask != p->answered))
        {
            p->answered = ask;
            ngx_prof_pause_look(uc, now);
        }
    }

    ngx_prof_signal_asked(uc);
}


/* in a handler */

static void
ngx_prof_pause_look(const ucontext_t *uc, uint64_t now)
{
    uint64_t                gap;
    ngx_uint_t              hooked;
    ngx_prof_unwind_path_t  path;
    ngx_prof_pause_stack_t  called, *look;
    ngx_prof_pass_t        *p;

    p = &ngx_prof_pause_pass;

    /* space the looks by CPU time: the worker may be off the processor long */

    gap = ngx_min((p->tick - p->from) / 4, NGX_PROF_PAUSE_LONG);
    gap = ngx_max(gap, ngx_prof_process.pause_threshold / 2);

    p->next = p->tick + gap;

    look = &called;
    look->n = ngx_prof_wait_interrupted(uc, look->pcs, &hooked, &path);

    /* an interrupted hook reports its own call when it returns */

    if (hooked || look->n == 0) {
        return;
    }

    look->label = ngx_prof_context_label(ngx_prof_arch_sp(uc), &path);

    ngx_prof_pause_keep(look);

    if (now - p->pass >= ngx_prof_process.pause_threshold) {
        ngx_prof_pause_tell(look, now);
    }
}


/* signal handler; the CPU clock was read by the tick that calls this */

static void
ngx_prof_pause_keep(const ngx_prof_pause_stack_t *look)
{
    ngx_prof_pause_stack_t  *kept;
    ngx_prof_pass_t         *p;

    p = &ngx_prof_pause_pass;
    kept = &p->looks[p->seen % NGX_PROF_PAUSE_LOOKS];

    /* the time of a stack that is dropped is added to the next one */

    if (p->seen >= NGX_PROF_PAUSE_LOOKS) {
        p->looks[(p->seen + 1) % NGX_PROF_PAUSE_LOOKS].weight +=
                                                                kept->weight;
    }

    kept->label = look->label;
    kept->slice = ngx_prof_slicing.start;
    kept->n = look->n;
    ngx_memcpy(kept->pcs, look->pcs, look->n * sizeof(uint64_t));

    kept->weight = p->tick - p->run;
    p->run = p->tick;

    p->seen++;
}


/* counts the time up to now for this stack, in the slot and in the table */

static void
ngx_prof_pause_tell(const ngx_prof_pause_stack_t *look, uint64_t now)
{
    uint64_t               rest, told;
    uint64_t               pcs[NGX_PROF_WAIT_FRAMES];
    ngx_prof_slot_t       *slot;
    ngx_prof_pause_seen_t  seen;
    ngx_prof_pass_t       *p;

    p = &ngx_prof_pause_pass;
    slot = ngx_prof_process.slot;

    seen.pass = p->pass;
    seen.time = now;
    seen.blocked = 0;
    seen.label = look->label;
    seen.n = ngx_prof_frame_pack(seen.frames,
                                 NGX_PROF_PAUSE_FRAMES,
                                 look->pcs, look->n);

    (void) ngx_prof_record_try(&slot->seen.seq, &slot->seen.pass,
                               &seen.pass, NGX_PROF_PAUSE_SEEN_BODY);

    (void) ngx_prof_pause_told(0);

    told = p->blocked + p->ticked;
    rest = now - p->pass;

    if (rest <= told || ngx_prof_setting(NGX_PROF_BLOCK_RATE) == 0) {
        return;
    }

    rest -= told;

    ngx_memcpy(pcs, look->pcs, look->n * sizeof(uint64_t));
    ngx_prof_wait_add(NGX_PROF_BLOCK, pcs, look->n,
                      (uint32_t) look->label, p->ticked == 0, rest);

    p->ticked += rest;
    p->until = now;

    (void) ngx_prof_pause_told(rest);
}


/*
 * More ns of the pass are counted.  Returns what other workers have counted
 * since this one did.
 */

static uint64_t
ngx_prof_pause_told(uint64_t more)
{
    uint64_t          old, told, others;
    ngx_prof_slot_t  *slot;
    ngx_prof_pass_t  *p;

    p = &ngx_prof_pause_pass;
    slot = ngx_prof_process.slot;

    old = ngx_prof_load(&slot->told);

    do {
        told = ngx_max(old, p->pass);

    } while (!__atomic_compare_exchange_n(&slot->told, &old, told + more, 0,
                                          __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));

    others = told - ngx_min(told, p->told);

    p->told = told + more;
    p->ticked += others;
    p->outside += others;

    return others;
}


void
ngx_prof_pause_call(const void *function, uint64_t d)
{
    uint64_t          now, pass, part, others, rate, count, value;
    uint64_t          pcs[NGX_PROF_WAIT_FRAMES];
    uint32_t          label;
    uintptr_t         sp;
    ngx_uint_t        n, sampled;
    ngx_prof_slot_t  *slot;
    ngx_prof_pass_t  *p;

    ngx_prof_meter_t        meter;
    ngx_prof_unwind_path_t  path;

    p = &ngx_prof_pause_pass;
    slot = ngx_prof_process.slot;

    pass = slot->pass_start;
    now = ngx_prof_loop_clock(ngx_prof_clock_counted());
    rate = ngx_prof_wait_rate();

    p->busy = 1;
    ngx_prof_pause_begin(pass);

    /* what a handler, or another worker, reported while it lasted */

    others = ngx_prof_pause_told(0);
    part = (pass && p->until > now - d) ? p->until - (now - d) : 0;
    part = ngx_min(part + others, ngx_min(d, p->ticked));

    p->ticked -= part;
    p->outside -= ngx_min(p->outside, part);
    p->blocked += d;

    (void) ngx_prof_pause_told(d - part);

    if (part) {
        sampled = (rate != 0);
        count = 0;
        value = d - part;

    } else {
        sampled = ngx_prof_wait_sample(d, rate, &count, &value);
    }

    if (sampled
        || (d > p->longest
            && d > ngx_prof_process.pause_threshold / 4))
    {
        ngx_prof_meter_begin(&meter);

        sp = (uintptr_t) __builtin_frame_address(0);
        n = ngx_prof_wait_stack(sp, function, pcs, &path);
        label = n ? ngx_prof_context_label(sp, &path) : 0;

        if (n && d > p->longest) {
            p->longest = d;
            p->call.label = label;
            p->call.slice = ngx_prof_slicing.start;
            p->call.n = n;
            ngx_memcpy(p->call.pcs, pcs, n * sizeof(uint64_t));
        }

        if (sampled && n) {
            ngx_prof_wait_add(NGX_PROF_BLOCK, pcs, n, label, count, value);
        }

        ngx_prof_meter_end(&meter, NGX_PROF_METER_WAIT, 1, 1);
    }

    p->busy = 0;
}


void
ngx_prof_pause_end(ngx_prof_slot_t *slot, uint64_t busy, uint64_t rest)
{
    uint64_t                       cpu, slice;
    ngx_prof_pause_t               pause;
    ngx_prof_holder_t              holder;
    ngx_prof_pass_t               *p;
    const ngx_prof_pause_stack_t  *look;

    p = &ngx_prof_pause_pass;

    p->busy = 1;
    ngx_prof_pause_begin(slot->pass_start);
    (void) ngx_prof_pause_told(0);

    ngx_memzero(&pause, sizeof(ngx_prof_pause_t));
    ngx_prof_holder(&holder);

    /* where one slice is most of the pass, no other one's stack tells why */

    slice = (holder.loop >= rest / 2) ? holder.slice : 0;

    pause.duration = rest;
    pause.blocked = ngx_min(p->blocked + p->outside, rest);

    /* at most what the thread has run since the last tick before this pass */

    cpu = ngx_prof_thread_cpu()
          - (p->tick_pass == p->pass ? p->before : p->tick);
    pause.cpu = ngx_min(cpu, rest - pause.blocked);

    if (p->outside > p->longest && p->outside >= rest / 2) {
        look = ngx_prof_pause_outside(holder.slice);
        pause.cause = NGX_PROF_CAUSE_BLOCKED;

    } else if (p->call.n
               && pause.blocked >= rest / 2
               && (slice == 0 || p->call.slice == slice))
    {
        look = &p->call;
        pause.cause = NGX_PROF_CAUSE_BLOCKED;

    } else {
        look = ngx_prof_pause_choose(&pause, slice);
    }

    if (look) {
        if (pause.cause == NGX_PROF_CAUSE_UNKNOWN) {
            pause.cause = NGX_PROF_CAUSE_CPU;
        }

        pause.label = look->label;
        pause.n = ngx_prof_frame_pack(pause.frames,
                                            NGX_PROF_PAUSE_FRAMES,
                                            look->pcs, look->n);
    }

    ngx_prof_pause_held(&pause, &holder, look);

    ngx_prof_slot_pause_add(slot, ngx_prof_clock(), &pause);
    ngx_prof_incident_stall(rest, &pause);
    ngx_prof_pause_count(rest, p->outside ? look : ngx_prof_pause_latest());

    p->next = NGX_PROF_PAUSE_OVER;
    p->busy = 0;

    ngx_prof_pause_log(&pause);
}


/*
 * A sleep that no hook knows, as another worker has seen it last, most probably
 * in this slice.
 */

static const ngx_prof_pause_stack_t *
ngx_prof_pause_outside(uint64_t slice)
{
    ngx_uint_t               i;
    ngx_prof_slot_t         *slot;
    ngx_prof_pause_stack_t  *look;
    ngx_prof_pause_seen_t    seen;
    ngx_prof_pass_t         *p;

    p = &ngx_prof_pause_pass;
    slot = ngx_prof_process.slot;

    if (ngx_prof_record_read(&slot->seen.seq, &seen.pass, &slot->seen.pass,
                             NGX_PROF_PAUSE_SEEN_BODY)
        != NGX_OK
        || seen.pass != p->pass
        || !seen.blocked)
    {
        return NULL;
    }

    look = &p->call;
    look->label = seen.label;
    look->slice = slice;
    look->n = ngx_min(seen.n, NGX_PROF_PAUSE_FRAMES);

    for (i = 0; i < look->n; i++) {
        look->pcs[i] = seen.frames[i];

        if (!ngx_prof_frame_is_synthetic(look->pcs[i])) {
            look->pcs[i] = ngx_prof_frame_address(look->pcs[i]);
            look->pcs[i] += (look->pcs[i] != 0);
        }
    }

    return look->n ? look : NULL;
}


static const ngx_prof_pause_stack_t *
ngx_prof_pause_latest(void)
{
    ngx_prof_pass_t  *p;

    p = &ngx_prof_pause_pass;

    return p->seen ? &p->looks[(p->seen - 1) % NGX_PROF_PAUSE_LOOKS]
                   : NULL;
}


/*
 * Whose request held the loop.  A stack knows the subrequest that ran, slices
 * know main requests: they tell where the stack does not, and where it is of
 * their slice, the connection and the method.
 */

static void
ngx_prof_pause_held(ngx_prof_pause_t *pause, const ngx_prof_holder_t *holder,
    const ngx_prof_pause_stack_t *look)
{
    uint64_t  place;

    place = ngx_prof_label_place((uint32_t) pause->label);

    if (look && holder->slice && look->slice != holder->slice) {
        return;
    }

    if (look && !holder->slice
        && place && holder->place && place != holder->place)
    {
        return;
    }

    if (place == 0 && holder->place) {
        pause->label = ngx_prof_label(holder->place,
                                      ngx_prof_label_upstream(pause->label),
                                      ngx_prof_label_state(pause->label));
    }

    pause->connection = holder->number;
    pause->method = holder->method;
}


/*
 * Chooses the stack in which, or in calls close to which, most of the time was
 * spent: the latest stack may belong to what came after.  A single tick in a
 * pass that hardly ran proves only that it ran then.  Of one slice, or of any
 * if that is 0.
 */

static const ngx_prof_pause_stack_t *
ngx_prof_pause_choose(const ngx_prof_pause_t *pause, uint64_t slice)
{
    uint64_t                       score, most;
    ngx_uint_t                     i, j, n;
    ngx_prof_pass_t               *p;
    const ngx_prof_pause_stack_t  *best;

    p = &ngx_prof_pause_pass;

    if (p->seen == 1
        && pause->cpu < (pause->duration - pause->blocked) / 2)
    {
        return NULL;
    }

    n = ngx_min(p->seen, NGX_PROF_PAUSE_LOOKS);
    best = NULL;
    most = 0;

    for (i = 0; i < n; i++) {
        score = 0;

        if (slice && p->looks[i].slice != slice) {
            continue;
        }

        for (j = 0; j < n; j++) {
            score += p->looks[j].weight / 1000
                     * ngx_prof_pause_alike(&p->looks[i],
                                            &p->looks[j]);
        }

        if (best == NULL || score > most) {
            best = &p->looks[i];
            most = score;
        }
    }

    return best;
}


/*
 * from 0 to 256: the share of both stacks, from the outermost frame on, that
 * is the same
 */

static uint64_t
ngx_prof_pause_alike(const ngx_prof_pause_stack_t *one,
    const ngx_prof_pause_stack_t *two)
{
    ngx_uint_t  i, n;

    for (i = 0; i < one->n && i < two->n; i++) {

        if (one->pcs[one->n - 1 - i] != two->pcs[two->n - 1 - i]) {
            break;
        }
    }

    n = ngx_max(one->n, two->n);

    return n ? i * 256 / n : 256;
}


/*
 * counts the part of the pass that no call and no tick has counted, for the
 * last stack
 */

static void
ngx_prof_pause_count(uint64_t busy, const ngx_prof_pause_stack_t *look)
{
    uint64_t             rest, told, rate, count, value;
    uint64_t             pcs[NGX_PROF_WAIT_FRAMES];
    uint32_t             label;
    ngx_uint_t           n;
    ngx_prof_pass_t     *p;

    p = &ngx_prof_pause_pass;

    told = p->blocked + p->ticked;
    rest = busy - ngx_min(busy, told);
    rate = ngx_prof_wait_rate();

    if (p->ticked && rate) {
        count = 0;
        value = rest;

    } else if (!ngx_prof_wait_sample(rest, rate, &count, &value)) {
        return;
    }

    if (look) {
        n = look->n;
        label = (uint32_t) look->label;
        ngx_memcpy(pcs, look->pcs, n * sizeof(uint64_t));

    } else {

        /*
         * no stack was taken: count it for the loop itself, without our hook
         */

        n = ngx_prof_pause_loop(pcs);
        label = ngx_prof_label(0, 0, NGX_PROF_STATE_OTHER);
    }

    if (n) {
        ngx_prof_wait_add(NGX_PROF_BLOCK, pcs, n, label, count, value);
    }
}


static ngx_uint_t
ngx_prof_pause_loop(uint64_t *pcs)
{
    ngx_uint_t              i, n;
    ngx_prof_unwind_path_t  path;

    n = ngx_prof_wait_stack((uintptr_t) __builtin_frame_address(0), NULL, pcs,
                            &path);

    for (i = 1; i < n; i++) {

        if (pcs[i] == ngx_prof_dispatch.caller) {
            return ngx_prof_wait_cut(pcs, n, 0, i);
        }
    }

    return 0;
}


static void
ngx_prof_pause_log(const ngx_prof_pause_t *pause)
{
    char           name[NGX_PROF_NAME_LEN];
    u_char        *p, place[512];
    uint64_t       now;
    ngx_int_t      i;

    static uint64_t    minute;
    static ngx_uint_t  lines;

    now = ngx_prof_clock();

    if (minute == 0 || now - minute >= (uint64_t) 60 * NGX_PROF_NSEC_PER_SEC) {
        minute = now;
        lines = 0;
    }

    if (lines++ >= NGX_PROF_PAUSE_LINES) {
        return;
    }

    i = ngx_prof_frame_cause(pause->frames, pause->n);

    if (i == NGX_ERROR) {
        ngx_memcpy(name, "an unknown place", sizeof("an unknown place"));

    } else {
        (void) ngx_prof_frame_name(pause->frames[i], name);
    }

    p = ngx_prof_label_print(place, place + sizeof(place), pause->label);

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "the event loop was held up for %.1f ms in %s "
                  "(%.1f ms on the processor, %.1f ms in blocking calls)%*s",
                  ngx_prof_ms(pause->duration), name,
                  ngx_prof_ms(pause->cpu), ngx_prof_ms(pause->blocked),
                  (size_t) (p - place), place);
}
