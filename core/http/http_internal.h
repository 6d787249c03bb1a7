/* Shared by the files of this layer; nothing outside core/http and its tests includes this, and no
 * other layer includes microhttpd.h. In HTTP/1.1 a connection has one request at a time, so a
 * connection and its exchange are one pooled struct, and a request needs no allocation of ours
 * until it uses its arena or a body. */
#pragma once
#include "base/map.h"
#include "http/http.h"
#include "http/library_memory.h"
#include "http/unread.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define TT_FIELDS_INLINE 8   /* response headers without an allocation of ours */
#define TT_SCRATCH_SIZE  512 /* of an exchange: mostly for its target and response headers */
#define TT_LINGER_MAX    64  /* closing connections per server whose input is read to the end */
#define TT_KEEP_BODY_MAX (64 * 1024) /* a larger body buffer is freed, not reused */

/* What a connection waits for; each phase has its own deadline, see deadline.c. */
enum tt_phase {
    TT_PHASE_OPEN, /* accepted, no request line yet */
    TT_PHASE_HEAD, /* the request line is there, the head is not complete */
    TT_PHASE_BODY, /* the body is being received */
    TT_PHASE_BUSY, /* we are working on the answer: no deadline */
    TT_PHASE_SEND, /* the answer is being sent */
    TT_PHASE_IDLE, /* kept alive */
    TT_PHASE_COUNT
};

/* One response header, until the response is created. Both strings are NUL-terminated. */
struct tt_http_field {
    struct tt_http_field *next;
    const char *name;
    const char *value;
};

/* Where a request is, and its transitions. Only tt_exchange_move, _suspend and _resume (state.c)
 * change the state, and they assert that the transition exists. Besides the transitions described
 * here, every state after HEAD can become CUT, and the end of the request
 * (tt_exchange_on_completed) leads back to IDLE from every state that is not suspended. Suspended
 * means that the library waits for us, and that we watch the socket ourselves (gone.c). */
enum tt_http_state {
    /* No request yet, or the last one is over. The target was read: HEAD. */
    TT_HTTP_IDLE,
    /* The head comes in. It is complete: BODY. The library refuses it by itself: BYPASS. */
    TT_HTTP_HEAD,
    /* The handler has seen the request, and must get on_end from here on. The body is being
     * received, or there is none. A piece goes to the handler, or the server refuses the request:
     * BYPASS. The handler pauses the body: PAUSED. The body is complete: REQUESTED. There was an
     * answer before that: ANSWERED. */
    TT_HTTP_BODY,
    /* As BODY or HEAD, at a moment when the library takes no answer: one that comes now is written
     * to the socket by ourselves, WRITTEN. None came: BODY. The handler pauses the body: PAUSED. It
     * opens a stream: ANSWERED. */
    TT_HTTP_BYPASS,
    /* Suspended within a streamed body. Resumed: BODY. An answer: WRITTEN. A stream is opened:
     * ANSWERED. */
    TT_HTTP_PAUSED,
    /* on_request was called, in the library's last call. An answer: ANSWERED. None: WAITING. */
    TT_HTTP_REQUESTED,
    /* Suspended until the handler answers: SENDING. A stream when the client has left: STREAMING.
     */
    TT_HTTP_WAITING,
    /* The response exists, and any further one is dropped; the rest of the body is dropped too. The
     * library has accepted the response: SENDING. */
    TT_HTTP_ANSWERED,
    /* The library sends the response, or the head of a stream. The head is sent: STREAMING. */
    TT_HTTP_SENDING,
    /* Suspended, and the socket is ours. The stream has ended: FINISHED. */
    TT_HTTP_STREAMING,
    /* Resumed: the library writes the last chunk. */
    TT_HTTP_FINISHED,
    /* The answer was written without the library, whose next call ends the connection. */
    TT_HTTP_WRITTEN,
    /* The library's next call ends the connection without (the rest of) an answer. */
    TT_HTTP_CUT,
    TT_HTTP_STATE_COUNT
};

struct tt_http_stream {
    struct tt_http_exchange *exchange;
    void (*on_flush)(struct tt_http_stream *stream, void *arg);
    void *arg;
    struct tt_buf out;     /* written by the caller, not framed yet */
    struct tt_buf pending; /* framed, not yet accepted by the socket */
    struct tt_list node;   /* in the server's `streams` until the end of the tick */
    bool wake;             /* on_flush is due */
    bool ended;            /* nothing follows `out` and `pending` */
};

struct tt_http_exchange {
    struct tt_http_server *server;
    struct MHD_Connection *mhd;
    struct tt_list node; /* in the server's `exchanges` while the handler has it */
    void *user;
    void (*on_gone)(struct tt_http_exchange *exchange);
    void (*on_piece)(struct tt_http_exchange *exchange, struct tt_str bytes); /* NULL: whole body */

    const char *raw_target; /* in the library's memory, see tt_library_head */
    struct tt_str target;   /* our copy, including the query */
    struct tt_str method, path, query;
    struct tt_str authority;     /* of a target in absolute form, data == NULL in any other */
    struct tt_str remote;        /* NULL until asked for */
    struct tt_str forwarded_for; /* the header X-Forwarded-For, when it is there */
    size_t content_length;       /* 0 also when chunked or absent */
    size_t body_max;
    size_t received; /* body bytes, dropped or not */
    struct tt_library_chunks chunks;
    struct tt_buf body;
    struct tt_arena arena;

    struct tt_http_field *fields, **fields_end;
    int field_count;
    struct MHD_Response *response; /* created but not queued yet */
    int status;
    struct tt_http_stream stream;
    struct tt_unread unread; /* its owner: 0 = the client's address, when it is needed */

    enum tt_http_state state;
    bool chunked; /* request body without Content-Length */
    bool http10;
    bool is_head;
    bool has_length;        /* of a stream, see tt_http_stream_set_length */
    bool keeps_headers;     /* the same, see tt_http_stream_keep_headers */
    bool gone;              /* the client left */
    bool close;             /* the answer carries Connection: close */
    bool has_id;            /* the handler has set X-Request-Id */
    bool is_json;           /* by the Content-Type that the handler has set */
    bool has_cache_control; /* the handler has set it */
    bool linger; /* answered before the body was read: its rest is read before the socket closes */
    char id[17];

    size_t scratch_used;
    /* What follows is not cleared between two requests. */
    char scratch[TT_SCRATCH_SIZE];
    struct tt_http_field inline_fields[TT_FIELDS_INLINE];
};

struct tt_http_conn {
    struct tt_http_server *server;
    struct MHD_Connection *mhd;
    int fd;
    enum tt_phase phase;
    struct tt_list node;   /* in the server's list of its phase, or in its pool */
    uint64_t since_ms;     /* when the phase began */
    uint64_t check_ms;     /* when the sweep looks at it again */
    uint64_t progress;     /* bytes at the last look; of a body, when the rate's window began */
    uint64_t window_ms;    /* of a body: when that window began */
    uint64_t looked;       /* of a body: bytes at the last look */
    bool blocked;          /* of a body: bytes waited in the socket at the last look */
    bool rested;           /* idle: its pool was handed back */
    char *pool;            /* see tt_library_pool_of; NULL: not known */
    struct tt_watch watch; /* see gone.c */
    bool counted;          /* in the table of addresses */
    bool trusted;          /* its address is a trusted proxy */
    bool is_unix;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer;
    struct tt_http_exchange exchange;
};

struct tt_cidr {
    unsigned char bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    int bits;
};

struct tt_http_server {
    struct tt_loop *loop;
    struct tt_http_settings settings;
    struct tt_http_handler handler;
    struct MHD_Daemon *daemon;
    int listen_fd;
    int port;
    char *unix_path; /* to be removed at shutdown */

    struct tt_watch watch; /* on the library's epoll fd */
    struct tt_hook http_hook;
    struct tt_hook stream_hook;
    size_t pool_size; /* of a connection, in the library */
    bool run;         /* the library must run at the end of this tick */
    bool running;
    bool quiescing;

    struct tt_list phases[TT_PHASE_COUNT]; /* connections, the next check first */
    struct tt_list pool;                   /* unused connections */
    struct tt_list exchanges;              /* in progress */
    struct tt_list streams;                /* with something to do at the end of this tick */
    struct tt_list lingers;
    struct tt_timer sweep;
    uint64_t rate_window_ms; /* over which body_rate_min is averaged; tests shorten it */
    int connections;
    int connections_peak; /* since memory was given back last, see tt_server_rest */
    int active;
    int linger_count;

    struct tt_map *addresses; /* address -> its count, see peer.c */
    struct tt_cidr *proxies;
    size_t proxy_count;
    bool trust_unix;
    uint64_t id_state;
};

static inline struct tt_http_conn *tt_exchange_conn(struct tt_http_exchange *exchange)
{
    return TT_CONTAINER_OF(exchange, struct tt_http_conn, exchange);
}

/* Gives the memory of a crowd of connections that has left back to the kernel. Called each second
 * while there are connections, and once after the last. */
void tt_server_rest(struct tt_http_server *server);

/* The library has work that no descriptor announces: run it at the end of this tick. Also works
 * when called from a hook that runs after the server's. */
static inline void tt_server_run_soon(struct tt_http_server *server)
{
    server->run = true;
    tt_loop_again(server->loop);
}

/* The files in the order of their dependencies: each calls only those above it in this list. */

/* ---- state.c ---- */

/* The only place where a state changes. Aborts if there is no such transition. */
void tt_exchange_move(struct tt_http_exchange *exchange, enum tt_http_state to);
/* Enters a suspended state and suspends the connection; leaves it and resumes. */
void tt_exchange_suspend(struct tt_http_exchange *exchange, enum tt_http_state to);
void tt_exchange_resume(struct tt_http_exchange *exchange, enum tt_http_state to);
/* The stream has work at the end of this tick. */
void tt_exchange_stream_due(struct tt_http_exchange *exchange);
/* CUT, from any state. */
void tt_exchange_cut(struct tt_http_exchange *exchange);
bool tt_exchange_is_known(const struct tt_http_exchange *exchange); /* to the handler */
bool tt_exchange_is_answered(const struct tt_http_exchange *exchange);

/* A NUL-terminated copy that lives as long as the exchange. */
/* A response header that nobody checks. Copies both strings. */
void tt_exchange_add_field(struct tt_http_exchange *exchange, struct tt_str name,
                           struct tt_str value);
char *tt_exchange_copy(struct tt_http_exchange *exchange, const char *data, size_t len);
/* Clears everything except the memory that is reused by the next request. */
void tt_exchange_reset(struct tt_http_exchange *exchange);

/* ---- listen.c ---- */
int tt_listen(struct tt_http_server *server, struct tt_err *err);
void tt_listen_close(struct tt_http_server *server); /* stops listening, removes a unix socket */

/* ---- linger.c ---- */
/* The library's log: refusal.c. Thread: the server's loop, from inside the library. */
void tt_refusal_on_log(void *arg, const char *format, va_list args);

void tt_linger_start(struct tt_http_server *server, int fd);
void tt_linger_free(struct tt_http_server *server);

/* ---- guard.c ---- */

/* 0, or the status to refuse with and its *code. Fills in what the request's framing says. */
int tt_guard_check(struct tt_http_exchange *exchange, const char *method, const char *version,
                   const char **code);
bool tt_guard_is_token(struct tt_str s);
bool tt_guard_is_value(struct tt_str s); /* no control bytes except tab */

/* ---- phase.c ---- */
void tt_phase_enter(struct tt_http_conn *conn, enum tt_phase phase);
void tt_phase_look_again(struct tt_http_conn *conn); /* after one more period */
void tt_phase_start_sweep(struct tt_http_server *server);

/* ---- gone.c ---- */
void tt_gone_watch(struct tt_http_exchange *exchange, bool writable);
void tt_gone_mark(struct tt_http_exchange *exchange);

/* ---- reply.c ---- */

/* Refuses in the server's own name, through handler.on_refuse. */
void tt_http_refuse(struct tt_http_exchange *exchange, int status, const char *code);

/* Adds the collected headers, the request id and the connection's header. */
void tt_http_response_head(struct tt_http_exchange *exchange, struct MHD_Response *response);
/* `exchange->response` exists: continues according to the state. */
void tt_http_response_ready(struct tt_http_exchange *exchange);
/* Passes the response to the library: SENDING. Fails: MHD_NO, also if there is none. */
enum MHD_Result tt_http_response_queue(struct tt_http_exchange *exchange);

/* ---- stream.c ---- */
void tt_stream_on_tick_end(struct tt_hook *hook);
void tt_stream_close(struct tt_http_stream *stream);

/* ---- body.c ---- */

/* Takes the next bytes of a body; *size becomes the number of bytes not taken. */
enum MHD_Result tt_body_take(struct tt_http_exchange *exchange, const char *data, size_t *size);
/* Drops the rest of a body whose answer is queued or was written without the library. */
enum MHD_Result tt_body_answer_early(struct tt_http_exchange *exchange);

/* ---- exchange.c: the library's callbacks ---- */
void *tt_exchange_on_target(void *server, const char *target, struct MHD_Connection *mhd);
enum MHD_Result tt_exchange_on_call(void *server, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version, const char *data,
                                    size_t *size, void **context);
void tt_exchange_on_completed(void *server, struct MHD_Connection *mhd, void **context,
                              enum MHD_RequestTerminationCode why);

/* ---- deadline.c ---- */
void tt_deadline_setup(struct tt_http_server *server);
void tt_deadline_close_idle(struct tt_http_server *server);
void tt_deadline_make_room(struct tt_http_server *server);

/* ---- peer.c ---- */
int tt_peer_setup(struct tt_http_server *server, struct tt_err *err);
void tt_peer_free(struct tt_http_server *server);
enum MHD_Result tt_peer_on_accept(void *server, const struct sockaddr *address, socklen_t len);
void tt_peer_enter(struct tt_http_conn *conn, const struct sockaddr *address);
void tt_peer_leave(struct tt_http_conn *conn);

/* ---- server.c ---- */

/* Serves a connected stream socket that was not accepted here. Owns: takes `fd`. Fails: -1. */
int tt_server_adopt(struct tt_http_server *server, int fd);
