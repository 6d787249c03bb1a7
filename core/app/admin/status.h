/* GET /admin/status: the state of the process, as JSON. */
#pragma once
#include "serve/core_route.h"

void tt_status_answer(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
