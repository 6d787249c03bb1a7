/* Faults of the disk, for LD_PRELOAD: the n-th operation that writes to files below a folder fails,
 * or is the last thing that the process does.
 *
 *   TT_IO_UNDER   the folder; only files in it count
 *   TT_IO_FAULT   EIO, ENOSPC, or KILL (the process ends instead of the operation)
 *   TT_IO_AT      which one, from 1; 0: none, they are only counted
 *   TT_IO_FOR     how many in a row fail (1)
 *   TT_IO_COUNT   a file into which the number of operations is written, whenever it grows
 *   TT_IO_HOLD    as long as this file exists, a sync of any file but the write-ahead log takes
 *
 * Operations are write, pwrite, fsync, fdatasync, ftruncate, rename and link. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long operations;

static long number(const char *name, long fallback)
{
    const char *text = getenv(name);
    return text ? atol(text) : fallback;
}

static void note_count(long count)
{
    const char *path = getenv("TT_IO_COUNT");
    char text[24];
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0600) : -1;
    if (fd < 0)
        return;
    int len = snprintf(text, sizeof(text), "%-12ld\n", count);
    syscall(SYS_pwrite64, fd, text, (size_t)len, 0L);
    syscall(SYS_close, fd);
}

/* Whether the next operation fails; then errno is set. */
static int fails(void)
{
    const char *fault = getenv("TT_IO_FAULT");
    long at = number("TT_IO_AT", 0), count = atomic_fetch_add(&operations, 1) + 1;

    note_count(count);
    if (at == 0 || !fault || count < at || count >= at + number("TT_IO_FOR", 1))
        return 0;
    if (strcmp(fault, "KILL") == 0)
        kill(getpid(), SIGKILL);
    errno = strcmp(fault, "ENOSPC") == 0 ? ENOSPC : EIO;
    return 1;
}

static int is_under(const char *path)
{
    const char *under = getenv("TT_IO_UNDER");
    size_t len = under ? strlen(under) : 0;
    return len > 0 && strncmp(path, under, len) == 0 && (path[len] == '/' || !path[len]);
}

static int path_of(int fd, char *path, size_t size)
{
    char link[40];
    int saved = errno;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, size - 1);
    errno = saved;
    if (n < 0)
        return 0;
    path[n] = 0;
    return 1;
}

static int counts(int fd)
{
    char path[4096];
    return path_of(fd, path, sizeof(path)) && is_under(path);
}

static void hold(int fd)
{
    const char *file = getenv("TT_IO_HOLD");
    char path[4096];
    size_t len;
    if (!file || !path_of(fd, path, sizeof(path)) || !is_under(path))
        return;
    len = strlen(path);
    if (len > 4 && strcmp(path + len - 4, "-wal") == 0)
        return;
    while (syscall(SYS_faccessat, AT_FDCWD, file, F_OK) == 0)
        usleep(10000);
}

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (!function)
        abort();
    return function;
}

ssize_t write(int fd, const void *data, size_t size)
{
    return counts(fd) && fails() ? -1 : REAL(write)(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return counts(fd) && fails() ? -1 : REAL(pwrite)(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return counts(fd) && fails() ? -1 : REAL(pwrite64)(fd, data, size, offset);
}

int fsync(int fd)
{
    hold(fd);
    return counts(fd) && fails() ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    hold(fd);
    return counts(fd) && fails() ? -1 : REAL(fdatasync)(fd);
}

int ftruncate(int fd, off_t size)
{
    return counts(fd) && fails() ? -1 : REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return counts(fd) && fails() ? -1 : REAL(ftruncate64)(fd, size);
}

int rename(const char *from, const char *to)
{
    return is_under(to) && fails() ? -1 : REAL(rename)(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return counts(to_dir) && fails() ? -1 : REAL(renameat)(from_dir, from, to_dir, to);
}

int link(const char *from, const char *to)
{
    return is_under(to) && fails() ? -1 : REAL(link)(from, to);
}
