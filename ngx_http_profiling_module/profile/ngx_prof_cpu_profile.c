
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_cpu_profile.h"
#include "ngx_prof_base.h"
#include "ngx_prof_claim.h"
#include "ngx_prof_hang.h"
#include "ngx_prof_label.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_wake.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* a table that is fuller than this share is emptied before a capture */
#define NGX_PROF_FULL    2


/* ms from the wish to the first reading: the workers sample by then */
#define NGX_PROF_CPU_LEAD  20

/* ms that they last, unless the end of the last one is announced */
#define NGX_PROF_CPU_REST  1000


typedef struct {
    ngx_prof_capture_t        capture;
    ngx_msec_t                duration;
    uint64_t                  end;              /* ns, monotonic: of the last
                                                   reading's begin */
    uint64_t                  until;            /* ns, monotonic: the samplers
                                                   stop */
    ngx_prof_capture_slot_t  *claim;            /* NULL: given back */
} ngx_prof_cpu_capture_t;


static ngx_prof_capture_slot_t *ngx_prof_cpu_profile_claim(ngx_pid_t worker);
static ngx_uint_t ngx_prof_cpu_profile_others(void);
static void ngx_prof_cpu_profile_empty(void);
static ngx_int_t ngx_prof_cpu_begin(void *data);
static ngx_int_t ngx_prof_cpu_wait(void *data);
static void ngx_prof_cpu_sample_until(ngx_prof_cpu_capture_t *cpu,
    ngx_msec_t ms);
static ngx_int_t ngx_prof_cpu_start(void *data);
static void ngx_prof_cpu_wake(ngx_pid_t worker);
static ngx_int_t ngx_prof_cpu_last(void *data);
static ngx_prof_stacks_t *ngx_prof_cpu_table(ngx_prof_capture_t *c,
    const ngx_prof_slot_t *slot);
static void ngx_prof_cpu_types(ngx_prof_capture_t *c);
static void ngx_prof_cpu_header(ngx_prof_capture_t *c, ngx_uint_t rate);
static void ngx_prof_cpu_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);
static void ngx_prof_cpu_unseen(ngx_prof_capture_t *c,
    const ngx_prof_slot_reading_t *reading);
static void ngx_prof_cpu_unsampled(ngx_prof_capture_t *c,
    const ngx_prof_slot_t *slot);
static ngx_uint_t ngx_prof_cpu_labels(ngx_prof_capture_t *c, uint32_t label,
    uint64_t size, ngx_prof_raw_label_t *labels);
static uint32_t ngx_prof_cpu_process(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading, uint64_t root);
static void ngx_prof_cpu_end(ngx_prof_capture_t *c);
static void ngx_prof_cpu_past_types(ngx_prof_capture_t *c);
static void ngx_prof_cpu_past_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);
static uint32_t ngx_prof_cpu_past_process(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading, uint64_t image);


static const ngx_prof_capture_kind_t  ngx_prof_cpu_kind = {
    2048, 0, 0,
    ngx_prof_cpu_table,
    NULL,
    ngx_prof_capture_tally,
    ngx_prof_cpu_types,
    ngx_prof_cpu_slot,
    NULL,
    ngx_prof_cpu_labels,
    ngx_prof_cpu_process,
    NULL,
    ngx_prof_cpu_end
};


static const ngx_prof_capture_kind_t  ngx_prof_cpu_past_kind = {
    0, 0, 0,
    NULL,
    NULL,
    NULL,
    ngx_prof_cpu_past_types,
    ngx_prof_cpu_past_slot,
    NULL,
    ngx_prof_cpu_labels,
    ngx_prof_cpu_past_process,
    NULL,
    NULL
};


static const ngx_prof_raw_type_t  ngx_prof_cpu_value_types[] = {
    { NGX_PROF_S_SAMPLES, NGX_PROF_S_COUNT },
    { NGX_PROF_S_CPU, NGX_PROF_S_NANOSECONDS }
};


ngx_int_t
ngx_prof_cpu_profile(ngx_pool_t *pool, ngx_log_t *log, ngx_msec_t duration,
    ngx_pid_t worker, ngx_prof_capture_pt done, void *data)
{
    return ngx_prof_cpu_profile_trace(pool, log, duration, worker, done,
                                      NULL, data, NULL);
}


ngx_int_t
ngx_prof_cpu_profile_trace(ngx_pool_t *pool, ngx_log_t *log,
    ngx_msec_t duration, ngx_pid_t worker, ngx_prof_capture_pt done,
    ngx_prof_capture_more_pt more, void *data, ngx_uint_t *number)
{
    ngx_prof_zone_t         *zone;
    ngx_prof_cpu_capture_t  *cpu;

    zone = ngx_prof_process.zone;

    cpu = ngx_prof_capture_create(pool, sizeof(ngx_prof_cpu_capture_t),
                                  &ngx_prof_cpu_kind, worker, done, data);
    if (cpu == NULL) {
        return NGX_ERROR;
    }

    cpu->duration = duration;
    cpu->capture.raw_kind = NGX_PROF_RAW_CPU;
    cpu->capture.size = zone->stacks;
    cpu->capture.more = more;

    ngx_prof_cpu_profile_reap();

    if (!ngx_prof_cpu_profile_others()) {
        ngx_prof_cpu_profile_empty();
    }

    cpu->claim = ngx_prof_cpu_profile_claim(worker);

    if (cpu->claim == NULL) {
        return NGX_BUSY;
    }

    if (number) {

        /* a trace is of the time that its workers sample */

        *number = cpu->claim - zone->header->capture;

        cpu->capture.between = ngx_prof_cpu_start;
        ngx_prof_capture_start(&cpu->capture, ngx_prof_capture_first, log);

        return NGX_OK;
    }

    cpu->capture.between = ngx_prof_cpu_wait;
    ngx_prof_capture_start(&cpu->capture, ngx_prof_cpu_begin, log);

    return NGX_OK;
}


ngx_int_t
ngx_prof_cpu_profile_past(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_prof_span_t *span, ngx_pid_t worker, ngx_prof_capture_pt done,
    void *data)
{
    ngx_prof_step_pt     step;
    ngx_prof_capture_t  *c;

    c = ngx_prof_capture_create(pool, sizeof(ngx_prof_capture_t),
                                &ngx_prof_cpu_past_kind, worker, done, data);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->raw_kind = NGX_PROF_RAW_CPU;
    c->size = ngx_prof_recorded_cpu_n(ngx_prof_process.zone->stacks);

    step = ngx_prof_past_profile(c, NGX_PROF_RECORDED_CPU, span);

    if (step == NULL) {
        return NGX_ERROR;
    }

    ngx_prof_capture_start(c, step, log);

    return NGX_OK;
}


static ngx_prof_capture_slot_t *
ngx_prof_cpu_profile_claim(ngx_pid_t worker)
{
    ngx_uint_t                i;
    ngx_prof_capture_slot_t  *claim;

    for (i = 0; i < NGX_PROF_CAPTURES; i++) {
        claim = &ngx_prof_process.zone->header->capture[i];

        if (ngx_prof_claim_take(&claim->owner) == NGX_OK) {
            ngx_prof_store(&claim->until, 0);
            ngx_prof_store(&claim->worker, (uint64_t) worker);
            return claim;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_prof_cpu_profile_others(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_CAPTURES; i++) {

        if (ngx_prof_load_acquire(
                           &ngx_prof_process.zone->header->capture[i].owner))
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_prof_cpu_profile_reap(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_CAPTURES; i++) {
        ngx_prof_claim_reap(&ngx_prof_process.zone->header->capture[i].owner);
    }
}


/*
 * No capture is running, so this worker's own table may be cleared if it has
 * become full.  The other workers clear theirs when they are asked.
 */

static void
ngx_prof_cpu_profile_empty(void)
{
    ngx_prof_slot_t    *slot;
    ngx_prof_zone_t    *zone;
    ngx_prof_stacks_t  *stacks;

    zone = ngx_prof_process.zone;
    slot = ngx_prof_process.slot;
    stacks = ngx_prof_zone_stacks(zone, slot);

    if (slot->sample_until < ngx_prof_clock()
        && (stacks->node_n > zone->stacks / NGX_PROF_FULL
            || stacks->tally_n > zone->stacks / NGX_PROF_FULL))
    {
        (void) ngx_prof_stacks_empty(stacks, zone->stacks);
    }
}


/*
 * The workers sample before the first reading and until after the last one:
 * the profile has the samples of all the time between them.
 */

static ngx_int_t
ngx_prof_cpu_begin(void *data)
{
    ngx_prof_cpu_capture_t *cpu = data;

    ngx_prof_cpu_sample_until(cpu, NGX_PROF_CPU_LEAD + cpu->duration
                                   + NGX_PROF_CPU_REST);

    cpu->capture.job.step = ngx_prof_capture_first;

    return ngx_prof_job_pause(&cpu->capture.job, NGX_PROF_CPU_LEAD);
}


/* slots are read at the end as they were at the begin, each a duration later */

static ngx_int_t
ngx_prof_cpu_wait(void *data)
{
    ngx_prof_cpu_capture_t *cpu = data;

    uint64_t  passed;

    cpu->capture.job.step = ngx_prof_cpu_last;

    passed = (ngx_prof_clock() - cpu->capture.begin) / NGX_PROF_NSEC_PER_MSEC;

    if (passed >= cpu->duration) {
        return NGX_AGAIN;
    }

    return ngx_prof_job_pause(&cpu->capture.job,
                              cpu->duration - (ngx_msec_t) passed);
}


static void
ngx_prof_cpu_sample_until(ngx_prof_cpu_capture_t *cpu, ngx_msec_t ms)
{
    cpu->until = ngx_prof_clock() + (uint64_t) ms * NGX_PROF_NSEC_PER_MSEC;

    ngx_prof_store_release(&cpu->claim->until, cpu->until);

    ngx_prof_cpu_wake(cpu->capture.worker);
}


static ngx_int_t
ngx_prof_cpu_start(void *data)
{
    ngx_prof_cpu_capture_t *cpu = data;

    ngx_prof_cpu_sample_until(cpu, cpu->duration);

    cpu->capture.job.step = ngx_prof_cpu_last;

    return ngx_prof_job_pause(&cpu->capture.job, cpu->duration);
}


static void
ngx_prof_cpu_wake(ngx_pid_t worker)
{
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;

    for (i = 0; i < ngx_prof_zone_process_n(zone); i++) {
        slot = ngx_prof_zone_process(zone, i);

        if (ngx_prof_slot_of(slot, worker) && ngx_prof_slot_pid(slot)) {
            (void) ngx_prof_wake(slot);
        }
    }
}


/* a comment names workers that take no CPU time */

static ngx_int_t
ngx_prof_cpu_last(void *data)
{
    ngx_prof_cpu_capture_t *cpu = data;

    (void) ngx_prof_hang_chase();

    cpu->end = ngx_prof_clock();

    cpu->capture.job.step = ngx_prof_capture_last;

    return NGX_AGAIN;
}


static ngx_prof_stacks_t *
ngx_prof_cpu_table(ngx_prof_capture_t *c, const ngx_prof_slot_t *slot)
{
    return ngx_prof_zone_stacks(ngx_prof_process.zone, slot);
}


static void
ngx_prof_cpu_types(ngx_prof_capture_t *c)
{
    ngx_prof_cpu_capture_t *cpu = (ngx_prof_cpu_capture_t *) c;

    ngx_prof_raw_header_t  *h;

    h = c->raw->header;

    ngx_prof_cpu_header(c, ngx_prof_setting(NGX_PROF_CPU_RATE));

    /* as Go tells it: when the profile began */

    h->time_nanos -= h->duration_nanos;
    h->duration_nanos = (int64_t) (cpu->end - c->begin);

    if (ngx_prof_clock() < cpu->until) {
        ngx_prof_cpu_sample_until(cpu, 0);
    }
}


static void
ngx_prof_cpu_header(ngx_prof_capture_t *c, ngx_uint_t rate)
{
    ngx_prof_raw_header_t  *h;

    h = c->raw->header;

    h->flags |= NGX_PROF_RAW_LEAF_EXACT;
    h->period_type = NGX_PROF_S_CPU;
    h->period_unit = NGX_PROF_S_NANOSECONDS;
    h->period = NGX_PROF_NSEC_PER_SEC / rate;

    ngx_prof_rawfile_types(c->raw, ngx_prof_cpu_value_types, 2);
}


static void
ngx_prof_cpu_slot(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading)
{
    char  waits[256];

    c->raw->dropped += reading->dropped;

    ngx_prof_cpu_unsampled(c, reading->slot);
    ngx_prof_cpu_unseen(c, reading);

    if (ngx_prof_hang_waits(reading->slot, waits, sizeof(waits))) {
        ngx_prof_rawfile_comment(c->raw, "%s", waits);
    }
}


static void
ngx_prof_cpu_unsampled(ngx_prof_capture_t *c, const ngx_prof_slot_t *slot)
{
    uint64_t   sampler;
    ngx_pid_t  pid;

    sampler = ngx_prof_load(&slot->sampler);
    pid = ngx_prof_slot_pid(slot);

    if (sampler > NGX_PROF_SAMPLER_READY && pid) {
        ngx_prof_rawfile_comment(c->raw,
                        "worker %P was not sampled: %s", pid,
                        sampler == NGX_PROF_SAMPLER_TAKEN
                        ? "SIGPROF has a handler of another tool"
                        : "its timers could not be made");
    }
}


/* of workers that began or ended meanwhile: CPU time without samples */

static void
ngx_prof_cpu_unseen(ngx_prof_capture_t *c,
    const ngx_prof_slot_reading_t *reading)
{
    uint64_t            spent;
    ngx_prof_exit_t     e;
    ngx_prof_spent_t    told;
    ngx_prof_deaths_t  *deaths;

    if (reading->begun
        && ngx_prof_slot_spent(reading->slot, reading->begun, &told) == NGX_OK)
    {
        ngx_prof_rawfile_comment(c->raw,
                        "worker %P: %.6f s of CPU time before it could be "
                        "sampled are not in the profile", reading->begun,
                        (double) told.unsampled / NGX_PROF_NSEC_PER_SEC);
    }

    if (reading->ended == 0) {
        return;
    }

    deaths = &ngx_prof_process.zone->header->deaths;

    if (ngx_prof_exit_find(deaths, reading->ended, &e) != NGX_OK
        || ngx_prof_slot_spent(reading->slot, reading->ended, &told) != NGX_OK
        || told.sampled == 0)
    {
        ngx_prof_rawfile_comment(c->raw,
                        "worker %P: CPU time after its last sample is not in "
                        "the profile, and not known yet", reading->ended);
        return;
    }

    spent = (e.user + e.system - told.child_user - told.child_system)
            * (NGX_PROF_NSEC_PER_SEC / NGX_PROF_USEC_PER_SEC);

    ngx_prof_rawfile_comment(c->raw,
                    "worker %P: %.6f s of CPU time after its last sample are "
                    "not in the profile", reading->ended,
                    (double) (spent - ngx_min(spent, told.sampled))
                    / NGX_PROF_NSEC_PER_SEC);
}


static ngx_uint_t
ngx_prof_cpu_labels(ngx_prof_capture_t *c, uint32_t label, uint64_t size,
    ngx_prof_raw_label_t *labels)
{
    labels[0].key = NGX_PROF_S_STATE;
    labels[0].str = NGX_PROF_S_STATES + ngx_prof_label_state(label);

    return 1 + ngx_prof_rawfile_place(c->raw, label, &labels[1]);
}


/* the root of a stack is the pid of its process */

static uint32_t
ngx_prof_cpu_process(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading,
    uint64_t root)
{
    ngx_pid_t  pid;

    pid = (ngx_pid_t) root;

    return ngx_prof_rawfile_process(c->raw, pid,
                                    (pid == reading->pid)
                                    ? reading->worker
                                    : ngx_prof_load(&reading->slot->worker));
}


/* if the client has gone away, the workers stop before the time */

static void
ngx_prof_cpu_end(ngx_prof_capture_t *c)
{
    ngx_prof_cpu_capture_t *cpu = (ngx_prof_cpu_capture_t *) c;

    if (cpu->claim == NULL) {
        return;
    }

    ngx_prof_claim_give(&cpu->claim->owner);
    cpu->claim = NULL;

    if (ngx_prof_process.slot && ngx_prof_clock() < cpu->until) {
        ngx_prof_cpu_wake(c->worker);
    }
}


static void
ngx_prof_cpu_past_types(ngx_prof_capture_t *c)
{
    ngx_uint_t        i;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;

    ngx_prof_cpu_header(c, ngx_prof_setting(NGX_PROF_RECORD_RATE));

    for (i = 0; i < ngx_prof_zone_process_n(zone); i++) {
        ngx_prof_cpu_unsampled(c, ngx_prof_zone_process(zone, i));
    }
}


static void
ngx_prof_cpu_past_slot(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading)
{
    /* the comments of the range say it once */
}


static uint32_t
ngx_prof_cpu_past_process(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading, uint64_t image)
{
    return ngx_prof_rawfile_image(c->raw, reading->slot, image, reading->pid,
                                  reading->worker);
}
