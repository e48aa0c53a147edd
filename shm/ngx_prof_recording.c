
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_recording.h"


/* bytes of a number at most, and of the parts before the lists */
#define NGX_PROF_RECORDED_NUMBER   10
#define NGX_PROF_RECORDED_HEAD     (3 + 4 * NGX_PROF_RECORDED_NUMBER)
#define NGX_PROF_RECORDED_ENTRY    (3 * NGX_PROF_RECORDED_NUMBER)

/* share of the ring that intervals may take ahead of their time */
#define NGX_PROF_RECORDED_AHEAD    16

/* the ring's bytes in so many parts, by group */
#define NGX_PROF_RECORDED_PARTS    5

/* bits of a value that are no unit: 4 us, 1 us; bytes are exact */
#define NGX_PROF_RECORDED_CPU_BITS   12
#define NGX_PROF_RECORDED_WAIT_BITS  10

#define ngx_prof_recorded_round(n)  (((n) + 63) & ~(size_t) 63)
#define ngx_prof_recorded_words(n)  (((n) + 63) / 64)


static size_t ngx_prof_recorded_size(ngx_uint_t n);
static u_char *ngx_prof_recorded_open(ngx_prof_recorded_t *table, u_char *p,
    ngx_uint_t n, ngx_uint_t shift);
static void ngx_prof_recording_agree(ngx_prof_recorded_slot_t *rec);
static void ngx_prof_recording_room(ngx_prof_recorded_slot_t *rec,
    ngx_uint_t group, uint64_t ms, uint64_t keep);
static u_char *ngx_prof_recording_list(const ngx_prof_recorded_slot_t *rec,
    ngx_uint_t group, uint64_t now, u_char *p, size_t room, ngx_uint_t keep);
static u_char *ngx_prof_recording_table(const ngx_prof_recorded_slot_t *rec,
    ngx_uint_t table, u_char *p, const u_char *last, ngx_uint_t keep);
static ngx_int_t ngx_prof_recording_gain(const ngx_prof_recorded_t *table,
    ngx_uint_t *i, ngx_uint_t keep, ngx_prof_gain_t *gain);
static void ngx_prof_recording_write(ngx_prof_recorded_slot_t *rec,
    const u_char *buf, size_t len, uint64_t since);
static void ngx_prof_recording_forget(ngx_prof_recorded_slot_t *rec, size_t len,
    uint64_t since);
static void ngx_prof_recording_bytes(const ngx_prof_recorded_slot_t *rec,
    uint64_t at, u_char *to, size_t len);
static u_char *ngx_prof_number_put(u_char *p, uint64_t n);
static const u_char *ngx_prof_number(const u_char *p, const u_char *last,
    uint64_t *n);


/* an interval, by the one thread that closes one */
static u_char  ngx_prof_recording_buf[NGX_PROF_RECORDED_BUF];


static size_t
ngx_prof_recorded_size(ngx_uint_t n)
{
    return ngx_prof_recorded_round(n * sizeof(ngx_prof_kept_t))
           + ngx_prof_recorded_round(ngx_prof_recorded_words(n)
                                     * sizeof(uint64_t));
}


size_t
ngx_prof_recording_size(ngx_uint_t cpu, ngx_uint_t waits, ngx_uint_t heap,
    size_t ring)
{
    if (ring == 0) {
        return 0;
    }

    return ngx_prof_recorded_round(sizeof(ngx_prof_recording_t))
           + NGX_PROF_RECORDED_CPUS * (ngx_prof_stacks_size(cpu)
                                       + ngx_prof_recorded_size(cpu))
           + 2 * ngx_prof_recorded_size(waits)
           + ngx_prof_recorded_size(heap)
           + ngx_prof_recorded_round(ring);
}


void
ngx_prof_recording_open(ngx_prof_recorded_slot_t *rec, u_char *start,
    ngx_uint_t cpu, ngx_uint_t waits, ngx_uint_t heap, size_t ring)
{
    u_char               *p;
    ngx_uint_t            i;
    ngx_prof_recorded_t  *table;

    ngx_memzero(rec, sizeof(ngx_prof_recorded_slot_t));

    if (ring == 0) {
        return;
    }

    rec->recording = (ngx_prof_recording_t *) start;
    p = start + ngx_prof_recorded_round(sizeof(ngx_prof_recording_t));

    for (i = 0; i < NGX_PROF_RECORDED_CPUS; i++) {
        table = &rec->table[i];
        table->stacks = (ngx_prof_stacks_t *) p;
        p = ngx_prof_recorded_open(table, p + ngx_prof_stacks_size(cpu), cpu,
                                   NGX_PROF_RECORDED_CPU_BITS);
    }

    p = ngx_prof_recorded_open(&rec->table[NGX_PROF_RECORDED_BLOCK], p, waits,
                               NGX_PROF_RECORDED_WAIT_BITS);
    p = ngx_prof_recorded_open(&rec->table[NGX_PROF_RECORDED_MUTEX], p, waits,
                               NGX_PROF_RECORDED_WAIT_BITS);
    p = ngx_prof_recorded_open(&rec->table[NGX_PROF_RECORDED_ALLOCS], p, heap,
                               0);

    rec->ring = p;
    rec->size = ring;
}


static u_char *
ngx_prof_recorded_open(ngx_prof_recorded_t *table, u_char *p, ngx_uint_t n,
    ngx_uint_t shift)
{
    table->size = n;
    table->shift = shift;
    table->kept = (ngx_prof_kept_t *) p;
    table->touched = (uint64_t *)
                    (p + ngx_prof_recorded_round(n * sizeof(ngx_prof_kept_t)));

    return p + ngx_prof_recorded_size(n);
}


void
ngx_prof_recording_take(ngx_prof_recorded_slot_t *rec, ngx_pid_t pid,
    ngx_uint_t worker, uint64_t now, uint64_t keep)
{
    ngx_uint_t             i;
    ngx_prof_recording_t  *r;

    r = rec->recording;

    for (i = 0; i < NGX_PROF_RECORDED_CPUS; i++) {
        ngx_prof_stacks_take(rec->table[i].stacks, rec->table[i].size);
    }

    if (r->cpu >= NGX_PROF_RECORDED_CPUS
        || r->head - r->tail > rec->size)
    {
        /* something has overwritten it */

        ngx_prof_store(&r->tail, r->head);
        ngx_prof_store(&r->cpu, 0);
    }

    /* of one that was killed while it wrote, that interval is missing */

    if (!r->closing && keep) {

        for (i = 0; i < NGX_PROF_RECORDED_GROUPS; i++) {

            if (r->begin[i] && r->seen > r->begin[i]) {
                ngx_prof_recording_close(rec, i, ngx_min(r->seen, now), keep);
            }
        }
    }

    ngx_prof_recording_agree(rec);

    ngx_prof_store(&r->closing, 0);
    ngx_prof_store(&r->pid, (uint64_t) pid);
    ngx_prof_store(&r->worker, (uint64_t) worker);
    ngx_prof_store(&r->seen, now);

    for (i = 0; i < NGX_PROF_RECORDED_GROUPS; i++) {
        ngx_prof_store_release(&r->begin[i], keep ? now : 0);
    }
}


/* what a table that was emptied had is forgotten */

static void
ngx_prof_recording_agree(ngx_prof_recorded_slot_t *rec)
{
    uint64_t              epoch;
    ngx_uint_t            i;
    ngx_prof_recorded_t  *table;

    for (i = 0; i < NGX_PROF_RECORDED_TABLES; i++) {
        table = &rec->table[i];
        epoch = ngx_prof_load(&table->stacks->epoch);

        if (rec->recording->epoch[i] != epoch) {
            ngx_memzero(table->kept, table->size * sizeof(ngx_prof_kept_t));
            ngx_prof_store(&rec->recording->epoch[i], epoch);
        }
    }
}


void
ngx_prof_recording_close(ngx_prof_recorded_slot_t *rec, ngx_uint_t group,
    uint64_t now, uint64_t keep)
{
    size_t                 len;
    uint64_t               begin;
    ngx_prof_recording_t  *r;

    r = rec->recording;
    begin = r->begin[group];

    if (begin == 0 || now <= begin) {
        return;
    }

    ngx_prof_store(&r->closing, 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);

    ngx_prof_recording_agree(rec);
    ngx_prof_recording_room(rec, group, now - begin, keep);

    len = ngx_prof_recording_list(rec, group, now, ngx_prof_recording_buf,
                                  r->room[group], 1)
          - ngx_prof_recording_buf;

    ngx_prof_recording_write(rec, ngx_prof_recording_buf, len,
                             now > keep ? now - keep : 0);

    ngx_prof_store(&r->room[group], r->room[group]
                                    - ngx_min(len, r->room[group]));
    ngx_prof_store(&r->begin[group], now);
    ngx_prof_store(&r->seen, ngx_max(r->seen, now));

    ngx_prof_store_release(&r->closing, 0);
}


size_t
ngx_prof_recording_open_interval(const ngx_prof_recorded_slot_t *rec,
    ngx_uint_t group, uint64_t now, u_char *buf)
{
    if (ngx_prof_load(&rec->recording->begin[group]) == 0
        || ngx_prof_load(&rec->recording->begin[group]) >= now)
    {
        return 0;
    }

    return ngx_prof_recording_list(rec, group, now, buf,
                                   NGX_PROF_RECORDED_BYTES, 0)
           - buf;
}


/*
 * An interval may take what its time is worth, and a little ahead: so the ring
 * holds `keep` whatever happens.
 */

static void
ngx_prof_recording_room(ngx_prof_recorded_slot_t *rec, ngx_uint_t group,
    uint64_t ms, uint64_t keep)
{
    uint64_t  ahead, room, parts;

    parts = (group == NGX_PROF_RECORDED_TIMES) ? NGX_PROF_RECORDED_PARTS - 1
                                               : 1;
    ahead = rec->size / NGX_PROF_RECORDED_AHEAD;
    room = rec->size - NGX_PROF_RECORDED_GROUPS * ahead;
    room = room / NGX_PROF_RECORDED_PARTS * parts;

    room = rec->recording->room[group]
           + room * ngx_min(ms, keep) / ngx_max(keep, 1);

    ngx_prof_store(&rec->recording->room[group], ngx_min(room, ahead));
}


/* the interval that ends now; keep: what is in it is recorded by that */

static u_char *
ngx_prof_recording_list(const ngx_prof_recorded_slot_t *rec, ngx_uint_t group,
    uint64_t now, u_char *p, size_t room, ngx_uint_t keep)
{
    size_t                 len;
    u_char                *start, *section;
    ngx_uint_t             i, n;
    const u_char          *last;
    ngx_prof_recording_t  *r;

    r = rec->recording;
    start = p;
    last = p + ngx_min(room, NGX_PROF_RECORDED_BYTES);

    p += 2;
    *p++ = (u_char) group;
    p = ngx_prof_number_put(p, now);
    p = ngx_prof_number_put(p, now - r->begin[group]);
    p = ngx_prof_number_put(p, r->pid);
    p = ngx_prof_number_put(p, r->worker);

    i = (group == NGX_PROF_RECORDED_TIMES) ? 0 : NGX_PROF_RECORDED_ALLOCS;
    n = (group == NGX_PROF_RECORDED_TIMES) ? NGX_PROF_RECORDED_ALLOCS
                                           : NGX_PROF_RECORDED_TABLES;

    for ( /* void */ ; i < n; i++) {
        section = p;
        p = ngx_prof_recording_table(rec, i, p, last, keep);

        if (keep && i < NGX_PROF_RECORDED_CPUS && p != section) {
            ngx_prof_store(&r->named[i], now);
        }
    }

    len = p - start;
    start[0] = (u_char) len;
    start[1] = (u_char) (len >> 8);

    return p;
}


/*
 * A section, unless the table has gained nothing.  What has no room is counted
 * before the list, which follows when that is known.
 */

static u_char *
ngx_prof_recording_table(const ngx_prof_recorded_slot_t *rec,
    ngx_uint_t table, u_char *p, const u_char *last, ngx_uint_t keep)
{
    u_char                     *start, *list;
    size_t                      len;
    uint64_t                    before, count, units;
    ngx_uint_t                  i;
    ngx_prof_gain_t             gain;
    const ngx_prof_recorded_t  *t;
    u_char                      entries[NGX_PROF_RECORDED_BYTES];

    t = &rec->table[table];
    start = p;
    list = entries;
    before = 0;
    count = 0;
    units = 0;
    i = 0;

    while (ngx_prof_recording_gain(t, &i, keep, &gain) == NGX_OK) {

        if (keep && rec->gained && table < NGX_PROF_RECORDED_CPUS) {
            rec->gained(t, &gain);
        }

        if (start + NGX_PROF_RECORDED_SECTION + (list - entries)
            + NGX_PROF_RECORDED_ENTRY > last)
        {
            count += gain.count;
            units += gain.units;

            if (keep) {
                ngx_prof_add(&rec->recording->folded, 1);
            }

            continue;
        }

        list = ngx_prof_number_put(list, gain.entry - before);
        list = ngx_prof_number_put(list,
                                   gain.units * 2 + (gain.count != 1));
        before = gain.entry;

        if (gain.count != 1) {
            list = ngx_prof_number_put(list, gain.count);
        }
    }

    if (list == entries && count == 0 && units == 0) {
        return start;
    }

    p += 2;
    *p++ = (u_char) table;
    p = ngx_prof_number_put(p, ngx_prof_load(&rec->recording->epoch[table]));
    p = ngx_prof_number_put(p, count);
    p = ngx_prof_number_put(p, units);
    p = ngx_cpymem(p, entries, list - entries);

    len = p - start;
    start[0] = (u_char) len;
    start[1] = (u_char) (len >> 8);

    return p;
}


/*
 * What a table has gained since its latest interval has ended: the next entry
 * from *i on.  NGX_DECLINED: there is none.
 */

static ngx_int_t
ngx_prof_recording_gain(const ngx_prof_recorded_t *table, ngx_uint_t *i,
    ngx_uint_t keep, ngx_prof_gain_t *gain)
{
    uint64_t          word, count, units;
    ngx_uint_t        n;
    ngx_prof_kept_t  *kept;
    ngx_prof_tally_t  tally;

    while (*i < table->size) {
        n = *i;
        word = ngx_prof_load(&table->touched[n / 64]) >> n % 64;

        if (word == 0) {
            *i = (n / 64 + 1) * 64;
            continue;
        }

        n += __builtin_ctzll(word);
        *i = n + 1;

        if (n >= table->size) {
            break;
        }

        /* who adds to it from now on touches it again */

        if (keep) {
            (void) __atomic_fetch_and(&table->touched[n / 64],
                                      ~((uint64_t) 1 << n % 64),
                                      __ATOMIC_SEQ_CST);
        }

        kept = &table->kept[n];
        count = ngx_prof_load(&kept->count);
        units = ngx_prof_load(&kept->units);

        if (ngx_prof_stacks_tally(table->stacks, table->size, n, &tally)
            != NGX_OK)
        {
            continue;
        }

        gain->entry = n;
        gain->count = tally.count - count;
        gain->units = (tally.value >> table->shift) - units;

        if ((gain->count == 0 && gain->units == 0)
            || gain->count >> 63 || gain->units >> 62)
        {
            continue;
        }

        if (keep) {
            ngx_prof_store(&kept->count, count + gain->count);
            ngx_prof_store(&kept->units, units + gain->units);
        }

        return NGX_OK;
    }

    return NGX_DECLINED;
}


static void
ngx_prof_recording_write(ngx_prof_recorded_slot_t *rec, const u_char *buf,
    size_t len, uint64_t since)
{
    size_t                 at, n;
    ngx_prof_recording_t  *r;

    r = rec->recording;

    ngx_prof_recording_forget(rec, len, since);

    /* readers see where the ring begins before it is overwritten */

    __atomic_thread_fence(__ATOMIC_SEQ_CST);

    at = r->head % rec->size;
    n = ngx_min(len, rec->size - at);

    ngx_memcpy(rec->ring + at, buf, n);
    ngx_memcpy(rec->ring, buf + n, len - n);

    ngx_prof_store_release(&r->head, r->head + len);
}


/* the oldest intervals go, for lack of room or because of their age */

static void
ngx_prof_recording_forget(ngx_prof_recorded_slot_t *rec, size_t len,
    uint64_t since)
{
    u_char                 buf[NGX_PROF_RECORDED_HEAD];
    size_t                 n;
    uint64_t               tail, end;
    ngx_prof_recording_t  *r;

    r = rec->recording;
    tail = r->tail;

    while (tail != r->head) {
        ngx_prof_recording_bytes(rec, tail, buf, sizeof(buf));
        n = buf[0] | (size_t) buf[1] << 8;

        if (n < 4 || n > r->head - tail
            || ngx_prof_number(buf + 3, buf + sizeof(buf), &end) == NULL)
        {
            tail = r->head;
            break;
        }

        if (r->head + len - tail <= rec->size && end > since) {
            break;
        }

        tail += n;
    }

    ngx_prof_store_release(&r->tail, tail);
}


static void
ngx_prof_recording_bytes(const ngx_prof_recorded_slot_t *rec, uint64_t at,
    u_char *to, size_t len)
{
    size_t  from, n;

    from = at % rec->size;
    n = ngx_min(len, rec->size - from);

    ngx_memcpy(to, rec->ring + from, n);
    ngx_memcpy(to + n, rec->ring, len - n);
}


void
ngx_prof_recording_turn(ngx_prof_recorded_slot_t *rec)
{
    uint64_t               next;
    ngx_prof_interval_t    oldest;
    ngx_prof_recorded_t   *table;
    ngx_prof_recording_t  *r;
    u_char                 buf[NGX_PROF_RECORDED_HEAD];

    r = rec->recording;

    /* any word of the zone may be wild */

    table = &rec->table[r->cpu != 0];

    if (table->stacks->node_n < table->size / 4 * 3
        && table->stacks->tally_n < table->size / 4 * 3)
    {
        return;
    }

    next = !r->cpu;

    if (r->named[next]) {
        ngx_prof_recording_bytes(rec, r->tail, buf, sizeof(buf));

        if (r->tail == r->head
            || ngx_prof_number(buf + 3, buf + sizeof(buf), &oldest.end) == NULL
            || r->named[next] >= oldest.end)
        {
            return;
        }
    }

    table = &rec->table[next];

    if (ngx_prof_stacks_empty(table->stacks, table->size) != NGX_OK) {
        return;
    }

    ngx_memzero(table->touched, ngx_prof_recorded_words(table->size)
                                * sizeof(uint64_t));

    ngx_prof_recording_agree(rec);

    ngx_prof_store(&r->named[next], 0);
    ngx_prof_store_release(&r->cpu, next);
}


uint64_t
ngx_prof_recording_since(const ngx_prof_recorded_slot_t *rec)
{
    u_char         buf[NGX_PROF_RECORDED_HEAD];
    uint64_t       tail, end, time;
    const u_char  *p;

    tail = ngx_prof_load_acquire(&rec->recording->tail);

    if (tail == ngx_prof_load_acquire(&rec->recording->head)) {
        return 0;
    }

    ngx_prof_recording_bytes(rec, tail, buf, sizeof(buf));

    __atomic_thread_fence(__ATOMIC_SEQ_CST);

    p = ngx_prof_number(buf + 3, buf + sizeof(buf), &end);
    p = ngx_prof_number(p, buf + sizeof(buf), &time);

    return (p && time <= end
            && ngx_prof_load(&rec->recording->tail) == tail) ? end - time : 0;
}


size_t
ngx_prof_recording_copy(const ngx_prof_recorded_slot_t *rec, u_char *buf,
    ngx_uint_t *lost)
{
    size_t    n;
    uint64_t  head, tail, now;

    tail = ngx_prof_load_acquire(&rec->recording->tail);
    head = ngx_prof_load_acquire(&rec->recording->head);

    if (head - tail > rec->size) {
        *lost = 1;
        return 0;
    }

    n = head - tail;

    ngx_prof_recording_bytes(rec, tail, buf, n);

    __atomic_thread_fence(__ATOMIC_SEQ_CST);

    now = ngx_prof_load_acquire(&rec->recording->tail);

    if (now != tail) {
        *lost = 1;

        if (now - tail >= n) {
            return 0;
        }

        n -= now - tail;
        ngx_memmove(buf, buf + (now - tail), n);
    }

    return n;
}


const u_char *
ngx_prof_recording_interval(const u_char *p, const u_char *last,
    ngx_prof_interval_t *interval)
{
    size_t    len;
    uint64_t  time;

    if (last - p < 3) {
        return NULL;
    }

    len = p[0] | (size_t) p[1] << 8;

    if (len > (size_t) (last - p)) {
        return NULL;
    }

    interval->last = p + len;
    interval->group = p[2];

    p = ngx_prof_number(p + 3, interval->last, &interval->end);
    p = ngx_prof_number(p, interval->last, &time);
    p = ngx_prof_number(p, interval->last, &interval->pid);
    p = ngx_prof_number(p, interval->last, &interval->worker);

    if (p == NULL || time == 0 || time > interval->end) {
        return NULL;
    }

    interval->begin = interval->end - time;
    interval->p = p;

    return interval->last;
}


ngx_int_t
ngx_prof_recording_section(ngx_prof_interval_t *interval,
    ngx_prof_section_t *section)
{
    size_t         len;
    const u_char  *p, *last;

    p = interval->p;
    last = interval->last;

    if (last - p < 3) {
        return NGX_DECLINED;
    }

    len = p[0] | (size_t) p[1] << 8;

    if (len > (size_t) (last - p)) {
        return NGX_DECLINED;
    }

    section->last = p + len;
    section->table = p[2];
    section->entry = 0;

    p = ngx_prof_number(p + 3, section->last, &section->epoch);
    p = ngx_prof_number(p, section->last, &section->count);
    p = ngx_prof_number(p, section->last, &section->units);

    if (p == NULL || section->table >= NGX_PROF_RECORDED_TABLES) {
        return NGX_DECLINED;
    }

    section->p = p;
    interval->p = section->last;

    return NGX_OK;
}


ngx_int_t
ngx_prof_recording_entry(ngx_prof_section_t *section, ngx_prof_gain_t *gain)
{
    uint64_t       distance;
    const u_char  *p;

    p = ngx_prof_number(section->p, section->last, &distance);
    p = ngx_prof_number(p, section->last, &gain->units);

    gain->count = 1;

    if (p && (gain->units & 1)) {
        p = ngx_prof_number(p, section->last, &gain->count);
    }

    if (p == NULL) {
        return NGX_DECLINED;
    }

    section->p = p;
    section->entry += distance;

    gain->entry = section->entry;
    gain->units >>= 1;

    return NGX_OK;
}


static u_char *
ngx_prof_number_put(u_char *p, uint64_t n)
{
    while (n > 0x7f) {
        *p++ = (u_char) (n | 0x80);
        n >>= 7;
    }

    *p++ = (u_char) n;

    return p;
}


/* where it ends; NULL: it is not whole, or there was none before */

static const u_char *
ngx_prof_number(const u_char *p, const u_char *last, uint64_t *n)
{
    ngx_uint_t  shift;

    *n = 0;

    for (shift = 0; p && p < last && shift < 64; shift += 7) {
        *n |= (uint64_t) (*p & 0x7f) << shift;

        if (*p++ < 0x80) {
            return p;
        }
    }

    return NULL;
}
