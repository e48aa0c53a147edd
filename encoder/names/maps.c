
/*
 * Merges the mappings of all processes.
 */


#include <string.h>

#include "file.h"
#include "maps.h"


static void profiling_maps_set(profiling_maps_t *maps, uint32_t process,
    unsigned program);
static unsigned profiling_maps_is_program(profiling_maps_t *maps,
    profiling_row_t *row);
static profiling_object_t *profiling_maps_object(profiling_maps_t *maps,
    profiling_row_t *row, uint32_t pid);
static profiling_object_t *profiling_maps_known(profiling_maps_t *maps,
    profiling_object_t *object);
static unsigned profiling_maps_same(profiling_object_t *object,
    profiling_object_t *other);
static void profiling_maps_add(profiling_maps_t *maps,
    profiling_object_t *object, profiling_row_t *row);
static uint64_t profiling_maps_free(profiling_maps_t *maps,
    profiling_object_t *object, profiling_row_t *row);
static unsigned profiling_maps_taken(profiling_maps_t *maps, uint64_t start,
    uint64_t limit);
static void profiling_maps_merged(profiling_maps_t *maps, uint64_t address,
    profiling_place_t *place);
static size_t profiling_maps_clean(profiling_str_t *path);


profiling_maps_t *
profiling_maps_merge(profiling_raw_t *raw)
{
    uint32_t           i;
    profiling_maps_t  *maps;

    maps = profiling_alloc(sizeof(profiling_maps_t));

    maps->raw = raw;
    maps->rows = profiling_calloc(raw->nmapsets,
                                  sizeof(profiling_object_t **));

    /* the main program comes first, wherever it is mapped */

    for (i = 0; i < raw->nprocesses && maps->nmappings == 0; i++) {
        profiling_maps_set(maps, i, 1);
    }

    for (i = 0; i < raw->nprocesses; i++) {
        profiling_maps_set(maps, i, 0);
    }

    return maps;
}


static void
profiling_maps_set(profiling_maps_t *maps, uint32_t process, unsigned program)
{
    size_t                 i;
    profiling_row_t       *row;
    profiling_mapset_t    *set;
    profiling_object_t   **objects;
    profiling_process_t   *p;

    p = &maps->raw->processes[process];
    set = &maps->raw->mapsets[p->mapset];
    objects = maps->rows[p->mapset];

    if (objects == NULL) {
        objects = profiling_calloc(set->nrows, sizeof(profiling_object_t *));

        if (!program) {
            maps->rows[p->mapset] = objects;
        }

    } else {
        /* a process with the same mappings was merged already */
        return;
    }

    for (i = 0; i < set->nrows; i++) {
        row = &set->rows[i];

        /*
         * anonymous memory holds code made at run time, private to its process
         */

        if (row->path.len == 0
            || (row->path.data[0] != '/' && row->path.data[0] != '['))
        {
            continue;
        }

        if (program && !profiling_maps_is_program(maps, row)) {
            continue;
        }

        objects[i] = profiling_maps_object(maps, row, p->pid);

        if (program) {
            objects[i]->program = 1;
        }

        profiling_maps_add(maps, objects[i], row);

        if (program && maps->raw->header.program == 0) {
            break;
        }
    }
}


static unsigned
profiling_maps_is_program(profiling_maps_t *maps, profiling_row_t *row)
{
    profiling_str_t  *path;

    if (maps->raw->header.program == 0) {
        return 1;
    }

    path = &maps->raw->strings[maps->raw->header.program];

    return profiling_maps_clean(&row->path) == profiling_maps_clean(path)
           && memcmp(row->path.data, path->data, profiling_maps_clean(path))
              == 0;
}


static profiling_object_t *
profiling_maps_object(profiling_maps_t *maps, profiling_row_t *row,
    uint32_t pid)
{
    size_t               len;
    profiling_object_t  *object, *known;

    object = profiling_alloc(sizeof(profiling_object_t));

    len = profiling_maps_clean(&row->path);

    object->path = profiling_strdup(row->path.data, len);
    object->name = strrchr(object->path, '/');
    object->name = object->name ? object->name + 1 : object->path;
    object->build_id = row->build_id.data;
    object->deleted = (len != row->path.len);
    object->inode = row->inode;
    object->major = row->major;
    object->minor = row->minor;
    object->pid = pid;

    known = profiling_maps_known(maps, object);
    if (known != NULL) {
        return known;
    }

    if (object->build_id[0] == '\0') {
        profiling_file_build_id(object);

        known = profiling_maps_known(maps, object);
        if (known != NULL) {
            return known;
        }
    }

    if (maps->nobjects == maps->objects_room) {
        maps->objects = profiling_grow(maps->objects, maps->nobjects,
                                       sizeof(profiling_object_t *),
                                       &maps->objects_room);
    }

    maps->objects[maps->nobjects++] = object;

    return object;
}


static profiling_object_t *
profiling_maps_known(profiling_maps_t *maps, profiling_object_t *object)
{
    size_t               i;
    profiling_object_t  *known;

    for (i = 0; i < maps->nobjects; i++) {
        known = maps->objects[i];

        if (profiling_maps_same(known, object)) {

            if (known->build_id[0] == '\0') {
                known->build_id = object->build_id;
            }

            return known;
        }
    }

    return NULL;
}


static unsigned
profiling_maps_same(profiling_object_t *object, profiling_object_t *other)
{
    if (object->build_id[0] != '\0' && other->build_id[0] != '\0') {
        return strcmp(object->build_id, other->build_id) == 0;
    }

    return object->inode == other->inode
           && object->major == other->major
           && object->minor == other->minor
           && (object->inode != 0 || object->deleted == other->deleted)
           && strcmp(object->path, other->path) == 0;
}


/* gives the whole row a place in the merged address space */

static void
profiling_maps_add(profiling_maps_t *maps, profiling_object_t *object,
    profiling_row_t *row)
{
    uint64_t              size;
    profiling_mapping_t  *mapping, **last;

    size = row->limit - row->start;

    for (last = &object->mappings; *last; last = &(*last)->next) {
        mapping = *last;

        if (row->offset >= mapping->offset
            && row->offset + size
               <= mapping->offset + (mapping->limit - mapping->start))
        {
            return;
        }
    }

    mapping = profiling_alloc(sizeof(profiling_mapping_t));

    mapping->object = object;
    mapping->offset = row->offset;
    mapping->start = profiling_maps_free(maps, object, row);
    mapping->limit = mapping->start + size;
    *last = mapping;

    if (maps->nmappings == maps->mappings_room) {
        maps->mappings = profiling_grow(maps->mappings, maps->nmappings,
                                        sizeof(profiling_mapping_t *),
                                        &maps->mappings_room);
    }

    maps->mappings[maps->nmappings++] = mapping;
}


/*
 * If another file occupies the address, or it must not be told, the replacement
 * depends only on the file, so that the next profile has the same address.
 */

static uint64_t
profiling_maps_free(profiling_maps_t *maps, profiling_object_t *object,
    profiling_row_t *row)
{
    uint64_t  hash, start, size;
    unsigned  i, relative;

    relative = (maps->raw->header.flags & NGX_PROF_RAW_RELATIVE) != 0;

    if (!relative && row->start >= 4096 && row->limit <= PROFILING_MOVED
        && !profiling_maps_taken(maps, row->start, row->limit))
    {
        return row->start;
    }

    size = row->limit - row->start;

    if (size > ((uint64_t) 1 << PROFILING_MOVED_SHIFT)
        || (relative
            && row->offset > ((uint64_t) 1 << PROFILING_MOVED_SHIFT) - size))
    {
        profiling_fail(PROFILING_CAPTURE,
                       "capture is not valid: mapping is too large to move");
    }

    hash = profiling_hash(PROFILING_HASH, object->path, strlen(object->path));
    hash = profiling_hash(hash, object->build_id, strlen(object->build_id));

    if (!relative) {
        hash = profiling_hash(hash, &row->offset, sizeof(row->offset));
    }

    for (i = 0; i < PROFILING_MOVED_SLOTS; i++) {
        start = PROFILING_MOVED
                + (((hash + i) % PROFILING_MOVED_SLOTS)
                   << PROFILING_MOVED_SHIFT);

        if (relative) {
            start += row->offset;
        }

        if (!profiling_maps_taken(maps, start, start + size)) {
            return start;
        }
    }

    profiling_fail(PROFILING_CAPTURE,
                   "capture is not valid: too many mappings to move");
}


static unsigned
profiling_maps_taken(profiling_maps_t *maps, uint64_t start, uint64_t limit)
{
    size_t                i;
    profiling_mapping_t  *mapping;

    for (i = 0; i < maps->nmappings; i++) {
        mapping = maps->mappings[i];

        if (start < mapping->limit && limit > mapping->start) {
            return 1;
        }
    }

    return 0;
}


void
profiling_maps_place(profiling_maps_t *maps, uint32_t process, uint64_t pc,
    profiling_place_t *place)
{
    size_t                low, high, mid;
    uint32_t              set;
    profiling_row_t      *rows;
    profiling_mapping_t  *mapping;

    memset(place, 0, sizeof(profiling_place_t));

    if (process == NGX_PROF_RAW_NONE) {
        return;
    }

    if (maps->raw->header.output == NGX_PROF_RAW_SYMBOL
        && (maps->raw->header.flags & NGX_PROF_RAW_RELATIVE))
    {
        profiling_maps_merged(maps, pc, place);
        return;
    }

    set = maps->raw->processes[process].mapset;
    rows = maps->raw->mapsets[set].rows;

    low = 0;
    high = maps->raw->mapsets[set].nrows;

    while (low < high) {
        mid = low + (high - low) / 2;

        if (rows[mid].limit <= pc) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    if (low == maps->raw->mapsets[set].nrows || pc < rows[low].start) {
        return;
    }

    place->object = maps->rows[set][low];
    place->offset = pc - rows[low].start + rows[low].offset;

    if (place->object == NULL) {
        place->anonymous = 1;
        return;
    }

    for (mapping = place->object->mappings; mapping; mapping = mapping->next) {

        if (place->offset >= mapping->offset
            && place->offset - mapping->offset
               < mapping->limit - mapping->start)
        {
            place->mapping = mapping;
            place->address = mapping->start
                             + (place->offset - mapping->offset);
            return;
        }
    }
}


/* locates an address of the merged address space */

static void
profiling_maps_merged(profiling_maps_t *maps, uint64_t address,
    profiling_place_t *place)
{
    size_t                i;
    profiling_mapping_t  *mapping;

    for (i = 0; i < maps->nmappings; i++) {
        mapping = maps->mappings[i];

        if (address >= mapping->start && address < mapping->limit) {
            place->mapping = mapping;
            place->object = mapping->object;
            place->offset = address - mapping->start + mapping->offset;
            place->address = address;
            return;
        }
    }
}


static size_t
profiling_maps_clean(profiling_str_t *path)
{
    static const char  deleted[] = " (deleted)";

    size_t  len;

    len = sizeof(deleted) - 1;

    if (path->len > len
        && memcmp(path->data + path->len - len, deleted, len) == 0)
    {
        return path->len - len;
    }

    return path->len;
}
