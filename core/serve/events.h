/* An answer as Server-Sent Events that a script sends: {events = function(send) … end}, written as
 * chunks.h says. Such a stream may be meant to last, so it is asked to end (`send` returns false)
 * when other scripts serve or the server stops, and ended when it does not. A function that fails
 * ends its stream with an event `error`, which is the error object: its client can tell it from an
 * end that was meant. */
#pragma once
#include "serve/chunks.h"

extern const struct tt_chunks_type tt_events_type;

/* The streams of a dispatcher. Thread: worker, as for all here. */
void tt_events_create(struct tt_dispatcher *dispatcher);

/* Asks the streams of scripts that do not serve any more; those that are left after a minute end.
 */
void tt_events_ask_old(struct tt_dispatcher *dispatcher);

/* Asks all streams, and those that begin from now on. */
void tt_events_ask_all(struct tt_dispatcher *dispatcher);
void tt_events_end_all(struct tt_dispatcher *dispatcher);
