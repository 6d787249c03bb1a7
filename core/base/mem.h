/* Core allocations. When one fails, a reserve is given back and it is tried again, for some 30 ms
 * in which others may free memory; until the reserve can be taken anew the server answers new
 * requests with 503 (tt_mem_is_short). If that does not help, the process ends by design: a restart
 * loses nothing that was acknowledged. Memory whose size a request alone decides goes through a
 * capped tt_buf or the caller's limit instead. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

void *tt_alloc(size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *tt_realloc(void *old, size_t size) __attribute__((returns_nonnull));
/* The same for memory whose size comes from outside. Fails: NULL, `old` is as it was. */
void *tt_try_realloc(void *old, size_t size);
char *tt_strndup(const char *data, size_t len) __attribute__((returns_nonnull)); /* adds a NUL */

#define TT_NEW(type) ((type *)tt_alloc(sizeof(type)))

/* Takes the reserve, for a server's start; without it a failed allocation is only repeated. Taken
 * by the process's end. Thread: any, as for all here. */
void tt_mem_open_reserve(void);
void tt_mem_close_reserve(void);

/* Whether an allocation has failed and the reserve cannot be taken anew yet, which is tried. */
bool tt_mem_is_short(void);

#ifdef TT_TESTS
/* The next allocation of at least so many bytes fails once; 0 = none. */
extern size_t tt_mem_fail_at;
#endif

/* The struct that contains a member. */
#define TT_CONTAINER_OF(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define TT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
