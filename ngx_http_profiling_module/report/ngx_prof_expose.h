
/*
 * The text of Prometheus, line by line: for prometheus.c.  All names begin with
 * nginx_profiling_, and all series have the label `master` if w->master is set.
 */


#ifndef _NGX_PROF_EXPOSE_H_INCLUDED_
#define _NGX_PROF_EXPOSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_slot.h"
#include "ngx_prof_work.h"


/* the two lines above the series of a family */
void ngx_prof_expose_family(ngx_prof_work_t *w, const char *name,
    const char *type, const char *help);

/* labels: "" or all of them, in braces */
void ngx_prof_expose_value(ngx_prof_work_t *w, const char *name,
    const char *labels, double value);

/* a series up to where its labels stand, of which there must be one */
void ngx_prof_expose_open(ngx_prof_work_t *w, const char *name,
    const char *suffix);

/* one label, with its value escaped */
void ngx_prof_expose_label(ngx_prof_work_t *w, const char *name,
    const ngx_str_t *value);

/* the labels of a place, or of a row (row.h) */
void ngx_prof_expose_labels(ngx_prof_work_t *w, ngx_uint_t place);

/* a count of a place or row, with one more label unless label is NULL */
void ngx_prof_expose_count(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const char *label, const char *value, uint64_t n);

/* place is -1 for a histogram without labels */
void ngx_prof_expose_histogram(ngx_prof_work_t *w, const char *name,
    ngx_int_t place, const ngx_prof_hist_t *h);


#endif /* _NGX_PROF_EXPOSE_H_INCLUDED_ */
