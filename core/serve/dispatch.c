/* The way of a request: head (language, CORS, core's own paths, route, shape of authentication,
 * size and type of the body) -> body -> task -> answer -> access log. Refusals before the body need
 * no script: their texts are in the generation's error table. */
#include "serve/dispatch.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/error_shape.h"
#include "serve/request.h"
#include "tide/intake.h"

#define BODY_UNREAD_MAX ((size_t)64 << 10) /* of requests that need none */

/* ---- answers ---- */

void tt_visit_reply(struct tt_visit *visit, int status, struct tt_buf *body)
{
    visit->status = status;
    tt_http_reply(visit->exchange, status, body);
}

struct tt_str tt_visit_text(const struct tt_visit *visit, const struct tt_err *err)
{
    const struct tt_error_text *text =
        tt_generation_error(visit->generation, tt_str_from(err->code));
    return visit->chinese ? text->zh : text->en;
}

void tt_visit_fill(const struct tt_visit *visit, const char *code,
                   struct tt_str (*arg_of)(void *arg, struct tt_str name), void *arg,
                   struct tt_buf *out)
{
    const struct tt_error_text *entry = tt_generation_error(visit->generation, tt_str_from(code));
    struct tt_str text = visit->chinese ? entry->zh : entry->en, value;

    while (text.len) {
        ptrdiff_t open = tt_str_find(text, '{');
        struct tt_str rest =
            open < 0 ? TT_STR("") : tt_str_of(text.data + open, text.len - (size_t)open);
        ptrdiff_t close = tt_str_find(rest, '}');
        if (close < 0) {
            tt_buf_append_str(out, text);
            return;
        }
        tt_buf_append(out, text.data, (size_t)open);
        if (arg_of) {
            value = arg_of(arg, tt_str_of(rest.data + 1, (size_t)close - 1));
            if (value.data)
                tt_buf_append_str(out, value);
        }
        text = tt_str_of(rest.data + close + 1, rest.len - (size_t)close - 1);
    }
}

void tt_visit_fail(struct tt_visit *visit, const struct tt_visit_error *error)
{
    const struct tt_error_text *text =
        tt_generation_error(visit->generation, tt_str_from(error->code));
    bool known = tt_str_eq(text->code, tt_str_from(error->code));
    int status = !known && error->status ? error->status : text->status;
    struct tt_buf body = {0};

    if (!known)
        tt_log(TT_LOG_ERROR, "unknown error code", TT_F_Z("code", error->code));
    snprintf(visit->code, sizeof(visit->code), "%s",
             !known && error->status ? error->code : text->code.data);
    tt_error_shape_put(visit, error, tt_str_from(visit->code), status, &body);
    if (error->detail && status >= 500)
        tt_log(TT_LOG_WARN, "request failed",
               TT_F_STR("request_id", tt_http_request_id(visit->exchange)),
               TT_F_Z("code", visit->code), TT_F_Z("error", error->detail));
    tt_visit_reply(visit, status, &body);
}

static void fail(struct tt_visit *visit, const char *code)
{
    tt_visit_fail(visit, &(struct tt_visit_error){.code = code});
}

/* ---- the visit ---- */

static struct tt_visit *begin_visit(struct tt_listener_handle *handle,
                                    struct tt_http_exchange *exchange)
{
    struct tt_dispatcher *dispatcher = handle->dispatcher;
    struct tt_visit *visit = tt_arena_alloc(tt_http_arena(exchange), sizeof(*visit));
    char number[24];

    visit->dispatcher = dispatcher;
    visit->exchange = exchange;
    visit->listener = handle->listener;
    visit->started_ns = tt_clock_mono_ns();
    visit->generation = tt_generation_ref(dispatcher->generation);
    visit->vm = visit->generation->vms[dispatcher->tide->runtime.worker];
    visit->chinese = tt_request_prefers_chinese(tt_http_header(exchange, "Accept-Language"));
    tt_http_set_user(exchange, visit);
    snprintf(number, sizeof(number), "%d", visit->generation->number);
    tt_http_add_header(exchange, TT_STR("X-Script-Generation"), tt_str_from(number));
    return visit;
}

static void count_request(const struct tt_visit *visit)
{
    struct tt_route_stats_set *set = visit->dispatcher->settings->route_stats;
    uint64_t duration_us = (tt_clock_mono_ns() - visit->started_ns) / 1000;

    if (!set)
        return;
    struct tt_route_stats *stats = visit->route ? visit->route->stats : NULL;
    tt_route_stats_add(stats ? stats : tt_route_stats_of(set, TT_STR(""), TT_STR("")),
                       visit->gone ? 0 : visit->status, duration_us);
}

static void on_end(void *arg, struct tt_http_exchange *exchange)
{
    struct tt_visit *visit = tt_http_user(exchange);
    (void)arg;
    if (!visit)
        return;
    struct tt_dispatcher *dispatcher = visit->dispatcher;
    struct tt_str path = visit->route ? visit->route->path : TT_STR("-");

    tt_frames_close(visit->frames);
    tt_intake_close(visit->intake);
    visit->intake = NULL;
    if (visit->request)
        *visit->request = NULL;
    count_request(visit);
    dispatcher->requests++;
    if (visit->status >= 500)
        dispatcher->errors_5xx++;
    tt_log(TT_LOG_INFO, "request", TT_F_STR("request_id", tt_http_request_id(exchange)),
           TT_F_STR("method", tt_http_method(exchange)), TT_F_STR("route", path),
           TT_F_INT("status", visit->status), TT_F_INT("user_id", visit->user_id),
           TT_F_INT("duration_us", (int64_t)((tt_clock_mono_ns() - visit->started_ns) / 1000)),
           TT_F_INT("generation", visit->generation->number), TT_F_Z("code", visit->code));
    if (visit->listener == TT_LISTENER_ADMIN && dispatcher->admin_end)
        dispatcher->admin_end(dispatcher->builtin_arg, visit);
    tt_generation_unref(visit->generation);
}

/* ---- CORS (WHATWG Fetch, 3.2) ---- */

static void add_cors(struct tt_visit *visit)
{
    const struct tt_serve_settings *settings = visit->dispatcher->settings;
    struct tt_http_exchange *exchange = visit->exchange;

    if (settings->cors_origin_count == 0 || visit->listener != TT_LISTENER_PUBLIC)
        return;
    struct tt_str origin = tt_http_header(exchange, "Origin");
    tt_http_add_header(exchange, TT_STR("Vary"), TT_STR("Origin"));
    for (size_t i = 0; origin.data && i < settings->cors_origin_count; i++) {
        if (!tt_str_eq(origin, settings->cors_origins[i]))
            continue;
        tt_http_add_header(exchange, TT_STR("Access-Control-Allow-Origin"), origin);
        tt_http_add_header(exchange, TT_STR("Access-Control-Allow-Credentials"), TT_STR("true"));
        tt_http_add_header(exchange, TT_STR("Access-Control-Expose-Headers"),
                           TT_STR("X-Request-Id, Retry-After, X-Script-Generation"));
        return;
    }
}

static void answer_options(struct tt_visit *visit)
{
    struct tt_http_exchange *exchange = visit->exchange;
    struct tt_str asked = tt_http_header(exchange, "Access-Control-Request-Headers");
    struct tt_str allow = tt_str_from(visit->match.allow);
    struct tt_buf none = {0};

    tt_http_add_header(exchange, TT_STR("Allow"), allow);
    if (tt_http_header(exchange, "Access-Control-Request-Method").data) {
        tt_http_add_header(exchange, TT_STR("Access-Control-Allow-Methods"), allow);
        if (asked.data)
            tt_http_add_header(exchange, TT_STR("Access-Control-Allow-Headers"), asked);
        tt_http_add_header(exchange, TT_STR("Access-Control-Max-Age"), TT_STR("600"));
    }
    tt_visit_reply(visit, 204, &none);
}

/* ---- the head ---- */

static bool find_route(struct tt_visit *visit)
{
    struct tt_str method = tt_http_method(visit->exchange);

    tt_router_match(visit->generation->router[visit->listener], method,
                    tt_http_path(visit->exchange), &visit->match);
    if (visit->match.value >= 0) {
        visit->route_index = visit->match.value;
        visit->route = &visit->generation->routes[visit->match.value];
        return true;
    }
    if (visit->match.value == -2 && tt_str_eq(method, TT_STR("OPTIONS"))) {
        answer_options(visit);
    } else if (visit->match.value == -2) {
        tt_http_add_header(visit->exchange, TT_STR("Allow"), tt_str_from(visit->match.allow));
        fail(visit, "method_not_allowed");
    } else {
        fail(visit, "not_found");
    }
    return false;
}

/* Only the shape: whether the token is good is lua/web/auth.lua's to say. */
static bool has_credentials(struct tt_http_exchange *exchange)
{
    struct tt_str header = tt_http_header(exchange, "Authorization");
    if (header.data)
        return tt_str_starts_nocase(header, TT_STR("Bearer ")) && header.len > 7;
    return tt_http_cookie(exchange, "access_token").len > 0;
}

static bool has_body(struct tt_http_exchange *exchange)
{
    struct tt_str length = tt_http_header(exchange, "Content-Length");
    return tt_http_header(exchange, "Transfer-Encoding").data ||
           (length.data && !tt_str_eq(length, TT_STR("0")));
}

static bool is_json_type(struct tt_http_exchange *exchange)
{
    struct tt_str rest = tt_http_header(exchange, "Content-Type"), type;
    if (!rest.data)
        return false;
    tt_str_split(&rest, ';', &type);
    return tt_str_eq_nocase(tt_str_trim(type), TT_STR("application/json"));
}

static void on_piece(struct tt_http_exchange *exchange, struct tt_str bytes)
{
    struct tt_visit *visit = tt_http_user(exchange);
    struct tt_err err = {0};

    if (tt_intake_feed(visit->intake, bytes, &err) != 0)
        tt_visit_fail(visit, &(struct tt_visit_error){.code = err.code, .detail = err.message});
}

static void begin_upload(struct tt_visit *visit, size_t *body_max)
{
    struct tt_err err = {0};

    visit->intake = tt_intake_open(visit->exchange, visit->dispatcher->tide, &err);
    if (!visit->intake) {
        fail(visit, err.code);
        return;
    }
    tt_http_stream_body(visit->exchange, on_piece);
    *body_max = visit->route->body_max;
}

static void on_head(void *arg, struct tt_http_exchange *exchange, size_t *body_max)
{
    struct tt_listener_handle *handle = arg;
    struct tt_dispatcher *dispatcher = handle->dispatcher;
    struct tt_visit *visit;

    *body_max = 0;
    if (dispatcher->builtin(dispatcher->builtin_arg, exchange, handle)) {
        *body_max = BODY_UNREAD_MAX;
        return;
    }
    visit = begin_visit(handle, exchange);
    add_cors(visit);
    if (!find_route(visit))
        return;
    if (visit->route->auth != TT_AUTH_NONE && !has_credentials(exchange)) {
        tt_http_add_header(exchange, TT_STR("WWW-Authenticate"), TT_STR("Bearer"));
        fail(visit, "unauthorized");
    } else if (visit->route->upload) {
        begin_upload(visit, body_max);
    } else if (visit->route->reads_body && has_body(exchange) && !is_json_type(exchange)) {
        fail(visit, "unsupported_media_type");
    } else {
        *body_max = visit->route->reads_body ? visit->route->body_max : BODY_UNREAD_MAX;
    }
}

/* ---- the task ---- */

static void on_task_end(const struct tt_err *error, void *arg)
{
    struct tt_visit *visit = arg;

    if (!error)
        return;
    atomic_fetch_add_explicit(&visit->vm->failures, 1, memory_order_relaxed);
    tt_log(TT_LOG_ERROR, "script error",
           TT_F_STR("request_id", tt_http_request_id(visit->exchange)),
           TT_F_STR("route", visit->route->path), TT_F_INT("generation", visit->generation->number),
           TT_F_Z("error", error->message));
    if (visit->dispatcher->settings->route_stats)
        tt_route_stats_add_failure(visit->dispatcher->settings->route_stats,
                                   tt_str_from(error->code));
    if (visit->status == 0)
        tt_visit_fail(visit,
                      &(struct tt_visit_error){.code = error->code, .detail = error->message});
}

/* The user that the pipeline found, for the access log. */
static void note_user(lua_State *L, struct tt_visit *visit, int request)
{
    if (lua_getfield(L, request, "user") == LUA_TTABLE && lua_getfield(L, -1, "id") == LUA_TNUMBER)
        visit->user_id = lua_tointeger(L, -1);
    lua_settop(L, request);
}

/* 1 = request, 2.. = what app.handle returned. */
static int after_handle(lua_State *L, int status, lua_KContext context)
{
    struct tt_visit *visit = (struct tt_visit *)context;
    (void)status;

    lua_settop(L, 3);
    lua_pushvalue(L, 1);
    note_user(L, visit, 4);
    lua_settop(L, 3);
    tt_response_render(L, visit);
    return 0;
}

static int handle_entry(lua_State *L)
{
    struct tt_visit *visit = lua_touserdata(L, 1);

    lua_settop(L, 0);
    tt_request_push(L, visit);
    lua_rawgeti(L, LUA_REGISTRYINDEX, visit->vm->handle_ref);
    lua_rawgeti(L, LUA_REGISTRYINDEX, visit->vm->routes_ref);
    lua_rawgeti(L, -1, visit->route_index + 1);
    lua_remove(L, -2);
    lua_pushvalue(L, 1);
    lua_callk(L, 2, 2, (lua_KContext)visit, after_handle);
    return after_handle(L, LUA_OK, (lua_KContext)visit);
}

/* The client has left. A stream ends, a task goes on: what it began (a turn, a write) belongs to
 * the server, and its answer is dropped. Both say so to the reply, which a script may have asked to
 * be cancelled then. */
static void on_gone(struct tt_http_exchange *exchange)
{
    struct tt_visit *visit = tt_http_user(exchange);

    visit->gone = true;
    snprintf(visit->code, sizeof(visit->code), "client_gone");
    if (visit->frames)
        tt_frames_abandon(visit->frames);
    if (visit->task)
        tt_task_client_left(visit->task);
}

static void on_task_over(struct tt_owned *owned)
{
    TT_CONTAINER_OF(owned, struct tt_visit, task_end)->task = NULL;
}

static struct tt_str describe(void *arg, const struct tt_err *err)
{
    return tt_visit_text(arg, err);
}

void tt_visit_stream(struct tt_visit *visit, struct tt_reply *reply, uint64_t position,
                     const struct tt_frames_openai *openai)
{
    struct tt_frames_wish wish = {
        .position = position, .describe = describe, .describe_arg = visit, .openai = openai};

    visit->status = 200;
    visit->frames =
        tt_frames_open(visit->exchange, visit->dispatcher->tide->runtime.loop, reply, &wish);
    if (visit->gone && visit->frames)
        tt_frames_abandon(visit->frames);
}

static void on_request(void *arg, struct tt_http_exchange *exchange)
{
    struct tt_visit *visit = tt_http_user(exchange);
    const struct tt_dispatcher *dispatcher = ((struct tt_listener_handle *)arg)->dispatcher;
    struct tt_err err = {0};

    if (!visit) {
        dispatcher->builtin_request(dispatcher->builtin_arg, exchange);
        return;
    }
    if (visit->intake && tt_intake_end(visit->intake, &err) != 0) {
        fail(visit, err.code);
        return;
    }
    atomic_fetch_add_explicit(&visit->vm->requests, 1, memory_order_relaxed);
    struct tt_task *task = tt_task_new(visit->vm, on_task_end, visit);

    if (!task) {
        fail(visit, "script_memory");
        return;
    }
    visit->task = task;
    visit->task_end.close = on_task_over;
    tt_task_own(task, &visit->task_end);
    tt_http_on_gone(exchange, on_gone);
    tt_task_start(task, handle_entry);
}

static void on_refuse(void *arg, struct tt_http_exchange *exchange, int status, const char *code)
{
    struct tt_visit *visit = tt_http_user(exchange);
    if (!visit)
        visit = begin_visit(arg, exchange);
    tt_visit_fail(visit, &(struct tt_visit_error){.code = code, .status = status});
}

struct tt_http_handler tt_dispatch_handler(struct tt_listener_handle *handle)
{
    return (struct tt_http_handler){.on_head = on_head,
                                    .on_request = on_request,
                                    .on_end = on_end,
                                    .on_refuse = on_refuse,
                                    .arg = handle};
}
