
/*
 * Parses rows of /proc/<pid>/maps, as proc(5) describes them:
 *
 *     start-limit perms offset major:minor inode    path
 *
 * A newline in the path is written as \012.  Workers pass the text unparsed,
 * because parsing would take time from their event loops.
 */


#include <string.h>

#include "procmaps.h"


static int profiling_procmaps_row(profiling_row_t *row, const char *p,
    const char *last);
static const char *profiling_procmaps_number(const char *p, const char *last,
    unsigned base, char end, uint64_t *v);
static void profiling_procmaps_path(profiling_row_t *row, const char *p,
    const char *last);
static void profiling_procmaps_build_id(profiling_mapset_t *set,
    profiling_row_t *from, size_t n);


void
profiling_raw_maps(profiling_mapset_t *set, profiling_str_t *text)
{
    size_t            n, given, room;
    const char       *p, *end, *last;
    profiling_row_t  *from, *rows, row;

    from = set->rows;
    given = set->nrows;

    rows = NULL;
    room = 0;
    n = 0;

    p = text->data;
    last = p + text->len;

    while (p < last) {
        end = memchr(p, '\n', last - p);
        if (end == NULL) {
            end = last;
        }

        memset(&row, 0, sizeof(profiling_row_t));

        if (profiling_procmaps_row(&row, p, end)) {
            if (n == room) {
                rows = profiling_grow(rows, n, sizeof(profiling_row_t),
                                      &room);
            }

            rows[n++] = row;
        }

        p = end + 1;
    }

    set->rows = rows;
    set->nrows = n;

    profiling_procmaps_build_id(set, from, given);
}


static int
profiling_procmaps_row(profiling_row_t *row, const char *p, const char *last)
{
    int       executable;
    uint64_t  major, minor;

    p = profiling_procmaps_number(p, last, 16, '-', &row->start);
    p = profiling_procmaps_number(p, last, 16, ' ', &row->limit);

    if (p == NULL || last - p < 5) {
        return 0;
    }

    executable = (p[2] == 'x');

    p = profiling_procmaps_number(p + 5, last, 16, ' ', &row->offset);
    p = profiling_procmaps_number(p, last, 16, ':', &major);
    p = profiling_procmaps_number(p, last, 16, ' ', &minor);
    p = profiling_procmaps_number(p, last, 10, ' ', &row->inode);

    if (p == NULL || !executable || row->start >= row->limit
        || row->offset > UINT64_MAX - (row->limit - row->start))
    {
        return 0;
    }

    row->major = major;
    row->minor = minor;
    row->path.data = "";
    row->build_id.data = "";

    while (p < last && *p == ' ') {
        p++;
    }

    profiling_procmaps_path(row, p, last);

    return 1;
}


/* reads digits up to "end" or the end of the line; returns NULL for NULL */

static const char *
profiling_procmaps_number(const char *p, const char *last, unsigned base,
    char end, uint64_t *v)
{
    unsigned     c;
    const char  *start;

    *v = 0;

    if (p == NULL) {
        return NULL;
    }

    for (start = p; p < last && *p != end; p++) {

        if (*p >= '0' && *p <= '9') {
            c = *p - '0';

        } else if (base == 16 && *p >= 'a' && *p <= 'f') {
            c = *p - 'a' + 10;

        } else {
            return NULL;
        }

        if (*v > (UINT64_MAX - c) / base) {
            return NULL;
        }

        *v = *v * base + c;
    }

    if (p == start) {
        return NULL;
    }

    return (p < last) ? p + 1 : last;
}


static void
profiling_procmaps_path(profiling_row_t *row, const char *p, const char *last)
{
    char  *d;

    if (p >= last) {
        return;
    }

    d = profiling_alloc(last - p + 1);
    row->path.data = d;

    while (p < last) {
        if (last - p >= 4 && memcmp(p, "\\012", 4) == 0) {
            *d++ = '\n';
            p += 4;
            continue;
        }

        *d++ = *p++;
    }

    row->path.len = d - row->path.data;
}


static void
profiling_procmaps_build_id(profiling_mapset_t *set, profiling_row_t *from,
    size_t n)
{
    size_t            i, k;
    profiling_row_t  *row;

    for (i = 0; i < set->nrows; i++) {
        row = &set->rows[i];

        for (k = 0; k < n; k++) {
            if (from[k].start >= row->start && from[k].start < row->limit) {
                row->build_id = from[k].build_id;
                break;
            }
        }
    }
}
