/* URLs, parsed and checked once for as long as they are in use, and the distribution of calls over
 * multis. A request scans all connections to its host in its multi, so many connections to one host
 * must be spread; but idle connections are only found in the same multi, so few must not be. Hence
 * an origin fills one shard after the other and always prefers a shard with an idle connection of
 * its own; these are counted exactly, from sockets opened and closed. A connection is only ever
 * reused for the same scheme, host and port, so it stays within what the policy allowed. */
#include "base/map.h"
#include "base/mem.h"
#include "upstream/client_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define TARGETS_MAX 512
#define SHARD_FILL  24 /* connections before the next shard is opened */

/* ---- origins ---- */

static unsigned spread(const struct tt_client *client, struct tt_str key, bool https)
{
    unsigned hash = 2166136261u;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.data[i]) * 16777619u;
    /* Each multi loads the CA bundle for itself: TLS begins in few of them. */
    return hash % (https && client->shard_count > 2 ? 2 : client->shard_count);
}

static struct tt_origin *origin_get(struct tt_client *client, const struct tt_url *url)
{
    char text[300];
    int n = snprintf(text, sizeof(text), "%s|%s|%u", url->https ? "https" : "http", url->host,
                     url->port);
    struct tt_str key = tt_str_of(text, (size_t)n);
    struct tt_origin *origin = tt_map_get(client->origins, key);
    if (!origin) {
        origin = tt_alloc(sizeof(*origin) + client->shard_count * sizeof(origin->shards[0]));
        origin->key = tt_str_of(tt_strndup(text, key.len), key.len);
        origin->first = spread(client, key, url->https);
        tt_map_put(client->origins, origin->key, origin);
    }
    origin->refs++;
    return origin;
}

void tt_origin_unref(struct tt_client *client, struct tt_origin *origin)
{
    if (!origin || --origin->refs > 0)
        return;
    tt_map_remove(client->origins, origin->key);
    free((char *)origin->key.data);
    free(origin);
}

struct tt_shard *tt_origin_choose(struct tt_client *client, const struct tt_origin *origin)
{
    unsigned most = origin->busy > origin->connections ? origin->busy : origin->connections;
    unsigned open = 1 + most / SHARD_FILL;
    unsigned best = 0, best_load = UINT32_MAX;
    bool best_idle = false;
    for (unsigned i = 0; i < client->shard_count; i++) {
        unsigned at = (origin->first + i) % client->shard_count;
        unsigned connections = origin->shards[at].connections;
        unsigned busy = origin->shards[at].busy;
        bool idle = connections > busy;
        unsigned load = idle ? busy : connections > busy ? connections : busy;
        if ((!idle && i >= open) || (best_idle && !idle))
            continue;
        if ((idle && !best_idle) || load < best_load) {
            best = at;
            best_load = load;
            best_idle = idle;
        }
    }
    return &client->shards[best];
}

/* ---- targets ---- */

static void target_free(struct tt_client *client, struct tt_target *target)
{
    curl_url_cleanup(target->parsed);
    tt_origin_unref(client, target->origin);
    free((char *)target->text.data);
    free(target);
}

void tt_target_unref(struct tt_client *client, struct tt_target *target)
{
    if (target && --target->refs == 0)
        target_free(client, target);
}

void tt_targets_drop(struct tt_client *client)
{
    size_t position = 0;
    struct tt_str key;
    void *value;
    while (tt_map_next(client->targets, &position, &key, &value))
        tt_target_unref(client, value);
    tt_map_free(client->targets);
    client->targets = NULL;
}

static bool is_literal(const char *host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

struct tt_target *tt_target_get(struct tt_client *client, struct tt_str url, struct tt_err *err)
{
    struct tt_target *target = tt_map_get(client->targets, url);
    if (target) {
        target->refs++;
        return target;
    }
    target = TT_NEW(struct tt_target);
    target->text = tt_str_of(tt_strndup(url.data, url.len), url.len);
    if (tt_egress_check_url(client->settings.egress, target->text, &target->url, err) != 0)
        goto fail;
    target->proxied =
        client->settings.proxy && !tt_egress_is_listed(client->settings.egress, &target->url);
    if (target->proxied && tt_egress_check_proxied(client->settings.egress, &target->url, err) != 0)
        goto fail;
    target->literal =
        is_literal(target->proxied ? client->settings.proxy->address.host : target->url.host);
    target->parsed = curl_url();
    /* The policy judged our reading of the URL: curl's must be the same, or none. */
    if (!target->parsed || curl_url_set(target->parsed, CURLUPART_URL, target->text.data,
                                        CURLU_PATH_AS_IS) != CURLUE_OK) {
        tt_err_set(err, 400, "invalid_url", "invalid URL");
        goto fail;
    }
    target->origin = origin_get(client, &target->url);
    target->refs = 1;
    if (tt_map_count(client->targets) >= TARGETS_MAX) {
        tt_targets_drop(client);
        client->targets = tt_map_new();
    }
    target->refs++;
    tt_map_put(client->targets, target->text, target);
    return target;
fail:
    target_free(client, target);
    return NULL;
}
