
/*
 * Memory that master and workers share.  A core has none of it: the kernel
 * would make each page that nobody has touched to write it.
 */


#ifndef _NGX_PROF_SHARED_H_INCLUDED_
#define _NGX_PROF_SHARED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* zeroes; NULL: there is no room, errno says why */
void *ngx_prof_shared(size_t size);

/* for what others have mapped; by the master, once it knows what is barred */
void ngx_prof_shared_not_dumped(void *memory, size_t size);


#endif /* _NGX_PROF_SHARED_H_INCLUDED_ */
