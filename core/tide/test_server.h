/* The scripted upstream of `tidetalk test`: a server on the loopback with its own thread, which
 * answers each request with the next of the given answers. Everything on the way to the model is
 * real: provider script, client, parser, reply. Not for serving anybody else. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct tt_test_upstream;

/* Owns: the caller, tt_test_upstream_close. Fails: NULL if no port is free. */
struct tt_test_upstream *tt_test_upstream_open(struct tt_err *err);
/* Cuts the running answers and joins the thread. */
void tt_test_upstream_close(struct tt_test_upstream *upstream);
int tt_test_upstream_port(const struct tt_test_upstream *upstream);

/* One answer: JSON in one piece, or a stream of events, each sent separately; `pace_ms` before each
 * piece. */
struct tt_test_answer {
    int status;
    bool is_stream;
    int64_t retry_after; /* seconds, -1 = none */
    int64_t pace_ms;
    struct tt_buf body;
};
/* Adds an answer to the queue. Owns: takes over the body. Thread: any. */
void tt_test_upstream_push(struct tt_test_upstream *upstream, struct tt_test_answer *answer);

/* Appends the body of the request with this number, from 0; false if there was none. Thread: any.
 */
bool tt_test_upstream_asked(struct tt_test_upstream *upstream, size_t number, struct tt_buf *body);
/* Requests for which no answer was left (they got a 500). Thread: any. */
int tt_test_upstream_unscripted(struct tt_test_upstream *upstream);
