/* The HTTP server of one worker: libmicrohttpd driven from the worker's loop. What the rest of the
 * core sees is an exchange: one request and its one response. The handler is called twice: on_head
 * as soon as the head is there (so that 401, 413, 415 go out before any body), on_request when the
 * body is complete. A response is either whole (tt_http_reply) or a stream that is written bit by
 * bit (tt_http_stream_open). */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "loop/loop.h"

struct tt_http_server;
struct tt_http_exchange;

struct tt_http_handler {
    /* The head is complete and passed the guard. Sets *body_max (bytes; 0 = no body is read). May
     * answer at once with tt_http_reply. */
    void (*on_head)(void *arg, struct tt_http_exchange *exchange, size_t *body_max);
    /* The body is complete; not called when on_head answered. Answer now or later. */
    void (*on_request)(void *arg, struct tt_http_exchange *exchange);
    /* The exchange is over (answered, or its client left): the last call for it, exactly once for
     * each that had on_head or on_refuse. After a refusal by the guard there was no on_head. */
    void (*on_end)(void *arg, struct tt_http_exchange *exchange);
    /* A refusal made by the server itself: fills the reply's body and headers in the API's error
     * shape. Before on_head: bad_request (400), header_too_large (431); after it, instead of
     * on_request: body_too_large (413), request_timeout (408). The connection closes after it. */
    void (*on_refuse)(void *arg, struct tt_http_exchange *exchange, int status, const char *code);
    void *arg;
};

struct tt_http_settings {
    /* "127.0.0.1:8080", "[::1]:8080", or "unix:/path" (mode 0600); NULL = nobody can connect. */
    const char *address;
    size_t head_max;     /* bytes of request head; default 16 KiB */
    int connections_max; /* 0 = from RLIMIT_NOFILE */
    int per_address_max; /* connections from one address; 0 = no limit */
    /* From accept; on a kept-alive connection from the first bytes of the next head. 0 = 5 s */
    uint64_t head_timeout_ms;
    /* Kept-alive connections, and answers whose client takes nothing any more. 0 = 60 s */
    uint64_t idle_timeout_ms;
    size_t body_rate_min; /* bytes per second, averaged over 10 s; 0 = off */
    /* "/chat": paths may lie below it, and mean what they mean without it; so a proxy may strip it
     * or not. "" = none. Outlives the server. */
    struct tt_str base_path;
    /* CIDRs, or "unix" for everybody who comes through a unix socket: only they may set
     * X-Forwarded-For. Neither counts for per_address_max. */
    const struct tt_str *trusted_proxies;
    size_t trusted_proxy_count;
};

/* Starts listening (SO_REUSEPORT for TCP). Owns: the caller, tt_http_server_free. Fails: NULL with
 * code "listen_failed". Thread: the loop's worker, as for all of this header. */
struct tt_http_server *tt_http_server_new(struct tt_loop *loop,
                                          const struct tt_http_settings *settings,
                                          const struct tt_http_handler *handler,
                                          struct tt_err *err);

/* Begins an orderly shutdown: accepts nobody, closes connections without a request, and every later
 * answer carries Connection: close. The exchanges in flight go on. */
void tt_http_server_quiesce(struct tt_http_server *server);
int tt_http_server_active(const struct tt_http_server *server); /* exchanges in flight */
int tt_http_server_connections(const struct tt_http_server *server);

/* Ends what is left (streams are cut) and frees. */
void tt_http_server_free(struct tt_http_server *server);

/* Whether `address` can be bound without SO_REUSEPORT right now, that is, nobody else listens
 * there. Fails: -1 with code "address_in_use" or "listen_failed". */
int tt_http_probe_address(const char *address, struct tt_err *err);

/* The port that a server really has (for port 0). */
int tt_http_server_port(const struct tt_http_server *server);

/* ---- the request (valid until on_end) ---- */

struct tt_str tt_http_method(const struct tt_http_exchange *exchange);
/* Raw, without query and base_path; "" when the base_path itself was asked for. */
struct tt_str tt_http_path(const struct tt_http_exchange *exchange);
struct tt_str tt_http_query(const struct tt_http_exchange *exchange);  /* raw, without '?' */
struct tt_str tt_http_body(const struct tt_http_exchange *exchange);   /* "" when streamed */
struct tt_str tt_http_remote(const struct tt_http_exchange *exchange); /* the client's address */
long tt_http_peer_uid(const struct tt_http_exchange *exchange);   /* of a unix socket; else -1 */
bool tt_http_behind_tls(const struct tt_http_exchange *exchange); /* trusted proxy said https */
struct tt_str tt_http_request_id(const struct tt_http_exchange *exchange); /* 16 hex digits, ours */

/* data == NULL when absent. Names without regard to case; the first of several. */
struct tt_str tt_http_header(struct tt_http_exchange *exchange, const char *name);
struct tt_str tt_http_cookie(struct tt_http_exchange *exchange, const char *name);

/* One query argument, decoded, in the exchange's arena; data == NULL when absent or ill-formed. */
struct tt_str tt_http_query_arg(struct tt_http_exchange *exchange, const char *name);

/* Walks the request's headers: cb for each. */
void tt_http_each_header(struct tt_http_exchange *exchange,
                         void (*cb)(void *arg, struct tt_str name, struct tt_str value), void *arg);

/* Memory that lives as long as the exchange. */
struct tt_arena *tt_http_arena(struct tt_http_exchange *exchange);

/* The caller's own pointer. */
void tt_http_set_user(struct tt_http_exchange *exchange, void *user);
void *tt_http_user(const struct tt_http_exchange *exchange);

/* Calls on_gone, once and on the loop, when the client leaves while the exchange waits. A reply to
 * a client that has left is dropped silently, and ends the exchange. */
void tt_http_on_gone(struct tt_http_exchange *exchange,
                     void (*on_gone)(struct tt_http_exchange *exchange));

/* ---- a body that is too large to be held ---- */

/* In on_head: the body comes in pieces (never empty) as it arrives instead of whole; what on_head
 * sets as body_max and the minimum rate hold as for any body, on_request comes after the last
 * piece. on_piece may answer: the answer leaves at once and the connection closes after it. */
void tt_http_stream_body(struct tt_http_exchange *exchange,
                         void (*on_piece)(struct tt_http_exchange *exchange, struct tt_str bytes));

/* In on_piece: no further piece comes, nothing is read from the client and no deadline runs until
 * tt_http_resume_body, so that whoever takes the bytes sets the pace. The rest of the body, and
 * on_request, wait; an answer may come meanwhile. */
void tt_http_pause_body(struct tt_http_exchange *exchange);

/* Goes on; never calls on_piece itself. Harmless when not paused. */
void tt_http_resume_body(struct tt_http_exchange *exchange);

/* ---- the response ---- */

/* Adds a response header, before the reply or stream. Names and values with control bytes are
 * dropped (and logged): nothing from a user can split a head. Copies both. */
void tt_http_add_header(struct tt_http_exchange *exchange, struct tt_str name, struct tt_str value);

/* Answers. `body` (NULL = none) is taken over (its memory moves; the buffer is left empty). Works
 * in on_head, in on_request and any time later on the loop; a second answer is dropped and logged.
 * For HEAD and 304 give the body that GET would have: its length is announced, it is not sent. An
 * answer before a body that the client announced closes the connection. */
void tt_http_reply(struct tt_http_exchange *exchange, int status, struct tt_buf *body);

/* The same with a body that is never freed: nothing of it is copied. */
void tt_http_reply_fixed(struct tt_http_exchange *exchange, int status, struct tt_str body);

/* Whom what this exchange costs is counted for: the user, or (0) the address of a client that is
 * nobody yet. */
uint64_t tt_http_owner(const struct tt_http_exchange *exchange, int64_t user_id);

/* Whether so many bytes more may wait to be read by `user_id` (0: nobody who is logged in), see
 * unread.h; from then on what waits in this exchange is theirs. Before the reply or stream. Fails:
 * "too_much_unread" (429), "busy" (503). */
int tt_http_may_send(struct tt_http_exchange *exchange, int64_t user_id, size_t bytes,
                     struct tt_err *err);

/* ---- the response as a stream ---- */

/* A stream writes to the connection's socket by itself, in chunks. What was written in one tick of
 * the loop leaves in one send. HTTP/1.0 gets plain bytes and a close; HEAD gets only the head. */
struct tt_http_stream;

/* Starts the response. Owns: the exchange; gone after on_end. NULL when it was answered already.
 * `on_flush` (may be NULL) is called once at the end of each tick in which tt_http_stream_wake was
 * called, or as soon as the head and what was pending have left: the place to write what is ready.
 * A client that leaves does not end a stream: set tt_http_on_gone and call tt_http_stream_end in
 * it; until then everything is swallowed and on_flush is not called. HEAD ends by itself. */
struct tt_http_stream *
tt_http_stream_open(struct tt_http_exchange *exchange, int status,
                    void (*on_flush)(struct tt_http_stream *stream, void *arg), void *arg);

/* Asks for on_flush at the end of this tick. */
void tt_http_stream_wake(struct tt_http_stream *stream);

/* Where to append bytes. They leave at the end of on_flush; what is appended elsewhere leaves with
 * the next wake or the end. Append a bounded piece and wake again when there is more. */
struct tt_buf *tt_http_stream_out(struct tt_http_stream *stream);

/* Bytes that the socket has not taken yet. While there are any, on_flush is put off until they are
 * gone: a slow reader costs its own connection and nothing else. */
size_t tt_http_stream_pending(const struct tt_http_stream *stream);

/* The body ends after what was written; keep-alive survives. */
void tt_http_stream_end(struct tt_http_stream *stream);

/* The connection closes in the middle of the body, without its last chunk: what the client has is
 * not the whole. Bytes that have not left yet are dropped. */
void tt_http_stream_cut(struct tt_http_stream *stream);

/* ---- the library behind it ---- */

/* Its version, for `tidetalk version`. Thread: any. */
const char *tt_http_library_version(void);

/* Proves that the library, whichever version it is, behaves as this server relies on: crafted
 * requests go through a connection of our own. Call it once, before the first server; it takes a
 * few milliseconds. Fails: code "http_library_unknown". Thread: any, before its loop runs. */
int tt_http_library_check(struct tt_err *err);
