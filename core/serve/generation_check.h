/* Checks before a generation may serve: error texts, routes, self tests. Part of tt_generation_new,
 * split out to keep generation.c short. */
#pragma once
#include "serve/generation.h"

/* Fills in errors, routes and routers from the first state. -1: *diagnostics says why. */
int tt_generation_check(struct tt_generation *generation, const struct tt_serve_settings *settings,
                        struct tt_diagnostics *diagnostics);

/* Calls app.advice for code that is not an error but probably a mistake; each finding has its code
 * as phase. For `tidetalk check`. Thread: builder or main. */
void tt_generation_advise(struct tt_generation *generation, struct tt_diagnostics *advice);
