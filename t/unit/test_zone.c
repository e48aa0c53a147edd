
/*
 * The zone's layout: sizes, parts that do not overlap, slots that are added,
 * and a header that something has overwritten.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_ring.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */

#include "shm_test.h"


#define PARTS  16384


typedef struct {
    u_char  *start;
    size_t   size;
} test_part_t;


static test_part_t  test_parts[PARTS];
static ngx_uint_t   test_part_n;


static void
test_shape(ngx_prof_shape_t *shape, ngx_uint_t slots, ngx_uint_t history,
    ngx_uint_t places)
{
    ngx_memzero(shape, sizeof(ngx_prof_shape_t));

    shape->slots = slots;
    shape->history = history;
    shape->places = places;
    shape->stacks = TEST_STACKS;
    shape->dump = TEST_DUMP;
    shape->names = ngx_min(places, NGX_PROF_PLACES_MAX) * TEST_NAME;
    shape->pages = ngx_min(places, 64) * TEST_PAGES
                   * (slots ? ngx_min(slots, 4096) : 1);
}


static size_t
test_size(ngx_uint_t slots, ngx_uint_t history, ngx_uint_t places)
{
    ngx_prof_shape_t  shape;

    test_shape(&shape, slots, history, places);

    return ngx_prof_zone_size(&shape);
}


static void
test_sizes_that_cannot_be(void **state)
{
    assert_int_not_equal(test_size(1, 1, 1), 0);
    assert_int_not_equal(test_size(NGX_PROF_SLOTS_MAX, 1000, 32), 0);
    assert_int_not_equal(test_size(1, 100000, 100), 0);
    assert_int_not_equal(test_size(1, 1, NGX_PROF_PLACES_MAX), 0);

    /* a zone that holds its header and nothing else */

    assert_int_not_equal(test_size(0, 1000, 32), 0);

    assert_int_equal(test_size(8, 0, 32), 0);
    assert_int_equal(test_size(8, 1000, 0), 0);

    assert_int_equal(test_size(NGX_PROF_SLOTS_MAX + 1, 1, 1), 0);
    assert_int_equal(test_size(1, 1, NGX_PROF_PLACES_MAX + 1), 0);

    /* products that overflow, some of them to a small number */

    assert_int_equal(test_size(1, (ngx_uint_t) -1, 1), 0);
    assert_int_equal(test_size(1, (ngx_uint_t) -1 / 96, 1), 0);
    assert_int_equal(test_size(1, ((ngx_uint_t) 1 << 59) + 100, 1), 0);
    assert_int_equal(test_size(4096, (ngx_uint_t) 1 << 53, 65536), 0);
    assert_int_equal(test_size(1, 1, (ngx_uint_t) -1), 0);
}


static void
test_a_thousand_samples_take_140_kb(void **state)
{
    size_t  size;

    size = test_size(1, 1000, 1) - test_size(1, 1, 1);

    assert_in_range(size, 1000 * 64, 140 * 1024);

    /* each slot takes the same */

    assert_int_equal(test_size(32, 1000, 1) - test_size(16, 1000, 1),
                     test_size(48, 1000, 1) - test_size(32, 1000, 1));
}


static void
test_fresh_zone_is_accepted(void **state)
{
    ngx_uint_t        i;
    ngx_prof_zone_t  *zone;

    zone = test_zone(5, 10, 7);

    assert_null(ngx_prof_zone_check(zone));

    assert_int_equal(zone->header->layout, NGX_PROF_LAYOUT);
    assert_int_equal(zone->size, test_size(5, 10, 7));
    assert_int_equal(zone->slots, 5);
    assert_int_equal(zone->history, 10);
    assert_int_equal(zone->places, 7);
    assert_int_equal(zone->header->place_n, 1);
    assert_int_equal(zone->start_time, 1600000000000);
    assert_int_equal(zone->start_clock, 1000000000);

    for (i = 0; i < 5; i++) {
        assert_int_equal(ngx_prof_zone_slot_index(zone,
                                    ngx_prof_zone_slot(zone, i)),
                         i);
    }

    test_zone_free(zone);
}


/* the same event has the same time, until the day's clock is set */

static void
test_days_follow_the_clock_that_is_set(void **state)
{
    uint64_t          clock, day;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 10, 1);
    clock = 5000000000;
    day = 1600000004000;

    assert_int_equal(ngx_prof_zone_day(zone, clock), day);
    assert_int_equal(ngx_prof_zone_day(zone, 0), 0);

    ngx_prof_zone_set_day(zone, day + 20, clock);
    assert_int_equal(ngx_prof_zone_day(zone, clock), day);

    ngx_prof_zone_set_day(zone, day - 3600000, clock);
    assert_int_equal(ngx_prof_zone_day(zone, clock), day - 3600000);
    assert_int_equal(ngx_prof_zone_day(zone, clock + 7000000),
                     day - 3600000 + 7);

    test_zone_free(zone);
}


/* the sizes that a process goes by are its own, whatever the header says */

static void
test_overwritten_header_is_told_and_mended(void **state)
{
    uint64_t           *word, old;
    ngx_uint_t          i, k, n;
    ngx_prof_zone_t    *zone;
    ngx_prof_slot_t    *slot;
    ngx_prof_header_t  *h;

    zone = test_zone(4, 100, 9);
    slot = ngx_prof_zone_slot(zone, 3);
    h = zone->header;
    word = (uint64_t *) h;
    n = offsetof(ngx_prof_header_t, generation) / sizeof(uint64_t);

    assert_true(n >= 10);

    for (i = 0; i < n; i++) {
        old = word[i];

        for (k = 0; k < 64; k++) {
            word[i] = old ^ ((uint64_t) 1 << k);

            assert_string_equal(ngx_prof_zone_check(zone),
                                "its sizes were overwritten");
            assert_ptr_equal(ngx_prof_zone_slot(zone, 3), slot);
            assert_int_equal(zone->slots, 4);

            ngx_prof_zone_mend(zone);
            assert_null(ngx_prof_zone_check(zone));
            assert_int_equal(word[i], old);
        }
    }

    test_zone_free(zone);
}


static void
test_counts_of_the_header_are_bounded(void **state)
{
    ngx_uint_t          i, k;
    uint64_t           *count[5];
    ngx_str_t           name;
    ngx_prof_zone_t    *zone;
    ngx_prof_header_t  *h;

    zone = test_zone(2, 10, 9);
    h = zone->header;

    count[0] = &h->place_n;
    count[1] = &h->upstream_n;
    count[2] = &h->name_n;
    count[3] = &h->page_n;
    count[4] = &h->text_n;

    for (i = 0; i < 5; i++) {

        for (k = 18; k < 64; k++) {
            *count[i] = (uint64_t) 1 << k;

            assert_string_equal(ngx_prof_zone_check(zone),
                                "its counts were overwritten");
            assert_true(ngx_prof_zone_place_n(zone) <= 9);
            assert_true(ngx_prof_zone_upstream_n(zone) <= NGX_PROF_UPSTREAMS);
            assert_true(ngx_prof_zone_name_n(zone) <= NGX_PROF_ZONES);
            assert_true(ngx_prof_cells_used(zone) <= zone->shape.pages);

            ngx_prof_zone_mend(zone);
            assert_null(ngx_prof_zone_check(zone));
        }
    }

    h->upstream_n = 2;
    h->upstream[1].len = 65535;
    ngx_prof_zone_upstream(zone, 1, &name);
    assert_true(name.data + name.len <= h->text + NGX_PROF_TEXTS);

    h->upstream[1].start = 0xffffffff;
    ngx_prof_zone_upstream(zone, 1, &name);
    assert_int_equal(name.len, 0);

    ngx_prof_zone_upstream(zone, 2, &name);
    assert_int_equal(name.len, 0);

    test_zone_free(zone);
}


static void
test_slots_that_are_added_later(void **state)
{
    size_t            size;
    void             *more;
    ngx_uint_t        i, k;
    ngx_prof_zone_t  *zone;
    ngx_prof_slot_t  *slot[7];

    zone = test_zone(3, 10, 2);
    size = 4 * ngx_prof_zone_slot_size(&zone->shape);
    more = test_share(size);

    assert_int_equal(ngx_prof_zone_grow(zone, more, 4), NGX_OK);
    assert_int_equal(zone->slots, 7);

    for (i = 0; i < 7; i++) {
        slot[i] = test_claim(zone, 1);

        assert_ptr_equal(slot[i], ngx_prof_zone_slot(zone, i));
        assert_int_equal(ngx_prof_zone_slot_index(zone, slot[i]), i);

        for (k = 0; k < i; k++) {
            assert_ptr_not_equal(slot[k], slot[i]);
        }

        /* each has all that a slot has, to its last byte */

        ngx_memset((u_char *) ngx_prof_zone_dump(zone, i), (int) i,
                   ngx_prof_dump_area_size(zone->dump));
    }

    assert_null(test_claim(zone, 1));
    assert_null(ngx_prof_zone_check(zone));

    test_place_count(zone, slot[6], 1, 0, 1, 1, 1000);
    test_place_count(zone, slot[1], 1, 0, 1, 1, 1000);
    assert_int_equal(ngx_prof_cells_requests(zone, 1), 2);

    assert_int_equal(ngx_prof_zone_grow(zone, more, NGX_PROF_SLOTS_MAX),
                     NGX_DECLINED);

    munmap(more, size);
    test_zone_free(zone);
}


static void
test_part(void *start, size_t size, ngx_uint_t align)
{
    assert_int_equal((uintptr_t) start % align, 0);
    assert_true(test_part_n < PARTS);

    test_parts[test_part_n].start = start;
    test_parts[test_part_n].size = size;
    test_part_n++;
}


static void
test_collect_parts(ngx_prof_zone_t *zone)
{
    ngx_uint_t        i, place;
    ngx_prof_slot_t  *slot;

    test_part_n = 0;

    test_part(zone->header, sizeof(ngx_prof_header_t), 4096);
    test_part(ngx_prof_zone_names(zone), zone->shape.names, NGX_PROF_LINE);
    test_part(ngx_prof_zone_states(zone),
              zone->shape.pages * sizeof(uint32_t), NGX_PROF_LINE);

    for (i = 0; i < zone->shape.pages; i++) {
        test_part(ngx_prof_zone_page(zone, i), NGX_PROF_PAGE_SIZE,
                  NGX_PROF_LINE);
    }

    assert_null(ngx_prof_zone_page(zone, i));

    for (place = 0; place < zone->places; place++) {
        test_part(ngx_prof_zone_place(zone, place),
                  sizeof(ngx_prof_place_t), 8);
    }

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        test_part(slot, sizeof(*slot), NGX_PROF_LINE);
        test_part(ngx_prof_zone_history(slot),
                  zone->history * sizeof(ngx_prof_sample_t),
                  NGX_PROF_LINE);

        test_part(ngx_prof_zone_stacks(zone, slot),
                  ngx_prof_stacks_size(zone->stacks),
                  NGX_PROF_LINE);

        test_part(ngx_prof_zone_dump(zone, i),
                  ngx_prof_dump_area_size(zone->dump),
                  NGX_PROF_LINE);
    }
}


static void
test_parts_do_not_overlap(void **state)
{
    u_char           *end;
    ngx_uint_t        i, j;
    ngx_prof_zone_t  *zone;

    static const ngx_uint_t  shapes[][3] = {
        { 1, 1, 1 }, { 1, 1000, 1 }, { 3, 7, 5 }, { 17, 33, 11 },
        { 32, 10, 32 }, { 2, 101, 127 }
    };

    for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        zone = test_zone(shapes[i][0], shapes[i][1], shapes[i][2]);
        end = (u_char *) zone->header + zone->size;

        test_collect_parts(zone);

        /* the header is overwritten as well */

        for (j = 0; j < test_part_n; j++) {
            assert_true(test_parts[j].start + test_parts[j].size <= end);
            ngx_memset(test_parts[j].start, (int) (j % 251),
                       test_parts[j].size);
        }

        for (j = 0; j < test_part_n; j++) {
            u_char  *p = test_parts[j].start;
            size_t   n = test_parts[j].size;

            assert_int_equal(p[0], j % 251);
            assert_int_equal(ngx_memcmp(p, p + 1, n - 1), 0);
        }

        test_zone_free(zone);
    }
}


static void
test_mailbox_has_lines_of_its_own(void **state)
{
    size_t  start, end;

    /* others write to it while the owner writes what is around it */

    start = offsetof(ngx_prof_slot_t, trim);
    end = offsetof(ngx_prof_slot_t, awaiting) + 8;

    assert_true(start / NGX_PROF_LINE
                > (offsetof(ngx_prof_slot_t, pad1) - 1)
                  / NGX_PROF_LINE);
    assert_true((end - 1) / NGX_PROF_LINE
                < offsetof(ngx_prof_slot_t, gauges_seq)
                  / NGX_PROF_LINE);
}


static ngx_uint_t
test_upstream(ngx_prof_zone_t *zone, const char *name)
{
    ngx_str_t  s;

    s.len = ngx_strlen(name);
    s.data = (u_char *) name;

    return ngx_prof_zone_register_upstream(zone, &s);
}


static void
test_upstreams_keep_their_index(void **state)
{
    char              name[1000];
    ngx_str_t         text;
    ngx_uint_t        i;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 1, 1);

    assert_int_equal(zone->header->upstream_n, 1);
    assert_int_equal(test_upstream(zone, "backend"), 1);
    assert_int_equal(test_upstream(zone, "backend2"), 2);
    assert_int_equal(test_upstream(zone, "backend"), 1);

    ngx_memset(name, 'u', sizeof(name));
    name[sizeof(name) - 1] = '\0';

    assert_int_equal(test_upstream(zone, name), 3);
    assert_int_equal(test_upstream(zone, name), 3);
    ngx_prof_zone_upstream(zone, 3, &text);
    assert_int_equal(text.len, sizeof(name) - 1);
    assert_memory_equal(text.data, name, text.len);

    for (i = 4; i < NGX_PROF_UPSTREAMS + 20; i++) {
        (void) snprintf(name, sizeof(name), "u%u", (unsigned) i);

        assert_int_equal(test_upstream(zone, name),
                         ngx_min(i, NGX_PROF_UPSTREAMS - 1));
    }

    ngx_prof_zone_upstream(zone, NGX_PROF_UPSTREAMS - 1, &text);

    assert_int_equal(zone->header->upstream_n, NGX_PROF_UPSTREAMS);
    assert_int_equal(text.len, 7);
    assert_memory_equal(text.data, "(other)", 7);
    assert_int_equal(zone->header->unnamed, 21);
    assert_int_equal(test_upstream(zone, "u500"), 500);
    assert_null(ngx_prof_zone_check(zone));

    test_zone_free(zone);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sizes_that_cannot_be),
        cmocka_unit_test(test_a_thousand_samples_take_140_kb),
        cmocka_unit_test(test_fresh_zone_is_accepted),
        cmocka_unit_test(test_overwritten_header_is_told_and_mended),
        cmocka_unit_test(test_counts_of_the_header_are_bounded),
        cmocka_unit_test(test_slots_that_are_added_later),
        cmocka_unit_test(test_parts_do_not_overlap),
        cmocka_unit_test(test_mailbox_has_lines_of_its_own),
        cmocka_unit_test(test_days_follow_the_clock_that_is_set),
        cmocka_unit_test(test_upstreams_keep_their_index)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
