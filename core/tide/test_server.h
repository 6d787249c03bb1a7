/* The scripted upstream of `tidetalk test`: a server on the loopback, with a thread of its own,
 * that answers each request with the next of the answers it was given. The whole way to a model is
 * real with it: provider script, client, parser, reply. Not for serving anybody else. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct tt_test_upstream;

/* Owns: the caller, tt_test_upstream_close. Fails: NULL when no port can be had. */
struct tt_test_upstream *tt_test_upstream_open(struct tt_err *err);
/* Cuts what still runs and joins its thread. */
void tt_test_upstream_close(struct tt_test_upstream *upstream);
int tt_test_upstream_port(const struct tt_test_upstream *upstream);

/* One answer: JSON in one piece, or a stream of events, each sent by itself; `pace_ms` before each
 * piece. */
struct tt_test_answer {
    int status;
    bool is_stream;
    int64_t retry_after; /* seconds, -1 = none */
    int64_t pace_ms;
    struct tt_buf body;
};
/* Adds it to those that wait. Owns: the body is taken over. Thread: any. */
void tt_test_upstream_push(struct tt_test_upstream *upstream, struct tt_test_answer *answer);

/* Appends the body of the request with this number, from 0; false when there was none. Thread: any.
 */
bool tt_test_upstream_asked(struct tt_test_upstream *upstream, size_t number, struct tt_buf *body);
/* Requests that came when no answer was left (they got a 500). Thread: any. */
int tt_test_upstream_unscripted(struct tt_test_upstream *upstream);
