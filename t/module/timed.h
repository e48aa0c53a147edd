
/*
 * Calls that wait for a given time and are not restarted when a signal comes.
 */


#ifndef _PROFILING_TEST_TIMED_H_INCLUDED_
#define _PROFILING_TEST_TIMED_H_INCLUDED_


/*
 * Waits for ms by the call of that name, behind "raw-" by the C library's own
 * function, which no hook sees.  NULL: it ended as it does by itself; else
 * what was different.
 */
const char *profiling_test_timed_call(const char *name, long ms);


#endif /* _PROFILING_TEST_TIMED_H_INCLUDED_ */
