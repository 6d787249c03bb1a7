/* The HTTP server of one worker: libmicrohttpd driven by the worker's loop. The rest of the core
 * sees exchanges: one request with its one response. The handler is called twice: on_head when the
 * head is complete (so that 401, 413 and 415 are sent before any body), and on_request when the
 * body is complete. A response is either whole (tt_http_reply) or a stream that is written in
 * pieces (tt_http_stream_open). */
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
    /* The body is complete. Not called if on_head answered. Answer now or later. */
    void (*on_request)(void *arg, struct tt_http_exchange *exchange);
    /* The exchange is over (answered, or its client left): the last call for it, exactly once for
     * each exchange that had on_head or on_refuse. After a refusal by the guard there was no
     * on_head. */
    void (*on_end)(void *arg, struct tt_http_exchange *exchange);
    /* The server itself refuses the request: fills the reply's body and headers in the API's error
     * format. Before on_head: bad_request (400), header_too_large (431); after it, instead of
     * on_request: body_too_large (413), request_timeout (408). The connection closes afterwards. */
    void (*on_refuse)(void *arg, struct tt_http_exchange *exchange, int status, const char *code);
    void *arg;
};

struct tt_http_settings {
    /* "127.0.0.1:8080", "[::1]:8080", or "unix:/path" (mode 0600); NULL = no listener. */
    const char *address;
    size_t head_max;     /* bytes of request head; default 16 KiB */
    int connections_max; /* 0 = from RLIMIT_NOFILE */
    int per_address_max; /* connections from one address; 0 = no limit */
    /* From accept; on a kept-alive connection from the first bytes of the next head. 0 = 5 s */
    uint64_t head_timeout_ms;
    /* For kept-alive connections, and for answers whose client has stopped reading. 0 = 60 s */
    uint64_t idle_timeout_ms;
    size_t body_rate_min; /* bytes per second, averaged over 10 s; 0 = off */
    /* "/chat": the base path. Requests may have it in front of their path or not, with the same
     * meaning, so a proxy may strip it. "" = none. Must outlive the server. */
    struct tt_str base_path;
    /* CIDRs, or "unix" for every client of a unix socket: only these may set X-Forwarded-For.
     * per_address_max does not apply to either. */
    const struct tt_str *trusted_proxies;
    size_t trusted_proxy_count;
};

/* Starts listening (TCP with SO_REUSEPORT). Owns: the caller, tt_http_server_free. Fails: NULL with
 * code "listen_failed". Thread: the loop's worker, as for this whole header. */
struct tt_http_server *tt_http_server_new(struct tt_loop *loop,
                                          const struct tt_http_settings *settings,
                                          const struct tt_http_handler *handler,
                                          struct tt_err *err);

/* Begins an orderly shutdown: accepts no connections, closes those without a request, and adds
 * Connection: close to every later answer. Exchanges in progress continue. */
void tt_http_server_quiesce(struct tt_http_server *server);
int tt_http_server_active(const struct tt_http_server *server); /* exchanges in progress */
int tt_http_server_connections(const struct tt_http_server *server);

/* Ends the remaining exchanges (streams are cut) and frees the server. */
void tt_http_server_free(struct tt_http_server *server);

/* Whether `address` can be bound now without SO_REUSEPORT, which means that nobody else listens
 * there. Fails: -1 with code "address_in_use" or "listen_failed". */
int tt_http_probe_address(const char *address, struct tt_err *err);

/* The actual port (for port 0). */
int tt_http_server_port(const struct tt_http_server *server);

/* ---- the request (valid until on_end) ---- */

struct tt_str tt_http_method(const struct tt_http_exchange *exchange);
/* Raw, without query and base_path; "" if the target was the base_path itself. */
struct tt_str tt_http_path(const struct tt_http_exchange *exchange);
struct tt_str tt_http_query(const struct tt_http_exchange *exchange); /* raw, without '?' */
struct tt_str tt_http_body(const struct tt_http_exchange *exchange);  /* "" if streamed */
void tt_http_drop_body(struct tt_http_exchange *exchange); /* nobody reads it from here on */
struct tt_str tt_http_remote(const struct tt_http_exchange *exchange); /* the client's address */
long tt_http_peer_uid(const struct tt_http_exchange *exchange); /* of a unix socket, otherwise -1 */
bool tt_http_behind_tls(const struct tt_http_exchange *exchange); /* a trusted proxy says https */
struct tt_str tt_http_request_id(const struct tt_http_exchange *exchange); /* 16 hex digits, ours */

/* data == NULL if absent. Names are compared without case; of several headers the first. */
struct tt_str tt_http_header(struct tt_http_exchange *exchange, const char *name);
struct tt_str tt_http_cookie(struct tt_http_exchange *exchange, const char *name);
/* All headers, in the order in which they came. */
void tt_http_each_header(struct tt_http_exchange *exchange,
                         void (*each)(void *arg, struct tt_str name, struct tt_str value),
                         void *arg);

/* Whoever sent this passes on a request of somebody else: from now on that one's address is the
 * client's, and its id (16 characters; others are ignored) the request's. Copies both. */
void tt_http_set_sender(struct tt_http_exchange *exchange, struct tt_str remote,
                        struct tt_str request_id);

/* One query argument, decoded, in the exchange's arena; data == NULL if absent or malformed. */
struct tt_str tt_http_query_arg(struct tt_http_exchange *exchange, const char *name);

/* Memory that lives as long as the exchange. */
struct tt_arena *tt_http_arena(struct tt_http_exchange *exchange);

/* The caller's own pointer. */
void tt_http_set_user(struct tt_http_exchange *exchange, void *user);
void *tt_http_user(const struct tt_http_exchange *exchange);

/* Calls on_gone, once and on the loop, if the client leaves while the exchange waits. A reply to a
 * client that has left is dropped silently and ends the exchange. */
void tt_http_on_gone(struct tt_http_exchange *exchange,
                     void (*on_gone)(struct tt_http_exchange *exchange));

/* ---- a body that is too large for memory ---- */

/* In on_head: pieces of the body (never empty) go to on_piece as they arrive. The body_max of
 * on_head and the minimum rate apply as to any body. on_request follows the last piece. on_piece
 * may answer: the answer is sent at once, and the connection closes afterwards. */
void tt_http_stream_body(struct tt_http_exchange *exchange,
                         void (*on_piece)(struct tt_http_exchange *exchange, struct tt_str bytes));

/* In on_piece: no more pieces come, nothing is read from the client and no deadline runs until
 * tt_http_resume_body, so the consumer of the bytes sets the pace. The rest of the body and
 * on_request wait; an answer may be given meanwhile. */
void tt_http_pause_body(struct tt_http_exchange *exchange);

/* Continues; never calls on_piece itself. Harmless if not paused. */
void tt_http_resume_body(struct tt_http_exchange *exchange);

/* ---- the response ---- */

/* Adds a response header; must come before the reply or stream. Headers with control bytes in name
 * or value are dropped (and logged), so nothing from a user can split a head. Copies both strings.
 */
void tt_http_add_header(struct tt_http_exchange *exchange, struct tt_str name, struct tt_str value);

/* Answers. `body` (NULL = none) is taken over (its memory moves; the buffer is left empty). May be
 * called in on_head, in on_request and any time later on the loop; a second answer is dropped and
 * logged. For HEAD and 304 pass the body that GET would have: its length is announced, but the body
 * is not sent. An answer before a body that the client announced closes the connection. */
void tt_http_reply(struct tt_http_exchange *exchange, int status, struct tt_buf *body);

/* The same with a body that is never freed: nothing is copied. */
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

/* A stream writes to the connection's socket itself, in chunks. Everything written in one tick of
 * the loop is sent at once. HTTP/1.0 gets plain bytes and a close; HEAD gets only the head. */
struct tt_http_stream;

/* Starts the response. Owns: the exchange; not valid after on_end. NULL if it was answered already.
 * `on_flush` (may be NULL) is called once at the end of each tick in which tt_http_stream_wake was
 * called, or as soon as the head and all pending bytes are sent: write there what is ready. A
 * client that leaves does not end a stream: set tt_http_on_gone and call tt_http_stream_end in it;
 * until then everything written is dropped and on_flush is not called. For HEAD the stream ends by
 * itself. */
struct tt_http_stream *
tt_http_stream_open(struct tt_http_exchange *exchange, int status,
                    void (*on_flush)(struct tt_http_stream *stream, void *arg), void *arg);

/* Before tt_http_stream_open: the request's headers are still read when the head of the answer has
 * been sent. Without this the memory that lists them is given back. */
void tt_http_stream_keep_headers(struct tt_http_exchange *exchange);

/* Before tt_http_stream_open: the body has this length, which the head says. Exactly so many bytes
 * must be written, or the stream cut. The connection closes afterwards. */
void tt_http_stream_set_length(struct tt_http_exchange *exchange, uint64_t length);

/* Requests on_flush at the end of this tick. */
void tt_http_stream_wake(struct tt_http_stream *stream);

/* The buffer to append to. Its bytes are sent at the end of on_flush; bytes appended elsewhere are
 * sent with the next wake or the end. Append a bounded piece and wake again if there is more. */
struct tt_buf *tt_http_stream_out(struct tt_http_stream *stream);

/* Bytes that the socket has not accepted yet. While there are any, on_flush is postponed: a slow
 * reader costs only its own connection. */
size_t tt_http_stream_pending(const struct tt_http_stream *stream);

/* From now on another one writes: its on_flush instead of the one that the stream was opened with.
 */
void tt_http_stream_hand_over(struct tt_http_stream *stream,
                              void (*on_flush)(struct tt_http_stream *stream, void *arg),
                              void *arg);

/* The body ends after the bytes written so far; keep-alive continues. */
void tt_http_stream_end(struct tt_http_stream *stream);

/* Closes the connection in the middle of the body, without its last chunk, so that the client knows
 * that the body is incomplete. Bytes that are not sent yet are dropped. */
void tt_http_stream_cut(struct tt_http_stream *stream);

/* ---- the library ---- */

/* The library's version, for `tidetalk version`. Thread: any. */
const char *tt_http_library_version(void);

/* Proves that the library, whichever version it is, behaves as this server needs: sends crafted
 * requests through a connection of our own. Call it once, before the first server; it takes a few
 * milliseconds. Fails: code "http_library_unknown". Thread: any, before its loop runs. */
int tt_http_library_check(struct tt_err *err);
