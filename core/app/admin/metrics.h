/* GET /metrics on the admin listener: counts and states of the process in Prometheus' text format
 * (version 0.0.4). No label comes from a request. */
#pragma once
#include "serve/core_route.h"

/* Answers when every worker has reported, or after a moment without those that have not (they are
 * stuck: tidetalk_worker_up is 0 then). */
void tt_metrics_answer(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
