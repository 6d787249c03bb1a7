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
