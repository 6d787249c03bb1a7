/* The rule of the probation after a reload; builder_probation.c counts and applies it. A few
 * failures are no reason to roll back, nor are failures that were as frequent before. Whole
 * numbers whose quotients are equal, or differ by a factor of two, have such quotients as doubles
 * too: the comparisons are exact. */
#include "app/reload/probation.h"

#define SHARE_MIN 0.2 /* of all requests */
#define JUMP      2.0 /* times the share of the previous scripts */

static double share_of(struct tt_probation_counts counts)
{
    return counts.requests ? (double)counts.failures / (double)counts.requests : 0;
}

bool tt_probation_is_failed(struct tt_probation_counts now, struct tt_probation_counts before,
                            uint64_t least)
{
    double share = share_of(now);

    return now.failures >= least && share >= SHARE_MIN && share > JUMP * share_of(before);
}

uint64_t tt_probation_wait(uint64_t now_ms, uint64_t end_ms, uint64_t usual_ms)
{
    if (now_ms >= end_ms)
        return 0;
    return end_ms - now_ms < usual_ms ? end_ms - now_ms : usual_ms;
}
