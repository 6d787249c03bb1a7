/* Passing a request on to another node: the call to that node's private listener, with the headers
 * of the client that the other node may need and a signed token (relay_token.h) in place of the
 * client's own credentials. One tt_relay per worker. Thread: its worker. */
#pragma once
#include "http/http.h"
#include "node/relay_token.h"
#include "node/relay_watch.h"
#include "upstream/client.h"

struct tt_relay_stats {
    uint64_t sent;     /* requests passed on */
    uint64_t failed;   /* of them those that got no answer */
    uint64_t broken;   /* of them those whose answer broke off */
    uint64_t wait_us;  /* until the heads of all answers */
    uint64_t received; /* requests of other nodes that were let in */
    uint64_t refused;  /* and those that were not */
};

struct tt_relay {
    struct tt_client *client; /* owned: for the nodes alone */
    struct tt_egress *egress; /* owned */
    struct tt_relay_watch watch;
    struct tt_str key; /* borrowed; signs the tokens */
    int64_t self;      /* this node's id */
    struct tt_relay_stats stats;
};

struct tt_relay_parts { /* borrowed */
    struct tt_loop *loop;
    struct tt_resolver *resolver;
    struct tt_db *db; /* the loop is attached; NULL: nobody is watched */
    struct tt_str key;
    int64_t self;
    uint64_t lease_ms;
};
/* Owns: the caller, tt_relay_destroy. Fails: -1. */
int tt_relay_create(struct tt_relay *relay, const struct tt_relay_parts *parts, struct tt_err *err);
/* Looks at the database no more. Before the loop is detached. Harmless on {0}, as the next. */
void tt_relay_stop(struct tt_relay *relay);
void tt_relay_destroy(struct tt_relay *relay);

struct tt_relay_request {
    int64_t to;            /* the node's id */
    struct tt_str address; /* "host:port" of its private listener */
    struct tt_str method, target;
    struct tt_str body;
    struct tt_str user; /* JSON, see relay_token.h */
    bool chinese, secure;
    bool anew; /* not the client's own request: without its headers and body */
};

/* Starts the call for `exchange`, whose id, address and headers it takes. Fails: NULL, as
 * tt_call_start, and "invalid_header". */
struct tt_call *tt_relay_start(struct tt_relay *relay, struct tt_http_exchange *exchange,
                               const struct tt_relay_request *request,
                               const struct tt_call_handler *handler, struct tt_err *err);

/* Whether a header of the other node's answer is the client's too. Otherwise it is about the
 * connection between the nodes, or this node adds it by itself. */
bool tt_relay_passes(struct tt_str name);

/* The target that a request came with. Owns: the exchange's arena. */
struct tt_str tt_relay_target(struct tt_http_exchange *exchange);
