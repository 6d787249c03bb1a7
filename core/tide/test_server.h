/* The scripted upstream of `tidetalk test`: a server on the loopback with its own thread, which
 * answers each request with the next of the given answers. It also stands in for all other servers
 * that a test has answers for. Everything on the way to the model is
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
    struct tt_buf headers; /* "Name: value\n" each */
    struct tt_buf model;   /* that it is of; "" = of any that has no answers of its own */
};
/* Adds an answer to the queue of its model. Owns: takes over the buffers. Thread: any. */
void tt_test_upstream_push(struct tt_test_upstream *upstream, struct tt_test_answer *answer);

/* Answers of another server: those of one `url` come in their order, and the last one again and
 * again. The URL may leave out the query, and may end with "*". Owns: takes over the buffers.
 * Thread: any. */
void tt_test_upstream_push_http(struct tt_test_upstream *upstream, struct tt_str url,
                                struct tt_test_answer *answer);

/* Where to send a request to another server instead, from malloc; NULL if there is no answer for
 * it. Records the request. A tt_client_detour_fn. */
struct tt_call_request;
char *tt_test_upstream_detour(void *upstream, const struct tt_call_request *request);

/* A request that was sent here instead, from 0; false if there was none. The texts live until the
 * upstream is closed. */
struct tt_test_request {
    struct tt_buf method, url, headers, body; /* headers: "Name: value\n" each */
};
bool tt_test_upstream_http_asked(struct tt_test_upstream *upstream, size_t number,
                                 struct tt_test_request *request);

/* Appends the body of the request with this number, from 0; false if there was none. Thread: any.
 */
bool tt_test_upstream_asked(struct tt_test_upstream *upstream, size_t number, struct tt_buf *body);
/* Requests for which no answer was left (they got a 500). Thread: any. */
int tt_test_upstream_unscripted(struct tt_test_upstream *upstream);
