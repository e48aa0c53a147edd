
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_names.h"
#include "ngx_prof_encode.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_raw_file.h"
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_text.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_raw.h"


/* entries of the hash that are tried */
#define NGX_PROF_NAMES_PROBES  16


typedef struct {
    uint64_t                      frame;    /* 0: free */
    char                          name[NGX_PROF_NAME_LEN];
} ngx_prof_known_name_t;


/* a lookup in progress */

typedef struct {
    ngx_prof_names_pt  done;
    void              *data;
    ngx_uint_t         n;
    uint64_t          *frames;
    uint64_t          *pcs;
} ngx_prof_name_lookup_t;


static ngx_prof_known_name_t *ngx_prof_names_find(uint64_t frame,
    ngx_uint_t claim);
static void ngx_prof_names_looked(void *data, ngx_int_t rc,
    ngx_prof_text_t *out, ngx_str_t *error);
static void ngx_prof_names_line(ngx_prof_name_lookup_t *l, u_char *p,
    u_char *last);


static ngx_prof_known_name_t
    ngx_prof_known_names[NGX_PROF_NAMES];


/* claim: take an entry that has no name yet, or replace an old one */

static ngx_prof_known_name_t *
ngx_prof_names_find(uint64_t frame, ngx_uint_t claim)
{
    ngx_uint_t              i, at, first;
    ngx_prof_known_name_t  *known;

    first = (ngx_uint_t) ((frame * 0x9e3779b97f4a7c15ULL) >> 48);

    for (i = 0; i < NGX_PROF_NAMES_PROBES; i++) {
        at = (first + i) & (NGX_PROF_NAMES - 1);
        known = &ngx_prof_known_names[at];

        if (known->frame == frame) {
            return known;
        }

        if (known->frame == 0) {
            break;
        }
    }

    if (!claim) {
        return NULL;
    }

    if (i == NGX_PROF_NAMES_PROBES) {
        at = first & (NGX_PROF_NAMES - 1);
        known = &ngx_prof_known_names[at];
    }

    known->frame = frame;
    known->name[0] = '\0';

    return known;
}


ngx_uint_t
ngx_prof_names_known(uint64_t frame, ngx_uint_t quick)
{
    char                    name[NGX_PROF_NAME_LEN];
    ngx_prof_known_name_t  *known;

    if (ngx_prof_frame_is_synthetic(frame)) {
        return 1;
    }

    known = ngx_prof_names_find(frame, 0);

    if (known && known->name[0]) {
        return 1;
    }

    if (!quick || !ngx_prof_frame_exported(frame, name)) {
        return 0;
    }

    known = ngx_prof_names_find(frame, 1);
    ngx_memcpy(known->name, name, NGX_PROF_NAME_LEN);

    return 1;
}


const char *
ngx_prof_names_get(uint64_t frame)
{
    ngx_prof_known_name_t  *known;

    static char  name[NGX_PROF_NAME_LEN];

    if (ngx_prof_frame_is_synthetic(frame)) {
        (void) ngx_prof_frame_name(frame, name);
        return name;
    }

    known = ngx_prof_names_find(frame, 1);

    if (known->name[0] == '\0') {
        (void) ngx_prof_frame_name(frame, known->name);
    }

    return known->name;
}


ngx_int_t
ngx_prof_names(ngx_pool_t *pool, ngx_log_t *log, const uint64_t *frames,
    ngx_uint_t n, ngx_prof_names_pt done, void *data)
{
    uint64_t                 pc;
    ngx_str_t                error;
    ngx_uint_t               i;
    ngx_prof_name_lookup_t  *l;
    ngx_prof_rawfile_t      *f;

    l = ngx_pcalloc(pool, sizeof(ngx_prof_name_lookup_t));

    if (l == NULL) {
        return NGX_ERROR;
    }

    l->done = done;
    l->data = data;
    l->frames = ngx_palloc(pool, 2 * n * sizeof(uint64_t));

    if (l->frames == NULL) {
        return NGX_ERROR;
    }

    l->pcs = l->frames + n;

    for (i = 0; i < n; i++) {

        if (ngx_prof_names_known(frames[i], 0)) {
            continue;
        }

        pc = ngx_prof_frame_address(frames[i]);

        if (pc) {
            l->frames[l->n] = frames[i];
            l->pcs[l->n++] = pc;
        }
    }

    if (l->n == 0) {
        return NGX_OK;
    }

    f = ngx_prof_names_open(pool, 0);
    if (f == NULL) {
        return NGX_ERROR;
    }

    ngx_prof_names_add(f, l->pcs, l->n);

    if (ngx_prof_rawfile_finish(f) != NGX_OK
        || ngx_prof_encode(pool, log, &f->text, NGX_PROF_ENCODE_SOON, 0,
                           ngx_prof_names_looked, l,
                           &error)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


/* the encoder's answer: a line "0x4719ae name" for each name it found */

static void
ngx_prof_names_looked(void *data, ngx_int_t rc, ngx_prof_text_t *out,
    ngx_str_t *error)
{
    ngx_prof_name_lookup_t *l = data;

    u_char       *p, *end, *line, *last, text[512];
    ngx_chain_t  *cl;

    last = text + sizeof(text);
    line = text;

    for (cl = (rc == NGX_OK) ? out->first : NULL; cl; cl = cl->next) {

        end = cl->buf->last;

        for (p = cl->buf->pos; p < end; p++) {

            if (*p != '\n') {
                if (line < last) {
                    *line++ = *p;
                }

                continue;
            }

            ngx_prof_names_line(l, text, line);
            line = text;
        }
    }

    l->done(l->data);
}


static void
ngx_prof_names_line(ngx_prof_name_lookup_t *l, u_char *p, u_char *last)
{
    u_char                 *space;
    uint64_t                pc;
    ngx_int_t               value;
    ngx_uint_t              i;
    ngx_prof_known_name_t  *known;

    space = ngx_strlchr(p, last, ' ');

    if (space == NULL || space - p < 3 || ngx_strncmp(p, "0x", 2) != 0) {
        return;
    }

    value = ngx_hextoi(p + 2, space - p - 2);

    if (value == NGX_ERROR) {
        return;
    }

    pc = (uint64_t) value;

    for (i = 0; i < l->n; i++) {

        if (l->pcs[i] == pc) {
            known = ngx_prof_names_find(l->frames[i], 1);

            (void) ngx_cpystrn((u_char *) known->name, space + 1,
                               ngx_min((size_t) (last - space),
                                       NGX_PROF_NAME_LEN));
            break;
        }
    }
}


ngx_prof_rawfile_t *
ngx_prof_names_open(ngx_pool_t *pool, uint32_t flags)
{
    ngx_prof_rawfile_t  *f;

    static const ngx_prof_raw_type_t  type = {
        NGX_PROF_S_SAMPLES, NGX_PROF_S_COUNT
    };

    f = ngx_prof_rawfile_open(pool, NGX_PROF_RAW_CPU);
    if (f == NULL) {
        return NULL;
    }

    f->header->output = NGX_PROF_RAW_SYMBOL;
    f->header->flags = flags;

    ngx_prof_rawfile_types(f, &type, 1);
    (void) ngx_prof_rawfile_add(f, 0, 0, 0, ngx_pid);

    return f;
}


/* one stack of one frame for each address; samples of 0 would be left out */

void
ngx_prof_names_add(ngx_prof_rawfile_t *f, const uint64_t *pcs, ngx_uint_t n)
{
    uint32_t    first;
    ngx_uint_t  i;

    static const int64_t  value = 1;

    first = f->stacks;

    ngx_prof_rawfile_section(f, NGX_PROF_RAW_STACKS);

    for (i = 0; i < n; i++) {
        (void) ngx_prof_rawfile_stack(f, &pcs[i], 1, NGX_PROF_RAW_ALL_EXACT);
    }

    ngx_prof_rawfile_close(f, (uint32_t) n);

    ngx_prof_rawfile_section(f, NGX_PROF_RAW_SAMPLES);

    for (i = 0; i < n; i++) {
        ngx_prof_rawfile_sample(f, 0, first + (uint32_t) i, 0, &value, 1);
    }

    ngx_prof_rawfile_close(f, (uint32_t) n);
}
