
/*
 * Calls that are interposed where blocking is profiled, by all the names that
 * C libraries have for them: they do and return what they do without a hook.
 * A file of its own, as nginx's headers make 64-bit names of the others.
 */

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "calls.h"


#define same(call, result)                                                    \
    do {                                                                      \
        errno = 0;                                                            \
                                                                              \
        if ((long) (call) != (long) (result)) {                               \
            return #call;                                                     \
        }                                                                     \
    } while (0)

/* for one that fails */
#define fails(call, error)                                                    \
    do {                                                                      \
        same(call, -1);                                                       \
        same(saved(), error);                                                 \
    } while (0)

#define holds(what)                                                           \
    do {                                                                      \
        if (!(what)) {                                                        \
            return #what;                                                     \
        }                                                                     \
    } while (0)


static int  error;


static long
saved(void)
{
    return error;
}


/* errno of a call that may have changed it since */

static long
noted(long rc)
{
    error = errno;

    return rc;
}


static const char *
files(const char *name, const char *other)
{
    int              fd, to;
    char             buf[16];
    off_t            offset;
    off64_t          offset64;
    struct stat      st;
    struct iovec     iov[2] = { { "gh", 2 }, { "i", 1 } };
    struct stat64    st64;

    holds((fd = open(name, O_RDWR|O_CREAT|O_TRUNC|O_CLOEXEC, 0640)) != -1);
    holds((to = open64(other, O_RDWR|O_CREAT|O_TRUNC|O_CLOEXEC, 0600)) != -1);

    same(pwrite(fd, "abc", 3, 1), 3);
    same(pwrite64(fd, "def", 3, 4), 3);
    same(pwritev64(fd, iov, 2, 7), 3);
    fails(noted(pwrite(-1, "a", 1, 0)), EBADF);

    same(fsync(fd), 0);
    same(fdatasync(fd), 0);
    fails(noted(fsync(-1)), EBADF);

    memset(buf, 0, sizeof(buf));
    same(pread(fd, buf, 5, 2), 5);
    holds(memcmp(buf, "bcdef", 6) == 0);
    same(pread64(fd, buf, 16, 6), 4);
    holds(memcmp(buf, "fghif", 5) == 0);
    fails(noted(pread(fd, buf, 1, -1)), EINVAL);

    offset = 1;
    same(sendfile(to, fd, &offset, 4), 4);
    same(offset, 5);
    offset64 = 5;
    same(sendfile64(to, fd, &offset64, 100), 5);
    same(offset64, 10);
    same(pread(to, buf, 16, 0), 9);
    holds(memcmp(buf, "abcdefghi", 9) == 0);

    same(stat(name, &st), 0);
    same(st.st_size, 10);
    same(st.st_mode & 0777, 0640);
    same(stat64(other, &st64), 0);
    same(st64.st_size, 9);
    same(st64.st_mode & 0777, 0600);

    close(fd);
    close(to);

    return NULL;
}


static const char *
names(const char *name, const char *other)
{
    int            fd, dir;
    char           path[1024];
    struct stat    st;
    struct stat64  st64;

    same(rename(name, other), 0);
    fails(noted(rename(name, other)), ENOENT);
    same(symlink(other, name), 0);

    same(lstat(name, &st), 0);
    holds(S_ISLNK(st.st_mode));
    same(lstat64(name, &st64), 0);
    holds(S_ISLNK(st64.st_mode));

    snprintf(path, sizeof(path), "%s", name);
    *strrchr(path, '/') = '\0';

    holds((dir = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC)) != -1);
    name = strrchr(name, '/') + 1;

    same(fstatat64(dir, name, &st64, AT_SYMLINK_NOFOLLOW), 0);
    holds(S_ISLNK(st64.st_mode));
    same(fstatat64(dir, name, &st64, 0), 0);
    same(st64.st_size, 10);

    holds((fd = openat(dir, name, O_RDONLY|O_CLOEXEC)) != -1);
    close(fd);
    holds((fd = openat64(dir, name, O_RDONLY|O_CLOEXEC)) != -1);
    close(fd);
    fails(noted(openat(dir, "none", O_RDONLY)), ENOENT);

    same(unlinkat(dir, name, 0), 0);
    same(unlink(other), 0);
    fails(noted(unlink(other)), ENOENT);

    close(dir);

    return NULL;
}


/* a number that was a socket's, which never blocks, is a file's afterwards */

static const char *
sockets(void)
{
    int              fds[2];
    char             buf[8];
    struct iovec     iov[2] = { { "ab", 2 }, { "c", 1 } };
    struct msghdr    msg;
    struct hostent  *host;

    holds(socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, fds) == 0);

    memset(&msg, 0, sizeof(msg));
    msg.msg_iov = iov;
    msg.msg_iovlen = 2;

    same(send(fds[0], "xyz", 3, 0), 3);
    same(recv(fds[1], buf, 8, MSG_PEEK), 3);
    same(recv(fds[1], buf, 2, 0), 2);
    same(recv(fds[1], buf, 8, 0), 1);
    holds(memcmp(buf, "zy", 2) == 0);

    same(writev(fds[0], iov, 2), 3);
    same(sendmsg(fds[0], &msg, 0), 3);

    iov[0].iov_base = buf;
    iov[1].iov_base = buf + 4;
    same(readv(fds[1], iov, 2), 3);
    holds(memcmp(buf, "ab", 2) == 0 && buf[4] == 'c');
    memset(buf, 0, sizeof(buf));
    same(recvmsg(fds[1], &msg, 0), 3);
    holds(memcmp(buf, "ab", 2) == 0 && buf[4] == 'c');

    fails(noted(recv(fds[1], buf, 8, MSG_DONTWAIT)), EAGAIN);
    fails(noted(connect(fds[0], NULL, 0)), EINVAL);

    same(dup2(fds[0], fds[1]), fds[1]);
    same(recv(fds[1], buf, 8, 0), 0);

    close(fds[0]);
    close(fds[1]);
    fails(noted(send(fds[0], "x", 1, 0)), EBADF);

    holds((host = gethostbyname("127.0.0.9")) != NULL);
    holds(memcmp(host->h_addr_list[0], "\x7f\0\0\x09", 4) == 0);

    return NULL;
}


const char *
profiling_test_differs(const char *file)
{
    char         other[1024];
    const char  *what;

    snprintf(other, sizeof(other), "%s.other", file);

    what = files(file, other);

    if (what == NULL) {
        what = names(file, other);
    }

    return what ? what : sockets();
}
