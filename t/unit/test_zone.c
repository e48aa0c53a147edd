
/*
 * The zone's layout: sizes, what is refused, parts that do not overlap, the
 * table of places.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_stacks.c */

#include "shm_test.h"


#define PARTS  4096


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

    assert_int_equal(test_size(0, 1000, 32), 0);
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
test_a_thousand_samples_take_100_kb(void **state)
{
    size_t  size;

    size = test_size(1, 1000, 1) - test_size(1, 1, 1);

    assert_in_range(size, 1000 * 64, 100 * 1024);

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

    assert_null(ngx_prof_zone_check(zone, zone->size));
    assert_null(ngx_prof_zone_check(zone, zone->size + 4096));

    assert_int_equal(zone->layout, NGX_PROF_LAYOUT);
    assert_int_equal(zone->size, test_size(5, 10, 7));
    assert_int_equal(zone->slots, 5);
    assert_int_equal(zone->history, 10);
    assert_int_equal(zone->places, 7);
    assert_int_equal(zone->place_n, 1);
    assert_int_equal(zone->start_time, 1600000000000);
    assert_int_equal(zone->start_clock, 1000000000);

    for (i = 0; i < 5; i++) {
        assert_int_equal(ngx_prof_zone_slot_index(zone,
                                    ngx_prof_zone_slot(zone, i)),
                         i);
    }

    test_zone_free(zone);
}


static void
test_garbage_is_refused(void **state)
{
    size_t            k;
    uint64_t         *words;
    ngx_uint_t        i;
    ngx_prof_zone_t  *zone;

    zone = calloc(1, sizeof(ngx_prof_zone_t));
    words = (uint64_t *) zone;

    assert_non_null(ngx_prof_zone_check(zone, sizeof(*zone)));

    for (i = 0; i < 20000; i++) {

        for (k = 0; k < 20; k++) {
            words[k] = test_random() >> test_below(64);
        }

        if (i % 2) {
            zone->magic = NGX_PROF_MAGIC;
        }

        if (i % 4 == 3) {
            zone->layout = NGX_PROF_LAYOUT;
        }

        assert_non_null(ngx_prof_zone_check(zone,
                                             sizeof(*zone) + test_random()));
    }

    free(zone);
}


static void
test_names_that_are_too_long_are_refused(void **state)
{
    ngx_str_t            name;
    ngx_prof_zone_t     *zone;
    ngx_prof_place_t    *place;
    ngx_prof_upstream_t *upstream;

    zone = test_zone(2, 10, 3);

    ngx_str_set(&name, "name");
    place = ngx_prof_zone_place(zone,
                ngx_prof_zone_register(zone, &name, &name, 1));
    upstream = &zone->upstream[
                ngx_prof_zone_register_upstream(zone, &name)];

    assert_null(ngx_prof_zone_check(zone, zone->size));

    place->server_len = NGX_PROF_SERVER_LEN + 1;
    assert_non_null(ngx_prof_zone_check(zone, zone->size));
    place->server_len = 4;
    place->location_len = NGX_PROF_LOCATION_LEN + 1;
    assert_non_null(ngx_prof_zone_check(zone, zone->size));
    place->location_len = 4;

    upstream->len = NGX_PROF_UPSTREAM_LEN + 1;
    assert_non_null(ngx_prof_zone_check(zone, zone->size));
    upstream->len = 4;

    assert_null(ngx_prof_zone_check(zone, zone->size));

    test_zone_free(zone);
}


static void
test_memory_that_is_too_small_is_refused(void **state)
{
    void             *small;
    ngx_prof_zone_t  *zone;

    zone = test_zone(2, 10, 3);

    assert_non_null(ngx_prof_zone_check(zone, zone->size - 1));
    assert_non_null(ngx_prof_zone_check(zone, sizeof(*zone)));
    assert_non_null(ngx_prof_zone_check(zone, 0));

    /* not even the header fits: nothing may be read */

    small = malloc(8);
    ngx_memcpy(small, zone, 8);
    assert_non_null(ngx_prof_zone_check(small, 8));
    free(small);

    test_zone_free(zone);
}


static void
test_other_layout_is_named(void **state)
{
    ngx_prof_zone_t  *zone;

    zone = test_zone(2, 10, 3);
    zone->layout++;

    assert_string_equal(ngx_prof_zone_check(zone, zone->size),
                        "it has the layout of another version of the module");

    zone->layout--;
    zone->magic++;

    assert_string_equal(ngx_prof_zone_check(zone, zone->size),
                        "it does not hold profiling data");

    test_zone_free(zone);
}


static void
test_header_that_contradicts_itself_is_refused(void **state)
{
    size_t            size;
    uint64_t         *field[7], old;
    ngx_uint_t        i, k;
    ngx_prof_shape_t  shape;
    ngx_prof_zone_t  *zone;

    zone = test_zone(4, 100, 9);
    size = zone->size;

    field[0] = &zone->magic;
    field[1] = &zone->layout;
    field[2] = &zone->size;
    field[3] = &zone->slots;
    field[4] = &zone->places;
    field[5] = &zone->slot_size;
    field[6] = &zone->slots_offset;

    for (i = 0; i < 7; i++) {
        old = *field[i];

        for (k = 0; k < 2000; k++) {
            *field[i] = (k < 64) ? old ^ ((uint64_t) 1 << k)
                                 : test_random() >> test_below(64);

            assert_true(ngx_prof_zone_check(zone, size) != NULL
                        || *field[i] == old);
        }

        *field[i] = old;
    }

    /* the number of samples is rounded; what fits is harmless */

    for (k = 0; k < 64; k++) {
        old = zone->history;
        zone->history ^= (uint64_t) 1 << k;

        test_shape(&shape, 4, zone->history, 9);

        assert_true((ngx_prof_zone_check(zone, size) == NULL)
                    == (ngx_prof_zone_size(&shape) == size));
        assert_true(k < 10 || ngx_prof_zone_check(zone, size));

        zone->history = old;
    }

    zone->place_n = 10;
    assert_non_null(ngx_prof_zone_check(zone, size));
    zone->place_n = 0;
    assert_non_null(ngx_prof_zone_check(zone, size));
    zone->place_n = 9;
    assert_null(ngx_prof_zone_check(zone, size));

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

    test_part(zone, sizeof(*zone), 4096);

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

        for (place = 0; place < zone->places; place++) {
            test_part(ngx_prof_zone_counts(zone, slot, place),
                      sizeof(ngx_prof_counts_t),
                      NGX_PROF_LINE);
            test_part(ngx_prof_zone_base_counts(zone, slot, place),
                      sizeof(ngx_prof_counts_t),
                      NGX_PROF_LINE);
        }

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
    size_t            k;
    u_char           *end;
    ngx_uint_t        i, j;
    ngx_prof_zone_t  *zone;

    static const ngx_uint_t  shapes[][3] = {
        { 1, 1, 1 }, { 1, 1000, 1 }, { 3, 7, 5 }, { 17, 33, 11 },
        { 32, 10, 32 }, { 2, 101, 127 }
    };

    for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        zone = test_zone(shapes[i][0], shapes[i][1], shapes[i][2]);
        end = (u_char *) zone + zone->size;

        test_collect_parts(zone);

        /* the addresses are kept: the header is overwritten as well */

        k = zone->size;

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

        assert_int_equal(munmap(zone, k), 0);
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
test_register(ngx_prof_zone_t *zone, const char *server, const char *location)
{
    ngx_uint_t   i;
    ngx_str_t    one, two;

    /* on the heap and without a zero: reading past the end is seen */

    one.len = ngx_strlen(server);
    one.data = malloc(one.len + !one.len);
    ngx_memcpy(one.data, server, one.len);

    two.len = location ? ngx_strlen(location) : 0;
    two.data = malloc(two.len + !two.len);
    ngx_memcpy(two.data, location ? location : "", two.len);

    i = ngx_prof_zone_register(zone, &one, location ? &two : NULL,
                               location != NULL);

    free(one.data);
    free(two.data);

    return i;
}


static void
test_places_keep_their_index(void **state)
{
    ngx_uint_t         i, round;
    ngx_prof_zone_t   *zone;
    ngx_prof_place_t  *place;

    static const char  *names[][2] = {
        { "a.example", NULL }, { "a.example", "/" }, { "a.example", "" },
        { "b.example", NULL }, { "b.example", "/" }, { "", NULL },
        { "", "/" }, { "a.example/", NULL }, { "a.exampl", "e/" },
        { "a.example", "@named" }, { "*:80", "~ \\.php$" }
    };

    zone = test_zone(1, 1, 20);

    for (round = 1; round <= 3; round++) {
        zone->generation = round;

        for (i = 0; i < 11; i++) {

            /* a reload may leave some out, and change their order */

            if (round == 3 && i % 2) {
                continue;
            }

            assert_int_equal(test_register(zone, names[i][0], names[i][1]),
                             i + 1);
        }
    }

    assert_int_equal(zone->place_n, 12);
    assert_int_equal(zone->place_lost, 0);

    for (i = 0; i < 11; i++) {
        place = ngx_prof_zone_place(zone, i + 1);

        assert_int_equal(place->generation, i % 2 ? 2 : 3);
        assert_int_equal(place->has_location, names[i][1] != NULL);
        assert_int_equal(place->counted, names[i][1] != NULL);
        assert_int_equal(place->server_len, ngx_strlen(names[i][0]));
        assert_memory_equal(place->server, names[i][0], place->server_len);

        if (names[i][1]) {
            assert_int_equal(place->location_len, ngx_strlen(names[i][1]));
            assert_memory_equal(place->location, names[i][1],
                                place->location_len);
        }
    }

    test_zone_free(zone);
}


static void
test_long_names_stay_apart(void **state)
{
    char               server[300], location[1000];
    ngx_uint_t         i, j;
    ngx_prof_zone_t   *zone;
    ngx_prof_place_t  *place;

    zone = test_zone(1, 1, 40);

    for (i = 0; i < 2; i++) {

        for (j = 0; j < 10; j++) {
            ngx_memset(server, 's', sizeof(server));
            ngx_memset(location, 'l', sizeof(location));

            server[sizeof(server) - 1] = '\0';
            location[sizeof(location) - 1] = '\0';
            location[sizeof(location) - 2] = (char) ('0' + j);

            assert_int_equal(test_register(zone, server, location), j + 1);
        }

        server[200] = 't';
        assert_int_equal(test_register(zone, server, location), 11);

        /* as long as possible, and one more */

        location[NGX_PROF_LOCATION_LEN] = '\0';
        server[NGX_PROF_SERVER_LEN] = '\0';
        assert_int_equal(test_register(zone, server, location), 12);

        location[NGX_PROF_LOCATION_LEN] = 'x';
        location[NGX_PROF_LOCATION_LEN + 1] = '\0';
        assert_int_equal(test_register(zone, server, location), 13);
    }

    assert_int_equal(zone->place_n, 14);

    place = ngx_prof_zone_place(zone, 1);
    assert_int_equal(place->server_len, NGX_PROF_SERVER_LEN);
    assert_int_equal(place->location_len, NGX_PROF_LOCATION_LEN);
    assert_memory_equal(place->location + NGX_PROF_LOCATION_LEN - 4,
                        "l...", 4);
    assert_memory_equal(place->server + NGX_PROF_SERVER_LEN - 4,
                        "s...", 4);

    place = ngx_prof_zone_place(zone, 12);
    assert_int_equal(place->location[NGX_PROF_LOCATION_LEN - 1], 'l');
    assert_int_equal(place->server[NGX_PROF_SERVER_LEN - 1], 's');

    test_zone_free(zone);
}


static void
test_full_table_gives_the_place_of_others(void **state)
{
    char              name[16];
    ngx_uint_t        i;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 1, 4);

    for (i = 1; i <= 6; i++) {
        (void) snprintf(name, sizeof(name), "/%u", (unsigned) i);

        assert_int_equal(test_register(zone, "s", name),
                         i < 4 ? i : NGX_PROF_PLACE_OTHER);
    }

    assert_int_equal(zone->place_n, 4);
    assert_int_equal(zone->place_lost, 3);

    /* those that are known are found all the same */

    assert_int_equal(test_register(zone, "s", "/2"), 2);
    assert_int_equal(zone->place_lost, 3);
    assert_null(ngx_prof_zone_check(zone, zone->size));

    test_zone_free(zone);

    /* a table that has room for the others only */

    zone = test_zone(1, 1, 1);
    assert_int_equal(test_register(zone, "s", "/"), 0);
    assert_int_equal(zone->place_lost, 1);
    test_zone_free(zone);
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
    char                  name[100];
    ngx_uint_t            i;
    ngx_prof_zone_t      *zone;
    ngx_prof_upstream_t  *last;

    zone = test_zone(1, 1, 1);

    assert_int_equal(zone->upstream_n, 1);
    assert_int_equal(test_upstream(zone, "backend"), 1);
    assert_int_equal(test_upstream(zone, "backend2"), 2);
    assert_int_equal(test_upstream(zone, "backend"), 1);

    ngx_memset(name, 'u', sizeof(name));
    name[sizeof(name) - 1] = '\0';

    assert_int_equal(test_upstream(zone, name), 3);
    assert_int_equal(test_upstream(zone, name), 3);
    assert_int_equal(zone->upstream[3].len, NGX_PROF_UPSTREAM_LEN);

    for (i = 4; i < NGX_PROF_UPSTREAMS + 20; i++) {
        (void) snprintf(name, sizeof(name), "u%u", (unsigned) i);

        assert_int_equal(test_upstream(zone, name),
                         ngx_min(i, NGX_PROF_UPSTREAMS - 1));
    }

    last = &zone->upstream[NGX_PROF_UPSTREAMS - 1];

    assert_int_equal(zone->upstream_n, NGX_PROF_UPSTREAMS);
    assert_int_equal(last->len, 7);
    assert_memory_equal(last->name, "(other)", 7);
    assert_int_equal(test_upstream(zone, "u500"), 500);
    assert_null(ngx_prof_zone_check(zone, zone->size));

    test_zone_free(zone);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sizes_that_cannot_be),
        cmocka_unit_test(test_a_thousand_samples_take_100_kb),
        cmocka_unit_test(test_fresh_zone_is_accepted),
        cmocka_unit_test(test_garbage_is_refused),
        cmocka_unit_test(test_memory_that_is_too_small_is_refused),
        cmocka_unit_test(test_names_that_are_too_long_are_refused),
        cmocka_unit_test(test_other_layout_is_named),
        cmocka_unit_test(test_header_that_contradicts_itself_is_refused),
        cmocka_unit_test(test_parts_do_not_overlap),
        cmocka_unit_test(test_mailbox_has_lines_of_its_own),
        cmocka_unit_test(test_places_keep_their_index),
        cmocka_unit_test(test_long_names_stay_apart),
        cmocka_unit_test(test_full_table_gives_the_place_of_others),
        cmocka_unit_test(test_upstreams_keep_their_index)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
