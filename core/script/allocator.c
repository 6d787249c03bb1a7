/* Cells for a state's small objects. A block is 64 KiB at an address that is a multiple of its
 * size, so that an object's address leads to its block; all its cells have one size. Blocks that
 * become empty are given back, except one per allocator and one per size: a burst of requests
 * leaves nothing behind. No locks: a state is used by one thread at a time. */
#include "script/allocator.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE   ((size_t)64 << 10)
#define CARVED_BYTES ((size_t)4 << 10) /* at a time: pages that nobody needs are never touched */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

struct cell {
    struct cell *next;
};

struct tt_allocator_block {
    struct cell *free;
    size_t taken; /* cells that are objects */
    size_t carved, cell_size;
    bool full; /* not among the available ones */
    struct tt_allocator_block *next, **link;
};

/* Cells begin behind the header, aligned. */
#define FIRST_CELL                                                                                 \
    ((sizeof(struct tt_allocator_block) + TT_ALLOCATOR_STEP - 1) / TT_ALLOCATOR_STEP *             \
     TT_ALLOCATOR_STEP)

void tt_allocator_create(struct tt_allocator *allocator, size_t max)
{
    *allocator = (struct tt_allocator){.max = max, .plain = SANITIZED};
}

void tt_allocator_destroy(struct tt_allocator *allocator)
{
    for (size_t i = 0; i < TT_ALLOCATOR_CLASSES; i++)
        while (allocator->available[i]) {
            struct tt_allocator_block *block = allocator->available[i];
            allocator->available[i] = block->next;
            free(block);
        }
    free(allocator->spare);
    allocator->spare = NULL;
}

/* ---- blocks ---- */

static size_t class_of(size_t size)
{
    return (size - 1) / TT_ALLOCATOR_STEP;
}

static void link_block(struct tt_allocator_block **list, struct tt_allocator_block *block)
{
    block->next = *list;
    block->link = list;
    if (block->next)
        block->next->link = &block->next;
    *list = block;
}

static void unlink_block(struct tt_allocator_block *block)
{
    *block->link = block->next;
    if (block->next)
        block->next->link = block->link;
}

static struct tt_allocator_block *add_block(struct tt_allocator *allocator, size_t class)
{
    struct tt_allocator_block *block = allocator->spare;

    allocator->spare = NULL;
    if (!block)
        block = aligned_alloc(BLOCK_SIZE, BLOCK_SIZE);
    if (!block)
        return NULL;
    *block = (struct tt_allocator_block){.carved = FIRST_CELL,
                                         .cell_size = (class + 1) * TT_ALLOCATOR_STEP};
    link_block(&allocator->available[class], block);
    return block;
}

/* Makes cells of a part of the block that has never been used. False when there is none. */
static bool carve(struct tt_allocator_block *block)
{
    size_t end =
        block->carved + CARVED_BYTES < BLOCK_SIZE ? block->carved + CARVED_BYTES : BLOCK_SIZE;
    struct cell **last = &block->free;

    for (; block->carved + block->cell_size <= end; block->carved += block->cell_size) {
        *last = (struct cell *)((char *)block + block->carved);
        last = &(*last)->next;
    }
    *last = NULL;
    return block->free != NULL;
}

/* A block with a free cell when the first available one has none, or NULL. */
static struct tt_allocator_block *find_block(struct tt_allocator *allocator, size_t class)
{
    struct tt_allocator_block *block;

    while ((block = allocator->available[class]) && !block->free && !carve(block)) {
        unlink_block(block);
        block->full = true;
    }
    if (!block && (block = add_block(allocator, class)))
        carve(block);
    return block;
}

/* ---- small objects ---- */

static void *take_cell(struct tt_allocator *allocator, size_t size)
{
    size_t class = class_of(size);
    struct tt_allocator_block *block = allocator->available[class];

    if (__builtin_expect(!block || !block->free, false)) {
        block = find_block(allocator, class);
        if (!block)
            return NULL;
    }
    struct cell *cell = block->free;
    block->free = cell->next;
    block->taken++;
    return cell;
}

/* The block's list changes: it has a free cell again, or nothing but free ones. */
static void review(struct tt_allocator *allocator, struct tt_allocator_block *block)
{
    struct tt_allocator_block **list = &allocator->available[class_of(block->cell_size)];

    if (block->full) {
        block->full = false;
        link_block(list, block);
    }
    if (block->taken > 0 || (*list == block && !block->next))
        return;
    unlink_block(block);
    if (allocator->spare)
        free(block);
    else
        allocator->spare = block;
}

static void put_cell(struct tt_allocator *allocator, void *object)
{
    struct tt_allocator_block *block = (void *)((uintptr_t)object & ~(BLOCK_SIZE - 1));
    struct cell *cell = object;

    cell->next = block->free;
    block->free = cell;
    if (__builtin_expect(--block->taken == 0 || block->full, false))
        review(allocator, block);
}

/* ---- objects of any size ---- */

static bool is_small(const struct tt_allocator *allocator, size_t size)
{
    return size <= TT_ALLOCATOR_SMALL && !allocator->plain;
}

static void *take(struct tt_allocator *allocator, size_t size)
{
    return is_small(allocator, size) ? take_cell(allocator, size) : malloc(size);
}

static void put(struct tt_allocator *allocator, void *object, size_t size)
{
    if (is_small(allocator, size))
        put_cell(allocator, object);
    else
        free(object);
}

static void *resize(struct tt_allocator *allocator, void *object, size_t old_size, size_t new_size)
{
    bool was_small = is_small(allocator, old_size), small = is_small(allocator, new_size);

    if (!was_small && !small)
        return realloc(object, new_size);
    if (was_small && small && class_of(old_size) == class_of(new_size))
        return object;
    void *moved = take(allocator, new_size);
    if (!moved)
        return NULL;
    memcpy(moved, object, old_size < new_size ? old_size : new_size);
    put(allocator, object, old_size);
    return moved;
}

void *tt_allocator_realloc(void *ud, void *object, size_t old_size, size_t new_size)
{
    struct tt_allocator *allocator = ud;

    if (!object)
        old_size = 0; /* Lua passes the kind of object here */
    if (new_size == 0) {
        allocator->used -= old_size;
        if (object)
            put(allocator, object, old_size);
        return NULL;
    }
    if (new_size >= TT_ALLOCATOR_NEVER) {
        allocator->system_refused = true;
        return NULL;
    }
    if (new_size > old_size && allocator->used + (new_size - old_size) > allocator->max) {
        allocator->system_refused = false;
        return NULL;
    }
    void *moved =
        object ? resize(allocator, object, old_size, new_size) : take(allocator, new_size);
    if (moved)
        allocator->used += new_size - old_size;
    else
        allocator->system_refused = true;
    return moved;
}
