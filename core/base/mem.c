/* Allocation that cannot fail: mem.h says when that is right. The messages are written by write(2),
 * because formatting text may need memory itself. */
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RESERVE ((size_t)16 << 20) /* never touched: address space, no pages */
#define RETRIES 6                  /* after 0, 1, 2, 4, 8 and 16 ms: others free memory meanwhile */

static struct {
    pthread_mutex_t lock;
    void *block; /* NULL: not there */
    bool wanted;
    atomic_bool is_short;
} reserve = {.lock = PTHREAD_MUTEX_INITIALIZER};

#ifdef TT_TESTS
size_t tt_mem_fail_at;

static bool fails(size_t size)
{
    size_t at = __atomic_load_n(&tt_mem_fail_at, __ATOMIC_ACQUIRE);
    return at && size >= at &&
           __atomic_compare_exchange_n(&tt_mem_fail_at, &at, 0, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}
#else
static bool fails(size_t size)
{
    (void)size;
    return false;
}
#endif

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n;
}

static void __attribute__((noreturn)) out_of_memory(void)
{
    say("tidetalk: out of memory, also without the reserve; the process ends by design\n");
    abort();
}

/* After a failure: makes room for one more try. */
static void give_back_reserve(void)
{
    pthread_mutex_lock(&reserve.lock);
    bool first = reserve.block != NULL;
    free(reserve.block);
    reserve.block = NULL;
    if (reserve.wanted)
        atomic_store(&reserve.is_short, true);
    pthread_mutex_unlock(&reserve.lock);
    if (first)
        say("tidetalk: memory is short; new requests are answered with 503 until it is not\n");
}

void tt_mem_open_reserve(void)
{
    pthread_mutex_lock(&reserve.lock);
    reserve.wanted = true;
    if (!reserve.block)
        reserve.block = fails(RESERVE) ? NULL : malloc(RESERVE);
    atomic_store(&reserve.is_short, !reserve.block);
    pthread_mutex_unlock(&reserve.lock);
}

void tt_mem_close_reserve(void)
{
    pthread_mutex_lock(&reserve.lock);
    reserve.wanted = false;
    free(reserve.block);
    reserve.block = NULL;
    atomic_store(&reserve.is_short, false);
    pthread_mutex_unlock(&reserve.lock);
}

bool tt_mem_is_short(void)
{
    if (atomic_load_explicit(&reserve.is_short, memory_order_relaxed))
        tt_mem_open_reserve();
    return atomic_load_explicit(&reserve.is_short, memory_order_relaxed);
}

static void pause_before(int retry)
{
    const struct timespec pause = {.tv_nsec = 500000L << retry};
    if (retry > 0)
        nanosleep(&pause, NULL);
}

/* glibc keeps small blocks that were freed at hand in each thread, but its calloc does not look
 * there. Large ones are often new pages, which are zero already. */
#define AT_HAND_MAX 1024

static void *zeroed(size_t size)
{
    if (size == 0 || size > AT_HAND_MAX)
        return calloc(1, size ? size : 1);
    void *p = malloc(size);
    __asm__("" : "+r"(p)); /* or the compiler makes a calloc of the two */
    return p ? memset(p, 0, size) : NULL;
}

void *tt_alloc(size_t size)
{
    void *p = fails(size) ? NULL : zeroed(size);
    for (int i = 0; !p && i < RETRIES; i++) {
        give_back_reserve();
        pause_before(i);
        p = zeroed(size);
    }
    if (!p)
        out_of_memory();
    return p;
}

void *tt_try_realloc(void *old, size_t size)
{
    void *p = fails(size) ? NULL : realloc(old, size ? size : 1);
    if (p)
        return p;
    give_back_reserve();
    return realloc(old, size ? size : 1);
}

void *tt_realloc(void *old, size_t size)
{
    void *p = tt_try_realloc(old, size);
    for (int i = 1; !p && i < RETRIES; i++) {
        pause_before(i);
        p = tt_try_realloc(old, size);
    }
    if (!p)
        out_of_memory();
    return p;
}

char *tt_strndup(const char *data, size_t len)
{
    char *p = tt_realloc(NULL, len + 1);
    if (len > 0)
        memcpy(p, data, len);
    p[len] = '\0';
    return p;
}
