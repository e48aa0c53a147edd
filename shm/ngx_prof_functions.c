
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_functions.h"


static uint64_t ngx_prof_functions_hash(const ngx_str_t *file,
    const ngx_str_t *name, uint32_t line);
static uint64_t ngx_prof_functions_bytes(uint64_t hash, const u_char *p,
    size_t len);
static ngx_uint_t ngx_prof_functions_is(const ngx_prof_function_t *f,
    const ngx_str_t *file, const ngx_str_t *name, uint32_t line);


ngx_int_t
ngx_prof_functions_add(ngx_prof_function_t *table, ngx_uint_t n,
    const ngx_str_t *file, const ngx_str_t *name, uint32_t line)
{
    uint64_t              hash, is;
    ngx_str_t             cut_file, cut_name;
    ngx_uint_t            i, probe;
    ngx_prof_function_t  *f;

    cut_file.len = ngx_min(file->len, NGX_PROF_FUNCTION_FILE);
    cut_file.data = file->data;
    cut_name.len = ngx_min(name->len, NGX_PROF_FUNCTION_NAME);
    cut_name.data = name->data;

    hash = ngx_prof_functions_hash(&cut_file, &cut_name, line);

    for (probe = 0; probe < ngx_min(n, NGX_PROF_FUNCTIONS_PROBES); probe++) {
        i = (hash + probe) % n;
        f = &table[i];
        is = ngx_prof_load_acquire(&f->hash);

        if (is == 0
            && __atomic_compare_exchange_n(&f->hash, &is, hash, 0,
                                           __ATOMIC_ACQ_REL,
                                           __ATOMIC_ACQUIRE))
        {
            f->line = line;
            f->file_len = (uint8_t) cut_file.len;
            f->name_len = (uint8_t) cut_name.len;
            ngx_memcpy(f->file, cut_file.data, cut_file.len);
            ngx_memcpy(f->name, cut_name.data, cut_name.len);
            ngx_prof_store_release(&f->ready, 1);

            return i;
        }

        if (is == hash
            && (!ngx_prof_load_acquire(&f->ready)
                || ngx_prof_functions_is(f, &cut_file, &cut_name, line)))
        {
            return i;
        }
    }

    return NGX_DECLINED;
}


/* FNV-1a */

static uint64_t
ngx_prof_functions_hash(const ngx_str_t *file, const ngx_str_t *name,
    uint32_t line)
{
    uint64_t  hash;

    hash = 0xcbf29ce484222325ULL;
    hash = ngx_prof_functions_bytes(hash, file->data, file->len);
    hash = ngx_prof_functions_bytes(hash, (const u_char *) "", 1);
    hash = ngx_prof_functions_bytes(hash, name->data, name->len);
    hash = ngx_prof_functions_bytes(hash, (const u_char *) &line,
                                    sizeof(line));

    return hash ? hash : 1;
}


static uint64_t
ngx_prof_functions_bytes(uint64_t hash, const u_char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        hash = (hash ^ p[i]) * 0x100000001b3ULL;
    }

    return hash;
}


static ngx_uint_t
ngx_prof_functions_is(const ngx_prof_function_t *f, const ngx_str_t *file,
    const ngx_str_t *name, uint32_t line)
{
    return f->line == line
           && f->file_len == file->len
           && f->name_len == name->len
           && ngx_memcmp(f->file, file->data, file->len) == 0
           && ngx_memcmp(f->name, name->data, name->len) == 0;
}


ngx_int_t
ngx_prof_functions_get(const ngx_prof_function_t *table, ngx_uint_t n,
    ngx_uint_t i, ngx_prof_function_t *function)
{
    if (i >= n || !ngx_prof_load_acquire(&table[i].ready)) {
        return NGX_DECLINED;
    }

    *function = table[i];

    function->file_len = ngx_min(function->file_len, NGX_PROF_FUNCTION_FILE);
    function->name_len = ngx_min(function->name_len, NGX_PROF_FUNCTION_NAME);

    return NGX_OK;
}
