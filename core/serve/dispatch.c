/* The way of a request: head (route, the listener's guard, language, CORS, form of authentication,
 * size and type of the body) -> body -> task -> answer -> access log. Requests that the core
 * answers itself leave it after the guard. Refusals before the body need no script: their texts are
 * in the generation's error table. */
#include "serve/dispatch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/origin.h"
#include "node/relay_token.h"
#include "serve/answer_file.h"
#include "serve/chunks.h"
#include "serve/credentials.h"
#include "serve/error_shape.h"
#include "serve/relay.h"
#include "serve/request.h"
#include "tide/intake.h"

#define BODY_UNREAD_MAX ((size_t)64 << 10) /* of requests that need none */

void tt_request_reply(struct tt_request *request, int status, struct tt_buf *body)
{
    request->status = status;
    tt_http_reply(request->exchange, status, body);
}

static void fail(struct tt_request *request, const char *code)
{
    tt_request_fail(request, &(struct tt_request_error){.code = code});
}

/* ---- the request ---- */

static struct tt_request *begin_request(struct tt_listener_handle *handle,
                                        struct tt_http_exchange *exchange)
{
    struct tt_request *request = tt_arena_alloc(tt_http_arena(exchange), sizeof(*request));

    request->dispatcher = handle->dispatcher;
    request->exchange = exchange;
    request->listener = handle->listener;
    request->body_max = BODY_UNREAD_MAX;
    request->started_ns = tt_clock_mono_ns();
    tt_http_set_user(exchange, request);
    return request;
}

/* From here on it is the scripts' that serve now. */
static void enter_generation(struct tt_request *request)
{
    struct tt_dispatcher *dispatcher = request->dispatcher;
    struct tt_http_exchange *exchange = request->exchange;
    char number[24];

    request->generation = tt_generation_ref(dispatcher->generation);
    request->vm = tt_dispatcher_vm(dispatcher);
    request->chinese =
        request->caller ? request->caller->chinese
                        : tt_request_prefers_chinese(tt_http_header(exchange, "Accept-Language"));
    snprintf(number, sizeof(number), "%d", request->generation->number);
    tt_http_add_header(exchange, TT_STR("X-Script-Generation"), tt_str_from(number));
}

static void count_request(const struct tt_request *request)
{
    struct tt_route_stats_set *set = request->dispatcher->settings->route_stats;
    uint64_t duration_us = (tt_clock_mono_ns() - request->started_ns) / 1000;

    if (!set)
        return;
    struct tt_route_stats *stats = request->route ? request->route->stats : NULL;
    tt_route_stats_add(stats ? stats : tt_route_stats_of(set, TT_STR(""), TT_STR("")),
                       request->gone ? 0 : request->status, duration_us);
}

static void on_end(void *arg, struct tt_http_exchange *exchange)
{
    struct tt_request *request = tt_http_user(exchange);
    const struct tt_listener_guard *guard = ((struct tt_listener_handle *)arg)->guard;

    if (!request || !request->generation)
        return;
    struct tt_str path = request->route ? request->route->path : TT_STR("-");

    tt_frames_close(request->frames);
    tt_chunks_abandon(request);
    tt_answer_file_close(request);
    tt_intake_close(request->intake);
    request->intake = NULL;
    if (request->lua_request)
        *request->lua_request = NULL;
    count_request(request);
    tt_log(TT_LOG_INFO, "request", TT_F_STR("request_id", tt_http_request_id(exchange)),
           TT_F_STR("method", tt_http_method(exchange)), TT_F_STR("route", path),
           TT_F_INT("status", request->status), TT_F_INT("user_id", request->user_id),
           TT_F_INT("duration_us", (int64_t)((tt_clock_mono_ns() - request->started_ns) / 1000)),
           TT_F_INT("generation", request->generation->number), TT_F_Z("code", request->code));
    if (guard && guard->on_end)
        guard->on_end(request);
    tt_generation_unref(request->generation);
}

/* ---- CORS (WHATWG Fetch, 3.2) ---- */

static void add_cors(struct tt_request *request)
{
    const struct tt_serve_settings *settings = request->dispatcher->settings;
    struct tt_http_exchange *exchange = request->exchange;

    if (settings->cors_origin_count == 0 || request->listener != TT_LISTENER_PUBLIC ||
        request->caller)
        return;
    struct tt_str origin = tt_http_header(exchange, "Origin");
    tt_http_add_header(exchange, TT_STR("Vary"), TT_STR("Origin"));
    for (size_t i = 0; origin.data && i < settings->cors_origin_count; i++) {
        if (!tt_http_origin_matches(settings->cors_origins[i], origin))
            continue;
        request->from_listed_origin = true;
        tt_http_add_header(exchange, TT_STR("Access-Control-Allow-Origin"), origin);
        tt_http_add_header(exchange, TT_STR("Access-Control-Allow-Credentials"), TT_STR("true"));
        tt_http_add_header(exchange, TT_STR("Access-Control-Expose-Headers"),
                           TT_STR("X-Request-Id, Retry-After, X-Script-Generation, "
                                  "Content-Disposition"));
        return;
    }
}

static void answer_options(struct tt_request *request)
{
    struct tt_http_exchange *exchange = request->exchange;
    struct tt_str asked = tt_http_header(exchange, "Access-Control-Request-Headers");
    struct tt_str allow = tt_str_from(request->match.allow);
    struct tt_buf none = {0};

    tt_http_add_header(exchange, TT_STR("Allow"), allow);
    if (tt_http_header(exchange, "Access-Control-Request-Method").data) {
        tt_http_add_header(exchange, TT_STR("Access-Control-Allow-Methods"), allow);
        if (asked.data)
            tt_http_add_header(exchange, TT_STR("Access-Control-Allow-Headers"), asked);
        tt_http_add_header(exchange, TT_STR("Access-Control-Max-Age"), TT_STR("600"));
    }
    tt_request_reply(request, 204, &none);
}

/* ---- the head ---- */

/* Finds the core's route or the scripts', or why there is none (request->match). */
static void find_route(struct tt_request *request)
{
    const struct tt_generation *generation = request->dispatcher->generation;
    struct tt_router_match *match = &request->match;

    tt_router_match(generation->router[request->listener], tt_http_method(request->exchange),
                    tt_http_path(request->exchange), match);
    if (match->value < 0)
        return;
    if ((size_t)match->value < generation->core_route_count) {
        request->core = &generation->core_routes[match->value];
        return;
    }
    request->route_index = match->value - (int)generation->core_route_count;
    request->route = &generation->routes[request->route_index];
}

/* A path that no route has, as people would like it answered. */
static bool answer_unknown(struct tt_request *request)
{
    const struct tt_serve_settings *settings = request->dispatcher->settings;

    if (request->listener == TT_LISTENER_PUBLIC && settings->answer_unknown)
        request->status = settings->answer_unknown(request->dispatcher, request->exchange);
    if (request->status == 404)
        snprintf(request->code, sizeof(request->code), "not_found");
    return request->status != 0;
}

static void answer_no_route(struct tt_request *request)
{
    if (request->match.value == -1) {
        if (!answer_unknown(request))
            fail(request, tt_error_shape_unknown_path(request));
    } else if (tt_str_eq(tt_http_method(request->exchange), TT_STR("OPTIONS"))) {
        answer_options(request);
    } else {
        tt_http_add_header(request->exchange, TT_STR("Allow"), tt_str_from(request->match.allow));
        fail(request, "method_not_allowed");
    }
}

static bool has_body(struct tt_http_exchange *exchange)
{
    struct tt_str length = tt_http_header(exchange, "Content-Length");
    return tt_http_header(exchange, "Transfer-Encoding").data ||
           (length.data && !tt_str_eq(length, TT_STR("0")));
}

/* Whether the body has the type that the route reads. */
static bool has_right_type(const struct tt_request *request)
{
    struct tt_str rest = tt_http_header(request->exchange, "Content-Type"), type;
    if (!rest.data)
        return false;
    tt_str_split(&rest, ';', &type);
    return tt_str_eq_nocase(tt_str_trim(type), request->route->reads_form
                                                   ? TT_STR("application/x-www-form-urlencoded")
                                                   : TT_STR("application/json"));
}

static void on_piece(struct tt_http_exchange *exchange, struct tt_str bytes)
{
    struct tt_request *request = tt_http_user(exchange);
    struct tt_err err = {0};

    if (tt_intake_feed(request->intake, bytes, &err) != 0)
        tt_request_fail(request,
                        &(struct tt_request_error){.code = err.code, .detail = err.message});
}

static void begin_upload(struct tt_request *request, size_t *body_max)
{
    struct tt_err err = {0};

    request->intake = tt_intake_open(request->exchange, request->dispatcher->tide, &err);
    if (!request->intake) {
        fail(request, err.code);
        return;
    }
    tt_http_stream_body(request->exchange, on_piece);
    *body_max = request->body_max;
}

static void begin_route(struct tt_request *request, size_t *body_max)
{
    struct tt_http_exchange *exchange = request->exchange;

    bool reads = request->route->reads_body || request->route->reads_form;

    if (request->route->upload || reads)
        request->body_max = request->route->body_max;
    if (request->route->auth != TT_AUTH_NONE && !request->caller &&
        !tt_credentials_find(exchange, NULL).data) {
        tt_http_add_header(exchange, TT_STR("WWW-Authenticate"), TT_STR("Bearer"));
        fail(request, "unauthorized");
    } else if (request->route->upload) {
        begin_upload(request, body_max);
    } else if (reads && has_body(exchange) && !has_right_type(request)) {
        fail(request, "unsupported_media_type");
    } else {
        *body_max = request->body_max;
    }
}

static void on_head(void *arg, struct tt_http_exchange *exchange, size_t *body_max)
{
    struct tt_listener_handle *handle = arg;
    const struct tt_listener_guard *guard = handle->guard;
    struct tt_request *request = begin_request(handle, exchange);

    *body_max = 0;
    find_route(request);
    if (guard && guard->refuses && !(request->core && request->core->open) &&
        guard->refuses(handle->dispatcher, exchange))
        return;
    if (request->core) {
        *body_max = BODY_UNREAD_MAX;
        return;
    }
    enter_generation(request);
    add_cors(request);
    if (tt_mem_is_short())
        tt_request_fail(request, &(struct tt_request_error){.code = "no_memory", .status = 503});
    else if (request->route)
        begin_route(request, body_max);
    else
        answer_no_route(request);
}

/* ---- the task ---- */

static void on_task_end(const struct tt_err *error, void *arg)
{
    struct tt_request *request = arg;
    char handler[TT_SCRIPT_PATH_BYTES + 16];

    if (!error)
        return;
    snprintf(handler, sizeof(handler), "%s:%d", request->route->file.data, request->route->line);
    if (tt_task_is_own_fault(request->task, error))
        atomic_fetch_add_explicit(&request->vm->failures, 1, memory_order_relaxed);
    tt_log(TT_LOG_ERROR, "script error",
           TT_F_STR("request_id", tt_http_request_id(request->exchange)),
           TT_F_STR("route", request->route->path), TT_F_Z("handler", handler),
           TT_F_Z("code", error->code), TT_F_INT("generation", request->generation->number),
           TT_F_LINES("error", tt_str_from(error->message)));
    if (request->dispatcher->settings->route_stats)
        tt_route_stats_add_failure(request->dispatcher->settings->route_stats,
                                   tt_str_from(error->code));
    struct tt_request_error told = {.code = error->code, .detail = error->message, .logged = true};
    if (request->status == 0)
        tt_request_fail(request, &told);
    else
        tt_chunks_fail(request, &told);
}

/* The user that the pipeline found, for the access log. */
static void note_user(lua_State *L, struct tt_request *request, int index)
{
    if (lua_getfield(L, index, "user") == LUA_TTABLE && lua_getfield(L, -1, "id") == LUA_TNUMBER)
        request->user_id = lua_tointeger(L, -1);
    lua_settop(L, index);
}

/* 1 = request, 2.. = what app.handle returned. */
static int after_handle(lua_State *L, int status, lua_KContext context)
{
    struct tt_request *request = (struct tt_request *)context;
    (void)status;

    lua_settop(L, 3);
    lua_pushvalue(L, 1);
    note_user(L, request, 4);
    lua_settop(L, 3);
    return tt_request_render(L, request) ? tt_chunks_run(L, request) : 0;
}

static int handle_entry(lua_State *L)
{
    struct tt_request *request = lua_touserdata(L, 1);

    lua_settop(L, 0);
    tt_request_push(L, request);
    lua_rawgeti(L, LUA_REGISTRYINDEX, request->vm->handle_ref);
    lua_rawgeti(L, LUA_REGISTRYINDEX, request->vm->routes_ref);
    lua_rawgeti(L, -1, request->route_index + 1);
    lua_remove(L, -2);
    lua_pushvalue(L, 1);
    lua_callk(L, 2, 2, (lua_KContext)request, after_handle);
    return after_handle(L, LUA_OK, (lua_KContext)request);
}

/* The client has left. A stream ends, a task goes on: what it began (a turn, a write) belongs to
 * the server, and its answer is dropped (a task that only writes its answer ends, see chunks.h).
 * Both say so to the reply, which a script may have asked to be cancelled then. */
static void on_gone(struct tt_http_exchange *exchange)
{
    struct tt_request *request = tt_http_user(exchange);

    request->gone = true;
    snprintf(request->code, sizeof(request->code), "client_gone");
    if (request->frames)
        tt_frames_abandon(request->frames);
    tt_chunks_abandon(request);
    tt_answer_file_abandon(request);
    if (request->task)
        tt_task_client_left(request->task);
}

static void on_task_over(struct tt_owned *owned)
{
    struct tt_request *request = TT_CONTAINER_OF(owned, struct tt_request, task_end);
    request->task = NULL;
    tt_chunks_close(request);
    tt_request_close_opened(request, 0);
}

/* The text of an error code is in the request's language, without placeholders filled. */
static struct tt_frames_error describe(void *arg, const struct tt_err *err)
{
    const struct tt_request *request = arg;
    const struct tt_error_text *entry =
        tt_generation_error(request->generation, tt_str_from(err->code));

    return (struct tt_frames_error){request->chinese ? entry->zh : entry->en, entry->door_code};
}

void tt_request_stream(struct tt_request *request, struct tt_reply *reply, uint64_t position,
                       const struct tt_frames_chunks *chunks)
{
    struct tt_frames_options options = {.position = position,
                                        .describe = describe,
                                        .describe_arg = request,
                                        .chunks = chunks,
                                        .opened = request->opened};

    request->opened = NULL;
    request->status = 200;
    tt_http_may_send(request->exchange, request->user_id, 0, NULL);
    request->frames =
        tt_frames_open(request->exchange, request->dispatcher->tide->runtime.loop, reply, &options);
    if (request->gone && request->frames)
        tt_frames_abandon(request->frames);
}

static void on_request(void *arg, struct tt_http_exchange *exchange)
{
    struct tt_request *request = tt_http_user(exchange);
    const struct tt_listener_guard *guard = ((struct tt_listener_handle *)arg)->guard;
    struct tt_err err = {0};

    if (guard && guard->refuses_body && guard->refuses_body(request->dispatcher, exchange))
        return;
    if (request->core) {
        request->core->answer(request->dispatcher, exchange);
        return;
    }
    if (request->intake && tt_intake_end(request->intake, &err) != 0) {
        fail(request, err.code);
        return;
    }
    atomic_fetch_add_explicit(&request->vm->requests, 1, memory_order_relaxed);
    struct tt_task *task = tt_task_new(request->vm, on_task_end, request);

    if (!task) {
        fail(request, request->vm->allocator.system_refused ? "no_memory" : "script_memory");
        return;
    }
    request->task = task;
    request->task_end.close = on_task_over;
    tt_task_own(task, &request->task_end);
    tt_task_set_owner(task, tt_http_owner(exchange, 0));
    tt_http_on_gone(exchange, on_gone);
    tt_task_start_in_turn(task, handle_entry);
}

/* {limit} in the text of body_too_large. */
static struct tt_str limit_of(void *arg, struct tt_str name)
{
    struct tt_request *request = arg;
    size_t limit = request->body_max ? request->body_max : BODY_UNREAD_MAX;

    if (!tt_str_eq(name, TT_STR("limit")))
        return (struct tt_str){0};
    char *number = tt_arena_alloc(tt_http_arena(request->exchange), 24);
    return tt_str_of(number, (size_t)snprintf(number, 24, "%zu", limit));
}

static void on_refuse(void *arg, struct tt_http_exchange *exchange, int status, const char *code)
{
    struct tt_request *request = tt_http_user(exchange);
    struct tt_buf text = {0};

    if (!request)
        request = begin_request(arg, exchange);
    if (!request->generation)
        enter_generation(request);
    tt_request_fill(request, code, limit_of, request, &text);
    tt_request_fail(request, &(struct tt_request_error){
                                 .code = code, .status = status, .text = tt_buf_str(&text)});
    tt_buf_free(&text);
}

struct tt_http_handler tt_dispatch_handler(struct tt_listener_handle *handle)
{
    return (struct tt_http_handler){.on_head = on_head,
                                    .on_request = on_request,
                                    .on_end = on_end,
                                    .on_refuse = on_refuse,
                                    .arg = handle};
}
