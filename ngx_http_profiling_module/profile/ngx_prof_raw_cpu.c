
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_raw_cpu.h"
#include "ngx_prof_base.h"
#include "ngx_prof_label.h"
#include "ngx_prof_hang.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_raw.h"


static uint32_t ngx_prof_rawfile_owner(ngx_prof_rawfile_t *f,
    ngx_prof_slot_t *slot, const ngx_prof_slot_reading_t *reading,
    const ngx_prof_stacks_t *stacks, uint32_t node);
static uint32_t ngx_prof_rawfile_labels(ngx_prof_rawfile_t *f, uint32_t label);


ngx_prof_rawfile_t *
ngx_prof_rawfile_create(ngx_pool_t *pool, uint64_t duration)
{
    ngx_prof_rawfile_t     *f;
    ngx_prof_raw_type_t     types[2];
    ngx_prof_raw_header_t  *h;

    f = ngx_prof_rawfile_open(pool, NGX_PROF_RAW_CPU);
    if (f == NULL) {
        return NULL;
    }

    h = f->header;

    h->flags = NGX_PROF_RAW_LEAF_EXACT;
    h->period_type = NGX_PROF_S_CPU;
    h->period_unit = NGX_PROF_S_NANOSECONDS;
    h->period = NGX_PROF_NSEC_PER_SEC / ngx_prof_setting(NGX_PROF_CPU_RATE);
    h->time_nanos = (int64_t) ngx_prof_time() * NGX_PROF_NSEC_PER_MSEC
                    - (int64_t) duration;
    h->duration_nanos = (int64_t) duration;

    types[0].type = NGX_PROF_S_SAMPLES;
    types[0].unit = NGX_PROF_S_COUNT;
    types[1].type = NGX_PROF_S_CPU;
    types[1].unit = NGX_PROF_S_NANOSECONDS;

    ngx_prof_rawfile_types(f, types, 2);

    return f;
}


void
ngx_prof_rawfile_slot(ngx_prof_rawfile_t *f, ngx_prof_slot_t *slot,
    const ngx_prof_slot_reading_t *reading)
{
    char       waits[256];
    uint64_t   sampler;
    ngx_pid_t  pid;

    f->dropped += reading->dropped;

    sampler = ngx_prof_load(&slot->sampler);
    pid = ngx_prof_slot_pid(slot);

    if (sampler > NGX_PROF_SAMPLER_READY && pid) {
        ngx_prof_rawfile_comment(f,
                        "worker %P was not sampled: %s", pid,
                        sampler == NGX_PROF_SAMPLER_TAKEN
                        ? "SIGPROF has a handler of another tool"
                        : "its timers could not be made");
    }

    if (ngx_prof_hang_waits(slot, waits, sizeof(waits))) {
        ngx_prof_rawfile_comment(f, "%s", waits);
    }
}


void
ngx_prof_rawfile_samples(ngx_prof_rawfile_t *f, ngx_prof_slot_t *slot,
    const ngx_prof_stacks_t *stacks, const ngx_prof_slot_reading_t *reading,
    ngx_uint_t from, ngx_uint_t to)
{
    ngx_uint_t               i;
    ngx_prof_sample_row_t   *row, rows[NGX_PROF_CHUNK];
    const ngx_prof_tally_t  *tally;

    for (i = from; i < to; i++) {
        tally = &reading->tally[i];
        row = &rows[i - from];

        row->node = tally->node;
        row->labels = ngx_prof_rawfile_labels(f, tally->label);
        row->process = ngx_prof_rawfile_owner(f, slot, reading,
                                              stacks, tally->node);
        row->values[0] = (int64_t) tally->count;
        row->values[1] = (int64_t) tally->value;
    }

    ngx_prof_rawfile_rows(f, stacks, f->zone->stacks, rows, to - from);
}


/* the process of a stack, whose root is its pid */

static uint32_t
ngx_prof_rawfile_owner(ngx_prof_rawfile_t *f, ngx_prof_slot_t *slot,
    const ngx_prof_slot_reading_t *reading, const ngx_prof_stacks_t *stacks,
    uint32_t node)
{
    uint64_t    pcs[NGX_PROF_FRAMES + 1];
    ngx_pid_t   pid;
    ngx_uint_t  depth;

    depth = ngx_prof_stacks_frames(stacks, f->zone->stacks, node,
                                   pcs,
                                   NGX_PROF_FRAMES + 1);
    pid = (ngx_pid_t) pcs[depth - 1];

    return ngx_prof_rawfile_process(f, pid,
                                     (pid == reading->pid)
                                     ? reading->worker
                                     : ngx_prof_load(&slot->worker));
}


/* the set of labels of a label, written at its first use */

static uint32_t
ngx_prof_rawfile_labels(ngx_prof_rawfile_t *f, uint32_t label)
{
    ngx_uint_t                n;
    ngx_prof_known_labels_t  *known;
    ngx_prof_raw_label_t      labels[4];

    known = ngx_prof_rawfile_known(f, label, 0);

    if (known->set) {
        return known->set;
    }

    ngx_memzero(labels, sizeof(labels));

    labels[0].key = NGX_PROF_S_STATE;
    labels[0].str = NGX_PROF_S_STATES
                    + ngx_prof_label_state(label);

    n = 1 + ngx_prof_rawfile_place(f, label, &labels[1]);

    known->set = ngx_prof_rawfile_labelset(f, labels, (uint32_t) n);

    return known->set;
}
