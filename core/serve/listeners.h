/* A worker's HTTP servers. All of them lead to the worker's dispatcher; the handle that comes with
 * each request says how they differ. */
#pragma once
#include "http/http.h"
#include "serve/core_route.h"

struct tt_request;

enum tt_listener_server {
    TT_SERVER_PUBLIC,
    TT_SERVER_ADMIN,
    TT_SERVER_ADMIN_PORT, /* opened on demand; for scripts it is the admin listener too */
    TT_SERVER_NODES,      /* for other nodes, see relayed.h; for scripts it is the public one */
    TT_SERVERS
};

/* The guard of a listener. */
struct tt_listener_guard {
    /* True: the request may not come in and is answered. NULL: everybody may. Thread: worker. */
    bool (*refuses)(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
    /* The same when the body is there; NULL: everybody who was let in stays. Thread: worker. */
    bool (*refuses_body)(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
    /* A request has ended that was let in and that no core route answered. Thread: worker. */
    void (*on_end)(const struct tt_request *request);
};

struct tt_listener_handle {
    struct tt_dispatcher *dispatcher;
    enum tt_listener listener;
    const struct tt_listener_guard *guard; /* NULL: everybody may come in, nothing is noted */
};

/* Opens one of the dispatcher's servers. -1 with the code "listen_failed". Thread: the worker, as
 * for all below; main, before it starts. */
int tt_listeners_open(struct tt_dispatcher *dispatcher, enum tt_listener_server which,
                      const struct tt_listener_guard *guard, const struct tt_http_settings *http,
                      struct tt_err *err);
/* Cuts its remaining exchanges. Harmless when it is not open. */
void tt_listeners_close(struct tt_dispatcher *dispatcher, enum tt_listener_server which);
void tt_listeners_close_all(struct tt_dispatcher *dispatcher);

/* No new connections; see tt_http_server_quiesce. Not of the listener for other nodes: what still
 * runs here is watched and stopped through them. */
void tt_listeners_quiesce(struct tt_dispatcher *dispatcher);
void tt_listeners_quiesce_nodes(struct tt_dispatcher *dispatcher); /* that one as well */

/* Exchanges in flight, and open connections, of all of them. */
int tt_listeners_active(const struct tt_dispatcher *dispatcher);
int tt_listeners_connections(const struct tt_dispatcher *dispatcher);
