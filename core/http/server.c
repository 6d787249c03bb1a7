/* The library's daemon inside our loop. Its epoll fd is watched level-triggered, and the daemon
 * runs in that callback, so that what its handlers put on the ready list still runs in the same
 * tick; connections resumed in a tick are run once at its end. Three traps. The library's own
 * polling threads and MHD_run_wait stall when a multiple of 128 events is ready, so only MHD_run is
 * used. After every run MHD_get_timeout must be called; 0 means that the library has work that no
 * descriptor announces. And stopping the daemon while a connection is suspended aborts the process.
 * Timeouts are in deadline.c, because the library scans all connections that have one of its own.
 */
#include "http/http_internal.h"
#include "http/library_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

#define RUNS_AT_ONCE    8
#define HEAD_MAX        (16 * 1024)
#define HEAD_TIMEOUT_MS 5000
#define IDLE_TIMEOUT_MS 60000
#define CROWD           500 /* connections; the memory of fewer is kept for the next ones */

/* One call accepts at most about 10 connections and sends one answer of a pipeline; a few runs at
 * once save ticks, and the bound protects the rest of the worker. */
static void run(struct tt_http_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait = 0;
    server->running = true;
    for (int i = 0; i < RUNS_AT_ONCE; i++) {
        server->run = false;
        MHD_run(server->daemon);
        if (!server->run && (MHD_get_timeout(server->daemon, &wait) != MHD_YES || wait > 0))
            break;
        server->run = true;
    }
    server->running = false;
}

static void on_ready(struct tt_watch *watch, uint32_t events)
{
    (void)events;
    run(TT_CONTAINER_OF(watch, struct tt_http_server, watch));
}

static void on_tick_end(struct tt_hook *hook)
{
    struct tt_http_server *server = TT_CONTAINER_OF(hook, struct tt_http_server, http_hook);
    if (!server->run)
        return;
    run(server);
    if (server->run)
        tt_loop_again(server->loop);
}

static struct tt_http_conn *conn_get(struct tt_http_server *server)
{
    struct tt_list *node = tt_list_pop_front(&server->pool);
    struct tt_http_conn *conn =
        node ? tt_list_entry(node, struct tt_http_conn, node) : TT_NEW(struct tt_http_conn);
    conn->server = server;
    conn->exchange.server = server;
    conn->exchange.fields_end = &conn->exchange.fields;
    return conn;
}

static void conn_put(struct tt_http_conn *conn)
{
    struct tt_http_server *server = conn->server;
    tt_list_remove(&conn->node);
    if (conn->exchange.body.cap > 0)
        tt_buf_free(&conn->exchange.body);
    memset(conn, 0, offsetof(struct tt_http_conn, exchange));
    tt_list_push_front(&server->pool, &conn->node);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct tt_http_server *server = arg;
    struct tt_http_conn *conn = *context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        conn = conn_get(server);
        conn->mhd = mhd;
        conn->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        tt_peer_enter(
            conn, MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
        tt_phase_enter(conn, TT_PHASE_OPEN);
        server->connections++;
        if (server->connections > server->connections_peak)
            server->connections_peak = server->connections;
        *context = conn;
        tt_deadline_make_room(server);
    } else if (conn) {
        tt_peer_leave(conn);
        tt_watch_stop(&conn->watch); /* the library closes its descriptor next */
        conn_put(conn);
        server->connections--;
        *context = NULL;
        /* At its limit the library removes the listen socket from its epoll set, and adds it again
         * only at the beginning of a run: without a run nobody could ever connect again. */
        tt_server_run_soon(server);
    }
}

/* malloc keeps what was freed below something that is still in use, and it walks the whole heap to
 * give that back: so only when most have left, and nothing is in a hurry. */
void tt_server_rest(struct tt_http_server *server)
{
    struct tt_list *node;

    if (server->connections_peak < CROWD || server->connections > server->connections_peak / 8)
        return;
    server->connections_peak = server->connections;
    while ((node = tt_list_pop_front(&server->pool)))
        free(tt_list_entry(node, struct tt_http_conn, node));
    malloc_trim(0);
}

/* tt_exchange_on_target takes the raw target; the library's decoding in place would break the
 * guard's check of the raw head. */
static size_t on_unescape(void *arg, struct MHD_Connection *mhd, char *text)
{
    (void)arg;
    (void)mhd;
    return strlen(text);
}

static void set_defaults(struct tt_http_settings *settings)
{
    struct rlimit limit = {0};
    if (settings->head_max == 0)
        settings->head_max = HEAD_MAX;
    if (settings->head_timeout_ms == 0)
        settings->head_timeout_ms = HEAD_TIMEOUT_MS;
    if (settings->idle_timeout_ms == 0)
        settings->idle_timeout_ms = IDLE_TIMEOUT_MS;
    if (settings->connections_max > 0)
        return;
    /* Half of the descriptors: a stream has an upstream connection besides the client's. */
    settings->connections_max = 1000;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 4 * 1000 * 1000)
        settings->connections_max = limit.rlim_cur > 384 ? (int)(limit.rlim_cur - 256) / 2 : 64;
}

static int daemon_start(struct tt_http_server *server, struct tt_err *err)
{
    const struct tt_http_settings *s = &server->settings;
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                           (s->address ? 0 : MHD_USE_NO_LISTEN_SOCKET);
    server->daemon = MHD_start_daemon(
        flags, 0, tt_peer_on_accept, server, tt_exchange_on_call, server,
        MHD_OPTION_EXTERNAL_LOGGER, tt_refusal_on_log, server, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        server->pool_size, MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->connections_max,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, tt_exchange_on_target, server,
        MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, server, MHD_OPTION_NOTIFY_COMPLETED,
        tt_exchange_on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        s->address ? MHD_OPTION_LISTEN_SOCKET : MHD_OPTION_END, server->listen_fd, MHD_OPTION_END);
    if (!server->daemon)
        return tt_err_set(err, 500, "listen_failed", "the HTTP library does not start on %s",
                          s->address ? s->address : "a connection of our own");
    server->watch.fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    server->watch.events = EPOLLIN;
    server->watch.on_ready = on_ready;
    if (tt_watch_start(server->loop, &server->watch, err) != 0)
        return -1;
    /* The library adds the listen socket to its epoll set in its first run. */
    MHD_run(server->daemon);
    return 0;
}

struct tt_http_server *tt_http_server_new(struct tt_loop *loop,
                                          const struct tt_http_settings *settings,
                                          const struct tt_http_handler *handler, struct tt_err *err)
{
    struct tt_http_server *server = TT_NEW(struct tt_http_server);
    server->loop = loop;
    server->settings = *settings;
    server->handler = *handler;
    server->listen_fd = -1;
    set_defaults(&server->settings);
    server->pool_size = tt_library_pool_size(server->settings.head_max);
    for (int i = 0; i < TT_PHASE_COUNT; i++)
        tt_list_init(&server->phases[i]);
    tt_list_init(&server->pool);
    tt_list_init(&server->exchanges);
    tt_list_init(&server->streams);
    tt_list_init(&server->lingers);
    if (getrandom(&server->id_state, sizeof(server->id_state), 0) < 0)
        server->id_state = (uint64_t)(uintptr_t)server;
    tt_deadline_setup(server);
    server->stream_hook.rank = TT_RANK_STREAM;
    server->stream_hook.on_tick_end = tt_stream_on_tick_end;
    tt_loop_hook(loop, &server->stream_hook);
    server->http_hook.rank = TT_RANK_HTTP;
    server->http_hook.on_tick_end = on_tick_end;
    tt_loop_hook(loop, &server->http_hook);
    if (tt_peer_setup(server, err) != 0 || (settings->address && tt_listen(server, err) != 0) ||
        daemon_start(server, err) != 0) {
        tt_http_server_free(server);
        return NULL;
    }
    return server;
}

int tt_server_adopt(struct tt_http_server *server, int fd)
{
    const struct sockaddr address = {.sa_family = AF_UNIX};
    if (MHD_add_connection(server->daemon, fd, &address, sizeof(address)) != MHD_YES)
        return -1;
    tt_server_run_soon(server);
    return 0;
}

void tt_http_server_quiesce(struct tt_http_server *server)
{
    if (server->quiescing)
        return;
    /* For its client, a connection in the listen queue has already reached us. Accept it, because
     * closing the socket would reset it. */
    if (server->daemon && !server->running)
        for (int i = 0; i < RUNS_AT_ONCE; i++)
            MHD_run(server->daemon);
    server->quiescing = true;
    if (server->daemon)
        MHD_quiesce_daemon(server->daemon);
    tt_listen_close(server);
    tt_deadline_close_idle(server);
    tt_server_run_soon(server);
}

int tt_http_server_active(const struct tt_http_server *server)
{
    return server->active;
}

int tt_http_server_connections(const struct tt_http_server *server)
{
    return server->connections;
}

int tt_http_server_port(const struct tt_http_server *server)
{
    return server->port;
}

/* Suspended connections must be resumed and run before the daemon stops, or it aborts. */
static void daemon_stop(struct tt_http_server *server)
{
    tt_list_for_each (node, &server->exchanges) {
        struct tt_http_exchange *exchange = tt_list_entry(node, struct tt_http_exchange, node);
        shutdown(tt_exchange_conn(exchange)->fd, SHUT_RDWR);
        tt_exchange_cut(exchange);
    }
    for (int i = 0; i < 2; i++)
        MHD_run(server->daemon);
    tt_watch_stop(&server->watch);
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
}

void tt_http_server_free(struct tt_http_server *server)
{
    struct tt_list *node;
    if (!server)
        return;
    if (server->daemon) {
        tt_http_server_quiesce(server);
        daemon_stop(server);
    }
    tt_listen_close(server);
    tt_linger_free(server);
    tt_timer_stop(&server->sweep);
    tt_loop_unhook(&server->stream_hook);
    tt_loop_unhook(&server->http_hook);
    tt_peer_free(server);
    while ((node = tt_list_pop_front(&server->pool)))
        free(tt_list_entry(node, struct tt_http_conn, node));
    free(server);
}

const char *tt_http_library_version(void)
{
    return MHD_get_version();
}
