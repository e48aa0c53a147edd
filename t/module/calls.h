
/*
 * Calls that are interposed, and what they return.
 */


#ifndef _PROFILING_TEST_CALLS_H_INCLUDED_
#define _PROFILING_TEST_CALLS_H_INCLUDED_


/* NULL, or what is not as it should be; file and file.other come and go */
const char *profiling_test_differs(const char *file);


#endif /* _PROFILING_TEST_CALLS_H_INCLUDED_ */
