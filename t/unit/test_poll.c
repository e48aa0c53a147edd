
/*
 * Events that are handed out later than the kernel told of them: each once, in
 * order, and none to a connection that is not its own any more.
 */

/* sources: ngx_http_profiling_module/trace/ngx_prof_poll.c */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/epoll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ngx_prof_poll.h"


#define CONNECTIONS  8


static ngx_connection_t  connections[CONNECTIONS];
static ngx_event_t       reads[CONNECTIONS];
static ngx_prof_poll_t   poll_of;
static int               told, asked_for, waited;


/* as nginx does for the first, the second .. use of a connection */

static void
use(ngx_uint_t i, ngx_atomic_uint_t number)
{
    connections[i].fd = 10 + i;
    connections[i].number = number;
    connections[i].read = &reads[i];
    reads[i].instance = !reads[i].instance;
}


static void
leave(ngx_uint_t i)
{
    connections[i].fd = (ngx_socket_t) -1;
}


static int
wait_for(int ep, struct epoll_event *events, int n, int timeout)
{
    int  i;

    assert_int_equal(ep, 5);

    asked_for = n;
    waited = timeout;

    for (i = 0; i < told; i++) {
        events[i].events = EPOLLIN | i << 8;
        events[i].data.ptr = (void *) ((uintptr_t) &connections[i]
                                       | reads[i].instance);
    }

    return told;
}


static int
ask(int n)
{
    told = n;

    return ngx_prof_poll_ask(&poll_of, 5, 1234, wait_for);
}


static int
setup(void **state)
{
    ngx_uint_t  i;

    for (i = 0; i < CONNECTIONS; i++) {
        use(i, 100 + i);
    }

    return 0;
}


static int
index_of(const struct epoll_event *event)
{
    return (int) (event->events >> 8);
}


static void
test_each_once(void **state)
{
    int                 i;
    struct epoll_event  event, events[CONNECTIONS];

    assert_int_equal(ask(5), 5);
    assert_int_equal(asked_for, NGX_PROF_POLL_EVENTS);
    assert_int_equal(waited, 1234);

    for (i = 0; i < 3; i++) {
        assert_int_equal(ngx_prof_poll_next(&poll_of, &event, 1), 1);
        assert_int_equal(index_of(&event), i);
    }

    assert_int_equal(ngx_prof_poll_next(&poll_of, events, CONNECTIONS), 2);
    assert_int_equal(index_of(&events[0]), 3);
    assert_int_equal(index_of(&events[1]), 4);
    assert_int_equal(ngx_prof_poll_next(&poll_of, &event, 1), 0);
}


static void
test_nothing_told(void **state)
{
    struct epoll_event  event;

    assert_int_equal(ask(0), 0);
    assert_int_equal(ngx_prof_poll_next(&poll_of, &event, 1), 0);

    assert_int_equal(ask(-1), -1);
    assert_int_equal(ngx_prof_poll_next(&poll_of, &event, 1), 0);
}


static void
test_closed(void **state)
{
    struct epoll_event  event;

    ask(3);
    leave(0);
    leave(2);

    assert_int_equal(ngx_prof_poll_next(&poll_of, &event, 1), 1);
    assert_int_equal(index_of(&event), 1);
    assert_int_equal(ngx_prof_poll_next(&poll_of, &event, 1), 0);
}


/* nginx's bit is then as it was, and the descriptor may be, too */

static void
test_used_twice_anew(void **state)
{
    struct epoll_event  event;

    ask(2);

    leave(0);
    use(0, 200);
    leave(0);
    use(0, 201);

    assert_int_equal((uintptr_t) poll_of.event[0].data.ptr & 1,
                     reads[0].instance);

    assert_int_equal(ngx_prof_poll_next(&poll_of, &event, 1), 1);
    assert_int_equal(index_of(&event), 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_each_once, setup),
        cmocka_unit_test_setup(test_nothing_told, setup),
        cmocka_unit_test_setup(test_closed, setup),
        cmocka_unit_test_setup(test_used_twice_anew, setup)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
