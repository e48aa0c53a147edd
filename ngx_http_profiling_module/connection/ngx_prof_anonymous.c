
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_anonymous.h"
#include "ngx_prof_worker.h"


#define ngx_prof_rotate(x, n)  ((x) << (n) | (x) >> (64 - (n)))


static void ngx_prof_siphash_round(uint64_t v[4]);


uint64_t
ngx_prof_siphash(const uint64_t key[2], const u_char *data, size_t len)
{
    size_t      i;
    uint64_t    v[4], m;
    ngx_uint_t  n;

    v[0] = key[0] ^ 0x736f6d6570736575ULL;
    v[1] = key[1] ^ 0x646f72616e646f6dULL;
    v[2] = key[0] ^ 0x6c7967656e657261ULL;
    v[3] = key[1] ^ 0x7465646279746573ULL;

    m = 0;

    for (i = 0; i < len; i++) {
        m |= (uint64_t) data[i] << (i & 7) * 8;

        if ((i & 7) == 7) {
            v[3] ^= m;
            ngx_prof_siphash_round(v);
            ngx_prof_siphash_round(v);
            v[0] ^= m;
            m = 0;
        }
    }

    m |= (uint64_t) len << 56;

    v[3] ^= m;
    ngx_prof_siphash_round(v);
    ngx_prof_siphash_round(v);
    v[0] ^= m;

    v[2] ^= 0xff;

    for (n = 0; n < 4; n++) {
        ngx_prof_siphash_round(v);
    }

    return v[0] ^ v[1] ^ v[2] ^ v[3];
}


static void
ngx_prof_siphash_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = ngx_prof_rotate(v[1], 13) ^ v[0];
    v[3] = ngx_prof_rotate(v[3], 16) ^ v[2];
    v[0] = ngx_prof_rotate(v[0], 32);

    v[2] += v[1];
    v[0] += v[3];
    v[1] = ngx_prof_rotate(v[1], 17) ^ v[2];
    v[3] = ngx_prof_rotate(v[3], 21) ^ v[0];
    v[2] = ngx_prof_rotate(v[2], 32);
}


u_char *
ngx_prof_anonymous(u_char *dst, const char *prefix, const u_char *data,
    size_t len)
{
    uint64_t  key[2];

    key[0] = ngx_prof_process.zone->cookie;
    key[1] = ngx_prof_process.zone->start_clock;

    return ngx_sprintf(dst, "%s-%016xL", prefix,
                       ngx_prof_siphash(key, data, len));
}


ngx_uint_t
ngx_prof_is_address(const u_char *data, size_t len)
{
    size_t  i;

    if (len == 0) {
        return 0;
    }

    if (data[0] == '[' || data[0] == '/'
        || (len >= 5 && ngx_strncmp(data, "unix:", 5) == 0))
    {
        return 1;
    }

    for (i = 0; i < len; i++) {

        if ((data[i] < '0' || data[i] > '9')
            && data[i] != '.' && data[i] != ':')
        {
            return 0;
        }
    }

    return 1;
}
