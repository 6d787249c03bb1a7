/* What the fuzz targets share. Each target is one file here with one LLVMFuzzerTestOneInput;
 * run.sh looks for inputs that break its checks, and replay.c repeats those of corpus/. */
#pragma once
#include "base/str.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check(bool holds)
{
    if (!holds)
        abort();
}

/* The length of the next of pieces of pseudo-random lengths, 1 to 9; with a seed of 0 there is
 * one piece. */
static inline size_t fuzz_piece(unsigned *seed, size_t left)
{
    if (*seed == 0)
        return left;
    *seed = *seed * 1103515245u + 12345u;
    *seed += *seed == 0;
    size_t n = 1 + (*seed >> 16) % 9;
    return n < left ? n : left;
}
