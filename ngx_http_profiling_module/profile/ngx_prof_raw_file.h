
/*
 * Writes raw captures (ngx_prof_raw.h), with all that is needed to
 * name what is in them.  Worker, normal context.
 *
 *     raw_file.c  the format: sections, strings, labels, stacks, samples
 *     raw_maps.c  processes and what they have mapped
 */


#ifndef _NGX_PROF_RAW_FILE_H_INCLUDED_
#define _NGX_PROF_RAW_FILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_stacks.h"
#include "ngx_prof_text.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_zone.h"
#include "ngx_prof_raw.h"


/* distinct labels that are found again, a power of two */
#define NGX_PROF_LABELS    8192


/* strings that each capture has, in their order */

typedef enum {
    NGX_PROF_S_NONE = 0,
    NGX_PROF_S_SAMPLES,
    NGX_PROF_S_COUNT,
    NGX_PROF_S_CPU,
    NGX_PROF_S_NANOSECONDS,
    NGX_PROF_S_SERVER,
    NGX_PROF_S_LOCATION,
    NGX_PROF_S_UPSTREAM,
    NGX_PROF_S_STATE,
    NGX_PROF_S_PID,
    NGX_PROF_S_WORKER,
    NGX_PROF_S_PROCESS,
    NGX_PROF_S_STATES                    /* the first of the states' names */
} ngx_prof_string_e;


/* a process that is written; 0: not known, or of no meaning */

typedef struct {
    uint64_t                      image;        /* hash of what is mapped */
    ngx_pid_t                     pid;          /* its label */
} ngx_prof_rawfile_process_t;


/* a cached set of labels */

typedef struct {
    uint64_t                      size;         /* class of a block, or 0 */
    uint32_t                      label;
    uint32_t                      set;          /* 0: not written yet */
} ngx_prof_known_labels_t;


typedef struct {
    ngx_prof_text_t            text;
    ngx_prof_zone_t           *zone;
    ngx_pool_t                *pool;
    off_t                      start;           /* of the open section */
    uint32_t                   places;          /* number of the string
                                                   before the first */
    uint32_t                   upstreams;
    uint32_t                   upstream_n;
    ngx_uint_t                 upstream;        /* whose name is the next */
    ngx_uint_t                 named;           /* all names are written */

    ngx_uint_t                 place;           /* whose name is the next */
    ngx_uint_t                 place_n;
    uint32_t                   strings;         /* written so far */
    uint32_t                   mapsets;
    ngx_array_t                processes;
                                       /* ngx_prof_rawfile_process_t */
    uint32_t                   labelsets;
    uint32_t                   stacks;
    ngx_pid_t                  mapped;          /* of the latest mapset */
    ngx_str_t                  maps;            /* the same */
    uint64_t                   dropped;
    ngx_uint_t                 luajit;          /* stacks have [luajit] */
    ngx_uint_t                 scripted;        /* and have named these: */
    u_char                     scripts[NGX_PROF_FUNCTIONS_MAX / 8];
    ngx_uint_t                 ended;           /* that was told: some had
                                                   other objects */
    ngx_array_t                comments;        /* uint32_t, strings */
    ngx_prof_known_labels_t    known[NGX_PROF_LABELS];

    ngx_prof_raw_header_t   *header;
    ngx_prof_raw_section_t  *section; /* the open one */
} ngx_prof_rawfile_t;


/*
 * Writes some of the names that labels need, before the first label: NGX_AGAIN,
 * or NGX_OK when all are written.  Other strings are written before or after.
 */
ngx_int_t ngx_prof_rawfile_names(ngx_prof_rawfile_t *f);

/* NGX_OK: f->text is complete; NGX_ERROR: out of memory */
ngx_int_t ngx_prof_rawfile_finish(ngx_prof_rawfile_t *f);


/*
 * For writers of other profiles.  open() begins a capture; the caller sets
 * types, period and times in f->header.
 */
ngx_prof_rawfile_t *ngx_prof_rawfile_open(ngx_pool_t *pool, uint32_t kind);

/* NGX_PROF_RAW_RELATIVE, if profiling_anonymize asks for it */
uint32_t ngx_prof_rawfile_relative(void);

void ngx_prof_rawfile_types(ngx_prof_rawfile_t *f,
    const ngx_prof_raw_type_t *types, uint32_t n);

/* begins and ends a section; its text is written in between */
void ngx_prof_rawfile_section(ngx_prof_rawfile_t *f, uint32_t type);
void ngx_prof_rawfile_close(ngx_prof_rawfile_t *f, uint32_t count);

/* writes a whole section */
void ngx_prof_rawfile_put(ngx_prof_rawfile_t *f, uint32_t type,
    const void *data, size_t size, uint32_t count);

/* in a section of stacks: writes a stack, returns its number */
uint32_t ngx_prof_rawfile_stack(ngx_prof_rawfile_t *f, const uint64_t *pcs,
    ngx_uint_t depth, uint32_t flags);

/* in a section of samples: writes a sample; n: the number of types */
void ngx_prof_rawfile_sample(ngx_prof_rawfile_t *f, uint32_t process,
    uint32_t stack, uint32_t labels, const int64_t *values, ngx_uint_t n);

/* a string in a section of its own; its number */
uint32_t ngx_prof_rawfile_one(ngx_prof_rawfile_t *f, const void *data,
    size_t len);


/*
 * sets the labels of a place and an upstream, at most 3; returns their number
 */
ngx_uint_t ngx_prof_rawfile_place(ngx_prof_rawfile_t *f, uint32_t label,
    ngx_prof_raw_label_t *labels);

/*
 * The cached set of a label and, for memory, of the class of a block's size,
 * or 0.  If its set is 0, the caller must write one and store its number at
 * once.
 */
ngx_prof_known_labels_t *ngx_prof_rawfile_known(ngx_prof_rawfile_t *f,
    uint32_t label, uint64_t size);

/* writes a set of labels, returns its number */
uint32_t ngx_prof_rawfile_labelset(ngx_prof_rawfile_t *f,
    const ngx_prof_raw_label_t *labels, uint32_t n);

void ngx_prof_rawfile_comment(ngx_prof_rawfile_t *f, const char *format, ...);


#endif /* _NGX_PROF_RAW_FILE_H_INCLUDED_ */
