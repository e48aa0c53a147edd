
/*
 * What answers hold in memory: one sum for the worker, with a limit.  An
 * answer is a pool that was opened here; what it took is given back when the
 * pool is destroyed.  Worker, normal context.
 */


#ifndef _NGX_PROF_BUDGET_H_INCLUDED_
#define _NGX_PROF_BUDGET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* bytes for all answers together, from now on */
void ngx_prof_budget_limit(size_t limit);

/* bytes that are left */
size_t ngx_prof_budget_left(void);

/* data: what budget_exceeded() returns for this pool */
ngx_int_t ngx_prof_budget_open(ngx_pool_t *pool, void *data);

/*
 * As ngx_palloc(), but NULL above the limit.  Other pools than those of answers
 * have no limit.
 */
void *ngx_prof_budget_alloc(ngx_pool_t *pool, size_t size);

/* gives memory back before the pool is destroyed; p may be NULL */
void ngx_prof_budget_free(ngx_pool_t *pool, void *p);

/*
 * NULL: nothing was refused to this answer.  Once it is asked, the answer may
 * have a little more, to say so.
 */
void *ngx_prof_budget_exceeded(ngx_pool_t *pool);


#endif /* _NGX_PROF_BUDGET_H_INCLUDED_ */
