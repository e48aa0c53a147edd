package Shortage;

# Calls that fail on demand: a library for LD_PRELOAD, and the page of memory
# that tells it which.
#
#   my $s = Shortage->new($dir);
#   my $n = Fault->new(env => $s->env);
#   $s->fail(memory => 7, 1, $pid);   # the 8th allocation of this process
#   $s->fail(open => 0, -1);          # every open(), of all processes but
#                                     # the ones in spare()
#   $s->seen('memory');               # calls since then
#   $s->relax;
#
# memory: malloc() and its kin; the others by their names.  They fail with
# the error that the system would give.

use strict;
use warnings;

use Sound qw(preload);

my @calls = qw(memory mmap open pipe spawn fork timer timerfd epoll
               read);
my %number = map { $calls[$_] => $_ } 0 .. $#calls;

# longs: on, the pid or 0, the pid that is spared; then skip, fail, seen of
# each call
my $head = 3;


sub new {
    my ($class, $dir) = @_;

    local $/;
    my $file = "$dir/shortage";

    open my $page, '+>', $file or die "open() failed: $!\n";
    syswrite $page, "\0" x 4096;

    return bless { page => $page, file => $file,
                   library => preload($dir, <DATA>) }, $class;
}


sub env {
    my $self = shift;

    return { LD_PRELOAD => $self->{library}, SHORTAGE => $self->{file} };
}


sub set {
    my ($self, $at, @values) = @_;

    sysseek $self->{page}, 8 * $at, 0;
    syswrite $self->{page}, pack 'q*', @values;
}


# Nothing fails any more.

sub relax { return $_[0]->set(0, 0) }

sub spare { return $_[0]->set(2, $_[1]) }


sub fail {
    my ($self, $call, $skip, $fail, $pid) = @_;

    my $at = $head + 3 * ($number{$call} // die "no call $call\n");

    $self->relax;
    $self->set(1, $pid || 0);
    $self->set($head, (0) x (3 * @calls));
    $self->set($at, $skip, $fail, 0);
    $self->set(0, 1);
}


sub seen {
    my ($self, $call) = @_;

    sysseek $self->{page}, 8 * ($head + 3 * $number{$call} + 2), 0;
    sysread $self->{page}, my $value, 8;

    return unpack 'q', $value;
}


1;

__DATA__

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MEMORY, MMAP, OPEN, PIPE, SPAWN, FORK, TIMER, TIMERFD, EPOLL,
       READ, CALLS };

struct call { long skip, fail, seen; };

static struct page {
    long         on, pid, spared;
    struct call  call[CALLS];
} none, *volatile page = &none;


static __attribute__((constructor)) void
start(void)
{
    int          fd;
    void        *p;
    const char  *file = getenv("SHORTAGE");

    if (file == NULL) {
        return;
    }

    fd = (int) syscall(SYS_openat, AT_FDCWD, file, O_RDWR|O_CLOEXEC, 0);
    p = (void *) syscall(SYS_mmap, NULL, 4096, PROT_READ|PROT_WRITE,
                         MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);

    if (p != MAP_FAILED) {
        page = p;
    }
}


static int
fails(int n, int error)
{
    long          pid, seen;
    struct call  *c = &page->call[n];

    if (!page->on || c->fail == 0) {
        return 0;
    }

    pid = syscall(SYS_getpid);

    if (pid == page->spared || (page->pid && pid != page->pid)) {
        return 0;
    }

    seen = __atomic_fetch_add(&c->seen, 1, __ATOMIC_SEQ_CST);

    if (seen < c->skip || (c->fail > 0 && seen >= c->skip + c->fail)) {
        return 0;
    }

    errno = error;
    return 1;
}


#define NEXT(name)  ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t),
            *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

void *
malloc(size_t size)
{
    return fails(MEMORY, ENOMEM) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    return fails(MEMORY, ENOMEM) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
    return fails(MEMORY, ENOMEM) ? NULL : __libc_realloc(p, size);
}

int
posix_memalign(void **p, size_t align, size_t size)
{
    if (fails(MEMORY, ENOMEM)) {
        return ENOMEM;
    }

    *p = __libc_memalign(align, size);
    return *p ? 0 : ENOMEM;
}

void *
mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    return fails(MMAP, ENOMEM) ? MAP_FAILED
           : (void *) syscall(SYS_mmap, at, size, prot, flags, fd, offset);
}

int
open(const char *path, int flags, ...)
{
    va_list  args;
    int      mode;

    va_start(args, flags);
    mode = va_arg(args, int);
    va_end(args);

    return fails(OPEN, ENFILE) ? -1
           : (int) syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *, int, ...) __attribute__((alias("open")));

/* what the encoder is connected by and started with */

int
socketpair(int domain, int type, int protocol, int fds[2])
{
    return ((type & SOCK_CLOEXEC) && fails(PIPE, ENFILE)) ? -1
           : (int) syscall(SYS_socketpair, domain, type, protocol, fds);
}

int
clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
    return fails(SPAWN, EAGAIN) ? -1 : NEXT(clone)(fn, stack, flags, arg);
}

pid_t
fork(void)
{
    return fails(FORK, EAGAIN) ? -1 : NEXT(fork)();
}

int
timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)
{
    return fails(TIMER, EAGAIN) ? -1
           : NEXT(timer_create)(clock, event, timer);
}

int
timerfd_create(int clock, int flags)
{
    return fails(TIMERFD, ENFILE) ? -1
           : (int) syscall(SYS_timerfd_create, clock, flags);
}

int
epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
    return fails(EPOLL, ENOSPC) ? -1
           : (int) syscall(SYS_epoll_ctl, ep, op, fd, event);
}

ssize_t
read(int fd, void *buf, size_t size)
{
    return fails(READ, EIO) ? -1 : syscall(SYS_read, fd, buf, size);
}
