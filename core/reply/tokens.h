/* How many tokens a text has about, for upstreams that do not tell. Models count differently; this
 * is the middle of what common ones do: four ASCII characters a token (English prose and code), two
 * of other alphabets, one ideograph, kana or hangul syllable. Pure; the same for what is asked and
 * what is answered. Nobody should bill by it: what was estimated is marked so. */
#pragma once
#include "base/str.h"

/* Quarters of tokens, so that a text in pieces (cut between characters) counts as the whole does.
 * Invalid bytes count as a character each. Thread: any. */
uint64_t tt_tokens_quarters(struct tt_str text);

/* Whole tokens, rounded up; 0 for "". */
static inline int64_t tt_tokens_of(uint64_t quarters)
{
    return (int64_t)((quarters + 3) / 4);
}

/* Tokens that one request can have cost: far above any model's window, and no sum of them leaves an
 * integer. A count that is told and lies outside of 0 to this counts as not told. */
#define TT_TOKENS_MAX 1000000000

/* The count, or -1 when nobody can believe it. */
static inline int64_t tt_tokens_told(int64_t count)
{
    return count >= 0 && count <= TT_TOKENS_MAX ? count : -1;
}
