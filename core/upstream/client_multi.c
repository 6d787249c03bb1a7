/* libcurl's multis on the loop, by its socket interface. Lessons learnt: descriptors are looked up
 * by number, never by a pointer given to curl, and are removed from epoll before curl closes them;
 * the timer callback only stores the time; handles are added and removed only outside curl's
 * callbacks, in the work at the end of the tick's ready list. curl does not watch idle connections,
 * so a sweep empties a shard that was unused for a while. */
#include "base/clock.h"
#include "base/mem.h"
#include "upstream/client_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP_MS       15000
#define PEER_IDLE_S    20    /* nothing from it for so long: it is asked whether it is there, */
#define PEER_PROBE_S   10    /* so often, */
#define PEER_SILENT_MS 40000 /* and given up when it has confirmed nothing for so long */

void tt_client_work(struct tt_client *client)
{
    tt_loop_defer(client->loop, &client->work);
}

static void flag(struct tt_shard *shard)
{
    if (tt_list_empty(&shard->node)) {
        tt_list_push_back(&shard->client->flagged, &shard->node);
        tt_client_work(shard->client);
    }
}

static void act(struct tt_shard *shard, curl_socket_t fd, int mask)
{
    int running = 0;
    shard->client->inside_curl++;
    curl_multi_socket_action(shard->multi, fd, mask, &running);
    shard->client->inside_curl--;
    if (running < shard->busy)
        flag(shard); /* something ended */
}

/* ---- descriptors ---- */

static struct tt_client_socket *socket_at(struct tt_client *client, int fd)
{
    return fd >= 0 && (size_t)fd < client->socket_count ? client->sockets[fd] : NULL;
}

static struct tt_client_socket *socket_make(struct tt_client *client, int fd)
{
    if ((size_t)fd >= client->socket_count) {
        size_t count = client->socket_count ? client->socket_count : 64;
        while (count <= (size_t)fd)
            count *= 2;
        client->sockets = tt_realloc(client->sockets, count * sizeof(*client->sockets));
        memset(client->sockets + client->socket_count, 0,
               (count - client->socket_count) * sizeof(*client->sockets));
        client->socket_count = count;
    }
    if (!client->sockets[fd])
        client->sockets[fd] = TT_NEW(struct tt_client_socket);
    return client->sockets[fd];
}

/* Errors and hang-ups are told as readiness: curl then meets them in its own read or write, and
 * knows the reason. */
static void on_ready(struct tt_watch *watch, uint32_t events)
{
    struct tt_client_socket *found = TT_CONTAINER_OF(watch, struct tt_client_socket, watch);
    int mask = 0;
    if (events & (EPOLLERR | EPOLLHUP))
        events |= watch->events;
    if (events & EPOLLIN)
        mask |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        mask |= CURL_CSELECT_OUT;
    if (found->plain && (mask & CURL_CSELECT_IN))
        tt_client_reading(watch->fd);
    act(found->shard, watch->fd, mask);
    tt_client_reading(-1);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct tt_shard *shard = arg;
    struct tt_client_socket *found = socket_at(shard->client, fd);
    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        if (found && found->shard == shard)
            tt_watch_stop(&found->watch);
        return 0;
    }
    uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                      (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    found = socket_make(shard->client, fd);
    if (found->watch.loop && found->shard == shard && tt_watch_update(&found->watch, events) == 0)
        return 0;
    tt_watch_stop(&found->watch);
    found->shard = shard;
    found->watch = (struct tt_watch){.fd = fd, .events = events, .on_ready = on_ready};
    tt_watch_start(shard->client->loop, &found->watch, NULL);
    return 0;
}

/* A connection is gone; harmless when it was counted already. */
static void uncount(struct tt_client *client, struct tt_client_socket *found)
{
    tt_watch_stop(&found->watch);
    if (!found->origin)
        return;
    found->origin->connections--;
    found->origin->shards[found->shard->index].connections--;
    found->shard->connections--;
    client->stats.connections--;
    tt_origin_unref(client, found->origin);
    found->origin = NULL;
}

/* A socket that is closed while it still connects is closed by curl itself, without on_close: it is
 * noticed when its number comes again, or here at the end. */
void tt_client_forget_sockets(struct tt_client *client)
{
    for (size_t i = 0; i < client->socket_count; i++) {
        if (client->sockets[i])
            uncount(client, client->sockets[i]);
        free(client->sockets[i]);
    }
    free(client->sockets);
}

/* Every outbound connection begins here, so this is where the address policy holds: the address is
 * the one that is really connected, whatever a name said before. */
/* A peer whose machine or network is gone says nothing any more: this ends the connection within a
 * minute, where an answer may take as long as it likes. */
static void watch_peer(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
                   {IPPROTO_TCP, TCP_KEEPIDLE, PEER_IDLE_S},
                   {IPPROTO_TCP, TCP_KEEPINTVL, PEER_PROBE_S},
                   {IPPROTO_TCP, TCP_USER_TIMEOUT, PEER_SILENT_MS}};

    for (size_t i = 0; i < TT_COUNT(options); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                   sizeof(options[i].value));
}

curl_socket_t tt_client_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct tt_call *call = arg;
    struct tt_client *client = call->client;
    const struct tt_url *url = &call->target->url;
    /* Through a proxy curl connects nothing else: its options name no exceptions. */
    if (purpose != CURLSOCKTYPE_IPCXN ||
        (!call->target->proxied && tt_egress_check_address(client->settings.egress, url->host,
                                                           url->port, &address->addr, NULL) != 0)) {
        call->denied = true;
        return CURL_SOCKET_BAD;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    watch_peer(fd);
    struct tt_client_socket *made = socket_make(client, fd);
    uncount(client, made);
    made->shard = call->shard;
    made->origin = call->target->origin;
    made->plain = !call->target->url.https;
    made->origin->refs++;
    made->origin->connections++;
    made->origin->shards[call->shard->index].connections++;
    call->shard->connections++;
    client->stats.connections++;
    if (!client->sweep.due_ms)
        tt_timer_start(client->loop, &client->sweep, SWEEP_MS);
    return fd;
}

int tt_client_on_close(void *arg, curl_socket_t fd)
{
    struct tt_client *client = arg;
    struct tt_client_socket *found = socket_at(client, fd);
    if (found)
        uncount(client, found);
    return close(fd);
}

/* ---- time ---- */

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct tt_shard *shard = arg;
    (void)multi;
    shard->due_changed = true;
    shard->due_now = timeout_ms == 0;
    shard->due_ms = timeout_ms > 0 ? tt_clock_mono_ms() + (uint64_t)timeout_ms : 0;
    flag(shard);
    return 0;
}

static void on_due(struct tt_timer *timer)
{
    struct tt_shard *shard = TT_CONTAINER_OF(timer, struct tt_shard, timer);
    shard->due_now = true;
    flag(shard);
}

static void apply_timer(struct tt_shard *shard)
{
    uint64_t now = tt_clock_mono_ms();
    if (!shard->due_changed)
        return;
    shard->due_changed = false;
    if (shard->due_ms)
        tt_timer_start(shard->client->loop, &shard->timer,
                       shard->due_ms > now ? shard->due_ms - now : 0);
    else
        tt_timer_stop(&shard->timer);
}

/* ---- the work at the end of a tick ---- */

static void read_results(struct tt_shard *shard)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(shard->multi, &left))) {
        struct tt_call *call = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        tt_call_complete(call, code);
    }
}

static void shard_work(struct tt_shard *shard)
{
    if (shard->due_now) {
        shard->due_now = false;
        act(shard, CURL_SOCKET_TIMEOUT, 0);
    }
    read_results(shard);
    apply_timer(shard);
}

/* Shards that flag themselves again meanwhile are done in the next pass of the ready list. */
void tt_client_on_work(struct tt_deferred *deferred)
{
    struct tt_client *client = TT_CONTAINER_OF(deferred, struct tt_client, work);
    struct tt_list now, *node;
    while ((node = tt_list_pop_front(&client->ended)))
        tt_call_destroy(tt_list_entry(node, struct tt_call, node));
    while ((node = tt_list_pop_front(&client->starting)))
        tt_call_begin(tt_list_entry(node, struct tt_call, node));
    tt_list_init(&now);
    tt_list_splice(&now, &client->flagged);
    while ((node = tt_list_pop_front(&now)))
        shard_work(tt_list_entry(node, struct tt_shard, node));
}

/* ---- shards ---- */

static int multi_open(struct tt_shard *shard)
{
    shard->multi = curl_multi_init();
    if (!shard->multi)
        return -1;
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return 0;
}

int tt_shard_open(struct tt_client *client, struct tt_shard *shard, unsigned index,
                  struct tt_err *err)
{
    shard->client = client;
    shard->index = index;
    shard->timer.on_due = on_due;
    if (multi_open(shard) != 0)
        return tt_err_set(err, 500, "client_failed", "curl_multi_init failed");
    return 0;
}

void tt_shard_close(struct tt_shard *shard)
{
    if (shard->multi)
        curl_multi_cleanup(shard->multi);
    shard->multi = NULL;
    tt_timer_stop(&shard->timer);
    tt_list_remove(&shard->node);
    shard->due_changed = shard->due_now = false;
}

/* The limit counts connections in use too, so it moves with them; otherwise a busy shard would
 * close each connection that comes free. */
static void set_limit(struct tt_shard *shard)
{
    curl_multi_setopt(shard->multi, CURLMOPT_MAXCONNECTS,
                      (long)(shard->busy + shard->client->settings.idle_connections));
}

int tt_shard_add(struct tt_shard *shard, struct tt_call *call)
{
    call->shard = shard;
    shard->busy++;
    call->target->origin->busy++;
    call->target->origin->shards[shard->index].busy++;
    set_limit(shard);
    return curl_multi_add_handle(shard->multi, call->easy) == CURLM_OK ? 0 : -1;
}

void tt_shard_remove(struct tt_shard *shard, struct tt_call *call)
{
    curl_multi_remove_handle(shard->multi, call->easy);
    call->shard = NULL;
    shard->busy--;
    shard->idle_ms = tt_loop_now(shard->client->loop);
    call->target->origin->busy--;
    call->target->origin->shards[shard->index].busy--;
    set_limit(shard);
}

void tt_client_on_sweep(struct tt_timer *timer)
{
    struct tt_client *client = TT_CONTAINER_OF(timer, struct tt_client, sweep);
    uint64_t now = tt_loop_now(client->loop);
    for (unsigned i = 0; i < client->shard_count; i++) {
        struct tt_shard *shard = &client->shards[i];
        if (shard->busy > 0 || shard->connections == 0 ||
            now < shard->idle_ms + (uint64_t)TT_CONN_AGE_S * 1000)
            continue;
        tt_shard_close(shard);
        if (multi_open(shard) != 0)
            abort(); /* out of memory */
    }
    if (client->stats.connections > 0)
        tt_timer_start(client->loop, &client->sweep, SWEEP_MS);
}
