/* The lines of /metrics that are not plain numbers: those with labels of their own. For the table.
 */
#pragma once
#include "app/admin/process_sample.h"

void tt_metrics_put_requests(const struct tt_process_sample *sample, struct tt_buf *out);
void tt_metrics_put_durations(const struct tt_process_sample *sample, struct tt_buf *out);
void tt_metrics_put_failures(const struct tt_process_sample *sample, struct tt_buf *out);
void tt_metrics_put_refusals(const struct tt_process_sample *sample, struct tt_buf *out);
void tt_metrics_put_redis_state(const struct tt_process_sample *sample, struct tt_buf *out);
/* Only their number: the names of upstreams come from users. /admin/status shows them. */
void tt_metrics_put_breakers(const struct tt_process_sample *sample, struct tt_buf *out);
