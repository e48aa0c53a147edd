
/*
 * Objects of Debian's arm64 packages, for tests on other machines.
 */


#ifndef _UNWIND_ARM64_H_INCLUDED_
#define _UNWIND_ARM64_H_INCLUDED_


/*
 * Names of at most max files, malloc()ed; 0 if they cannot be had.  They are
 * fetched with apt once and kept in $XDG_CACHE_HOME or under TMPDIR.
 * PROFILING_ARM64_ROOT names a directory that has them already, or "none".
 */
unsigned unwind_arm64_files(char **names, unsigned max);


#endif /* _UNWIND_ARM64_H_INCLUDED_ */
