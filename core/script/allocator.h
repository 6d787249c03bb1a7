/* The memory of one Lua state. Lua allocates and frees hundreds of small objects per request, and
 * always says how large a block was; so small ones come from blocks of cells of one size, which
 * costs a third of malloc. Larger ones come from malloc. Memory beyond the limit is refused, which
 * Lua turns into "not enough memory" after a full collection. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define TT_ALLOCATOR_SMALL   256 /* bytes of the largest small object */
#define TT_ALLOCATOR_STEP    16  /* between the sizes of cells; their alignment */
#define TT_ALLOCATOR_CLASSES (TT_ALLOCATOR_SMALL / TT_ALLOCATOR_STEP)
#define TT_ALLOCATOR_NEVER   ((size_t)1 << 62) /* bytes that are refused as if by the system */

struct tt_allocator {
    size_t used, max;    /* bytes that the state has, as it asked for them; more are refused */
    bool system_refused; /* why NULL was returned last: no memory, not the limit */
    bool plain;          /* malloc for everything: sanitizers then see each object */
    struct tt_allocator_block *available[TT_ALLOCATOR_CLASSES]; /* with free cells, by size */
    struct tt_allocator_block *spare;                           /* empty, of no size, or NULL */
};

/* Owns: the caller, tt_allocator_destroy. */
void tt_allocator_create(struct tt_allocator *allocator, size_t max);
/* After lua_close, which frees every object. */
void tt_allocator_destroy(struct tt_allocator *allocator);

/* A lua_Alloc; `ud` is the allocator. Thread: the one that has the state. */
void *tt_allocator_realloc(void *ud, void *object, size_t old_size, size_t new_size);
