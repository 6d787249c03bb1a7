/* Memory that is freed all at once: one per request, so that handlers have no free() ladders.
 * Zero-initialised ({0}) is an empty arena. */
#pragma once
#include "base/str.h"

struct tt_arena_block;

struct tt_arena {
    struct tt_arena_block *blocks;
    size_t used; /* bytes handed out, for limits and metrics */
};

/* Zeroed memory, aligned for any type. Owns: the arena. Never NULL. Thread: the arena's owner. */
void *tt_arena_alloc(struct tt_arena *arena, size_t size);

/* A NUL-terminated copy. Owns: the arena. */
char *tt_arena_strndup(struct tt_arena *arena, const char *data, size_t len);
struct tt_str tt_arena_str(struct tt_arena *arena, struct tt_str s);

/* Frees everything; the arena is empty and usable again. */
void tt_arena_destroy(struct tt_arena *arena);
