/* All routes that the core answers itself. */
#pragma once
#include "serve/core_route.h"

#include <stddef.h>

extern const struct tt_core_route tt_core_routes[];
extern const size_t tt_core_route_count;
