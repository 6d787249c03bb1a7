/* When new scripts have failed enough to be rolled back, in numbers alone. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct tt_probation_counts {
    uint64_t requests;
    uint64_t failures; /* among them, by the scripts' own fault */
};

/* Whether scripts with these counts are to be rolled back: at least `least` failures, at least
 * every fifth request, and more than twice as often as with the scripts before. Thread: any. */
bool tt_probation_is_failed(struct tt_probation_counts now, struct tt_probation_counts before,
                            uint64_t least);

/* How long to wait until the next look: `usual_ms`, but the last one is at `end_ms` exactly. 0:
 * that one is over, there is none any more. Thread: any. */
uint64_t tt_probation_wait(uint64_t now_ms, uint64_t end_ms, uint64_t usual_ms);
