
/*
 * A program that takes the address of an imported function.  Linked with
 * -no-pie, that address is one of its own PLT, which it lends to everybody.
 * The argument is what profiling_target(0) must return; says what is wrong.
 */

#include <stdio.h>
#include <stdlib.h>


int profiling_target(int n);
int caller_plt(int n);
int caller_data(int n);
int own_plt(int n);
int own_start(void);
void own_stop(void);
int own_count(int what);
int own_original(int n);


static int  program_failed;

static int  (*volatile program_pointer)(int n);


static void
program_check(const char *what, int value, int expected)
{
    if (value != expected) {
        printf("%s: %d, not %d\n", what, value, expected);
        program_failed = 1;
    }
}


/* in code and not in data: only that makes the linker lend its PLT */

static int
program_by_pointer(int n)
{
    program_pointer = profiling_target;

    return program_pointer(n);
}


int
main(int argc, char **argv)
{
    int  base;

    base = (argc > 1) ? atoi(argv[1]) : 1;

    program_check("before", caller_plt(0), base);
    program_check("start", own_start(), 0);

    program_check("original", own_original(0), base);
    program_check("own call", own_plt(0), base);
    program_check("call", profiling_target(0), base + 1000);
    program_check("pointer", program_by_pointer(0), base + 1000);
    program_check("library's call", caller_plt(0), base + 1000);
    program_check("library's pointer", caller_data(0), base + 1000);
    program_check("foreign", own_count(2), 0);
    program_check("failed", own_count(3), 0);

    if (argc > 2) {
        program_check("forwarded", own_count(1), atoi(argv[2]));
    }

    own_stop();

    program_check("stopped", profiling_target(0), base);
    program_check("pointer, stopped", program_by_pointer(0), base);
    program_check("library, stopped", caller_plt(0), base);
    program_check("data, stopped", caller_data(0), base);

    return program_failed;
}
