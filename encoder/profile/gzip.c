
#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "gzip.h"


#define PROFILING_GZIP        (15 + 16)    /* largest window, gzip header */
#define PROFILING_GZIP_LEVEL  6
#define PROFILING_GZIP_MEM    8


void
profiling_gzip(profiling_buf_t *in, profiling_buf_t *out)
{
    int       rc;
    uint8_t   buf[16384];
    z_stream  z;

    if (in->len > UINT_MAX) {
        profiling_fail(PROFILING_MEMORY, "the profile is too large");
    }

    memset(&z, 0, sizeof(z_stream));

    rc = deflateInit2(&z, PROFILING_GZIP_LEVEL, Z_DEFLATED, PROFILING_GZIP,
                      PROFILING_GZIP_MEM, Z_DEFAULT_STRATEGY);
    if (rc != Z_OK) {
        profiling_fail(PROFILING_MEMORY, "deflateInit2() failed: %d", rc);
    }

    z.next_in = in->data;
    z.avail_in = in->len;

    do {
        z.next_out = buf;
        z.avail_out = sizeof(buf);

        rc = deflate(&z, Z_FINISH);
        if (rc != Z_OK && rc != Z_STREAM_END) {
            profiling_fail(PROFILING_SYSTEM, "deflate() failed: %d", rc);
        }

        profiling_buf_put(out, buf, sizeof(buf) - z.avail_out);

    } while (rc != Z_STREAM_END);

    deflateEnd(&z);
}
