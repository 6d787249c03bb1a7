/* Outbound calls: the client itself and the begin of a call. All input from outside is checked here
 * (method, headers; the URL by client_target), the name is looked up, the handle's options are set
 * and the handle is added to a multi. A call is begun in the work at the end of a tick's ready
 * list, so that no callback comes from inside tt_call_start and no handle is ever added inside one
 * of curl's callbacks. Does not retry and does not know what it carries. */
#include "base/map.h"
#include "base/mem.h"
#include "upstream/client_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

struct tt_client *tt_client_new(struct tt_loop *loop, const struct tt_client_settings *settings,
                                struct tt_err *err)
{
    tt_client_setup();
    struct tt_client *client = TT_NEW(struct tt_client);
    client->loop = loop;
    client->settings = *settings;
    if (client->settings.idle_connections <= 0)
        client->settings.idle_connections = 64;
    if (settings->ca_file)
        client->ca_file = tt_strndup(settings->ca_file, strlen(settings->ca_file));
    client->shard_count = settings->shards > 0 ? (unsigned)settings->shards : 16;
    client->shards = tt_alloc(client->shard_count * sizeof(*client->shards));
    client->origins = tt_map_new();
    client->targets = tt_map_new();
    tt_list_init(&client->calls);
    tt_list_init(&client->starting);
    tt_list_init(&client->ended);
    tt_list_init(&client->paused);
    client->resume.on_due = tt_calls_resume;
    tt_list_init(&client->flagged);
    client->work.run = tt_client_on_work;
    client->sweep.on_due = tt_client_on_sweep;
    for (unsigned i = 0; i < client->shard_count; i++) {
        if (tt_shard_open(client, &client->shards[i], i, err) != 0) {
            tt_client_free(client);
            return NULL;
        }
    }
    return client;
}

static void destroy_all(struct tt_list *calls)
{
    while (!tt_list_empty(calls)) {
        struct tt_call *call = tt_list_entry(calls->next, struct tt_call, node);
        struct tt_call_handler handler = call->handler;
        void (*on_dropped)(void *arg) = call->cancelled ? NULL : call->on_dropped;
        tt_call_destroy(call);
        if (on_dropped)
            on_dropped(handler.arg);
    }
}

void tt_client_free(struct tt_client *client)
{
    if (!client)
        return;
    destroy_all(&client->calls);
    destroy_all(&client->starting);
    destroy_all(&client->ended);
    tt_client_free_pool(client);
    for (unsigned i = 0; i < client->shard_count; i++)
        tt_shard_close(&client->shards[i]);
    tt_client_forget_sockets(client);
    tt_targets_drop(client);
    tt_map_free(client->origins);
    tt_loop_undefer(&client->work);
    tt_timer_stop(&client->sweep);
    tt_timer_stop(&client->resume);
    free(client->shards);
    free(client->ca_file);
    free(client);
}

void tt_client_stats(const struct tt_client *client, struct tt_client_stats *out)
{
    *out = client->stats;
}

/* ---- the begin of a call ---- */

static void connect_call(struct tt_call *call)
{
    struct tt_client *client = call->client;
    call->easy = tt_client_take_easy(client, call->target);
    if (!call->easy) {
        tt_call_fail(call, 503, "busy", "out of memory");
        return;
    }
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, tt_call_headers_list(call->headers));
    curl_easy_setopt(call->easy, CURLOPT_RESOLVE, call->addresses);
    curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_HTTP_CONTENT_DECODING, 1L);
    curl_easy_setopt(call->easy, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    tt_easy_set_method(call->easy, call->method, tt_call_body_text(call->body));
    if (tt_shard_add(tt_origin_choose(client, call->target->origin), call) != 0)
        tt_call_fail(call, 503, "busy", "curl_multi_add_handle failed");
}

static bool address_text(const struct sockaddr *address, char out[INET6_ADDRSTRLEN])
{
    const void *bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    if (address->sa_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return inet_ntop(address->sa_family, bytes, out, INET6_ADDRSTRLEN) != NULL;
}

/* The host that is really connected. */
static const struct tt_url *connected(const struct tt_call *call)
{
    return call->target->proxied ? &call->client->settings.proxy->address : &call->target->url;
}

/* The proxy is the operator's, wherever it is. */
static bool may_connect(const struct tt_call *call, const struct sockaddr *address,
                        struct tt_err *denied)
{
    const struct tt_url *url = &call->target->url;
    return call->target->proxied ||
           tt_egress_check_address(call->client->settings.egress, url->host, url->port, address,
                                   denied) == 0;
}

/* "+host:port:address,address": curl forgets it after a minute, as our resolver does. */
static void on_resolved(struct tt_resolve *resolve, const struct tt_address *addresses,
                        size_t count)
{
    struct tt_call *call = TT_CONTAINER_OF(resolve, struct tt_call, resolve);
    const struct tt_url *url = connected(call);
    struct tt_err denied = {0};
    struct tt_buf line = {0};
    size_t good = 0;
    call->resolving = false;
    tt_buf_printf(&line, "+%s:%u:", url->host, url->port);
    for (size_t i = 0; i < count; i++) {
        const struct sockaddr *address = (const struct sockaddr *)&addresses[i].storage;
        char text[INET6_ADDRSTRLEN];
        if (may_connect(call, address, &denied) && address_text(address, text))
            tt_buf_printf(&line, good++ ? ",%s" : "%s", text);
    }
    if (good > 0)
        call->addresses = curl_slist_append(NULL, line.data);
    tt_buf_free(&line);
    if (good > 0)
        connect_call(call);
    else if (denied.status != 0)
        tt_call_end(call, &denied);
    else if (call->target->proxied)
        tt_call_fail(call, 502, "upstream_proxy_failed", "the proxy's name has no address");
    else
        tt_call_fail(call, 502, "dns_failed", "no address found");
}

void tt_call_begin(struct tt_call *call)
{
    struct tt_client *client = call->client;
    struct tt_err error = {0};
    tt_list_push_back(&client->calls, &call->node);
    if (call->on_begin && call->on_begin(call->handler.arg, &error) != 0) {
        tt_call_end(call, &error);
        return;
    }
    if (call->target->literal) {
        connect_call(call);
        return;
    }
    if (!client->settings.resolver) {
        tt_call_fail(call, 502, "dns_failed", "no resolver");
        return;
    }
    call->resolve.on_done = on_resolved;
    call->resolving = true;
    if (tt_resolve_start(client->settings.resolver, client->loop, &call->resolve,
                         connected(call)->host, connected(call)->port, &error) != 0) {
        call->resolving = false;
        tt_call_end(call, &error);
    }
}

static int check_method(const char *method, struct tt_err *err)
{
    static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    for (size_t i = 0; i < TT_COUNT(known); i++)
        if (strcmp(method, known[i]) == 0)
            return 0;
    return tt_err_set(err, 400, "invalid_method", "outbound method is not supported");
}

struct tt_call *tt_call_start(struct tt_client *client, struct tt_call_request *request,
                              const struct tt_call_handler *handler, struct tt_err *err)
{
    if (check_method(request->method, err) != 0)
        return NULL;
    char *instead = client->detour ? client->detour(client->detour_arg, request) : NULL;
    struct tt_target *target =
        tt_target_get(client, tt_str_from(instead ? instead : request->url), err);
    free(instead);
    if (!target)
        return NULL;
    struct tt_call *call = TT_NEW(struct tt_call);
    call->client = client;
    call->target = target;
    client->stats.calls++;
    call->headers = request->prepared
                        ? tt_call_headers_ref(request->prepared)
                        : tt_call_headers_new(request->headers, request->header_count, err);
    if (!call->headers) {
        tt_call_destroy(call);
        return NULL;
    }
    snprintf(call->method, sizeof(call->method), "%s", request->method);
    call->handler = *handler;
    call->resolve.owner = request->owner;
    call->deadlines = request->deadlines;
    call->any_coding = request->any_coding;
    call->body = tt_call_body_ref(request->body);
    call->body_len = tt_call_body_text(request->body).len;
    client->stats.started++;
    tt_call_begin_later(call, request->delay_ms);
    return call;
}

void tt_client_set_detour(struct tt_client *client, tt_client_detour_fn *detour, void *arg)
{
    client->detour = detour;
    client->detour_arg = arg;
}

const char *tt_client_library_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}
