/* Time: monotonic for deadlines, wall clock for stored times. Thread: any. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define TT_RFC3339_SIZE 28 /* "2026-01-02T03:04:05.123456Z" and a NUL */

uint64_t tt_clock_mono_ns(void);
uint64_t tt_clock_mono_ms(void);
int64_t tt_clock_wall_us(void); /* microseconds since 1970, UTC */
int64_t tt_clock_wall_ns(void);
/* The wall clock says so much more than the system's: for tests of scripts. */
void tt_clock_shift(int64_t ns);
uint64_t tt_clock_thread_cpu_ns(void); /* CPU time of the calling thread */

/* RFC 3339, UTC, exactly six fraction digits, "Z": text order is time order. */
void tt_clock_format(int64_t wall_us, char out[TT_RFC3339_SIZE]);

/* Reads RFC 3339 text with any offset and any number of fraction digits (digits after the sixth are
 * dropped). A second 60 is read as second 0 of the next minute. -1 when the text is not a time, or
 * not in the years 0 to 9999. */
int tt_clock_parse(const char *text, size_t len, int64_t *wall_us);
