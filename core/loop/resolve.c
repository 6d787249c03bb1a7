/* Host names to addresses with getaddrinfo on the aux pool, since libcurl's own resolver threads
 * freeze a worker when a handle is removed while they run. Three short cuts: a literal address and
 * "localhost" (RFC 6761: always the loopback, also in a root without /etc/hosts) are answered at
 * once; an answer is cached for a minute, a failure for a while (getaddrinfo reports no TTL); equal
 * lookups in progress are shared, whichever loop asks. An answer goes by mail to each caller's own
 * loop, so no loop depends on another one still running. Checks no address: egress does that. */
#include "loop/resolve.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_MAX      1024
#define ANSWER_TTL_MS  60000
#define FAILURE_TTL_MS 5000
#define HOST_MAX       255

struct answer {
    size_t count;
    struct tt_address addresses[TT_RESOLVE_MAX]; /* without ports */
};

struct tt_resolver {
    pthread_mutex_t lock; /* over everything here, the lookups and the askers' lists */
    struct tt_aux *aux;
    size_t refs;            /* the owner, each lookup, each asker */
    struct tt_map *cache;   /* host -> struct entry */
    struct tt_list by_age;  /* entries, the least recently used first */
    struct tt_map *pending; /* host -> struct lookup */
    uint64_t answer_ttl_ms, failure_ttl_ms;
};

struct entry {
    struct tt_list node;
    uint64_t expires_ms;
    struct answer *answer; /* cut to its count */
    char host[HOST_MAX + 1];
};

struct lookup {
    struct tt_aux_job job;
    struct tt_resolver *resolver;
    struct tt_list askers;
    char host[HOST_MAX + 1];
};

/* One tt_resolve_start. On its own in the heap: what the caller embeds may be gone (cancelled)
 * while the mail is on its way. */
struct asker {
    struct tt_mail mail;         /* the answer comes from a lookup */
    struct tt_deferred deferred; /* the answer was there */
    struct tt_list node;         /* in lookup->askers */
    struct tt_resolver *resolver;
    struct tt_loop *loop;
    struct tt_resolve *resolve; /* NULL = cancelled; the loop's thread alone looks at it */
    uint16_t port;
    struct answer answer;
};

static size_t answer_size(size_t count)
{
    return offsetof(struct answer, addresses) + count * sizeof(struct tt_address);
}

/* ---- answers ---- */

static void add_address(struct answer *answer, const void *address, size_t len)
{
    struct tt_address *to = &answer->addresses[answer->count];
    if (answer->count == TT_RESOLVE_MAX || len > sizeof(to->storage))
        return;
    memset(to, 0, sizeof(*to));
    memcpy(&to->storage, address, len);
    to->len = (socklen_t)len;
    for (size_t i = 0; i < answer->count; i++) /* /etc/hosts makes doubles */
        if (len == answer->addresses[i].len &&
            memcmp(address, &answer->addresses[i].storage, len) == 0)
            return;
    answer->count++;
}

static bool add_literal(struct answer *answer, const char *host)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        add_address(answer, &v4, sizeof(v4));
    else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        add_address(answer, &v6, sizeof(v6));
    return answer->count > 0;
}

/* What needs neither a lookup nor the cache. IPv4 first: test upstreams listen there. */
static bool answer_directly(const char *host, struct answer *answer)
{
    struct tt_str name = tt_str_from(host);
    if (add_literal(answer, host))
        return true;
    if (!tt_str_eq(name, TT_STR("localhost")) && !tt_str_ends(name, TT_STR(".localhost")))
        return false;
    add_literal(answer, "127.0.0.1");
    add_literal(answer, "::1");
    return true;
}

/* Blocks, for as long as resolv.conf says. No AI_ADDRCONFIG: it hides answers on a machine that has
 * only a loopback. Port 0. */
static void ask_system(const char *host, struct answer *answer)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return;
    for (const struct addrinfo *at = found; at; at = at->ai_next)
        if (at->ai_family == AF_INET || at->ai_family == AF_INET6)
            add_address(answer, at->ai_addr, at->ai_addrlen);
    freeaddrinfo(found);
}

/* ---- cache (all under the lock) ---- */

static void cache_drop(struct tt_resolver *resolver, struct entry *entry)
{
    tt_map_remove(resolver->cache, tt_str_from(entry->host));
    tt_list_remove(&entry->node);
    free(entry->answer);
    free(entry);
}

static bool cache_get(struct tt_resolver *resolver, const char *host, struct answer *answer)
{
    struct entry *entry = tt_map_get(resolver->cache, tt_str_from(host));
    if (!entry)
        return false;
    if (tt_clock_mono_ms() >= entry->expires_ms) {
        cache_drop(resolver, entry);
        return false;
    }
    tt_list_remove(&entry->node);
    tt_list_push_back(&resolver->by_age, &entry->node);
    memcpy(answer, entry->answer, answer_size(entry->answer->count));
    return true;
}

static void cache_put(struct tt_resolver *resolver, const char *host, const struct answer *answer,
                      uint64_t took_ms)
{
    struct entry *entry = tt_map_get(resolver->cache, tt_str_from(host));
    uint64_t ttl_ms = answer->count ? resolver->answer_ttl_ms : resolver->failure_ttl_ms;
    if (!answer->count && ttl_ms < took_ms * 4)
        ttl_ms = took_ms * 4;
    if (entry)
        cache_drop(resolver, entry);
    else if (tt_map_count(resolver->cache) >= CACHE_MAX)
        cache_drop(resolver, tt_list_entry(resolver->by_age.next, struct entry, node));
    entry = TT_NEW(struct entry);
    memcpy(entry->host, host, strlen(host) + 1);
    entry->expires_ms = tt_clock_mono_ms() + ttl_ms;
    entry->answer = tt_alloc(answer_size(answer->count));
    memcpy(entry->answer, answer, answer_size(answer->count));
    tt_list_push_back(&resolver->by_age, &entry->node);
    tt_map_put(resolver->cache, tt_str_from(entry->host), entry);
}

/* ---- the resolver ---- */

struct tt_resolver *tt_resolver_new(struct tt_aux *aux)
{
    struct tt_resolver *resolver = TT_NEW(struct tt_resolver);
    pthread_mutex_init(&resolver->lock, NULL);
    resolver->aux = aux;
    resolver->refs = 1;
    resolver->cache = tt_map_new();
    resolver->pending = tt_map_new();
    tt_list_init(&resolver->by_age);
    resolver->answer_ttl_ms = ANSWER_TTL_MS;
    resolver->failure_ttl_ms = FAILURE_TTL_MS;
    return resolver;
}

/* Under the lock, which it releases; the last one frees. */
static void unlock_and_unref(struct tt_resolver *resolver)
{
    struct tt_list *node;
    bool last = --resolver->refs == 0;
    pthread_mutex_unlock(&resolver->lock);
    if (!last)
        return;
    while ((node = tt_list_pop_front(&resolver->by_age)))
        cache_drop(resolver, tt_list_entry(node, struct entry, node));
    tt_map_free(resolver->cache);
    tt_map_free(resolver->pending);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}

void tt_resolver_free(struct tt_resolver *resolver)
{
    if (!resolver)
        return;
    pthread_mutex_lock(&resolver->lock);
    unlock_and_unref(resolver);
}

void tt_resolver_set_ttl(struct tt_resolver *resolver, uint64_t answer_ms, uint64_t failure_ms)
{
    pthread_mutex_lock(&resolver->lock);
    resolver->answer_ttl_ms = answer_ms;
    resolver->failure_ttl_ms = failure_ms;
    pthread_mutex_unlock(&resolver->lock);
}

size_t tt_resolver_cached(struct tt_resolver *resolver)
{
    pthread_mutex_lock(&resolver->lock);
    size_t count = tt_map_count(resolver->cache);
    pthread_mutex_unlock(&resolver->lock);
    return count;
}

/* ---- askers ---- */

static void asker_free(struct asker *asker)
{
    struct tt_resolver *resolver = asker->resolver;
    free(asker);
    pthread_mutex_lock(&resolver->lock);
    unlock_and_unref(resolver);
}

/* Frees before it calls: on_done may ask again, or free what holds the question. */
static void asker_answer(struct asker *asker)
{
    struct tt_resolve *resolve = asker->resolve;
    struct answer answer = {.count = asker->answer.count};
    for (size_t i = 0; i < answer.count; i++) {
        struct sockaddr_storage *storage = &answer.addresses[i].storage;
        answer.addresses[i] = asker->answer.addresses[i];
        if (storage->ss_family == AF_INET)
            ((struct sockaddr_in *)storage)->sin_port = htons(asker->port);
        else
            ((struct sockaddr_in6 *)storage)->sin6_port = htons(asker->port);
    }
    asker_free(asker);
    if (!resolve)
        return;
    resolve->internal = NULL;
    resolve->on_done(resolve, answer.addresses, answer.count);
}

static void on_mail(struct tt_mail *mail)
{
    asker_answer(TT_CONTAINER_OF(mail, struct asker, mail));
}

static void on_deferred(struct tt_deferred *deferred)
{
    asker_answer(TT_CONTAINER_OF(deferred, struct asker, deferred));
}

/* ---- lookups ---- */

/* Under the lock, which it releases: from now on the name is looked up again. */
static void lookup_close(struct lookup *lookup)
{
    tt_map_remove(lookup->resolver->pending, tt_str_from(lookup->host));
    unlock_and_unref(lookup->resolver);
    free(lookup);
}

/* An asker leaves the list and gets its mail under one lock: a cancel sees either both or neither.
 * Posting never blocks; the first thing that a posted asker does at its end is to take the lock. */
static void lookup_answer(struct lookup *lookup, const struct answer *answer, bool keep,
                          uint64_t took_ms)
{
    struct tt_list *node;
    pthread_mutex_lock(&lookup->resolver->lock);
    if (keep)
        cache_put(lookup->resolver, lookup->host, answer, took_ms);
    while ((node = tt_list_pop_front(&lookup->askers))) {
        struct asker *asker = tt_list_entry(node, struct asker, node);
        memcpy(&asker->answer, answer, answer_size(answer->count));
        tt_loop_post(asker->loop, &asker->mail);
    }
    lookup_close(lookup);
}

static void lookup_run(struct tt_aux_job *job)
{
    struct lookup *lookup = TT_CONTAINER_OF(job, struct lookup, job);
    struct answer answer = {.count = 0};
    pthread_mutex_lock(&lookup->resolver->lock);
    if (tt_list_empty(&lookup->askers)) {
        lookup_close(lookup); /* all cancelled while it waited */
        return;
    }
    pthread_mutex_unlock(&lookup->resolver->lock);
    uint64_t begun_ms = tt_clock_mono_ms();
    ask_system(lookup->host, &answer);
    lookup_answer(lookup, &answer, true, tt_clock_mono_ms() - begun_ms);
}

static void lookup_drop(struct tt_aux_job *job)
{
    const struct answer failure = {.count = 0};
    lookup_answer(TT_CONTAINER_OF(job, struct lookup, job), &failure, false, 0);
}

/* Under the lock. The job has no `done`, so it depends on no loop. */
static int lookup_start(struct tt_resolver *resolver, const char *host, struct asker *asker,
                        uint64_t owner, struct tt_err *err)
{
    struct lookup *lookup = tt_map_get(resolver->pending, tt_str_from(host));
    if (!lookup) {
        lookup = TT_NEW(struct lookup);
        lookup->resolver = resolver;
        lookup->job.run = lookup_run;
        lookup->job.drop = lookup_drop;
        lookup->job.owner = owner;
        tt_list_init(&lookup->askers);
        memcpy(lookup->host, host, strlen(host) + 1);
        if (tt_aux_submit(resolver->aux, NULL, &lookup->job, err) != 0) {
            free(lookup);
            return -1;
        }
        tt_map_put(resolver->pending, tt_str_from(host), lookup);
        resolver->refs++;
    }
    tt_list_push_back(&lookup->askers, &asker->node);
    return 0;
}

static int clean_host(const char *host, char out[HOST_MAX + 1], struct tt_err *err)
{
    size_t len = strlen(host);
    if (len == 0 || len > HOST_MAX)
        return tt_err_set(err, 502, "dns_failed", "a host name of %zu bytes", len);
    for (size_t i = 0; i <= len; i++)
        out[i] = host[i] >= 'A' && host[i] <= 'Z' ? (char)(host[i] + ('a' - 'A')) : host[i];
    return 0;
}

int tt_resolve_start(struct tt_resolver *resolver, struct tt_loop *loop, struct tt_resolve *resolve,
                     const char *host, uint16_t port, struct tt_err *err)
{
    char name[HOST_MAX + 1];
    int status = 0;
    resolve->internal = NULL;
    if (clean_host(host, name, err) != 0)
        return -1;
    struct asker *asker = TT_NEW(struct asker);
    asker->mail.deliver = on_mail;
    asker->deferred.run = on_deferred;
    asker->resolver = resolver;
    asker->loop = loop;
    asker->resolve = resolve;
    asker->port = port;

    bool direct = answer_directly(name, &asker->answer);
    pthread_mutex_lock(&resolver->lock);
    if (direct || cache_get(resolver, name, &asker->answer))
        tt_loop_defer(loop, &asker->deferred);
    else
        status = lookup_start(resolver, name, asker, resolve->owner, err);
    if (status == 0)
        resolver->refs++;
    pthread_mutex_unlock(&resolver->lock);

    if (status == 0)
        resolve->internal = asker;
    else
        free(asker);
    return status;
}

void tt_resolve_cancel(struct tt_resolve *resolve)
{
    struct asker *asker = resolve->internal;
    if (!asker)
        return;
    resolve->internal = NULL;
    asker->resolve = NULL;
    pthread_mutex_lock(&asker->resolver->lock);
    bool on_its_way = tt_list_empty(&asker->node) && tt_list_empty(&asker->deferred.node);
    tt_list_remove(&asker->node);
    pthread_mutex_unlock(&asker->resolver->lock);
    tt_loop_undefer(&asker->deferred);
    if (!on_its_way)
        asker_free(asker); /* else its mail is under way to this loop, and frees it */
}
