/* Every open server, one after the other. */
#include "serve/listeners.h"

#include "serve/dispatch.h"

int tt_listeners_open(struct tt_dispatcher *dispatcher, enum tt_listener_server which,
                      const struct tt_listener_guard *guard, const struct tt_http_settings *http,
                      struct tt_err *err)
{
    struct tt_listener_handle *handle = &dispatcher->handle[which];

    bool is_admin = which == TT_SERVER_ADMIN || which == TT_SERVER_ADMIN_PORT;
    *handle =
        (struct tt_listener_handle){.dispatcher = dispatcher,
                                    .listener = is_admin ? TT_LISTENER_ADMIN : TT_LISTENER_PUBLIC,
                                    .guard = guard};
    struct tt_http_handler handler = tt_dispatch_handler(handle);
    dispatcher->server[which] =
        tt_http_server_new(tt_dispatcher_loop(dispatcher), http, &handler, err);
    return dispatcher->server[which] ? 0 : -1;
}

void tt_listeners_close(struct tt_dispatcher *dispatcher, enum tt_listener_server which)
{
    tt_http_server_free(dispatcher->server[which]);
    dispatcher->server[which] = NULL;
}

void tt_listeners_close_all(struct tt_dispatcher *dispatcher)
{
    for (int i = 0; i < TT_SERVERS; i++)
        tt_listeners_close(dispatcher, i);
}

static void quiesce(struct tt_dispatcher *dispatcher, enum tt_listener_server which)
{
    if (dispatcher->server[which])
        tt_http_server_quiesce(dispatcher->server[which]);
}

void tt_listeners_quiesce(struct tt_dispatcher *dispatcher)
{
    for (int i = 0; i < TT_SERVERS; i++)
        if (i != TT_SERVER_NODES)
            quiesce(dispatcher, i);
}

void tt_listeners_quiesce_nodes(struct tt_dispatcher *dispatcher)
{
    quiesce(dispatcher, TT_SERVER_NODES);
}

int tt_listeners_active(const struct tt_dispatcher *dispatcher)
{
    int active = 0;

    for (int i = 0; i < TT_SERVERS; i++)
        if (dispatcher->server[i])
            active += tt_http_server_active(dispatcher->server[i]);
    return active;
}

int tt_listeners_connections(const struct tt_dispatcher *dispatcher)
{
    int connections = 0;

    for (int i = 0; i < TT_SERVERS; i++)
        if (dispatcher->server[i])
            connections += tt_http_server_connections(dispatcher->server[i]);
    return connections;
}
