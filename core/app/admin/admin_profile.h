/* Profiles of the scripts, over the admin listener. */
#pragma once
#include "serve/core_route.h"

/* POST /admin/profile?seconds=10 begins one of all workers. */
void tt_admin_start_profile(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
/* GET /admin/profile: what the last one has found, or has found so far. */
void tt_admin_profile(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
