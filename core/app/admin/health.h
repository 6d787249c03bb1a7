/* Whether the server is alive, and whether it is ready. */
#pragma once
#include "serve/core_route.h"

void tt_health_live(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
void tt_health_ready(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
/* The same with names of files and their mistakes, which are for the operator only. */
void tt_health_ready_admin(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
