
/*
 * The command line.
 */


#ifndef _PROFILING_OPTIONS_H_INCLUDED_
#define _PROFILING_OPTIONS_H_INCLUDED_


/* sets profiling_options; a wrong option ends the program */
void profiling_options_read(int argc, char **argv);


#endif /* _PROFILING_OPTIONS_H_INCLUDED_ */
