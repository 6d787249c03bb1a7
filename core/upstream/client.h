/* Outbound HTTP on the worker's loop: libcurl's multi interface behind a call with callbacks. The
 * only place that creates curl handles. loop/resolve resolves names, every socket must pass the
 * egress policy, redirects are not followed, and no proxy but the operator's is used (proxy.h).
 * Connections are pooled per worker in several multis (a request scans all connections of its
 * multi). */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "loop/resolve.h"
#include "upstream/call_body.h"
#include "upstream/egress.h"
#include "upstream/proxy.h"

struct tt_client;

struct tt_client_settings {
    const struct tt_egress *egress;
    struct tt_resolver *resolver;
    int shards;                   /* multis; default 16 */
    int idle_connections;         /* pooled per multi; default 64 */
    const char *ca_file;          /* NULL = the system's */
    const struct tt_proxy *proxy; /* borrowed; NULL = none */
};
struct tt_client *tt_client_new(struct tt_loop *loop, const struct tt_client_settings *settings,
                                struct tt_err *err);
/* Cancels running calls (no callbacks except tt_call_on_dropped's) and frees. Call it before its
 * loop is freed. */
void tt_client_free(struct tt_client *client);

struct tt_deadlines { /* ms; 0 = none */
    uint64_t connect; /* until connected, DNS and TLS included; code "upstream_connect_timeout" */
    uint64_t first_byte; /* from sent to the first body byte; "upstream_timeout" */
    uint64_t between;    /* between bytes; "upstream_stalled" */
    uint64_t total;      /* the whole call; "upstream_timeout" */
};

/* The headers of requests, checked once and in curl's form; references are counted. They may hold
 * keys, and are wiped. */
struct tt_call_headers;

/* From "Name: value" lines without CR, LF or NUL; no line may frame the request. Owns: the caller
 * has a reference. Fails: NULL ("invalid_header", "busy"). Thread: any. */
struct tt_call_headers *tt_call_headers_new(const struct tt_str *lines, size_t count,
                                            struct tt_err *err);
void tt_call_headers_unref(struct tt_call_headers *headers); /* NULL is fine. Thread: any */
/* Fills in at most `max` of the lines that were given, which live as long as the headers; their
 * number. */
size_t tt_call_headers_lines(const struct tt_call_headers *headers, struct tt_str *lines,
                             size_t max);

struct tt_call_request {
    const char *method;
    const char *url;                  /* checked by the egress policy */
    struct tt_call_headers *prepared; /* a reference is taken; NULL: made of the next two */
    const struct tt_str *headers;     /* as of tt_call_headers_new */
    size_t header_count;
    struct tt_call_body *body; /* a reference is taken; NULL: none */
    struct tt_deadlines deadlines;
    bool any_coding;   /* packed bytes are unpacked also when the head does not say so (unpack.h) */
    uint64_t owner;    /* whose turn its name takes to be resolved, see loop/aux.h */
    uint64_t delay_ms; /* wait so long before the call begins; the deadlines count from there */
};

/* The longest Retry-After that is believed: one day. */
#define TT_RETRY_AFTER_MAX_S 86400

struct tt_call_handler {
    /* The answer's head; content_type may be empty; retry_after_s -1 when absent, at most
     * TT_RETRY_AFTER_MAX_S. */
    void (*on_head)(void *arg, int status, struct tt_str content_type, int64_t retry_after_s);
    /* Body bytes as they arrive, never empty. Returning -1 ends the call ("upstream_aborted"). */
    int (*on_data)(void *arg, struct tt_str bytes);
    /* The end, once, always after start returned a call; error NULL = complete. error->code also:
     * "upstream_refused", "dns_failed", "upstream_tls_failed", "upstream_reset",
     * "upstream_proxy_failed", "address_not_allowed", "upstream_bad_response" (all 502 but the
     * policy's 422 and the timeouts' 504). `sent`: the request had left completely, so it may have
     * been charged. */
    void (*on_done)(void *arg, const struct tt_err *error, bool sent);
    void *arg;
};

struct tt_call;

/* Starts a call. Callbacks come from the loop, never from inside this function. Owns: the client;
 * gone after on_done. Fails: NULL ("invalid_url", "address_not_allowed"). Thread: loop. */
struct tt_call *tt_call_start(struct tt_client *client, struct tt_call_request *request,
                              const struct tt_call_handler *handler, struct tt_err *err);

/* Ends a call and closes its connection; no callback comes any more. Safe inside callbacks. */
void tt_call_cancel(struct tt_call *call);

/* For the arg of a call's handler when tt_client_free takes the call away: called once, instead of
 * on_done, only then. Starting a call in it is no longer possible. */
void tt_call_on_dropped(struct tt_call *call, void (*on_dropped)(void *arg));

/* Each header of the answer's final head, before on_head; `on_header` gets the handler's arg, and
 * returning -1 ends the call ("upstream_aborted"). Set right after the start. */
void tt_call_on_header(struct tt_call *call,
                       int (*on_header)(void *arg, struct tt_str name, struct tt_str value));

/* Tells the head (on_head) when it ends, not with the first body byte; from then on the deadline
 * between bytes counts. Needs tt_call_on_header. Set right after the start. */
void tt_call_tell_head_early(struct tt_call *call);

/* While a call is held nothing is read from its connection, so the upstream has to wait, and the
 * deadline between bytes does not count. What curl has read already comes afterwards. Safe inside
 * on_data. */
void tt_call_hold(struct tt_call *call, bool held);

/* Called once, when the call is about to begin (after its delay): -1 ends it with `err`, and
 * nothing was sent. Set right after the start. */
void tt_call_on_begin(struct tt_call *call, int (*on_begin)(void *arg, struct tt_err *err));

/* From now on the call may take at most `ms` more (its "total" deadline, if that was later): for
 * the rest of an answer that nobody needs, but whose connection is worth keeping. */
void tt_call_limit(struct tt_call *call, uint64_t ms);

/* For tests of scripts: may answer another URL that is called in place of the request's, as a text
 * from malloc; NULL: the same. */
typedef char *tt_client_detour_fn(void *arg, const struct tt_call_request *request);
void tt_client_set_detour(struct tt_client *client, tt_client_detour_fn *detour, void *arg);

struct tt_client_stats {
    int calls, connections;
    uint64_t started, failed, reused;
};
void tt_client_stats(const struct tt_client *client, struct tt_client_stats *out);

/* The version of the library behind it, for `tidetalk version`. Thread: any. */
const char *tt_client_library_version(void);
