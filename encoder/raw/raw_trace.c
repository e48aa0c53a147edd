
#include <endian.h>
#include <string.h>

#include "raw_trace.h"


void
profiling_raw_trace_info(profiling_raw_t *raw, profiling_section_t *s)
{
    const uint8_t         *p;
    ngx_prof_raw_trace_t  *info;

    if (profiling_raw_count(s) != 1 || raw->trace != NULL) {
        profiling_raw_invalid("more than one trace");
    }

    p = profiling_raw_take(s, sizeof(ngx_prof_raw_trace_t));

    info = profiling_alloc(sizeof(ngx_prof_raw_trace_t));
    memcpy(info, p, sizeof(ngx_prof_raw_trace_t));

    info->version = le32toh(info->version);
    info->format = le32toh(info->format);
    info->start = le64toh(info->start);
    info->end = le64toh(info->end);
    info->places = le32toh(info->places);
    info->nplaces = le32toh(info->nplaces);
    info->upstreams = le32toh(info->upstreams);
    info->nupstreams = le32toh(info->nupstreams);
    info->server = le32toh(info->server);
    info->location = le32toh(info->location);
    info->min = le64toh(info->min);

    if (info->version != NGX_PROF_TRACE_VERSION) {
        profiling_raw_invalid("a trace of another version");
    }

    if (info->format < NGX_PROF_TRACE_GO
        || info->format > NGX_PROF_TRACE_PERFETTO)
    {
        profiling_raw_invalid("unknown format of a trace");
    }

    raw->trace = info;
}


void
profiling_raw_trace_chunks(profiling_raw_t *raw, profiling_section_t *s)
{
    const uint8_t      *p;
    profiling_chunk_t  *chunk;

    if (profiling_raw_count(s) != 1) {
        profiling_raw_invalid("a section with several chunks of a trace");
    }

    p = profiling_raw_take(s, sizeof(ngx_prof_raw_trace_chunk_t));

    raw->chunks = profiling_raw_append(raw->chunks, &raw->nchunks, 1,
                                       sizeof(profiling_chunk_t));
    chunk = &raw->chunks[raw->nchunks - 1];

    chunk->slot = profiling_raw_u32(p);
    chunk->data = profiling_raw_rest(s, &chunk->len);
}


void
profiling_raw_trace_samples(profiling_raw_t *raw, profiling_section_t *s)
{
    size_t               i, n;
    const uint8_t       *p;
    profiling_moment_t  *m;

    n = profiling_raw_count(s);

    for (i = 0; i < n; i++) {
        p = profiling_raw_take(s, sizeof(ngx_prof_raw_trace_sample_t));

        raw->moments = profiling_raw_append(raw->moments, &raw->nmoments, 1,
                                            sizeof(profiling_moment_t));
        m = &raw->moments[raw->nmoments - 1];

        m->time = profiling_raw_u64(p);
        m->slot = profiling_raw_u32(p + 8);
        m->goroutine = profiling_raw_u32(p + 12);
        m->process = profiling_raw_u32(p + 16);
        m->stack = profiling_raw_u32(p + 20);
    }
}


void
profiling_raw_trace_check(profiling_raw_t *raw)
{
    size_t                 i;
    ngx_prof_raw_trace_t  *info;

    info = raw->trace;

    if ((info != NULL) != (raw->header.output == NGX_PROF_RAW_TRACE)) {
        profiling_raw_invalid("a trace, or a profile, but not both");
    }

    for (i = 0; i < raw->nmoments; i++) {

        if (raw->moments[i].process >= raw->nprocesses
            || raw->moments[i].stack >= raw->nstacks)
        {
            profiling_raw_invalid("moment of an unknown stack");
        }
    }

    if (info == NULL) {
        return;
    }

    if (info->server >= raw->nstrings || info->location >= raw->nstrings
        || (uint64_t) info->places + 2 * (uint64_t) info->nplaces
           >= raw->nstrings
        || (uint64_t) info->upstreams + info->nupstreams >= raw->nstrings)
    {
        profiling_raw_invalid("trace names unknown strings");
    }
}
