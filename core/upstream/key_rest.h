/* Keys that a service has refused rest for a while, if their configuration has others. The memory
 * is a small table without locks, as that of adapt.c: some rests may be forgotten. Thread: any. */
#pragma once
#include <stdint.h>

/* Lets a key rest until `until_ms` of the monotonic clock; 0: it works again. `key` stands for a
 * key of a configuration. */
void tt_key_rest(uint64_t key, uint64_t until_ms);
/* 0: it does not rest. */
uint64_t tt_key_rests_until(uint64_t key);
