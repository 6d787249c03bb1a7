/* Reloading over HTTP. No code is accepted from the network: the files on the disk are read again.
 */
#pragma once
#include "serve/core_route.h"

/* POST /admin/reload and POST /admin/rollback: answered when the builder is done. */
void tt_admin_reload(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
void tt_admin_rollback(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);

/* GET /admin/generations: those that have served, and those that are not closed. */
void tt_admin_generations(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
