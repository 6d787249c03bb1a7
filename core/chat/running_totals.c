#include "chat/running_totals.h"

#include <stdatomic.h>

static struct {
    _Atomic uint64_t ended, failed, bytes, input_tokens, output_tokens;
} totals;

void tt_running_totals_add(const struct tt_reply *reply)
{
    const struct tt_reply_outcome *outcome = tt_reply_outcome(reply);
    int64_t input = outcome->usage.input_tokens, output = outcome->usage.output_tokens;

    atomic_fetch_add(&totals.ended, 1);
    atomic_fetch_add(&totals.failed, outcome->error.status ? 1 : 0);
    atomic_fetch_add(&totals.bytes, tt_reply_length(reply));
    atomic_fetch_add(&totals.input_tokens, input > 0 ? (uint64_t)input : 0);
    atomic_fetch_add(&totals.output_tokens, output > 0 ? (uint64_t)output : 0);
}

void tt_running_totals_get(struct tt_running_totals *out)
{
    *out = (struct tt_running_totals){.ended = atomic_load(&totals.ended),
                                      .failed = atomic_load(&totals.failed),
                                      .bytes = atomic_load(&totals.bytes),
                                      .input_tokens = atomic_load(&totals.input_tokens),
                                      .output_tokens = atomic_load(&totals.output_tokens)};
}
