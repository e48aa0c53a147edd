
#include <string.h>

#include "table.h"


#define PROFILING_TABLE_MIN  64


static void profiling_table_enlarge(profiling_table_t *table);
static int profiling_strings_equal(void *item, void *key);
static size_t profiling_strings_repair(const char *data, size_t len,
    size_t max, char *out);
static unsigned profiling_strings_character(const uint8_t *p, size_t left);


void **
profiling_table_place(profiling_table_t *table, uint64_t hash,
    profiling_equal_pt equal, void *key)
{
    size_t             i;
    profiling_slot_t  *slot;

    if (table->nitems >= table->nslots / 2) {
        profiling_table_enlarge(table);
    }

    for (i = hash & (table->nslots - 1);
         /* void */ ;
         i = (i + 1) & (table->nslots - 1))
    {
        slot = &table->slots[i];

        if (slot->item == NULL) {
            slot->hash = hash;
            table->nitems++;

            return &slot->item;
        }

        if (slot->hash == hash && equal(slot->item, key)) {
            return &slot->item;
        }
    }
}


static void
profiling_table_enlarge(profiling_table_t *table)
{
    size_t             i, k, n;
    profiling_slot_t  *slots;

    n = table->nslots ? table->nslots * 2 : PROFILING_TABLE_MIN;

    slots = profiling_calloc(n, sizeof(profiling_slot_t));

    for (i = 0; i < table->nslots; i++) {

        if (table->slots[i].item == NULL) {
            continue;
        }

        k = table->slots[i].hash & (n - 1);

        while (slots[k].item != NULL) {
            k = (k + 1) & (n - 1);
        }

        slots[k] = table->slots[i];
    }

    table->slots = slots;
    table->nslots = n;
}


uint32_t
profiling_strings_add(profiling_strings_t *strings, const char *data,
    size_t len, size_t max)
{
    void                **place;
    char                 *copy;
    uint64_t              hash;
    profiling_string_t    key, *item;

    if (strings->nitems == 0) {
        strings->items = profiling_grow(NULL, 0, sizeof(profiling_string_t *),
                                        &strings->room);
        item = profiling_alloc(sizeof(profiling_string_t));
        item->data = "";
        strings->items[strings->nitems++] = item;
    }

    if (len == 0) {
        return 0;
    }

    key.data = data;
    key.len = len;

    if (profiling_strings_repair(data, len, max, NULL) != len) {
        copy = profiling_alloc(max + 1);
        key.data = copy;
        key.len = profiling_strings_repair(data, len, max, copy);
    }

    hash = profiling_hash(PROFILING_HASH, key.data, key.len);

    place = profiling_table_place(&strings->table, hash,
                                  profiling_strings_equal, &key);

    if (*place != NULL) {
        item = *place;
        return item->index;
    }

    item = profiling_alloc(sizeof(profiling_string_t));
    *place = item;

    item->data = profiling_strdup(key.data, key.len);
    item->len = key.len;
    item->index = strings->nitems;

    if (strings->nitems == strings->room) {
        strings->items = profiling_grow(strings->items, strings->nitems,
                                        sizeof(profiling_string_t *),
                                        &strings->room);
    }

    strings->items[strings->nitems++] = item;

    return item->index;
}


static int
profiling_strings_equal(void *item, void *key)
{
    profiling_string_t  *a, *b;

    a = item;
    b = key;

    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}


/*
 * Without "out", returns the number of valid bytes at the start; this is the
 * whole length if nothing needs repair.
 */

static size_t
profiling_strings_repair(const char *data, size_t len, size_t max, char *out)
{
    size_t    i, n;
    unsigned  width;

    n = 0;

    for (i = 0; i < len; i += width ? width : 1) {

        width = profiling_strings_character((const uint8_t *) data + i,
                                            len - i);

        if (width == 0 && out == NULL) {
            return n;
        }

        if (n + (width ? width : 3) > max) {
            break;
        }

        if (out != NULL) {
            memcpy(out + n, width ? data + i : "\xef\xbf\xbd",
                   width ? width : 3);
        }

        n += width ? width : 3;
    }

    return n;
}


/* length of the UTF-8 character at p, 0 if invalid: Unicode, table 3-7 */

static unsigned
profiling_strings_character(const uint8_t *p, size_t left)
{
    unsigned  i, n, low, high;

    low = 0x80;
    high = 0xbf;

    if (p[0] < 0x80) {
        return p[0] != 0;
    }

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        n = 2;

    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        n = 3;

        if (p[0] == 0xe0) {
            low = 0xa0;

        } else if (p[0] == 0xed) {
            high = 0x9f;
        }

    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        n = 4;

        if (p[0] == 0xf0) {
            low = 0x90;

        } else if (p[0] == 0xf4) {
            high = 0x8f;
        }

    } else {
        return 0;
    }

    if (left < n || p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }

    return n;
}
