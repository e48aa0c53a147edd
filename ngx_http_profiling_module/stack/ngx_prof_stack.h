
/*
 * The terms of a walk: the bounds of a thread's stack, frames, why the walk
 * ended, and its cache.
 */


#ifndef _NGX_PROF_STACK_H_INCLUDED_
#define _NGX_PROF_STACK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_cfi.h"
#include "ngx_prof_objects.h"


#define NGX_PROF_FRAMES           128

/* entries of a cache, powers of two; mixed loads have some 500 callers */
#define NGX_PROF_UNWIND_CACHE     512
#define NGX_PROF_UNWIND_TEXTS     64


/*
 * Synthetic frames.  Addresses 1..15 are never those of code: nothing can be
 * mapped there.  They stand in the array like any other frame.
 */

#define NGX_PROF_FRAME_TRUNCATED  1             /* last: there were more */
#define NGX_PROF_FRAME_BROKEN     2             /* last: cannot go on */
#define NGX_PROF_FRAME_JIT        3             /* code of no object; its
                                                   caller follows */
                                             /* 5 is that of the format */
#define NGX_PROF_FRAME_LUAJIT     6             /* the same; the caller is */
#define NGX_PROF_FRAME_PCRE2_JIT  7             /* in that library */
#define NGX_PROF_FRAME_RESERVED   15

/*
 * Frames of scripts: a function in the zone's table of them, and the line that
 * runs, 0: not known.  No address and no packed frame (frame.h) has the bits
 * above.
 */

#define NGX_PROF_FRAME_LUA        0x7c0001ull
#define NGX_PROF_FRAME_LINES      20

#define ngx_prof_frame_lua(i, line)                                           \
    (NGX_PROF_FRAME_LUA << 40                                                 \
     | (uint64_t) (i) << NGX_PROF_FRAME_LINES                                 \
     | ((line) >> NGX_PROF_FRAME_LINES ? 0 : (uint64_t) (line)))

#define ngx_prof_frame_is_lua(frame)  ((frame) >> 40 == NGX_PROF_FRAME_LUA)

/* frames that are no addresses */
#define ngx_prof_frame_is_synthetic(frame)                                    \
    ((frame) <= NGX_PROF_FRAME_RESERVED || ngx_prof_frame_is_lua(frame))

#define ngx_prof_frame_lua_index(frame)                                       \
    ((ngx_uint_t) ((frame) >> NGX_PROF_FRAME_LINES & 0xfffff))

#define ngx_prof_frame_lua_line(frame)                                        \
    ((uint32_t) ((frame) & ((1 << NGX_PROF_FRAME_LINES) - 1)))


/* why a walk ended; all but the first two end in FRAME_BROKEN */

#define NGX_PROF_UNWIND_COMPLETE  0             /* the thread's start */
#define NGX_PROF_UNWIND_TRUNCATED 1             /* no room for more frames */
#define NGX_PROF_UNWIND_NO_TABLE  2             /* no object list was made */
#define NGX_PROF_UNWIND_FOREIGN   3             /* not on the given stack */
#define NGX_PROF_UNWIND_BAD_CFA   4             /* frame outside the stack */
#define NGX_PROF_UNWIND_BAD_RA    5             /* returns to no code */
#define NGX_PROF_UNWIND_NO_CALLER 6             /* no CFI, nothing found */
#define NGX_PROF_UNWIND_CAUSES    7


typedef struct {
    uintptr_t    lo;             /* lowest address of the thread's stack */
    uintptr_t    top;            /* the one after its highest */
} ngx_prof_stack_t;


typedef struct {
    ngx_uint_t  cause;           /* NGX_PROF_UNWIND_* */
    ngx_uint_t  jit;             /* FRAME_JIT among the frames */
    ngx_uint_t  recovered;       /* callers found without CFI: by a frame
                                    pointer or by a scan of the stack */
    ngx_uint_t  later;           /* frames of objects that were loaded after
                                    the fork */
    uint64_t    walk;            /* its number among those with the cache, 0:
                                    it had none */
    ngx_uint_t  same;            /* frames, from the outermost on, that the walk
                                    with the number before has had */
} ngx_prof_unwind_t;


/* where a walk began, and its frames' stack pointers, the innermost first */

typedef struct {
    const ngx_prof_stack_t   *stack;
    const void               *uc;                      /* NULL: at a call */
    struct ngx_prof_unwind_cache_s  *cache;            /* for walks from a
                                                          call, or NULL */
    uint32_t                  n;
    uint64_t                  sp[NGX_PROF_FRAMES];
} ngx_prof_unwind_path_t;


/* a frame, and what the function had in registers of its own */

typedef struct {
    uintptr_t                 lo;                      /* its part of the */
    uintptr_t                 hi;                      /* stack */
    uint64_t                  saved;                   /* bits: words below hi
                                                          that are its
                                                          caller's, or 0:
                                                          unknown */
    ngx_uint_t                main;                    /* of the program */
    ngx_uint_t                n;                       /* written to */
    ngx_uint_t                all;                     /* with those that have
                                                          what its caller has
                                                          there, the last */
    uint64_t                  own[NGX_PROF_CFI_REGS];
} ngx_prof_unwind_frame_t;


/*
 * What earlier walks found in the tables.  Object and rule of an address belong
 * to one list of objects and are valid while that list is in use.  One thread
 * has a cache for itself; a walk in a signal's handler that interrupts another
 * walk does without.  Zeroed: empty.
 */

/*
 * Steps of rules that nearly all callers have: the CFA is an offset from the
 * stack or frame pointer, and both the return address and the frame pointer are
 * in whole words below it.  START: the thread begins here.
 */

#define NGX_PROF_UNWIND_RULE  0                        /* none of these */
#define NGX_PROF_UNWIND_BY_SP 1
#define NGX_PROF_UNWIND_BY_FP 2
#define NGX_PROF_UNWIND_START 3


typedef struct {
    uint64_t                  addr;                    /* the first one */
    uint32_t                  len;                     /* bytes of text */
    uint32_t                  generation;              /* of the list */
    const ngx_prof_object_t  *object;
    ngx_prof_cfi_rule_t       rule;
    uint8_t                   quick;                   /* UNWIND_* */
    uint8_t                   later;                   /* object->later */
    uint16_t                  depth;                   /* bytes below the CFA
                                                          that a quick step
                                                          loads from */
} ngx_prof_unwind_entry_t;


typedef struct {
    uint64_t  addr;
    uint32_t  generation;
    u_char    before[8];    /* bytes of code */
} ngx_prof_unwind_text_t;


/*
 * A quick step that a walk has taken.  The frame and the words that it loads
 * decide where it leads: while they are the same, so are all frames further
 * out.  The frame pointer counts where a step further out needs it.
 */

#define NGX_PROF_UNWIND_UNSAVED  UINT16_MAX


typedef struct {
    uint64_t  sp;
    uint64_t  pc;
    uint64_t  fp;
    uint16_t  ra;               /* words above sp */
    uint16_t  fp_saved;         /* the same, or UNSAVED: the caller has fp, or
                                   none needs it */
    uint16_t  fp_needed;
    uint16_t  later;            /* frames of objects that were loaded later,
                                   from the outermost on */
} ngx_prof_unwind_taken_t;


typedef struct ngx_prof_unwind_cache_s {
    ngx_prof_unwind_entry_t  entry[NGX_PROF_UNWIND_CACHE]
                             __attribute__((aligned(64)));
    ngx_prof_unwind_text_t   text[NGX_PROF_UNWIND_TEXTS];

    uint32_t                 busy;                     /* a walk uses it */
    uint32_t                 turn;                     /* which of two entries
                                                          is replaced next */

    /* the last walk, with the entry of each of its frames */

    uint16_t                 used[NGX_PROF_FRAMES];
    ngx_prof_unwind_path_t   path;
    uint32_t                 copied;                   /* of its frames, from
                                                          an earlier walk */

    /* the latest walk that reached the thread's start by quick steps */

    uint32_t                 generation;               /* of the list */
    ngx_uint_t               taken_n;
    uintptr_t                top;                      /* of the stack */
    uint64_t                 walk;                     /* its number */
    uint64_t                 walks;
    ngx_prof_unwind_taken_t  taken[NGX_PROF_FRAMES]    /* the outermost */
                             __attribute__((aligned(64)));          /* first */
    ngx_prof_unwind_taken_t  fresh[NGX_PROF_FRAMES];   /* of the present walk,
                                                          the innermost first */
} ngx_prof_unwind_cache_t;


#endif /* _NGX_PROF_STACK_H_INCLUDED_ */
