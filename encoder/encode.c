
#include "encode.h"
#include "gzip.h"
#include "pprof.h"
#include "text.h"
#include "trace.h"


void
profiling_encode(profiling_raw_t *raw, profiling_buf_t *out)
{
    profiling_buf_t       plain;
    profiling_profile_t  *p;

    if (raw->header.output == NGX_PROF_RAW_TRACE) {
        profiling_trace_encode(raw, out);
        return;
    }

    p = profiling_profile_make(raw);

    if (raw->header.output != NGX_PROF_RAW_PPROF) {
        profiling_text_put(p, out);
        return;
    }

    plain.data = NULL;
    plain.len = 0;
    plain.size = 0;

    profiling_pprof_put(p, &plain);
    profiling_gzip(&plain, out);

    profiling_buf_free(&plain);
}
