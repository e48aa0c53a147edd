
/*
 * Labels of a sample: its own and those of its process, one value a key.
 */


#ifndef _PROFILING_LABELS_H_INCLUDED_
#define _PROFILING_LABELS_H_INCLUDED_


#include "raw_types.h"
#include "table.h"


#define PROFILING_MAX_LABEL  2048


typedef struct {
    uint32_t               key;
    uint32_t               str;        /* 0: numeric */
    uint32_t               unit;
    int64_t                num;
} profiling_tag_t;


typedef struct {
    profiling_tag_t       *tags;       /* sorted by the text of the key */
    unsigned               ntags;
} profiling_tags_t;


typedef struct {
    profiling_raw_t       *raw;
    profiling_strings_t   *strings;    /* keys, texts, units */
    profiling_table_t      known;      /* tags, each set of them once */
    profiling_table_t      pairs;      /* of label sets, with their tags */
    profiling_table_t      modules;    /* of tags and a module */
} profiling_labels_t;


/* merges two label sets of the capture; those of the sample win */
profiling_tags_t *profiling_labels_merge(profiling_labels_t *l,
    uint32_t process, uint32_t sample);

/* the same tags and the label "module", unless they have one */
profiling_tags_t *profiling_labels_module(profiling_labels_t *l,
    profiling_tags_t *tags, const char *module);


#endif /* _PROFILING_LABELS_H_INCLUDED_ */
