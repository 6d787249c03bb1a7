/* About how many tokens a text has, for upstreams that do not report them. Models count
 * differently; this is the middle of common ones: four ASCII characters per token (English prose
 * and code), two of other alphabets, one ideograph, kana or hangul syllable. Pure; the same for
 * input and output. Nobody should bill by it: estimates are marked. */
#pragma once
#include "base/str.h"

/* Quarters of tokens, so that a text in pieces (cut between characters) counts the same as the
 * whole. Invalid bytes count as one character each. Thread: any. */
uint64_t tt_tokens_quarters(struct tt_str text);

/* Whole tokens, rounded up; 0 for "". */
static inline int64_t tt_tokens_of(uint64_t quarters)
{
    return (int64_t)((quarters + 3) / 4);
}

/* Tokens that one request can have cost: far above any model's window, and sums of it always fit an
 * integer. A reported count outside of 0 to this counts as not reported. */
#define TT_TOKENS_MAX 1000000000

/* The count, or -1 when it is not plausible. */
static inline int64_t tt_tokens_told(int64_t count)
{
    return count >= 0 && count <= TT_TOKENS_MAX ? count : -1;
}

/* One count may stand at two places: the larger one is true. */
static inline void tt_tokens_most(int64_t *count, int64_t other)
{
    if (other > *count)
        *count = other;
}
