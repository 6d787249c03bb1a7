/* GET /admin/status: what the process is at, as JSON. */
#pragma once
#include "serve/core_route.h"

void tt_status_answer(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
