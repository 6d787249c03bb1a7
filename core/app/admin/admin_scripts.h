/* Reloading over HTTP, on the admin listener: POST /admin/reload. It takes no code from the
 * network: the files on the disk are read again. For tt_dispatcher.builtin and builtin_request. */
#pragma once
#include "serve/dispatch.h"

/* Whether the request is one of these; its answer is given by tt_admin_scripts_answer. */
bool tt_admin_scripts_owns(struct tt_http_exchange *exchange);

/* Answers, now or when the builder has. `arg` is the worker. Thread: worker. */
void tt_admin_scripts_answer(void *arg, struct tt_http_exchange *exchange);
