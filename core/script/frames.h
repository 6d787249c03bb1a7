/* A reply as Server-Sent Events on one connection: the one place that writes frames. */
#pragma once
#include "http/http.h"
#include "llm/reply.h"
#include "script/generation.h"

struct tt_frames;

/* Begins the response (200, event-stream; NULL when it was answered already) and follows the reply
 * from `position` to its end frame; a position beyond what there is gets a reset frame with all of
 * it first. While the client is there it counts among the reply's listeners. Owns: the exchange;
 * call tt_frames_close from its on_end. `describe` gives the text of an error code. Takes its own
 * reference to the reply. Thread: worker.
 */
struct tt_frames *tt_frames_open(struct tt_http_exchange *exchange, struct tt_loop *loop,
                                 struct tt_reply *reply, uint64_t position,
                                 struct tt_str (*describe)(void *arg, const struct tt_err *err),
                                 void *describe_arg);
/* The client has left: the reply is followed no longer, the exchange ends soon. */
void tt_frames_abandon(struct tt_frames *frames);
void tt_frames_close(struct tt_frames *frames);
