
/*
 * Makes a raw capture from a description on standard input, for the tests of
 * the encoder.  One statement a line; fields are separated by blanks, and
 * %xx in a field is a byte.
 *
 *     output pprof|text|dump|symbol
 *     kind cpu|heap|block|mutex|goroutine|threadcreate
 *     flags N
 *     time N | duration N | period N TYPE UNIT
 *     default TYPE | program PATH | comment TEXT
 *     type TYPE UNIT
 *     process PID [label ...]      the statements below belong to it
 *     map START LIMIT OFFSET MAJOR:MINOR INODE BUILDID|- PATH|-
 *     maps FILE                    text in the form of /proc/<pid>/maps
 *     mapstext TEXT                such text itself
 *     share N                      use the mappings of process N
 *     sample VALUE,... FLAGS [label ...] @ frame ...
 *     noprocess                    samples below have no process
 *
 * A label is key=text or key:number or key:number:unit; a frame is a number
 * or =name.  Every process has sections of its own, as a worker's slot would.
 */


#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngx_prof_raw.h"


#define MKRAW_FIELDS  8192


typedef struct {
    uint8_t   *data;
    size_t     len;
    size_t     size;
    uint32_t   count;
} mkraw_buf_t;


static ngx_prof_raw_header_t  header;
static mkraw_buf_t            strings, types, comments, mapsets;
static mkraw_buf_t            maprows, processes, labelsets, stacks;
static mkraw_buf_t            samples;
static char                 **texts;
static uint32_t               nmaprows, maptext, npid, nlabels;
static uint32_t               shared = NGX_PROF_RAW_NONE;
static int                    open_process, no_process;


static void
put(mkraw_buf_t *b, const void *data, size_t len)
{
    if (b->len + len > b->size) {
        b->size = (b->len + len) * 2;
        b->data = realloc(b->data, b->size);

        if (b->data == NULL) {
            abort();
        }
    }

    if (len != 0) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }
}


static uint32_t
string_n(const char *s, size_t len)
{
    uint32_t                        i, pad;
    ngx_prof_raw_string_t  h;

    if (len == 0) {
        return 0;
    }

    for (i = 0; i < strings.count; i++) {
        if (strlen(texts[i]) == len && memcmp(texts[i], s, len) == 0) {
            return i + 1;
        }
    }

    texts = realloc(texts, (strings.count + 1) * sizeof(char *));
    texts[strings.count] = calloc(1, len + 1);
    memcpy(texts[strings.count], s, len);

    pad = 0;
    h.len = len;

    put(&strings, &h, sizeof(h));
    put(&strings, s, len);
    put(&strings, &pad, (4 - len % 4) % 4);

    return ++strings.count;
}


static uint32_t
string(char *s)
{
    char      *p, *d, hex[3];

    for (p = s, d = s; *p; p++) {
        if (*p == '%' && p[1] && p[2]) {
            hex[0] = p[1];
            hex[1] = p[2];
            hex[2] = '\0';
            *d++ = strtoul(hex, NULL, 16);
            p += 2;
            continue;
        }

        *d++ = *p;
    }

    return string_n(s, d - s);
}


static uint32_t
labels(char **field, unsigned n)
{
    char                    *p, *unit;
    unsigned                 i;
    ngx_prof_raw_label_t     label;
    ngx_prof_raw_labelset_t  set;

    if (n == 0) {
        return 0;
    }

    memset(&set, 0, sizeof(set));
    set.count = n;
    put(&labelsets, &set, sizeof(set));

    for (i = 0; i < n; i++) {
        memset(&label, 0, sizeof(label));

        p = field[i] + strcspn(field[i], "=:");

        if (*p == '=') {
            *p++ = '\0';
            label.str = string(p);

        } else {
            *p++ = '\0';
            label.str = NGX_PROF_RAW_NONE;
            label.num = strtoll(p, &unit, 0);

            if (*unit == ':') {
                label.unit = string(unit + 1);
            }
        }

        label.key = string(field[i]);
        put(&labelsets, &label, sizeof(label));
    }

    labelsets.count++;

    return labelsets.count;
}


/* the count of an empty section is 0: sections are written anyway */

static void
section(mkraw_buf_t *out, uint32_t type, mkraw_buf_t *b)
{
    uint64_t                zero;
    ngx_prof_raw_section_t  s;

    zero = 0;
    s.type = type;
    s.count = b->count;
    s.size = b->len;

    put(out, &s, sizeof(s));
    put(out, b->data, b->len);
    put(out, &zero, (8 - b->len % 8) % 8);
}


static void
end_process(void)
{
    ngx_prof_raw_mapset_t   set;
    ngx_prof_raw_process_t  process;

    if (!open_process) {
        return;
    }

    memset(&process, 0, sizeof(process));
    process.pid = npid;
    process.labels = nlabels;
    process.mapset = mapsets.count;

    if (shared != NGX_PROF_RAW_NONE) {
        process.mapset =
            ((ngx_prof_raw_process_t *) processes.data)[shared]
            .mapset;

    } else {
        set.nmappings = nmaprows;
        set.maps = maptext;
        put(&mapsets, &set, sizeof(set));
        put(&mapsets, maprows.data, maprows.len);
        mapsets.count++;
    }

    put(&processes, &process, sizeof(process));
    processes.count++;

    maprows.len = 0;
    nmaprows = 0;
    maptext = 0;
    shared = NGX_PROF_RAW_NONE;
    open_process = 0;
}


static void
map(char **field)
{
    char                   *p;
    ngx_prof_raw_mapping_t  m;

    memset(&m, 0, sizeof(m));

    m.start = strtoull(field[1], NULL, 0);
    m.limit = strtoull(field[2], NULL, 0);
    m.offset = strtoull(field[3], NULL, 0);
    m.major = strtoul(field[4], &p, 16);
    m.minor = strtoul(p + 1, NULL, 16);
    m.inode = strtoull(field[5], NULL, 0);
    m.build_id = strcmp(field[6], "-") ? string(field[6]) : 0;
    m.path = strcmp(field[7], "-") ? string(field[7]) : 0;

    put(&maprows, &m, sizeof(m));
    nmaprows++;
}


static void
maps(const char *file)
{
    FILE    *f;
    size_t   n;
    char     buf[65536];

    f = fopen(file, "r");
    if (f == NULL) {
        perror(file);
        exit(1);
    }

    n = fread(buf, 1, sizeof(buf), f);
    fclose(f);

    maptext = string_n(buf, n);
}


static void
sample(char **field, unsigned n)
{
    char                  *p;
    int64_t                value;
    uint64_t               pc;
    unsigned               i, at;
    ngx_prof_raw_stack_t   stack;
    ngx_prof_raw_sample_t  s;

    for (at = 3; at < n && strcmp(field[at], "@") != 0; at++) { /* void */ }

    memset(&s, 0, sizeof(s));
    s.process = no_process ? NGX_PROF_RAW_NONE : processes.count;
    s.stack = stacks.count;
    s.labels = labels(field + 3, at - 3);

    put(&samples, &s, sizeof(s));
    samples.count++;

    for (p = field[1]; *p; p += (*p == ',')) {
        value = strtoll(p, &p, 0);
        put(&samples, &value, sizeof(value));
    }

    stack.depth = (at < n) ? n - at - 1 : 0;
    stack.flags = strtoul(field[2], NULL, 0);

    put(&stacks, &stack, sizeof(stack));
    stacks.count++;

    for (i = at + 1; i < n; i++) {
        pc = (field[i][0] == '=')
             ? NGX_PROF_RAW_NAMED | string(field[i] + 1)
             : strtoull(field[i], NULL, 0);
        put(&stacks, &pc, sizeof(pc));
    }
}


static unsigned
word(const char *s, const char *list)
{
    char      *copy, *p;
    unsigned   i;

    copy = strdup(list);
    i = 1;

    for (p = strtok(copy, " "); p; p = strtok(NULL, " "), i++) {
        if (strcmp(p, s) == 0) {
            free(copy);
            return i;
        }
    }

    free(copy);

    return strtoul(s, NULL, 0);
}


static void
statement(char **f, unsigned n)
{
    uint32_t             i;
    ngx_prof_raw_type_t  type;

    if (strcmp(f[0], "output") == 0) {
        header.output = word(f[1], "pprof text dump symbol");

    } else if (strcmp(f[0], "kind") == 0) {
        header.kind = word(f[1], "cpu heap block mutex goroutine "
                                 "threadcreate");

    } else if (strcmp(f[0], "flags") == 0) {
        header.flags = strtoul(f[1], NULL, 0);

    } else if (strcmp(f[0], "time") == 0) {
        header.time_nanos = strtoll(f[1], NULL, 0);

    } else if (strcmp(f[0], "duration") == 0) {
        header.duration_nanos = strtoll(f[1], NULL, 0);

    } else if (strcmp(f[0], "period") == 0 && n == 4) {
        header.period = strtoll(f[1], NULL, 0);
        header.period_type = string(f[2]);
        header.period_unit = string(f[3]);

    } else if (strcmp(f[0], "default") == 0) {
        header.default_type = string(f[1]);

    } else if (strcmp(f[0], "program") == 0) {
        header.program = string(f[1]);

    } else if (strcmp(f[0], "comment") == 0) {
        i = string(f[1]);
        put(&comments, &i, sizeof(i));
        comments.count++;

    } else if (strcmp(f[0], "type") == 0 && n == 3) {
        type.type = string(f[1]);
        type.unit = string(f[2]);
        put(&types, &type, sizeof(type));
        types.count++;

    } else if (strcmp(f[0], "process") == 0) {
        end_process();
        npid = strtoul(f[1], NULL, 0);
        nlabels = labels(f + 2, n - 2);
        open_process = 1;
        no_process = 0;

    } else if (strcmp(f[0], "noprocess") == 0) {
        end_process();
        no_process = 1;

    } else if (strcmp(f[0], "map") == 0 && n == 8) {
        map(f);

    } else if (strcmp(f[0], "maps") == 0) {
        maps(f[1]);

    } else if (strcmp(f[0], "mapstext") == 0) {
        maptext = string(f[1]);

    } else if (strcmp(f[0], "share") == 0) {
        shared = strtoul(f[1], NULL, 0);

    } else if (strcmp(f[0], "sample") == 0 && n >= 3) {
        sample(f, n);

    } else {
        fprintf(stderr, "mkraw: cannot read \"%s\"\n", f[0]);
        exit(1);
    }
}


int
main(void)
{
    char         *line, *p, *field[MKRAW_FIELDS + 1];
    size_t        size;
    unsigned      n;
    mkraw_buf_t   out;

    memcpy(header.magic, NGX_PROF_RAW_MAGIC, NGX_PROF_RAW_MAGIC_LEN);
    header.version = NGX_PROF_RAW_VERSION;
    header.header_size = sizeof(header);
    header.output = NGX_PROF_RAW_PPROF;
    header.kind = NGX_PROF_RAW_CPU;

    line = NULL;
    size = 0;

    while (getline(&line, &size, stdin) > 0) {
        n = 0;

        for (p = strtok(line, " \n");
             p && n < MKRAW_FIELDS;
             p = strtok(NULL, " \n"))
        {
            field[n++] = p;
        }

        if (n != 0 && field[0][0] != '#') {
            statement(field, n);
        }
    }

    end_process();

    memset(&out, 0, sizeof(out));
    put(&out, &header, sizeof(header));

    /* strings come last: the reader must not depend on the order */

    section(&out, NGX_PROF_RAW_TYPES, &types);
    section(&out, NGX_PROF_RAW_SAMPLES, &samples);
    section(&out, NGX_PROF_RAW_STACKS, &stacks);
    section(&out, NGX_PROF_RAW_LABELSETS, &labelsets);
    section(&out, NGX_PROF_RAW_PROCESSES, &processes);
    section(&out, NGX_PROF_RAW_MAPSETS, &mapsets);
    section(&out, NGX_PROF_RAW_COMMENTS, &comments);
    section(&out, NGX_PROF_RAW_STRINGS, &strings);

    ((ngx_prof_raw_header_t *) out.data)->total_size = out.len;

    return fwrite(out.data, 1, out.len, stdout) != out.len;
}
