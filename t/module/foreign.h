
/*
 * A request whose connection is none of nginx's.
 */


#ifndef _PROFILING_TEST_FOREIGN_H_INCLUDED_
#define _PROFILING_TEST_FOREIGN_H_INCLUDED_


/* worker: one begins in n ms */
void profiling_test_foreign(long n, const char *file);


#endif /* _PROFILING_TEST_FOREIGN_H_INCLUDED_ */
