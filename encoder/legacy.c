
/*
 * The CPU profile of gperftools, which its own pprof script reads: words of
 * the machine's size, then the text of /proc/self/maps.
 *
 *   header   0, 3, 0, period in microseconds, 0
 *   record   count, number of frames, frames: the leaf, then return addresses
 *   trailer  0, 1, 0
 *
 * Names and labels have no place in it: the script asks for names of addresses
 * at the "symbol" page beside.  From all but the leaf it subtracts 1.
 *
 * https://gperftools.github.io/gperftools/cpuprofile-fileformat.html
 */


#include <string.h>

#include "profile.h"


static void profiling_legacy_word(profiling_buf_t *out, uint64_t word);
static void profiling_legacy_maps(profiling_profile_t *p,
    profiling_buf_t *out);


void
profiling_legacy_put(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t              i;
    uint32_t            n;
    profiling_total_t  *sample;

    if (p->raw->header.kind != NGX_HTTP_PROFILING_RAW_CPU) {
        profiling_fail(PROFILING_CAPTURE, "capture is not valid: there is no "
                       "legacy form of kind %u", p->raw->header.kind);
    }

    profiling_legacy_word(out, 0);
    profiling_legacy_word(out, 3);
    profiling_legacy_word(out, 0);
    profiling_legacy_word(out, (uint64_t) p->raw->header.period / 1000);
    profiling_legacy_word(out, 0);

    for (i = 0; i < p->nsamples; i++) {
        sample = p->samples[i];

        if (sample->nlocations == 0 || sample->values[0] <= 0) {
            continue;
        }

        profiling_legacy_word(out, (uint64_t) sample->values[0]);
        profiling_legacy_word(out, sample->nlocations);

        for (n = 0; n < sample->nlocations; n++) {
            profiling_legacy_word(out, sample->locations[n]->address + !!n);
        }
    }

    profiling_legacy_word(out, 0);
    profiling_legacy_word(out, 1);
    profiling_legacy_word(out, 0);

    profiling_legacy_maps(p, out);
}


static void
profiling_legacy_word(profiling_buf_t *out, uint64_t word)
{
    profiling_buf_put(out, &word, sizeof(uint64_t));
}


/* a path may not end its line */

static void
profiling_legacy_maps(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t                i;
    profiling_mapping_t  *m;

    for (i = 0; i < p->maps->nmappings; i++) {
        m = p->maps->mappings[i];

        if (strpbrk(m->object->path, "\r\n") != NULL) {
            continue;
        }

        profiling_buf_printf(out, "%llx-%llx r-xp %08llx 00:00 0 %s\n",
                             (unsigned long long) m->start,
                             (unsigned long long) m->limit,
                             (unsigned long long) m->offset, m->object->path);
    }
}
