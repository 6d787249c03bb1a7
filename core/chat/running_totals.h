/* What all replies of the process have come to, since its start. */
#pragma once
#include "reply/reply.h"

struct tt_running_totals {
    uint64_t ended, failed, bytes, input_tokens, output_tokens;
};

/* Counts a reply that is produced. Thread: any. */
void tt_running_totals_add(const struct tt_reply *reply);
/* Thread: any. */
void tt_running_totals_get(struct tt_running_totals *out);
