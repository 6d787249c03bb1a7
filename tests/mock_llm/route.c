/*
 * Routes: see route.h. A path is /[scenario/]v1/<endpoint> or one of the mock's own /__pages.
 */
#include "route.h"

#include "reply.h"
#include "stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_MAX_BYTES (1u << 20)

struct path {
    struct slice scenario, endpoint, query;
};

bool route_is_own_page(struct slice target)
{
    return target.n >= 3 && !memcmp(target.p, "/__", 3);
}

static bool is_version(struct slice s)
{
    return slice_is(s, "v1") || slice_is(s, "v1beta") || slice_is(s, "api");
}

static int split_path(struct slice target, struct path *p)
{
    struct slice rest = {target.p + 1, target.n - 1};

    p->query = rest;
    rest = slice_until(&p->query, '?');
    struct slice first = slice_until(&rest, '/');
    p->scenario = (struct slice){NULL, 0};
    if (!is_version(first)) {
        p->scenario = first;
        first = slice_until(&rest, '/');
    }
    p->endpoint = rest;
    if (slice_is(first, "api")) { /* Ollama has no version */
        p->endpoint = first;
        p->endpoint.n += rest.n + 1;
        return 0;
    }
    return is_version(first) ? 0 : -1;
}

/* -1 when it is no endpoint for a chat. */
static int dialect_kind(struct slice endpoint)
{
    static const char action[] = ":streamGenerateContent";
    size_t n = sizeof action - 1;

    if (slice_is(endpoint, "chat/completions"))
        return DIALECT_OPENAI;
    if (slice_is(endpoint, "messages"))
        return DIALECT_ANTHROPIC;
    if (slice_is(endpoint, "api/chat"))
        return DIALECT_OLLAMA;
    if (endpoint.n > n && !memcmp(endpoint.p + endpoint.n - n, action, n))
        return DIALECT_GEMINI;
    return -1;
}

static struct program *own_page(const struct http_request *r)
{
    struct slice query = r->target, path = slice_until(&query, '?');
    struct buf json = {0};
    int status = 200;

    if (slice_is(path, "/__stats")) {
        stats_json(&json);
    } else if (slice_is(path, "/__requests")) {
        size_t n = 64;
        if (query.n > 2 && !memcmp(query.p, "n=", 2))
            n = strtoul(query.p + 2, NULL, 10);
        stats_requests_json(&json, n);
    } else if (slice_is(path, "/__reset")) {
        status = slice_is(r->method, "POST") ? 200 : 405;
        if (status == 200)
            stats_reset();
        buf_str(&json, status == 200 ? "{\"reset\":true}\n" : "{\"error\":\"use POST\"}\n");
    } else {
        status = 404;
        buf_str(&json, "{\"error\":\"pages are /__stats, /__requests and /__reset\"}\n");
    }
    struct program *p = reply_plain(status, json.p, json.n, r->close);
    buf_free(&json);
    return p;
}

/* The key holds everything that a kept program depends on. */
static void make_key(struct router *rt, const struct http_request *r)
{
    const struct chat_request *q = &rt->chat;

    rt->key.n = 0;
    buf_add(&rt->key, r->target.p, r->target.n);
    char flags[] = {' ',
                    q->stream ? 's' : '-',
                    q->include_usage ? 'u' : '-',
                    q->last_is_tool ? 't'
                    : q->has_tools  ? 'h'
                                    : '-',
                    r->http10 ? '0' : '1',
                    r->close ? 'c' : '-'};
    buf_add(&rt->key, flags, sizeof flags);
    buf_add(&rt->key, &q->messages, sizeof q->messages);
    buf_add(&rt->key, q->model.p, q->model.n);
}

static size_t cache_slot(const struct buf *key)
{
    uint64_t h = 0xcbf29ce484222325U;

    for (size_t i = 0; i < key->n; i++)
        h = (h ^ (unsigned char)key->p[i]) * 0x100000001b3U;
    return (h ^ h >> 32) % ROUTE_CACHE;
}

static struct program *cache_get(struct router *rt, size_t slot)
{
    const struct buf *key = &rt->cache[slot].key;

    if (!rt->cache[slot].program || key->n != rt->key.n || memcmp(key->p, rt->key.p, key->n) != 0)
        return NULL;
    return program_ref(rt->cache[slot].program);
}

static void cache_put(struct router *rt, size_t slot, struct program *p)
{
    struct buf *key = &rt->cache[slot].key;

    if (p->bytes.n > CACHE_MAX_BYTES)
        return;
    program_unref(rt->cache[slot].program);
    rt->cache[slot].program = program_ref(p);
    key->n = 0;
    buf_add(key, rt->key.p, rt->key.n);
}

static void args_make(struct reply_args *a, const struct router *rt, const struct scenario *sc,
                      const struct http_request *r)
{
    *a = (struct reply_args){sc, &rt->chat, r->bearer, r->body, r->http10, r->close};
}

/* fails=K: the first K requests for this path get the fault, then all is well. */
static void apply_fails(struct scenario *sc, struct slice target)
{
    if (sc->fails > 0 && stats_attempts(target) >= (unsigned)sc->fails) {
        sc->fault = FAULT_NONE;
        sc->status = 200;
        sc->retry_after = -1;
    }
}

static struct program *chat_page(struct router *rt, const struct http_request *r,
                                 const struct path *path)
{
    struct scenario sc;
    struct reply_args args;
    char err[160];
    const char *why;

    if (chat_read(&rt->chat, r->body, false, &why))
        return reply_error(400, why, r->close);
    make_key(rt, r);
    size_t slot = cache_slot(&rt->key);
    struct program *p = cache_get(rt, slot);
    if (p)
        return p;
    if (scenario_parse(&sc, path->scenario, err, sizeof err)) {
        p = reply_error(400, err, r->close);
    } else {
        apply_fails(&sc, r->target);
        args_make(&args, rt, &sc, r);
        p = reply_chat(&args);
        if (!sc.echo && sc.fails <= 0)
            cache_put(rt, slot, p);
    }
    scenario_free(&sc);
    return p;
}

static void models_json(struct buf *out)
{
    static const char *const names[] = {"mock-small", "mock-large"};

    buf_str(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < 2; i++)
        buf_printf(out,
                   "%s{\"id\":\"%s\",\"object\":\"model\",\"created\":1700000000,"
                   "\"owned_by\":\"mock\"}",
                   i ? "," : "", names[i]);
    buf_str(out, "]}");
}

static void embeddings_json(struct buf *out, const struct chat_request *q)
{
    buf_str(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < q->inputs; i++)
        buf_printf(out,
                   "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":"
                   "[0.5,-0.5,0.25,-0.25,0.125,-0.125,0.0625,%zu.0]}",
                   i ? "," : "", i, i);
    buf_printf(out, "],\"model\":%.*s,\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}",
               (int)q->model.n, q->model.p, q->inputs, q->inputs);
}

/* Models and embeddings know the whole-answer faults, statuses and delays of a scenario too. */
static struct program *simple_page(struct router *rt, const struct http_request *r,
                                   const struct path *path, bool embeddings)
{
    struct scenario sc;
    struct reply_args args;
    struct buf json = {0};
    char err[160];
    const char *why;

    if (embeddings && chat_read(&rt->chat, r->body, true, &why))
        return reply_error(400, why, r->close);
    if (!embeddings)
        rt->chat = (struct chat_request){.roles = rt->chat.roles, .dialect = DIALECT_OPENAI};
    if (scenario_parse(&sc, path->scenario, err, sizeof err)) {
        scenario_free(&sc);
        return reply_error(400, err, r->close);
    }
    apply_fails(&sc, r->target);
    args_make(&args, rt, &sc, r);
    struct program *p = fault_whole(&args);
    if (embeddings)
        embeddings_json(&json, &rt->chat);
    else
        models_json(&json);
    if (!p)
        p = reply_json(&args, json.p, json.n);
    buf_free(&json);
    scenario_free(&sc);
    return p;
}

struct program *route_request(struct router *rt, const struct http_request *r)
{
    struct path path;
    bool post = slice_is(r->method, "POST");

    if (route_is_own_page(r->target))
        return own_page(r);
    if (split_path(r->target, &path))
        return reply_error(404, "paths are /v1/... or /key=value,.../v1/...", r->close);
    if (slice_is(path.endpoint, "models"))
        return post ? reply_error(405, "use GET", r->close) : simple_page(rt, r, &path, false);
    int kind = dialect_kind(path.endpoint);
    rt->chat.dialect = kind < 0 ? DIALECT_OPENAI : (enum dialect_kind)kind;
    if (kind >= 0)
        return post ? chat_page(rt, r, &path) : reply_error(405, "use POST", r->close);
    if (slice_is(path.endpoint, "embeddings"))
        return post ? simple_page(rt, r, &path, true) : reply_error(405, "use POST", r->close);
    return reply_error(404, "no such endpoint, see README.md", r->close);
}

void router_free(struct router *rt)
{
    for (size_t i = 0; i < ROUTE_CACHE; i++) {
        program_unref(rt->cache[i].program);
        buf_free(&rt->cache[i].key);
    }
    buf_free(&rt->key);
    buf_free(&rt->chat.roles);
}
