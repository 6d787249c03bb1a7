/* Clocks, percentiles and what /proc says of other processes. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t now_ns(void);

/* Durations, kept whole so that percentiles are exact. */
struct samples {
    uint32_t *ns; /* those over 4.29 s count as that */
    size_t count, cap;
};

void samples_add(struct samples *s, uint64_t ns);
/* Microseconds below which `part` (0 to 1) of the samples lie; -1 without samples. Sorts. */
double samples_percentile_us(struct samples *s, double part);

/* CPU time that these processes have used, all threads, user and system. */
uint64_t cpu_us(const int *pids, size_t count);
/* Resident memory of these processes together. */
uint64_t rss_kib(const int *pids, size_t count);

void *grow(void *old, size_t size);

/* Says why, as printf does, and ends the program. */
#define die(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(1))

#endif
