
/*
 * The raw capture, which the module writes to the encoder's standard input.
 *
 * The worker that answers a request writes the capture in one pass over the
 * slots of all workers; only the encoder reads it.  This file needs no nginx
 * header, so that the encoder and the tests can include it.
 *
 * Layout: one header, then sections until total_size is reached.  A section
 * is a section header and "size" bytes of payload, padded with zeros to the
 * next multiple of 8; the size does not include the padding.  Sections of one
 * type may occur several times (say once a worker) and in any order; their
 * records are numbered through all of them, in file order.  A record may refer
 * to a later record.
 *
 * All integers are little-endian.  A producer may write headers before it knows
 * the number of records, and patch total_size, count and size afterwards.
 *
 * A change of meaning, size or order raises the version: module and encoder
 * are built together, and the encoder refuses any version but its own.  The
 * header may grow at its end: header_size tells where the sections begin.
 */


#ifndef _NGX_PROF_RAW_H_INCLUDED_
#define _NGX_PROF_RAW_H_INCLUDED_


#include <stdint.h>


#define NGX_PROF_RAW_MAGIC       "\x93NGXPRF\n"
#define NGX_PROF_RAW_MAGIC_LEN   8
#define NGX_PROF_RAW_VERSION     1


/* header.output */

#define NGX_PROF_RAW_PPROF       1              /* gzip profile.proto */
#define NGX_PROF_RAW_TEXT        2              /* Go's debug=1 */
#define NGX_PROF_RAW_DUMP        3              /* Go's debug=2: goroutine */
#define NGX_PROF_RAW_SYMBOL      4              /* answer of /symbol */
#define NGX_PROF_RAW_TRACE       5              /* see ngx_prof_trace.h */
#define NGX_PROF_RAW_MODULES     6              /* of objects, by an address */


/* header.kind; values[] of a sample are as in header types */

#define NGX_PROF_RAW_CPU           1
#define NGX_PROF_RAW_HEAP          2              /* heap and allocs */
#define NGX_PROF_RAW_BLOCK         3
#define NGX_PROF_RAW_MUTEX         4
#define NGX_PROF_RAW_GOROUTINE     5
#define NGX_PROF_RAW_THREADCREATE  6


/* section.type; an unknown type with the optional bit is skipped */

#define NGX_PROF_RAW_STRINGS     1
#define NGX_PROF_RAW_TYPES       2
#define NGX_PROF_RAW_COMMENTS    3
#define NGX_PROF_RAW_MAPSETS     4
#define NGX_PROF_RAW_PROCESSES   5
#define NGX_PROF_RAW_LABELSETS   6
#define NGX_PROF_RAW_STACKS      7
#define NGX_PROF_RAW_SAMPLES     8
                                 /* 9 to 11 are those of traces */
#define NGX_PROF_RAW_FUNCTIONS   12
#define NGX_PROF_RAW_OPTIONAL    0x80000000


/*
 * Frames are return addresses as the walk found them, leaf first; the encoder
 * subtracts 1.  Flags of a stack mark exact addresses instead: the leaf (the PC
 * that a signal interrupted) or all frames (entries of functions).
 */

#define NGX_PROF_RAW_LEAF_EXACT  0x00000001
#define NGX_PROF_RAW_ALL_EXACT   0x00000002

/*
 * Of the header: addresses in the output follow from object and offset alone,
 * and tell nothing of where an object is mapped.  The addresses that _SYMBOL
 * asks for are such ones, too.
 */

#define NGX_PROF_RAW_RELATIVE    0x00000004

/*
 * Frames that are not addresses.  Small numbers have fixed names.  If the top
 * bit is set, the other bits are the number of the string that names the
 * frame.  An address in no mapping is [unknown].
 */

#define NGX_PROF_RAW_TRUNCATED   1              /* [truncated] */
#define NGX_PROF_RAW_BROKEN      2              /* [broken] */
#define NGX_PROF_RAW_JIT         3              /* [jit] */
#define NGX_PROF_RAW_UNKNOWN     4              /* [unknown] */
#define NGX_PROF_RAW_KERNEL      5              /* [kernel] */
#define NGX_PROF_RAW_LUAJIT      6              /* [luajit] */
#define NGX_PROF_RAW_PCRE2_JIT   7              /* [pcre2-jit] */
#define NGX_PROF_RAW_RESERVED    15             /* 7 < pc <= 15: [unknown] */
#define NGX_PROF_RAW_NAMED       0x8000000000000000ULL

/*
 * Frames of scripts have the bits of _SCRIPT above, and below them the index of
 * one of the FUNCTIONS, and the line that runs, or 0.  One whose function is
 * not given is [lua].
 */
#define NGX_PROF_RAW_SCRIPT       0x7c0001ULL   /* bits 40 .. 63 */
#define NGX_PROF_RAW_SCRIPT_INDEX 0xfffff       /* bits 20 .. 39 */
#define NGX_PROF_RAW_SCRIPT_LINE  0xfffff       /* bits 0 .. 19 */


#define NGX_PROF_RAW_MAX_TYPES   8
#define NGX_PROF_RAW_MAX_FRAMES  4096
#define NGX_PROF_RAW_MAX_LABELS  64
#define NGX_PROF_RAW_NONE        0xffffffff


typedef struct {
    uint8_t   magic[NGX_PROF_RAW_MAGIC_LEN];
    uint32_t  version;
    uint32_t  header_size;        /* bytes, multiple of 8: first section */
    uint64_t  total_size;         /* bytes, this header included */
    uint32_t  output;
    uint32_t  kind;
    uint32_t  flags;              /* stack flags that hold for every stack */
    uint32_t  default_type;       /* string, 0: none */
    uint32_t  period_type;        /* string */
    uint32_t  period_unit;        /* string */
    int64_t   period;             /* in period_unit; heap: bytes a sample */
    int64_t   time_nanos;         /* wall clock, end of a delta */
    int64_t   duration_nanos;     /* 0 for cumulative profiles */
    uint32_t  program;            /* string: path of the main program or 0 */
    uint32_t  reserved;           /* 0 */
} ngx_prof_raw_header_t;


typedef struct {
    uint32_t  type;
    uint32_t  count;              /* records in the payload */
    uint64_t  size;               /* bytes of payload, without the padding */
} ngx_prof_raw_section_t;


/*
 * STRINGS: this header, then len bytes, padded with zeros to a multiple of 4.
 * Strings are numbered from 1; 0 is the empty string and is never written.
 * Any bytes are allowed: the encoder repairs what is no UTF-8.
 */

typedef struct {
    uint32_t  len;                /* bytes, without the padding */
} ngx_prof_raw_string_t;


/* TYPES: one for each value of a sample, in the order of the values */

typedef struct {
    uint32_t  type;               /* string */
    uint32_t  unit;               /* string */
} ngx_prof_raw_type_t;


/* COMMENTS: a uint32_t each, a string: what was dropped, and why */


/*
 * MAPSETS: this header, then nmappings mappings.  Numbered from 0; processes
 * with identical mappings share one.
 *
 * The rows may be given as mappings, as the text of /proc/<pid>/maps, or as
 * both: a row of the text then takes the build id of a mapping that starts in
 * it.
 */

typedef struct {
    uint32_t  nmappings;
    uint32_t  maps;               /* string: text of /proc/<pid>/maps, or 0 */
} ngx_prof_raw_mapset_t;


typedef struct {
    uint64_t  start;
    uint64_t  limit;              /* first address behind the mapping */
    uint64_t  offset;             /* in the file, bytes */
    uint32_t  major;              /* device of the file, 0: not known */
    uint32_t  minor;
    uint64_t  inode;              /* 0: not known */
    uint32_t  path;               /* string, may end in " (deleted)" */
    uint32_t  build_id;           /* string: lower-case hex, or 0 */
} ngx_prof_raw_mapping_t;


/* PROCESSES: numbered from 0 */

typedef struct {
    uint32_t  pid;
    uint32_t  mapset;
    uint32_t  labels;             /* label set that all its samples carry */
    uint32_t  reserved;           /* 0 */
} ngx_prof_raw_process_t;


/*
 * LABELSETS: this header, then count labels.  Numbered from 1; 0 is the empty
 * set and is never written.  A key has one value: a sample's own label takes
 * precedence over that of its process.
 */

typedef struct {
    uint32_t  count;
    uint32_t  reserved;           /* 0 */
} ngx_prof_raw_labelset_t;


typedef struct {
    uint32_t  key;                /* string */
    uint32_t  str;                /* string, or _RAW_NONE: numeric label */
    uint32_t  unit;               /* string, of num; may be 0 */
    uint32_t  reserved;           /* 0 */
    int64_t   num;
} ngx_prof_raw_label_t;


/*
 * The dump of goroutines (_RAW_DUMP) reads three labels that it does not
 * print as labels: "goroutine" (number), "state", "wait" (seconds).
 */

#define NGX_PROF_RAW_LABEL_ID     "goroutine"
#define NGX_PROF_RAW_LABEL_STATE  "state"
#define NGX_PROF_RAW_LABEL_WAIT   "wait"


/* FUNCTIONS: of scripts, each index at most once */

typedef struct {
    uint32_t  index;              /* up to _RAW_SCRIPT_INDEX */
    uint32_t  file;               /* string */
    uint32_t  name;               /* string, may be empty */
    uint32_t  line;               /* of the definition, or 0 */
} ngx_prof_raw_function_t;


/* STACKS: this header, then depth frames of uint64_t.  Numbered from 0 */

typedef struct {
    uint32_t  depth;
    uint32_t  flags;              /* _RAW_LEAF_EXACT, _RAW_ALL_EXACT */
} ngx_prof_raw_stack_t;


/*
 * SAMPLES: this header, then one int64_t for each of the TYPES.  The encoder
 * adds up samples with the same frames and labels and omits all-zero sums.  So
 * a producer may write the difference of two readings as the second reading,
 * and the first with negated values.
 */

typedef struct {
    uint32_t  process;            /* or _RAW_NONE: only synthetic frames */
    uint32_t  stack;
    uint32_t  labels;             /* 0: none */
    uint32_t  reserved;           /* 0 */
} ngx_prof_raw_sample_t;


#endif /* _NGX_PROF_RAW_H_INCLUDED_ */
