
/*
 * Any bytes as a capture, read, printed and encoded in all output forms.  No
 * symbol file is opened: paths come from the fuzzer.
 */


#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "encode.h"
#include "raw.h"


#define FUZZ_HEADER  sizeof(ngx_prof_raw_header_t)


typedef struct {
    const uint8_t    *data;
    size_t            len;
    profiling_buf_t   text;
    profiling_buf_t   out;
} fuzz_run_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_encode(void *data)
{
    fuzz_run_t       *run;
    profiling_raw_t  *raw;

    run = data;

    profiling_options.level = PROFILING_NAMES_NONE;

    raw = profiling_raw_read(run->data, run->len);

    profiling_raw_dump(raw, &run->text);
    profiling_encode(raw, &run->out);
}


/*
 * Magic, version and length are put right, or nearly nothing would get past
 * them; the unit tests have captures where they are wrong.
 */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t                total;
    uint8_t                *copy;
    fuzz_run_t              run;
    ngx_prof_raw_header_t  *h;

    copy = malloc(size ? size : 1);
    if (copy == NULL) {
        return 0;
    }

    memcpy(copy, data, size);

    if (size >= FUZZ_HEADER) {
        h = (ngx_prof_raw_header_t *) copy;

        memcpy(h->magic, NGX_PROF_RAW_MAGIC, sizeof(h->magic));
        h->version = NGX_PROF_RAW_VERSION;
        h->header_size = FUZZ_HEADER;
        total = size;
        memcpy(&h->total_size, &total, sizeof(total));
    }

    memset(&run, 0, sizeof(run));
    run.data = copy;
    run.len = size;

    profiling_try(fuzz_encode, &run);

    profiling_buf_free(&run.text);
    profiling_buf_free(&run.out);
    profiling_release();
    free(copy);

    return 0;
}
