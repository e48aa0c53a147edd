
/*
 * Places by name: found again, added, given back with their cells; and their
 * entries, once no table of stacks names them.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_elapsed.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_ring.c shm/ngx_prof_registry.c */
/* sources: shm/ngx_prof_elapsed.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */

#include "shm_test.h"

#include "ngx_prof_registry.h"


static ngx_prof_registry_t  test_registry;
static void                *test_memory;


/* the master begins to register the places of another configuration */

static void
test_reload(ngx_prof_zone_t *zone)
{
    free(test_memory);

    zone->header->generation++;
    test_memory = calloc(1, ngx_prof_registry_size(zone));
    assert_non_null(test_memory);

    ngx_prof_registry_open(&test_registry, zone, test_memory,
                           ngx_prof_slot_alive);
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

    i = ngx_prof_registry_place(&test_registry, &one, location ? &two : NULL,
                                location != NULL);

    free(one.data);
    free(two.data);

    return i;
}


static void
test_places_keep_their_index(void **state)
{
    ngx_uint_t             i, round;
    ngx_prof_zone_t       *zone;
    ngx_prof_place_name_t  place;

    static const char  *names[][2] = {
        { "a.example", NULL }, { "a.example", "/" }, { "a.example", "" },
        { "b.example", NULL }, { "b.example", "/" }, { "", NULL },
        { "", "/" }, { "a.example/", NULL }, { "a.exampl", "e/" },
        { "a.example", "@named" }, { "*:80", "~ \\.php$" }
    };

    zone = test_zone(1, 1, 20);

    for (round = 1; round <= 3; round++) {
        test_reload(zone);

        for (i = 0; i < 11; i++) {

            /* a reload may leave some out, and change their order */

            if (round == 3 && i % 2) {
                continue;
            }

            assert_int_equal(test_register(zone, names[i][0], names[i][1]),
                             i + 1);
        }
    }

    assert_int_equal(zone->header->place_n, 12);
    assert_int_equal(zone->header->place_lost, 0);

    for (i = 0; i < 11; i++) {
        assert_int_equal(ngx_prof_zone_place_name(zone, i + 1, &place), NGX_OK);

        assert_int_equal(place.configured, i % 2 ? 0 : 1);
        assert_int_equal(place.has_location, names[i][1] != NULL);
        assert_int_equal(place.counted, names[i][1] != NULL);
        assert_int_equal(place.server.len, ngx_strlen(names[i][0]));
        assert_memory_equal(place.server.data, names[i][0], place.server.len);

        if (names[i][1]) {
            assert_int_equal(place.location.len, ngx_strlen(names[i][1]));
            assert_memory_equal(place.location.data, names[i][1],
                                place.location.len);
        }
    }

    test_zone_free(zone);
}


static void
test_long_names_stay_apart(void **state)
{
    char                   server[300], location[1000];
    ngx_uint_t             i, j;
    ngx_prof_zone_t       *zone;
    ngx_prof_place_name_t  place;

    zone = test_zone(1, 1, 200);
    test_reload(zone);

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

    assert_int_equal(zone->header->place_n, 14);

    assert_int_equal(ngx_prof_zone_place_name(zone, 1, &place), NGX_OK);
    assert_int_equal(place.server.len, NGX_PROF_SERVER_LEN);
    assert_int_equal(place.location.len, NGX_PROF_LOCATION_LEN);
    assert_memory_equal(place.location.data + NGX_PROF_LOCATION_LEN - 4,
                        "l...", 4);
    assert_memory_equal(place.server.data + NGX_PROF_SERVER_LEN - 4,
                        "s...", 4);

    assert_int_equal(ngx_prof_zone_place_name(zone, 12, &place), NGX_OK);
    assert_int_equal(place.location.data[NGX_PROF_LOCATION_LEN - 1], 'l');
    assert_int_equal(place.server.data[NGX_PROF_SERVER_LEN - 1], 's');

    test_zone_free(zone);
}


static void
test_full_table_gives_the_place_of_others(void **state)
{
    char              name[16];
    ngx_uint_t        i;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 1, 4);
    test_reload(zone);

    for (i = 1; i <= 6; i++) {
        (void) snprintf(name, sizeof(name), "/%u", (unsigned) i);

        assert_int_equal(test_register(zone, "s", name),
                         i < 4 ? i : NGX_PROF_PLACE_OTHER);
    }

    assert_int_equal(zone->header->place_n, 4);
    assert_int_equal(zone->header->place_lost, 3);

    /* those that are known are found all the same */

    assert_int_equal(test_register(zone, "s", "/2"), 2);
    assert_int_equal(zone->header->place_lost, 3);
    assert_null(ngx_prof_zone_check(zone));

    test_zone_free(zone);

    /* a table that has room for the others only */

    zone = test_zone(1, 1, 1);
    test_reload(zone);
    assert_int_equal(test_register(zone, "s", "/"), 0);
    assert_int_equal(zone->header->place_lost, 1);
    test_zone_free(zone);
}


/* each deploy has 12 names that no other has, and one that stays */

static void
test_names_that_come_and_go(void **state)
{
    char              name[32];
    ngx_uint_t        deploy, i, n, stays, place, last;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_zone(2, 1, 64);
    stays = 0;
    last = 0;

    for (deploy = 0; deploy < 100; deploy++) {
        test_reload(zone);

        i = test_register(zone, "stays", "/");
        assert_true(deploy == 0 || i == stays);
        stays = i;

        slot = test_claim(zone, 1);
        assert_non_null(slot);
        slot->generation = zone->header->generation;
        test_place_count(zone, slot, stays, 0, 1, 1, 1000);

        for (n = 0; n < 12; n++) {
            (void) snprintf(name, sizeof(name), "/%u-%u", (unsigned) deploy,
                            (unsigned) n);

            place = test_register(zone, "s", name);
            assert_int_not_equal(place, NGX_PROF_PLACE_OTHER);

            /* what it was before counts for nothing */

            assert_int_equal(ngx_prof_cells_requests(zone, place), 0);

            test_place_count(zone, slot, place, 0, 1, 1, 1000 << n);
            assert_int_equal(ngx_prof_cells_requests(zone, place), 1);
            last = place;
        }

        test_release(slot);
    }

    assert_int_equal(zone->header->place_lost, 0);
    assert_int_equal(ngx_prof_cells_requests(zone, stays), 100);
    assert_int_equal(ngx_prof_cells_requests(zone, last), 1);

    /* pages of two deploys at most, a cell and its chunks each */

    assert_true(ngx_prof_cells_used(zone) <= 2 * (1 + 2 * 12 * 2));

    test_zone_free(zone);
}


/* a worker of an earlier generation goes on counting */

static void
test_places_of_a_draining_worker_stay(void **state)
{
    ngx_uint_t        i, place;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_zone(2, 1, 8);

    test_reload(zone);
    place = test_register(zone, "old", "/");

    slot = test_claim(zone, 1);
    slot->generation = zone->header->generation;
    test_place_count(zone, slot, place, 0, 1, 1, 1000);

    for (i = 0; i < 5; i++) {
        test_reload(zone);
        assert_int_equal(ngx_prof_cells_requests(zone, place), 1);
    }

    test_release(slot);
    test_reload(zone);

    assert_int_equal(ngx_prof_cells_requests(zone, place), 0);
    assert_int_equal(ngx_prof_cells_used(zone), 0);

    test_zone_free(zone);
}


/* 7 entries, one of which a table of stacks names in a label */

static void
test_entry_that_a_label_names_stays(void **state)
{
    char              name[32];
    uint64_t          pc;
    ngx_uint_t        deploy, i, place;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 1, 8);

    test_reload(zone);
    place = test_register(zone, "named", "/");

    slot = test_claim(zone, 1);
    pc = 1;
    (void) ngx_prof_stacks_add(ngx_prof_zone_stacks(zone, slot), zone->stacks,
                               &pc, 1, (uint32_t) (place + 1) << 16, 1, 1);
    test_release(slot);

    for (deploy = 0; deploy < 20; deploy++) {
        test_reload(zone);

        for (i = 0; i < 3; i++) {
            (void) snprintf(name, sizeof(name), "/%u-%u", (unsigned) deploy,
                            (unsigned) i);
            assert_int_not_equal(test_register(zone, "s", name), place);
        }
    }

    assert_int_equal(test_register(zone, "named", "/"), place);

    test_zone_free(zone);
}


/* each word of the table is made any other: nothing outside is touched */

static void
test_overwritten_places_are_harmless(void **state)
{
    uint32_t               *word, old;
    ngx_uint_t              i, k;
    ngx_prof_zone_t        *zone;
    ngx_prof_slot_t        *slot;
    ngx_prof_place_name_t   name;

    zone = test_zone(1, 1, 8);

    test_reload(zone);
    assert_int_equal(test_register(zone, "s", "/a"), 1);
    assert_int_equal(test_register(zone, "s", "/b"), 2);

    slot = test_claim(zone, 1);
    test_place_count(zone, slot, 1, 0, 1, 1, 1000);

    word = (uint32_t *) ngx_prof_zone_place(zone, 1);

    for (i = 0; i < sizeof(ngx_prof_place_t) / sizeof(uint32_t); i++) {
        old = word[i];

        for (k = 0; k < 32; k++) {
            word[i] = old ^ ((uint32_t) 1 << k);

            if (ngx_prof_zone_place_name(zone, 1, &name) == NGX_OK) {
                assert_true(name.server.data >= ngx_prof_zone_names(zone));
                assert_true(name.location.data + name.location.len
                            <= ngx_prof_zone_names(zone) + zone->shape.names);
            }

            (void) ngx_prof_cells_requests(zone, 1);
            word[i] = old;
        }

        /* a reload gives back what it cannot read, and goes on */

        word[i] = (uint32_t) test_random();
        test_reload(zone);
        assert_true(test_register(zone, "s", "/b") < zone->places);
        (void) test_register(zone, "s", "/a");
        word[i] = old;
    }

    test_zone_free(zone);
}


/* many names, and as many again: a search for each would take minutes */

static void
test_many_names(void **state)
{
    char              name[32];
    ngx_uint_t        i, round;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 1, 30000);

    for (round = 0; round < 3; round++) {
        test_reload(zone);

        for (i = 1; i < 40000; i++) {
            (void) snprintf(name, sizeof(name), "site%u.example",
                            (unsigned) i);
            assert_int_equal(test_register(zone, name, NULL),
                             i < 30000 ? i : NGX_PROF_PLACE_OTHER);
        }

        assert_int_equal(zone->header->uncounted, 10000);
    }

    test_zone_free(zone);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_places_keep_their_index),
        cmocka_unit_test(test_long_names_stay_apart),
        cmocka_unit_test(test_full_table_gives_the_place_of_others),
        cmocka_unit_test(test_names_that_come_and_go),
        cmocka_unit_test(test_places_of_a_draining_worker_stay),
        cmocka_unit_test(test_entry_that_a_label_names_stays),
        cmocka_unit_test(test_overwritten_places_are_harmless),
        cmocka_unit_test(test_many_names)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
