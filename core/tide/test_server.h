/* The scripted upstream of `tidetalk test`: a small HTTP server on the loopback that answers each
 * request with the next of the answers it was given. The whole way to a model is real with it:
 * provider script, client, parser, reply. Not for serving anybody else. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct tt_test_upstream;

/* Owns: the caller, tt_test_upstream_close. Fails: NULL when no port can be had. */
struct tt_test_upstream *tt_test_upstream_open(struct tt_err *err);
/* Cuts what still runs and joins its threads. */
void tt_test_upstream_close(struct tt_test_upstream *upstream);
int tt_test_upstream_port(const struct tt_test_upstream *upstream);

/* One answer: `head` up to and with the empty line, then the parts, each sent by itself with
 * `pace_ms` before it. The answer ends with the connection. */
struct tt_test_answer {
    struct tt_buf head;
    struct tt_buf *parts;
    size_t count;
    int64_t pace_ms;
};
/* Adds it to those that wait. Owns: taken over. Thread: any. */
void tt_test_upstream_push(struct tt_test_upstream *upstream, struct tt_test_answer *answer);

/* Appends the body of the request with this number, from 0; false when there was none. Thread: any.
 */
bool tt_test_upstream_asked(struct tt_test_upstream *upstream, size_t number, struct tt_buf *body);
/* Requests that came when no answer was left (they got a 500). Thread: any. */
int tt_test_upstream_unscripted(struct tt_test_upstream *upstream);
