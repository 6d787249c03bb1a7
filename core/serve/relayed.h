/* The private listener: requests that other nodes pass on (node/relay.h), and nothing else. The
 * token says who asks, so no credentials are read; all else is as on the public listener. Thread:
 * worker. */
#pragma once
#include "serve/listeners.h"

extern const struct tt_listener_guard tt_relayed_guard;
