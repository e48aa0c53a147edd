
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_death_profile.h"
#include "ngx_prof_base.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_label.h"
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_record.h"
#include "ngx_prof_text.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"
#include "ngx_prof_raw.h"


#define NGX_PROF_DEATH_LABELS  5


static uint32_t ngx_prof_death_raw_string(ngx_prof_death_raw_t *raw,
    const char *s);
static ngx_uint_t ngx_prof_death_raw_latest(const ngx_prof_deaths_t *deaths,
    const ngx_prof_report_t *report);
static void ngx_prof_death_raw_write(ngx_prof_death_raw_t *raw,
    const ngx_prof_report_t *report);


ngx_prof_death_raw_t *
ngx_prof_death_raw_create(ngx_pool_t *pool, ngx_uint_t output,
    ngx_pid_t worker)
{
    ngx_prof_raw_type_t     type;
    ngx_prof_death_raw_t   *raw;
    ngx_prof_raw_header_t  *h;

    raw = ngx_pcalloc(pool, sizeof(ngx_prof_death_raw_t));
    if (raw == NULL) {
        return NULL;
    }

    raw->worker = worker;
    raw->file = ngx_prof_rawfile_open(pool, NGX_PROF_RAW_GOROUTINE);

    if (raw->file == NULL) {
        return NULL;
    }

    type.type = ngx_prof_death_raw_string(raw, "crash");
    type.unit = NGX_PROF_S_COUNT;
    raw->key_signal = ngx_prof_death_raw_string(raw, "signal");

    h = raw->file->header;
    h->output = output;
    h->period = 1;
    h->period_type = type.type;
    h->period_unit = type.unit;
    h->time_nanos = (int64_t) ngx_prof_time() * NGX_PROF_NSEC_PER_MSEC;

    ngx_prof_rawfile_types(raw->file, &type, 1);

    return raw;
}


static uint32_t
ngx_prof_death_raw_string(ngx_prof_death_raw_t *raw, const char *s)
{
    return ngx_prof_rawfile_one(raw->file, s, ngx_strlen(s));
}


ngx_int_t
ngx_prof_death_raw_step(ngx_prof_death_raw_t *raw)
{
    const ngx_prof_deaths_t  *deaths;

    static ngx_prof_report_t  report;

    if (ngx_prof_rawfile_names(raw->file) != NGX_OK) {
        return NGX_AGAIN;
    }

    /* objects are named as this process has them */

    if (raw->process == 0) {
        raw->process = ngx_prof_rawfile_add(raw->file, 0, 0, 0, ngx_pid) + 1;
    }

    deaths = &ngx_prof_process.zone->header->deaths;

    while (raw->next < NGX_PROF_CRASH_REPORTS) {

        if (ngx_prof_report_read(deaths, raw->next++, &report) == NGX_OK
            && report.crash.n
            && (raw->worker ? (uint64_t) raw->worker == report.pid
                            : ngx_prof_death_raw_latest(deaths, &report)))
        {
            ngx_prof_death_raw_write(raw, &report);
        }
    }

    return (ngx_prof_rawfile_finish(raw->file) == NGX_OK) ? NGX_DONE
                                                          : NGX_ERROR;
}


/* of reports that are alike the latest counts for all: most are not kept */

static ngx_uint_t
ngx_prof_death_raw_latest(const ngx_prof_deaths_t *deaths,
    const ngx_prof_report_t *report)
{
    ngx_uint_t                i;
    const ngx_prof_report_t  *r;

    for (i = 0; i < NGX_PROF_CRASH_REPORTS; i++) {
        r = &deaths->report[i];

        if (ngx_prof_load(&r->hash) == report->hash
            && ngx_prof_load(&r->number) > report->number)
        {
            return 0;
        }
    }

    return 1;
}


static void
ngx_prof_death_raw_write(ngx_prof_death_raw_t *raw,
    const ngx_prof_report_t *report)
{
    char                      name[sizeof("-128")];
    int64_t                   value;
    uint32_t                  stack, set;
    uint64_t                  pcs[NGX_PROF_CRASH_FRAMES];
    ngx_uint_t                i, n;
    ngx_prof_rawfile_t       *f;
    const ngx_prof_crash_t   *c;
    ngx_prof_raw_label_t      labels[NGX_PROF_DEATH_LABELS];

    f = raw->file;
    c = &report->crash;

    /* frames lie inside their calls, as exact ones do */

    for (i = 0; i < c->n; i++) {
        pcs[i] = c->frames[i];

        if (!ngx_prof_frame_is_synthetic(pcs[i])) {
            pcs[i] = ngx_prof_frame_address(pcs[i]);
        }

        if (pcs[i] == 0) {
            pcs[i] = NGX_PROF_RAW_UNKNOWN;
        }
    }

    ngx_memzero(labels, sizeof(labels));
    n = ngx_prof_rawfile_place(f, (uint32_t) c->label, labels);

    (void) snprintf(name, sizeof(name), "%d", (int) (report->status & 0x7f));

    labels[n].key = raw->key_signal;
    labels[n].str = ngx_prof_death_raw_string(raw, name);
    n++;

    set = ngx_prof_rawfile_labelset(f, labels, n);

    ngx_prof_rawfile_section(f, NGX_PROF_RAW_STACKS);
    stack = ngx_prof_rawfile_stack(f, pcs, c->n, NGX_PROF_RAW_ALL_EXACT);
    ngx_prof_rawfile_close(f, 1);

    value = raw->worker ? 1 : (int64_t) report->alike + 1;

    ngx_prof_rawfile_section(f, NGX_PROF_RAW_SAMPLES);
    ngx_prof_rawfile_sample(f, raw->process - 1, stack, set, &value, 1);
    ngx_prof_rawfile_close(f, 1);
}
