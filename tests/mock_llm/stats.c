/*
 * Counters and the ring of the last 64 requests: see stats.h. The ring keeps copies and turns them
 * into JSON only when asked, so recording costs two copies a request.
 */
#include "stats.h"

#include <pthread.h>

#define RING      64
#define BODY_KEPT (1u << 20)
#define ATTEMPTS  1024

struct record {
    struct buf target, headers, body;
    char method[16];
    size_t body_len;
    uint64_t conn_id, number, at_ns;
};

struct stats stats;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct record ring[RING];
static uint64_t recorded;
static struct {
    uint64_t hash;
    unsigned count;
} attempts[ATTEMPTS];

static long get(atomic_long *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void stats_json(struct buf *out)
{
    buf_printf(out, "{\"requests\":%ld,\"connections\":%ld,\"open\":%ld,", get(&stats.requests),
               get(&stats.connections), get(&stats.open));
    buf_printf(out, "\"active\":%ld,\"streams_active\":%ld,", get(&stats.active),
               get(&stats.streams_active));
    buf_printf(out, "\"started\":%ld,\"finished\":%ld,\"client_closed\":%ld,", get(&stats.started),
               get(&stats.finished), get(&stats.client_closed));
    buf_printf(out, "\"last_client_close_ms\":%.3f,\"last_client_close_mono_ns\":%lld}\n",
               (double)get(&stats.last_client_close_us) / 1e3,
               (long long)atomic_load(&stats.last_client_close_ns));
}

void stats_reset(void)
{
    atomic_store(&stats.requests, 0);
    atomic_store(&stats.connections, 0);
    atomic_store(&stats.started, 0);
    atomic_store(&stats.finished, 0);
    atomic_store(&stats.client_closed, 0);
    atomic_store(&stats.last_client_close_us, 0);
    atomic_store(&stats.last_client_close_ns, 0);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < RING; i++) {
        buf_free(&ring[i].target);
        buf_free(&ring[i].headers);
        buf_free(&ring[i].body);
    }
    recorded = 0;
    for (size_t i = 0; i < ATTEMPTS; i++)
        attempts[i].hash = 0;
    pthread_mutex_unlock(&lock);
}

void stats_client_closed(uint64_t started_ns, uint64_t now_ns)
{
    atomic_fetch_add(&stats.client_closed, 1);
    atomic_store(&stats.last_client_close_us, (long)((now_ns - started_ns) / 1000));
    atomic_store(&stats.last_client_close_ns, (long long)now_ns);
}

unsigned stats_attempts(struct slice target)
{
    uint64_t hash = 0xcbf29ce484222325U;
    unsigned seen = 0;

    for (size_t i = 0; i < target.n; i++)
        hash = (hash ^ (unsigned char)target.p[i]) * 0x100000001b3U;
    hash |= 1;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < ATTEMPTS; i++) {
        size_t at = (hash + i) % ATTEMPTS;
        if (!attempts[at].hash) {
            attempts[at].hash = hash;
            attempts[at].count = 0;
        }
        if (attempts[at].hash == hash) {
            seen = attempts[at].count++;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return seen;
}

static void replace(struct buf *b, struct slice s)
{
    b->n = 0;
    buf_add(b, s.p, s.n);
}

void stats_record(const struct http_request *r, uint64_t conn_id, uint64_t now_ns)
{
    struct slice body = r->body;

    if (!atomic_load_explicit(&stats.record, memory_order_relaxed))
        return;
    body.n = body.n < BODY_KEPT ? body.n : BODY_KEPT;
    pthread_mutex_lock(&lock);
    struct record *e = &ring[recorded % RING];
    replace(&e->target, r->target);
    replace(&e->headers, r->headers);
    replace(&e->body, body);
    e->body_len = r->body.n;
    size_t n = r->method.n < sizeof e->method - 1 ? r->method.n : sizeof e->method - 1;
    for (size_t i = 0; i < n; i++)
        e->method[i] = r->method.p[i];
    e->method[n] = 0;
    e->conn_id = conn_id;
    e->at_ns = now_ns;
    e->number = ++recorded;
    pthread_mutex_unlock(&lock);
}

static void headers_json(struct buf *out, struct slice rest)
{
    struct slice name, value;
    const char *comma = "";

    buf_str(out, "{");
    while (http_next_header(&rest, &name, &value)) {
        buf_printf(out, "%s\"", comma);
        for (size_t i = 0; i < name.n; i++) {
            char c = name.p[i];
            c = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
            buf_json(out, &c, 1, false);
        }
        buf_str(out, "\":\"");
        buf_json(out, value.p, value.n, false);
        buf_str(out, "\"");
        comma = ",";
    }
    buf_str(out, "}");
}

static void record_json(struct buf *out, const struct record *e)
{
    buf_printf(out, "{\"number\":%llu,\"connection\":%llu,\"mono_ns\":%llu,\"method\":\"",
               (unsigned long long)e->number, (unsigned long long)e->conn_id,
               (unsigned long long)e->at_ns);
    buf_json(out, e->method, __builtin_strlen(e->method), false);
    buf_str(out, "\",\"path\":\"");
    buf_json(out, e->target.p, e->target.n, false);
    buf_str(out, "\",\"headers\":");
    headers_json(out, (struct slice){e->headers.p, e->headers.n});
    buf_printf(out, ",\"body_bytes\":%zu,\"body\":\"", e->body_len);
    buf_json(out, e->body.p, e->body.n, false);
    buf_str(out, "\"}");
}

void stats_requests_json(struct buf *out, size_t n)
{
    pthread_mutex_lock(&lock);
    uint64_t have = recorded < RING ? recorded : RING;
    uint64_t take = n < have ? n : have;
    buf_str(out, "{\"requests\":[");
    for (uint64_t i = recorded - take; i < recorded; i++) {
        if (i > recorded - take)
            buf_str(out, ",\n");
        record_json(out, &ring[i % RING]);
    }
    buf_str(out, "]}\n");
    pthread_mutex_unlock(&lock);
}
