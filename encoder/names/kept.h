
/*
 * What was learned of files, by build id, in a file in memory that nginx's
 * master has made and all encoders of its workers read and write.
 *
 * Nothing in it is believed: whoever finds something else in it than was
 * written looks at the file itself, as if nothing were kept.
 */


#ifndef _PROFILING_KEPT_H_INCLUDED_
#define _PROFILING_KEPT_H_INCLUDED_


#include "learned.h"


/* NULL: nothing is kept of it */
profiling_learned_t *profiling_kept_find(const char *build_id);

void profiling_kept_put(profiling_learned_t *learned);


#endif /* _PROFILING_KEPT_H_INCLUDED_ */
