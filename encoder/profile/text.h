
/*
 * A profile as one of Go's text forms.
 */


#ifndef _PROFILING_TEXT_H_INCLUDED_
#define _PROFILING_TEXT_H_INCLUDED_


#include "profile.h"


void profiling_text_put(profiling_profile_t *p, profiling_buf_t *out);


#endif /* _PROFILING_TEXT_H_INCLUDED_ */
