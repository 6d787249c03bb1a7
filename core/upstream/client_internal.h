/* Shared by the files of the client: client.c and client_call.c (calls and their deadlines),
 * client_multi.c (curl's multis on the loop), client_poll.c (what curl asks the kernel too often),
 * client_handle.c (curl's handles), client_coding.c (packed bodies), client_target.c (URLs, and
 * which multi a request goes to) and local_call.c (one blocking call). The only place that sees
 * curl.h. Nothing outside core/upstream includes this. */
#pragma once
#include "base/list.h"
#include "upstream/client.h"
#include "upstream/unpack.h"

#include <curl/curl.h>

/* The target of connections: scheme, host and port. Lives while something refers to it. */
struct tt_origin {
    struct tt_str key;          /* owned */
    size_t refs;                /* targets, and open sockets */
    unsigned first;             /* the shard that is filled first */
    unsigned connections, busy; /* of all shards */
    struct {
        unsigned connections; /* sockets open */
        unsigned busy;        /* calls */
    } shards[];
};

/* A URL, checked and parsed once. */
struct tt_target {
    struct tt_str text; /* owned */
    size_t refs;        /* the cache, and each call */
    struct tt_origin *origin;
    struct tt_url url; /* path is a slice of text */
    bool literal;      /* what is connected is an address: no lookup */
    bool proxied;      /* the proxy is connected, and resolves the host */
    CURLU *parsed;
};

struct tt_shard {
    struct tt_client *client;
    unsigned index;
    CURLM *multi;
    int busy;            /* handles added and not removed */
    uint64_t idle_ms;    /* when the last one was removed */
    int connections;     /* sockets open */
    struct tt_list node; /* in client->flagged: has something to do this tick */
    struct tt_timer timer;
    uint64_t due_ms; /* the value from curl's timer callback; 0 = none */
    bool due_changed, due_now;
};

/* A descriptor of curl's, found by its number: curl may close and reopen a number at any time. */
struct tt_client_socket {
    struct tt_watch watch;
    struct tt_shard *shard;
    struct tt_origin *origin; /* NULL: not one of ours (none should exist) */
    bool plain;               /* without TLS */
};

enum tt_call_phase { TT_CALL_CONNECTING, TT_CALL_WAITING, TT_CALL_RECEIVING };

struct tt_call {
    struct tt_list node; /* in client->calls, starting or ended */
    struct tt_client *client;
    struct tt_target *target;
    struct tt_shard *shard; /* NULL until added to its multi */
    CURL *easy;
    struct tt_call_headers *headers;
    struct curl_slist *addresses;
    char method[8];
    struct tt_call_body *body; /* until it has been sent */
    size_t body_len;
    struct tt_deadlines deadlines;
    struct tt_call_handler handler;
    void (*on_dropped)(void *arg);
    int (*on_header)(void *arg, struct tt_str name, struct tt_str value);
    int (*on_begin)(void *arg, struct tt_err *err);
    struct tt_resolve resolve;
    struct tt_timer timer;
    uint64_t started_ms, waiting_ms, last_ms;
    curl_off_t uploaded;
    enum tt_call_phase phase;
    bool resolving, denied, head_told, cancelled;
    size_t piece; /* bytes taken in the tick that began at piece_ms */
    uint64_t piece_ms;
    bool any_coding;               /* also without a label */
    struct tt_unpack_label coding; /* of the head that comes */
    bool body_begun;
    struct tt_unpack *unpack; /* NULL: the bytes are what they are, or curl unpacks them */
    struct tt_list paused;    /* in client->paused: curl keeps what came until the next piece */
    bool interim;             /* the head that comes is a 1xx one */
    bool early_head;          /* it is told when it ends */
    bool held, stopped;       /* by tt_call_hold; curl has paused it for that */
    bool in_callback;         /* of its own, outside curl: the caller frees it */
};

/* An idle handle. It keeps the URL that was set last: setting one costs 8 % of a request. */
struct tt_client_handle {
    CURL *easy;
    struct tt_target *target; /* a reference */
};

struct tt_client {
    struct tt_loop *loop;
    struct tt_client_settings settings;
    char *ca_file;
    unsigned shard_count;
    struct tt_shard *shards;
    struct tt_map *origins, *targets;
    struct tt_client_socket **sockets; /* by number */
    size_t socket_count;
    struct tt_client_handle *pool;
    size_t pool_count;
    struct tt_list calls;
    struct tt_list starting; /* begun in the work, so never inside a curl callback */
    struct tt_list paused;   /* calls that have had their piece of this tick */
    struct tt_timer resume;
    struct tt_list ended;   /* cancelled inside a curl callback */
    struct tt_list flagged; /* shards */
    struct tt_deferred work;
    struct tt_timer sweep;
    int inside_curl; /* adding and removing handles is forbidden meanwhile */
    struct tt_client_stats stats;
    tt_client_detour_fn *detour; /* NULL outside of tests */
    void *detour_arg;
};

/* ---- client_target.c ---- */

/* A reference; NULL when the URL is refused. */
struct tt_target *tt_target_get(struct tt_client *client, struct tt_str url, struct tt_err *err);
void tt_target_unref(struct tt_client *client, struct tt_target *target);
void tt_targets_drop(struct tt_client *client);
void tt_origin_unref(struct tt_client *client, struct tt_origin *origin);

/* The shard with an idle connection, otherwise the one with the fewest connections. */
struct tt_shard *tt_origin_choose(struct tt_client *client, const struct tt_origin *origin);

/* ---- client_multi.c ---- */

int tt_shard_open(struct tt_client *client, struct tt_shard *shard, unsigned index,
                  struct tt_err *err);
void tt_shard_close(struct tt_shard *shard);
void tt_client_forget_sockets(struct tt_client *client); /* after the shards are closed */
int tt_shard_add(struct tt_shard *shard, struct tt_call *call);
void tt_shard_remove(struct tt_shard *shard, struct tt_call *call);

/* Work for later in this tick: shards with timeouts or results, calls begun or ended in a callback.
 */
void tt_client_work(struct tt_client *client);
void tt_client_on_work(struct tt_deferred *deferred);
void tt_client_on_sweep(struct tt_timer *timer);

/* curl's callbacks for the sockets of a call: the address policy is checked here. */
curl_socket_t tt_client_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
int tt_client_on_close(void *arg, curl_socket_t fd);

/* ---- client_poll.c ---- */

#define TT_CURL_BUFFER_SIZE                                                                        \
    2048 /* per transfer: a stream's pieces are smaller, and thousands are open */

/* Around each call of curl for a readable descriptor without TLS; -1: it is over. Thread: worker.
 */
void tt_client_reading(int fd);
void tt_client_read_bytes(size_t bytes); /* of a body, by curl's write callback */

/* ---- client_handle.c ---- */

#define TT_CONN_AGE_S 60L /* unused connections are closed after this time */

void tt_client_setup(void); /* curl itself, once. Thread: any */
/* A handle with the options that all of our handles have. Fails: NULL (no memory). Thread: any. */
CURL *tt_easy_new(void);
/* The body is borrowed until the end of the transfer. */
void tt_easy_set_method(CURL *easy, const char *method, struct tt_str body);

/* A handle with the URL and all options that never change; from the pool when there is one. */
CURL *tt_client_take_easy(struct tt_client *client, struct tt_target *target);
void tt_client_put_easy(struct tt_client *client, CURL *easy, struct tt_target *target);
void tt_client_free_pool(struct tt_client *client);

/* ---- client_headers.c ---- */

struct tt_call_headers *tt_call_headers_ref(struct tt_call_headers *headers);
struct curl_slist *tt_call_headers_list(const struct tt_call_headers *headers);

/* ---- client.c ---- */

void tt_call_begin(struct tt_call *call); /* by the work */

/* ---- client_call.c ---- */

void tt_call_begin_later(struct tt_call *call, uint64_t delay_ms);
void tt_call_complete(struct tt_call *call, CURLcode code);

/* Reports the end (unless it was cancelled) and frees; error NULL = complete. Never inside curl. */
void tt_call_end(struct tt_call *call, const struct tt_err *error);
void tt_call_fail(struct tt_call *call, int status, const char *code, const char *why);
void tt_call_destroy(struct tt_call *call); /* reports nothing */

/* Curl's write, header and prereq callbacks. */
/* Calls that had their piece of a tick go on. */
void tt_calls_resume(struct tt_timer *timer);
size_t tt_call_on_bytes(char *data, size_t size, size_t count, void *arg);
size_t tt_call_on_head_line(char *data, size_t size, size_t count, void *arg);
int tt_call_on_request(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port);

/* ---- client_coding.c ---- */

void tt_call_note_coding(struct tt_call *call, struct tt_str line); /* of a head */
/* Gives bytes of the body, and its end, to the handler, unpacked. -1: it wants no more, or
 * call->unpack says what is wrong. */
int tt_call_pass_on(struct tt_call *call, struct tt_str bytes);
int tt_call_pass_end(struct tt_call *call);
