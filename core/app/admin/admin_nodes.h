/* The nodes that share the database, and draining this one. */
#pragma once
#include "serve/core_route.h"

/* GET /admin/nodes: {"shared", "self", "data": [...]}. */
void tt_admin_nodes(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
/* POST /admin/drain: no new sessions from here on. {"draining", "running"}. */
void tt_admin_drain(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
