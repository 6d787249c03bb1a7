/* The paths that the core answers itself, without scripts: /livez, /readyz, and on the admin
 * listener /admin/status. */
#pragma once
#include "serve/dispatch.h"

/* For tt_dispatcher.builtin; arg is the worker. */
bool tt_health_answer(void *arg, struct tt_http_exchange *exchange,
                      const struct tt_listener_handle *handle);

/* For tt_dispatcher.builtin_request: what could not be answered at once. */
void tt_health_request(void *arg, struct tt_http_exchange *exchange);

/* For tt_dispatcher.admin_end: records writes of the scripts' admin routes. */
void tt_health_admin_end(void *arg, const struct tt_request *request);
