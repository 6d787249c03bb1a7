/* Time. Monotonic for deadlines, wall clock for what is stored. Thread: any. */
#pragma once
#include <stdint.h>

#define TT_RFC3339_SIZE 28 /* "2026-01-02T03:04:05.123456Z" and a NUL */

uint64_t tt_clock_mono_ns(void);
uint64_t tt_clock_mono_ms(void);
int64_t tt_clock_wall_us(void); /* microseconds since 1970, UTC */
int64_t tt_clock_wall_ns(void);
uint64_t tt_clock_thread_cpu_ns(void); /* CPU time of the calling thread */

/* RFC 3339, UTC, exactly six fraction digits, "Z": so text order is time order. */
void tt_clock_format(int64_t wall_us, char out[TT_RFC3339_SIZE]);
