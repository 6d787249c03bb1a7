/* Preloaded into a server: large allocations fail. The file that FAILING_MALLOC names is shared
 * with the test, which sets what fails and reads what did. Without that variable nothing happens.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))
#define LARGE  ((size_t)16 << 10)

/* As tests/e2e/support/failing_malloc.mjs has it. */
struct control {
    uint32_t every; /* the how-manieth of them fails; 0 = none */
    uint32_t seen, failed;
};

static struct control *control;

/* The sanitizer's, or the C library's: found by the linker, because dlsym itself allocates. */
extern void *__interceptor_malloc(size_t) __attribute__((weak));
extern void *__interceptor_calloc(size_t, size_t) __attribute__((weak));
extern void *__interceptor_realloc(void *, size_t) __attribute__((weak));
extern void *__interceptor_aligned_alloc(size_t, size_t) __attribute__((weak));
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static __attribute__((constructor)) void open_control(void)
{
    const char *path = getenv("FAILING_MALLOC");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *shared = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared != MAP_FAILED)
        control = shared;
}

static bool fails(size_t size)
{
    uint32_t every = control ? __atomic_load_n(&control->every, __ATOMIC_RELAXED) : 0;

    if (every == 0 || size < LARGE)
        return false;
    if (__atomic_add_fetch(&control->seen, 1, __ATOMIC_RELAXED) % every != 0)
        return false;
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_RELAXED);
    errno = ENOMEM;
    return true;
}

PUBLIC void *malloc(size_t size)
{
    if (fails(size))
        return NULL;
    return __interceptor_malloc ? __interceptor_malloc(size) : __libc_malloc(size);
}

PUBLIC void *calloc(size_t count, size_t size)
{
    size_t all;
    if (!__builtin_mul_overflow(count, size, &all) && fails(all))
        return NULL;
    return __interceptor_calloc ? __interceptor_calloc(count, size) : __libc_calloc(count, size);
}

PUBLIC void *realloc(void *old, size_t size)
{
    if (fails(size))
        return NULL;
    return __interceptor_realloc ? __interceptor_realloc(old, size) : __libc_realloc(old, size);
}

PUBLIC void *aligned_alloc(size_t alignment, size_t size)
{
    if (fails(size))
        return NULL;
    return __interceptor_aligned_alloc ? __interceptor_aligned_alloc(alignment, size)
                                       : __libc_memalign(alignment, size);
}
