/* When new scripts have failed often enough to be rolled back, computed from counts alone. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct tt_probation_counts {
    uint64_t requests;
    uint64_t failures; /* of these, by the scripts' own fault */
};

/* Whether scripts with these counts must be rolled back: at least `least` failures, at least every
 * fifth request, and more than twice as often as with the previous scripts. Thread: any. */
bool tt_probation_is_failed(struct tt_probation_counts now, struct tt_probation_counts before,
                            uint64_t least);

/* The time until the next check: `usual_ms`, but the last check is exactly at `end_ms`. 0: that one
 * is over, and there are no more. Thread: any. */
uint64_t tt_probation_wait(uint64_t now_ms, uint64_t end_ms, uint64_t usual_ms);
