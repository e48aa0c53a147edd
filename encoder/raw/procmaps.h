
/*
 * The text of /proc/<pid>/maps.
 */


#ifndef _PROFILING_PROCMAPS_H_INCLUDED_
#define _PROFILING_PROCMAPS_H_INCLUDED_


#include "raw_types.h"


/* sets the rows of a mapset from the text: executable mappings only */
void profiling_raw_maps(profiling_mapset_t *set, profiling_str_t *text);


#endif /* _PROFILING_PROCMAPS_H_INCLUDED_ */
