/* What the files of this layer share; nothing outside core/http and its tests includes this, and
 * no other layer includes microhttpd.h. One connection holds one exchange, because HTTP/1.1 has one
 * request at a time on a connection: so both live in one pooled struct, and a request costs no
 * allocation of ours until it needs its arena or a body. */
#pragma once
#include "base/map.h"
#include "http/http.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define TT_FIELDS_INLINE 8           /* response headers that cost no allocation of ours */
#define TT_SCRATCH_SIZE  512         /* of an exchange: its target and response headers, mostly */
#define TT_LINGER_MAX    64          /* closing connections that are read empty, a server */
#define TT_KEEP_BODY_MAX (64 * 1024) /* a body buffer larger than this is freed, not kept */

/* What a connection waits for; each has its own deadline, see deadline.c. */
enum tt_phase {
    TT_PHASE_OPEN, /* accepted, no request line yet */
    TT_PHASE_HEAD, /* the request line is there, the head is not complete */
    TT_PHASE_BODY, /* the body comes in */
    TT_PHASE_BUSY, /* we work on the answer: no deadline here */
    TT_PHASE_SEND, /* the answer goes out */
    TT_PHASE_IDLE, /* kept alive */
    TT_PHASE_COUNT
};

/* One response header, until the response is made. Both strings NUL-terminated. */
struct tt_http_field {
    struct tt_http_field *next;
    const char *name;
    const char *value;
};

struct tt_http_stream {
    struct tt_http_exchange *exchange;
    void (*on_flush)(struct tt_http_stream *stream, void *arg);
    void *arg;
    struct tt_buf out;     /* written by the caller, not framed yet */
    struct tt_buf pending; /* framed, not yet taken by the socket */
    struct tt_list node;   /* in the server's `streams` until the end of the turn */
    bool chunked;          /* HTTP/1.1: frames are chunks; HTTP/1.0: plain bytes */
    bool direct;           /* the head has left: the socket is ours until the end */
    bool wake;             /* on_flush is owed */
    bool ended;            /* nothing comes after `out` and `pending` */
    bool finished;         /* given back to the library */
};

struct tt_http_exchange {
    struct tt_http_server *server;
    struct MHD_Connection *mhd;
    struct tt_list node; /* in the server's `exchanges` while live */
    void *user;
    void (*on_gone)(struct tt_http_exchange *exchange);
    void (*on_piece)(struct tt_http_exchange *exchange, struct tt_str bytes); /* NULL: whole body */

    const char *raw_target; /* where the library has it: the guard compares addresses */
    struct tt_str target;   /* our copy, with query */
    struct tt_str method, path, query;
    struct tt_str remote;        /* NULL until asked for */
    struct tt_str forwarded_for; /* the header X-Forwarded-For, when it is there */
    size_t content_length;       /* 0 also when chunked or absent */
    size_t body_max;
    size_t received; /* body bytes, thrown away or not */
    struct tt_buf body;
    struct tt_arena arena;

    struct tt_http_field *fields, **fields_end;
    int field_count;
    struct MHD_Response *response; /* made but not queued yet */
    int status;
    struct tt_http_stream stream;

    bool live;      /* the handler knows it: on_end is owed */
    bool head_done; /* the library's first call has been */
    bool requested; /* on_request has been called */
    bool answered;  /* a reply or a stream was given */
    bool suspended; /* the library waits for us */
    bool chunked;   /* request body without Content-Length */
    bool http10;
    bool is_head;
    bool paused; /* a streamed body: suspended until tt_http_resume_body */
    bool raw;    /* the answer is written past the library, see tt_reply_raw */
    bool close;  /* the answer carries Connection: close */
    bool gone;   /* the client left */
    bool cut;    /* end it without an answer at the next call */
    bool linger; /* read the rest of the body before the socket really closes */
    bool has_id; /* X-Request-Id was set by the handler */
    char id[17];

    size_t scratch_used;
    /* From here on nothing is cleared between two requests. */
    char scratch[TT_SCRATCH_SIZE];
    struct tt_http_field inline_fields[TT_FIELDS_INLINE];
};

struct tt_http_conn {
    struct tt_http_server *server;
    struct MHD_Connection *mhd;
    int fd;
    enum tt_phase phase;
    struct tt_list node; /* in the server's list of its phase, or in its pool */
    uint64_t since_ms;   /* when the phase began */
    uint64_t check_ms;   /* when the sweep looks at it again */
    uint64_t progress;   /* bytes at the last look */
    struct tt_watch watch;
    bool counted; /* in the table of addresses */
    bool trusted; /* its address is a trusted proxy */
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
    char *unix_path; /* to be removed at the end */

    struct tt_watch watch; /* on the library's epoll fd */
    struct tt_hook http_hook;
    struct tt_hook stream_hook;
    bool run; /* the library must run at the end of this turn */
    bool running;
    bool quiescing;

    struct tt_list phases[TT_PHASE_COUNT]; /* connections, the oldest check first */
    struct tt_list pool;                   /* unused connections */
    struct tt_list exchanges;              /* live */
    struct tt_list streams;                /* with something to do at the end of this turn */
    struct tt_list lingers;
    struct tt_timer sweep;
    uint64_t rate_window_ms; /* over which body_rate_min is averaged; tests shorten it */
    int connections;
    int active;
    int linger_count;

    struct tt_map *addresses; /* address -> struct tt_address_count */
    struct tt_cidr *proxies;
    size_t proxy_count;
    bool trust_unix;
    uint64_t id_state;
};

/* ---- server.c ---- */

/* The library has something to do that no descriptor tells: run it at the end of this turn. */
void tt_server_run_soon(struct tt_http_server *server);

/* ---- listen.c ---- */
int tt_listen(struct tt_http_server *server, struct tt_err *err);
void tt_listen_close(struct tt_http_server *server); /* stops listening, removes a unix socket */

/* ---- exchange.c: the library's callbacks ---- */
void *tt_exchange_on_target(void *server, const char *target, struct MHD_Connection *mhd);
enum MHD_Result tt_exchange_on_call(void *server, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version, const char *data,
                                    size_t *size, void **context);
void tt_exchange_on_completed(void *server, struct MHD_Connection *mhd, void **context,
                              enum MHD_RequestTerminationCode why);

/* Refuses on the server's own account, through handler.on_refuse. */
void tt_exchange_refuse(struct tt_http_exchange *exchange, int status, const char *code);

/* Gives a suspended exchange back to the library. */
void tt_exchange_resume(struct tt_http_exchange *exchange);

/* A NUL-terminated copy that lives as long as the exchange. */
char *tt_exchange_copy(struct tt_http_exchange *exchange, const char *data, size_t len);

static inline struct tt_http_conn *tt_exchange_conn(struct tt_http_exchange *exchange)
{
    return TT_CONTAINER_OF(exchange, struct tt_http_conn, exchange);
}

/* ---- body.c ---- */

/* Takes the next bytes of a body; *size is what was not taken. */
enum MHD_Result tt_body_take(struct tt_http_exchange *exchange, const char *data, size_t *size);
/* Gives up on the rest of a body, whose answer is queued or was written past the library. */
enum MHD_Result tt_body_answer_early(struct tt_http_exchange *exchange);

/* ---- guard.c ---- */

/* 0, or the status to refuse with and its *code. Fills what the request's framing tells. */
int tt_guard_check(struct tt_http_exchange *exchange, const char *method, const char *version,
                   const char **code);
bool tt_guard_is_token(struct tt_str s);
bool tt_guard_is_value(struct tt_str s); /* no control bytes but tab */

/* ---- reply.c ---- */

/* Adds the collected headers, the request id and what the connection needs. */
void tt_reply_finish_head(struct tt_http_exchange *exchange, struct MHD_Response *response);
enum MHD_Result tt_reply_queue(struct tt_http_exchange *exchange);

/* ---- stream.c ---- */
void tt_stream_on_turn_end(struct tt_hook *hook);
void tt_stream_on_writable(struct tt_http_stream *stream);
void tt_stream_on_gone(struct tt_http_stream *stream);
void tt_stream_close(struct tt_http_stream *stream);

/* ---- gone.c ---- */
void tt_gone_watch(struct tt_http_exchange *exchange, bool writable);
void tt_gone_unwatch(struct tt_http_exchange *exchange);
void tt_gone_mark(struct tt_http_exchange *exchange);

/* ---- deadline.c ---- */
void tt_deadline_setup(struct tt_http_server *server);
void tt_deadline_enter(struct tt_http_conn *conn, enum tt_phase phase);
void tt_deadline_close_idle(struct tt_http_server *server);
void tt_deadline_make_room(struct tt_http_server *server);

/* ---- peer.c ---- */
int tt_peer_setup(struct tt_http_server *server, struct tt_err *err);
void tt_peer_free(struct tt_http_server *server);
enum MHD_Result tt_peer_on_accept(void *server, const struct sockaddr *address, socklen_t len);
void tt_peer_enter(struct tt_http_conn *conn, const struct sockaddr *address);
void tt_peer_leave(struct tt_http_conn *conn);

/* ---- linger.c ---- */
void tt_linger_start(struct tt_http_server *server, int fd);
void tt_linger_free(struct tt_http_server *server);
