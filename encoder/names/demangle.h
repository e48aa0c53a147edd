
/*
 * Names of C++ and Rust as people write them.
 */


#ifndef _PROFILING_DEMANGLE_H_INCLUDED_
#define _PROFILING_DEMANGLE_H_INCLUDED_


/* names of other languages are returned as they are */
const char *profiling_demangle(const char *name);


#endif /* _PROFILING_DEMANGLE_H_INCLUDED_ */
