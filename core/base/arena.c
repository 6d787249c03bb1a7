/* Blocks in a chain; the first has the free room. A large allocation gets its own block behind it,
 * so that the room is not lost. Blocks double from 1 KiB to 64 KiB: a small request costs one
 * malloc, a big one few. With its head, the first is of a size that glibc keeps at hand. Only
 * memory that is handed out is zeroed. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdlib.h>

#define FIRST_BLOCK 992
#define LAST_BLOCK  65536

struct tt_arena_block {
    struct tt_arena_block *next;
    size_t size;
    size_t used;
    _Alignas(max_align_t) char data[];
};

static struct tt_arena_block *block_new(size_t size)
{
    /* tt_realloc: not zeroed. */
    struct tt_arena_block *block = tt_realloc(NULL, sizeof(*block) + size);
    block->next = NULL;
    block->size = size;
    block->used = 0;
    return block;
}

static struct tt_arena_block *block_for(struct tt_arena *arena, size_t size)
{
    struct tt_arena_block *first = arena->blocks;
    if (first && first->size - first->used >= size)
        return first;
    size_t next_size = first ? first->size * 2 : FIRST_BLOCK;
    if (next_size > LAST_BLOCK)
        next_size = LAST_BLOCK;
    if (first && size > next_size / 2) {
        struct tt_arena_block *own = block_new(size);
        own->next = first->next;
        first->next = own;
        return own;
    }
    struct tt_arena_block *block = block_new(size > next_size ? size : next_size);
    block->next = first;
    arena->blocks = block;
    return block;
}

void *tt_arena_alloc(struct tt_arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    if (size > SIZE_MAX / 2)
        abort();
    size = size ? (size + align - 1) / align * align : align;
    struct tt_arena_block *block = block_for(arena, size);
    void *p = block->data + block->used;
    block->used += size;
    arena->used += size;
    return memset(p, 0, size);
}

char *tt_arena_strndup(struct tt_arena *arena, const char *data, size_t len)
{
    char *p = tt_arena_alloc(arena, len + 1);
    if (len > 0)
        memcpy(p, data, len);
    return p;
}

struct tt_str tt_arena_str(struct tt_arena *arena, struct tt_str s)
{
    return tt_str_of(tt_arena_strndup(arena, s.data, s.len), s.len);
}

void tt_arena_destroy(struct tt_arena *arena)
{
    struct tt_arena_block *block = arena->blocks;
    while (block) {
        struct tt_arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->blocks = NULL;
    arena->used = 0;
}
