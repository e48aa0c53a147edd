
/*
 * Whether the owner of a slot lives: pids that were given to others, zombies,
 * claims that were not finished, other users, names that imitate /proc.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_ring.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */

#include "shm_test.h"

#include <grp.h>
#include <sys/prctl.h>


static void
test_leave(void *data)
{
    (void) data;
}


static void
test_pid_of_another_process_is_told_by_its_start(void **state)
{
    uint64_t          start;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 1, 1);
    slot = test_claim(zone, 1);
    start = slot->start;

    assert_int_not_equal(start, 0);

    slot->start = start - 1;
    assert_int_equal(ngx_prof_slot_alive(slot), 0);

    /* unknown when it was claimed: the pid has to do */

    slot->start = 0;
    assert_int_equal(ngx_prof_slot_alive(slot), 1);
    assert_null(test_claim(zone, 1));

    slot->start = start + 1;
    assert_ptr_equal(test_claim(zone, 1), slot);
    assert_int_equal(slot->start, start);

    test_zone_free(zone);
}


static void
test_zombie_is_not_alive(void **state)
{
    pid_t             pid;
    u_char            letter;
    siginfo_t         info;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 1, 1);
    slot = test_claim(zone, 1);

    pid = test_fork(test_leave, NULL);
    assert_int_equal(waitid(P_PID, pid, &info, WEXITED|WNOWAIT), 0);

    (void) ngx_prof_process_start(pid, &letter);
    assert_int_equal(letter, 'Z');

    slot->owner = pid;
    slot->start = 0;
    assert_int_equal(ngx_prof_slot_alive(slot), 0);

    slot->owner = pid | NGX_PROF_CLAIMING;
    assert_int_equal(ngx_prof_slot_alive(slot), 0);

    assert_ptr_equal(test_claim(zone, 1), slot);
    assert_int_equal(test_wait(pid), 0);

    test_zone_free(zone);
}


static void
test_claim_that_was_not_finished(void **state)
{
    pid_t             pid;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 1, 1);
    slot = ngx_prof_zone_slot(zone, 0);

    /* a living process makes it: it is nobody else's, and no worker yet */

    pid = test_dead_pid();

    slot->owner = (uint64_t) getppid() | NGX_PROF_CLAIMING;
    slot->start = 1;

    assert_int_equal(ngx_prof_slot_pid(slot), 0);
    assert_int_equal(ngx_prof_slot_alive(slot), 1);
    assert_null(test_claim(zone, 1));

    /* it is dead */

    slot->owner = pid | NGX_PROF_CLAIMING;

    assert_int_equal(ngx_prof_slot_alive(slot), 0);
    assert_ptr_equal(test_claim(zone, 1), slot);
    assert_int_equal(slot->claims, 1);

    test_zone_free(zone);
}


/* a signal to a worker that has no handler yet would end it */

static void
test_new_owner_cannot_be_signalled_yet(void **state)
{
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 1, 1);
    slot = test_claim(zone, 1);

    slot->sampler = NGX_PROF_SAMPLER_READY;
    slot->sample_until = 1;
    slot->owner = test_dead_pid();

    assert_ptr_equal(test_claim(zone, 1), slot);
    assert_int_equal(slot->sampler, NGX_PROF_SAMPLER_NONE);
    assert_int_equal(slot->sample_until, 0);

    test_zone_free(zone);
}


static void
test_look_as_nobody(void *data)
{
    ngx_prof_slot_t  *slot;

    slot = data;

    if (getuid() == 0
        && (setgroups(0, NULL) == -1 || setgid(65534) == -1
            || setuid(65534) == -1))
    {
        _exit(3);
    }

    if (kill((pid_t) slot->owner, 0) != -1 || errno != EPERM) {
        _exit(4);
    }

    _exit(ngx_prof_slot_alive(slot) ? 5 : 6);
}


static void
test_owner_of_another_user_is_alive(void **state)
{
    int               code;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 1, 1);
    slot = test_claim(zone, 1);
    slot->owner = getuid() ? 1 : getpid();
    slot->start = 0;

    code = test_wait(test_fork(test_look_as_nobody, slot));
    test_zone_free(zone);

    if (code == 3 || code == 4) {
        printf("# no process of another user here: run this as root\n");
        skip();
    }

    assert_int_equal(code, 5);
}


/* field 22 by another way than the code under test */

static uint64_t
test_start_of(pid_t pid)
{
    char                 text[4096], *p;
    FILE                *f;
    size_t               n;
    unsigned long long   start;

    (void) snprintf(text, sizeof(text), "/proc/%d/stat", (int) pid);
    f = fopen(text, "r");
    assert_non_null(f);
    n = fread(text, 1, sizeof(text) - 1, f);
    (void) fclose(f);

    text[n] = '\0';

    for (p = text + n; *p != ')'; p--) { /* void */ }

    assert_int_equal(sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
                            "%*u %*u %*d %*d %*d %*d %*d %*d %llu", &start),
                     1);

    return start;
}


static void
test_stop_named(void *data)
{
    if (prctl(PR_SET_NAME, data, 0, 0, 0) == -1) {
        _exit(3);
    }

    (void) raise(SIGSTOP);
}


/*
 * Another process, as the owner of a slot is one: what a process reads of
 * itself qemu makes up, without its name and its state.
 */

static void
test_start_of_a_process_with_any_name(void **state)
{
    int         status;
    pid_t       pid;
    u_char      letter;
    uint64_t    start;
    ngx_uint_t  i;

    static char  *names[] = {
        ") R (", "a b c", "))))", "( 1 2 3 4", ") Z 1 1 1 1", "\n", " ", ""
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        pid = test_fork(test_stop_named, names[i]);

        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));

        start = test_start_of(pid);
        assert_int_not_equal(start, 0);

        assert_int_equal(ngx_prof_process_start(pid, &letter), start);
        assert_int_equal(letter, 'T');
        assert_int_equal(ngx_prof_process_start(pid, NULL), start);

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }

    assert_int_equal(ngx_prof_process_start(getpid(), NULL),
                     test_start_of(getpid()));

    letter = 'x';
    assert_int_equal(ngx_prof_process_start(test_dead_pid(), &letter), 0);
    assert_int_equal(letter, 0);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_pid_of_another_process_is_told_by_its_start),
        cmocka_unit_test(test_zombie_is_not_alive),
        cmocka_unit_test(test_claim_that_was_not_finished),
        cmocka_unit_test(test_new_owner_cannot_be_signalled_yet),
        cmocka_unit_test(test_owner_of_another_user_is_alive),
        cmocka_unit_test(test_start_of_a_process_with_any_name)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
