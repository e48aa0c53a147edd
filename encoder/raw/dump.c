
#include <string.h>

#include "dump.h"
#include "raw.h"


static void profiling_dump_header(profiling_raw_t *raw, profiling_buf_t *out);
static void profiling_dump_mappings(profiling_raw_t *raw,
    profiling_buf_t *out);
static void profiling_dump_labels(profiling_raw_t *raw, uint32_t set,
    profiling_buf_t *out);
static void profiling_dump_sample(profiling_raw_t *raw,
    profiling_sample_t *sample, profiling_buf_t *out);
static void profiling_dump_text(const char *s, profiling_buf_t *out);


void
profiling_raw_dump(profiling_raw_t *raw, profiling_buf_t *out)
{
    size_t  i;

    profiling_dump_header(raw, out);
    profiling_dump_mappings(raw, out);

    for (i = 0; i < raw->nprocesses; i++) {
        profiling_buf_printf(out, "process %zu pid %u mapset %u", i,
                             raw->processes[i].pid, raw->processes[i].mapset);
        profiling_dump_labels(raw, raw->processes[i].labels, out);
        profiling_buf_put(out, "\n", 1);
    }

    for (i = 0; i < raw->nsamples; i++) {
        profiling_dump_sample(raw, &raw->samples[i], out);
    }

    profiling_buf_printf(out, "strings %zu labelsets %zu stacks %zu "
                         "samples %zu\n", raw->nstrings, raw->nlabelsets - 1,
                         raw->nstacks, raw->nsamples);
}


static void
profiling_dump_header(profiling_raw_t *raw, profiling_buf_t *out)
{
    size_t                  i;
    ngx_prof_raw_header_t  *h;

    h = &raw->header;

    profiling_buf_printf(out, "version %u size %llu output %u kind %u "
                         "flags 0x%x\n", h->version,
                         (unsigned long long) h->total_size, h->output,
                         h->kind, h->flags);

    profiling_buf_printf(out, "time %lld duration %lld period %lld ",
                         (long long) h->time_nanos,
                         (long long) h->duration_nanos,
                         (long long) h->period);
    profiling_dump_text(raw->strings[h->period_type].data, out);
    profiling_buf_printf(out, "/");
    profiling_dump_text(raw->strings[h->period_unit].data, out);
    profiling_buf_printf(out, "\nprogram ");
    profiling_dump_text(raw->strings[h->program].data, out);
    profiling_buf_printf(out, "\ndefault ");
    profiling_dump_text(raw->strings[h->default_type].data, out);
    profiling_buf_put(out, "\n", 1);

    for (i = 0; i < raw->ntypes; i++) {
        profiling_buf_printf(out, "type ");
        profiling_dump_text(raw->types[i].type.data, out);
        profiling_buf_printf(out, "/");
        profiling_dump_text(raw->types[i].unit.data, out);
        profiling_buf_put(out, "\n", 1);
    }

    for (i = 0; i < raw->ncomments; i++) {
        profiling_buf_printf(out, "comment ");
        profiling_dump_text(raw->comments[i].data, out);
        profiling_buf_put(out, "\n", 1);
    }
}


static void
profiling_dump_mappings(profiling_raw_t *raw, profiling_buf_t *out)
{
    size_t            i, k;
    profiling_row_t  *row;

    for (i = 0; i < raw->nmapsets; i++) {
        for (k = 0; k < raw->mapsets[i].nrows; k++) {
            row = &raw->mapsets[i].rows[k];

            profiling_buf_printf(out, "map %zu 0x%llx-0x%llx +0x%llx "
                                 "%u:%u %llu %s ", i,
                                 (unsigned long long) row->start,
                                 (unsigned long long) row->limit,
                                 (unsigned long long) row->offset,
                                 row->major, row->minor,
                                 (unsigned long long) row->inode,
                                 row->build_id.len ? row->build_id.data
                                                   : "-");
            profiling_dump_text(row->path.data, out);
            profiling_buf_put(out, "\n", 1);
        }
    }
}


static void
profiling_dump_labels(profiling_raw_t *raw, uint32_t set, profiling_buf_t *out)
{
    uint32_t            i;
    profiling_label_t  *label;

    for (i = 0; i < raw->labelsets[set].count; i++) {
        label = &raw->labelsets[set].labels[i];

        profiling_buf_put(out, " ", 1);
        profiling_dump_text(label->key.data, out);

        if (label->numeric) {
            profiling_buf_printf(out, ":%lld", (long long) label->num);
            profiling_dump_text(label->unit.data, out);

        } else {
            profiling_buf_put(out, "=", 1);
            profiling_dump_text(label->str.data, out);
        }
    }
}


static void
profiling_dump_sample(profiling_raw_t *raw, profiling_sample_t *sample,
    profiling_buf_t *out)
{
    size_t              i;
    uint64_t            pc;
    profiling_str_t    *name;
    profiling_stack_t  *stack;

    stack = &raw->stacks[sample->stack];

    if (sample->process == NGX_PROF_RAW_NONE) {
        profiling_buf_printf(out, "sample process -");

    } else {
        profiling_buf_printf(out, "sample process %u", sample->process);
    }

    for (i = 0; i < raw->ntypes; i++) {
        profiling_buf_printf(out, " %lld",
                             (long long) profiling_raw_value(sample, i));
    }

    profiling_dump_labels(raw, sample->labels, out);
    profiling_buf_printf(out, " flags 0x%x @", stack->flags);

    for (i = 0; i < stack->depth; i++) {
        pc = profiling_raw_pc(stack, i);

        profiling_buf_put(out, " ", 1);

        name = profiling_raw_name(raw, pc);

        if (name != NULL) {
            profiling_dump_text(name->data, out);

        } else {
            profiling_buf_printf(out, "0x%llx", (unsigned long long) pc);
        }
    }

    profiling_buf_put(out, "\n", 1);
}


static void
profiling_dump_text(const char *s, profiling_buf_t *out)
{
    size_t  len;

    for ( /* void */ ; *s; s += len) {

        if (profiling_control(s, &len)) {
            profiling_buf_printf(out, (len == 1) ? "\\x%02x" : "\\u%04x",
                                 profiling_control(s, &len));

        } else {
            profiling_buf_put(out, s, 1);
        }
    }
}
