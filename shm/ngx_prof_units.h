
/*
 * Units of time.
 */


#ifndef _NGX_PROF_UNITS_H_INCLUDED_
#define _NGX_PROF_UNITS_H_INCLUDED_


#define NGX_PROF_NSEC_PER_SEC   1000000000
#define NGX_PROF_NSEC_PER_MSEC  1000000
#define NGX_PROF_USEC_PER_SEC   1000000

/* ns or us in seconds, ns in ms: for people, with decimals */
#define ngx_prof_seconds(ns)     ((double) (ns) / NGX_PROF_NSEC_PER_SEC)
#define ngx_prof_us_seconds(us)  ((double) (us) / NGX_PROF_USEC_PER_SEC)
#define ngx_prof_ms(ns)          ((double) (ns) / NGX_PROF_NSEC_PER_MSEC)


#endif /* _NGX_PROF_UNITS_H_INCLUDED_ */
