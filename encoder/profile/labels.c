
#include <string.h>

#include "labels.h"
#include "raw.h"


typedef struct {
    uint32_t           process;
    uint32_t           sample;
    profiling_tags_t  *tags;
} profiling_pair_t;


typedef struct {
    profiling_tags_t  *from;
    const char        *module;
    profiling_tags_t  *to;
} profiling_moduled_t;


static void profiling_labels_add(profiling_labels_t *l,
    profiling_tags_t *tags, profiling_labelset_t *set);
static uint32_t profiling_labels_key(profiling_labels_t *l,
    profiling_str_t *key);
static profiling_tags_t *profiling_labels_unique(profiling_labels_t *l,
    profiling_tags_t *tags);
static void profiling_labels_sort(profiling_labels_t *l,
    profiling_tags_t *tags);
static int profiling_labels_equal(void *item, void *key);
static int profiling_labels_pair_equal(void *item, void *key);
static int profiling_labels_module_equal(void *item, void *key);


profiling_tags_t *
profiling_labels_merge(profiling_labels_t *l, uint32_t process,
    uint32_t sample)
{
    void              **place;
    uint64_t            hash;
    profiling_pair_t    key, *pair;
    profiling_tags_t    tags;

    key.process = process;
    key.sample = sample;

    hash = profiling_hash(PROFILING_HASH, &process, sizeof(process));
    hash = profiling_hash(hash, &sample, sizeof(sample));

    place = profiling_table_place(&l->pairs, hash,
                                  profiling_labels_pair_equal, &key);

    if (*place != NULL) {
        pair = *place;
        return pair->tags;
    }

    pair = profiling_alloc(sizeof(profiling_pair_t));
    *place = pair;

    tags.ntags = 0;
    tags.tags = profiling_calloc(l->raw->labelsets[process].count
                                 + l->raw->labelsets[sample].count,
                                 sizeof(profiling_tag_t));

    profiling_labels_add(l, &tags, &l->raw->labelsets[sample]);
    profiling_labels_add(l, &tags, &l->raw->labelsets[process]);
    profiling_labels_sort(l, &tags);

    pair->process = process;
    pair->sample = sample;
    pair->tags = profiling_labels_unique(l, &tags);

    return pair->tags;
}


profiling_tags_t *
profiling_labels_module(profiling_labels_t *l, profiling_tags_t *tags,
    const char *module)
{
    void                 **place;
    uint32_t               i, key;
    uint64_t               hash;
    profiling_tag_t       *tag;
    profiling_tags_t       more;
    profiling_moduled_t    look, *known;

    look.from = tags;
    look.module = module;
    look.to = tags;

    hash = profiling_hash(PROFILING_HASH, &tags, sizeof(tags));
    hash = profiling_hash(hash, &module, sizeof(module));

    place = profiling_table_place(&l->modules, hash,
                                  profiling_labels_module_equal, &look);

    if (*place != NULL) {
        known = *place;
        return known->to;
    }

    known = profiling_alloc(sizeof(profiling_moduled_t));
    *known = look;
    *place = known;

    key = profiling_strings_add(l->strings, "module", 6, PROFILING_MAX_LABEL);

    for (i = 0; i < tags->ntags; i++) {
        if (tags->tags[i].key == key) {
            return tags;
        }
    }

    more.ntags = tags->ntags;
    more.tags = profiling_calloc(tags->ntags + 1, sizeof(profiling_tag_t));
    memcpy(more.tags, tags->tags, tags->ntags * sizeof(profiling_tag_t));

    tag = &more.tags[more.ntags++];
    tag->key = key;
    tag->str = profiling_strings_add(l->strings, module, strlen(module),
                                     PROFILING_MAX_LABEL);

    profiling_labels_sort(l, &more);

    known->to = profiling_labels_unique(l, &more);

    return known->to;
}


static void
profiling_labels_add(profiling_labels_t *l, profiling_tags_t *tags,
    profiling_labelset_t *set)
{
    uint32_t            i, k, key;
    profiling_tag_t    *tag;
    profiling_label_t  *label;

    for (i = 0; i < set->count; i++) {
        label = &set->labels[i];

        /* readers would take a label without a value for the number 0 */

        if (label->key.len == 0 || (!label->numeric && label->str.len == 0)) {
            continue;
        }

        key = profiling_labels_key(l, &label->key);

        for (k = 0; k < tags->ntags; k++) {
            if (tags->tags[k].key == key) {
                break;
            }
        }

        if (k != tags->ntags) {
            continue;
        }

        tag = &tags->tags[tags->ntags++];
        tag->key = key;
        tag->str = 0;
        tag->unit = 0;
        tag->num = 0;

        if (!label->numeric) {
            tag->str = profiling_strings_add(l->strings, label->str.data,
                                             label->str.len,
                                             PROFILING_MAX_LABEL);
            continue;
        }

        /*
         * pprof ignores a numeric label that is 0 and has no unit.  Without
         * a unit pprof uses the key as the unit; writing that unit keeps the
         * label and changes nothing else.
         */

        tag->num = label->num;
        tag->unit = profiling_strings_add(l->strings, label->unit.data,
                                          label->unit.len,
                                          PROFILING_MAX_LABEL);

        if (tag->unit == 0) {
            tag->unit = key;
        }
    }
}


/* keys match [A-Za-z_][A-Za-z0-9_.]*, which also excludes "pprof::" */

static uint32_t
profiling_labels_key(profiling_labels_t *l, profiling_str_t *key)
{
    char      *copy, c;
    uint32_t   i;

    copy = profiling_strdup(key->data, key->len);

    for (i = 0; i < key->len; i++) {
        c = copy[i];

        if (c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (i != 0 && (c == '.' || (c >= '0' && c <= '9'))))
        {
            continue;
        }

        copy[i] = '_';
    }

    return profiling_strings_add(l->strings, copy, key->len,
                                 PROFILING_MAX_LABEL);
}


static profiling_tags_t *
profiling_labels_unique(profiling_labels_t *l, profiling_tags_t *tags)
{
    void              **place;
    uint32_t            i;
    uint64_t            hash;
    profiling_tag_t    *tag;
    profiling_tags_t   *copy;

    hash = PROFILING_HASH;

    for (i = 0; i < tags->ntags; i++) {
        tag = &tags->tags[i];
        hash = profiling_hash(hash, &tag->key, sizeof(tag->key));
        hash = profiling_hash(hash, &tag->str, sizeof(tag->str));
        hash = profiling_hash(hash, &tag->num, sizeof(tag->num));
    }

    place = profiling_table_place(&l->known, hash,
                                  profiling_labels_equal, tags);

    if (*place == NULL) {
        copy = profiling_alloc(sizeof(profiling_tags_t));
        *copy = *tags;
        *place = copy;
    }

    return *place;
}


static void
profiling_labels_sort(profiling_labels_t *l, profiling_tags_t *tags)
{
    uint32_t         i, k;
    profiling_tag_t  tag;

    for (i = 1; i < tags->ntags; i++) {
        tag = tags->tags[i];

        for (k = i; k > 0; k--) {
            if (strcmp(l->strings->items[tags->tags[k - 1].key]->data,
                       l->strings->items[tag.key]->data)
                <= 0)
            {
                break;
            }

            tags->tags[k] = tags->tags[k - 1];
        }

        tags->tags[k] = tag;
    }
}


static int
profiling_labels_equal(void *item, void *key)
{
    uint32_t           i;
    profiling_tag_t   *one, *two;
    profiling_tags_t  *a, *b;

    a = item;
    b = key;

    if (a->ntags != b->ntags) {
        return 0;
    }

    for (i = 0; i < a->ntags; i++) {
        one = &a->tags[i];
        two = &b->tags[i];

        if (one->key != two->key || one->str != two->str
            || one->unit != two->unit || one->num != two->num)
        {
            return 0;
        }
    }

    return 1;
}


static int
profiling_labels_pair_equal(void *item, void *key)
{
    profiling_pair_t  *a, *b;

    a = item;
    b = key;

    return a->process == b->process && a->sample == b->sample;
}


static int
profiling_labels_module_equal(void *item, void *key)
{
    profiling_moduled_t  *a, *b;

    a = item;
    b = key;

    return a->from == b->from && a->module == b->module;
}
