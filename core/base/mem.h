/* Small core allocations: a failure ends the process by design (a restart loses nothing that was
 * acknowledged). Memory whose size a request decides goes through a capped tt_buf or the caller's
 * limit instead. */
#pragma once
#include <stddef.h>

void *tt_alloc(size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *tt_realloc(void *old, size_t size) __attribute__((returns_nonnull));
char *tt_strndup(const char *data, size_t len) __attribute__((returns_nonnull)); /* adds a NUL */

#define TT_NEW(type) ((type *)tt_alloc(sizeof(type)))

/* The struct that contains a member. */
#define TT_CONTAINER_OF(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define TT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
