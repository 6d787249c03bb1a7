/* From an HTTP exchange to a script and back: routing, refusals before the body, the task,
 * rendering of the handler's result, CORS, the access log. One dispatcher per worker serves all
 * listeners. */
#pragma once
#include "chat/frames.h"
#include "http/http.h"
#include "script/task.h"
#include "serve/generation.h"
#include "serve/listeners.h"
#include "tide/tide.h"

struct tt_relay;
struct tt_relay_token;

struct tt_dispatcher {
    struct tt_tide *tide;
    const struct tt_serve_settings *settings;
    struct tt_generation *generation;          /* the current one: a reference */
    struct tt_http_server *server[TT_SERVERS]; /* NULL: not open; see listeners.h */
    struct tt_listener_handle handle[TT_SERVERS];
    void *core_arg;         /* data of the core's own routes and guards, opaque here */
    struct tt_relay *relay; /* to other nodes; NULL: there are none */
    struct {
        struct tt_list open;
        bool closing;
    } events; /* streams of events that scripts write, see events.h */
};

static inline struct tt_loop *tt_dispatcher_loop(const struct tt_dispatcher *dispatcher)
{
    return dispatcher->tide->runtime.loop;
}

/* The worker's state of the scripts that serve now. */
static inline struct tt_vm *tt_dispatcher_vm(const struct tt_dispatcher *dispatcher)
{
    return dispatcher->generation->vms[dispatcher->tide->runtime.worker];
}

/* `handle` is what a listener's server gets as its handler's arg. */
struct tt_http_handler tt_dispatch_handler(struct tt_listener_handle *handle);

/* One request; lives in the exchange's arena. */
struct tt_request {
    struct tt_dispatcher *dispatcher;
    struct tt_http_exchange *exchange;
    enum tt_listener listener;
    uint64_t started_ns;
    struct tt_router_match match;
    const struct tt_core_route *core; /* the core answers it; nothing below is filled in then */
    struct tt_generation *generation; /* a reference, held until the exchange ends */
    struct tt_vm *vm;
    const struct tt_route *route; /* NULL before the match */
    int route_index;
    bool chinese;    /* the language of texts for people */
    size_t body_max; /* bytes that its body may have */
    int status;
    char code[40]; /* of the error that was answered; "" = none */
    int64_t user_id;
    bool from_listed_origin;  /* its Origin is one of cors.origins */
    bool gone;                /* the client has left */
    bool json_read;           /* the script has decoded its body */
    struct tt_task *task;     /* NULL before it began and after it ended */
    struct tt_owned task_end; /* how its end is noticed */
    struct tt_frames *frames;
    struct tt_http_stream *stream; /* of an answer that a function writes, see chunks.h */
    const struct tt_chunks_type *chunks_type;
    struct tt_chunks *chunks;            /* while the function runs */
    struct tt_events *events;            /* of such an answer in events */
    struct tt_answer_file *file;         /* an answer that is a stored file */
    struct tt_http_stream *opened;       /* an answer that another node began, see relay.h */
    const struct tt_relay_token *caller; /* another node has passed this on; NULL: none has */
    struct tt_intake *intake;            /* of an upload route */
    void **lua_request;                  /* the Lua request's pointer to here, cleared at the end */
};

/* Whether the client speaks TLS, with us or with a proxy. */
bool tt_request_is_secure(const struct tt_request *request);

/* Appends the text of an error code in the request's language. {name} is replaced by the result of
 * arg_of (nothing when its data is NULL, or when there is no arg_of). arg_of may raise a Lua error.
 */
void tt_request_fill(const struct tt_request *request, const char *code,
                     struct tt_str (*arg_of)(void *arg, struct tt_str name), void *arg,
                     struct tt_buf *out);

/* Answers with the error shape of the request's path. A code that the scripts do not know becomes
 * "internal_error", or keeps `status` when one is given. */
struct tt_request_error {
    const char *code;
    int status;            /* 0 = the error table's */
    int64_t retry_after_s; /* 0 = none */
    struct tt_str param;   /* the field that is wrong; data == NULL: none */
    struct tt_str text;    /* data == NULL: the code's, placeholders left out */
    struct tt_str told;    /* what an upstream said, for its owner; data == NULL: nothing */
    const char *detail;    /* shown in dev mode only, may be NULL */
    bool logged;           /* the detail is in the log already */
};
void tt_request_fail(struct tt_request *request, const struct tt_request_error *error);

/* Notes the error and appends its object, in one line; returns the status. For an answer that has
 * not begun it adds the headers too. */
int tt_request_put_error(struct tt_request *request, const struct tt_request_error *error,
                         struct tt_buf *body);

/* Opens the answer as a stream of the reply; `chunks` != NULL: in the form of another API. */
void tt_request_stream(struct tt_request *request, struct tt_reply *reply, uint64_t position,
                       const struct tt_frames_chunks *chunks);

/* Fills in request->status, answers, and writes nothing more. Body is taken over. */
void tt_request_reply(struct tt_request *request, int status, struct tt_buf *body);
