/* A slot has the upper part of a key and the time in 16 ms; who comes later takes the slot. */
#include "upstream/key_rest.h"

#include <stdatomic.h>

#define SLOTS      1024u
#define TIME_BITS  36 /* of 16 ms: over 30 years of uptime */
#define TIME_MASK  (((uint64_t)1 << TIME_BITS) - 1)
#define UNIT_SHIFT 4

static _Atomic uint64_t slots[SLOTS];

static _Atomic uint64_t *slot_of(uint64_t key)
{
    return &slots[(key ^ key >> 32) % SLOTS];
}

void tt_key_rest(uint64_t key, uint64_t until_ms)
{
    uint64_t held = (key & ~TIME_MASK) | ((until_ms >> UNIT_SHIFT) & TIME_MASK);
    if (until_ms || tt_key_rests_until(key))
        atomic_store_explicit(slot_of(key), held, memory_order_relaxed);
}

uint64_t tt_key_rests_until(uint64_t key)
{
    uint64_t held = atomic_load_explicit(slot_of(key), memory_order_relaxed);
    return (held ^ key) & ~TIME_MASK ? 0 : (held & TIME_MASK) << UNIT_SHIFT;
}
