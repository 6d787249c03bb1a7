/* Three forms, written side by side so that they say the same. OpenAI's is documented at
 * https://platform.openai.com/docs/guides/error-codes, Anthropic's at
 * https://platform.claude.com/docs/en/api/errors. Clients of both decide about a retry by the
 * headers x-should-retry, retry-after-ms and retry-after, in this order. */
#include "serve/error_shape.h"

#include "http/error_object.h"

#include <stdio.h>

static bool has_own_shape(const struct tt_request *request)
{
    return tt_generation_error_shape(request->generation, tt_http_path(request->exchange)) ==
           TT_ERROR_OWN;
}

/* What the owner of an upstream is told, or what developers see of it, in dev mode. */
static struct tt_str detail_of(const struct tt_request *request,
                               const struct tt_request_error *error)
{
    if (error->told.data)
        return error->told;
    return request->dispatcher->settings->dev && error->detail ? tt_str_from(error->detail)
                                                               : (struct tt_str){0};
}

static void put_own(const struct tt_request *request, const struct tt_request_error *error,
                    struct tt_str text, struct tt_str code, struct tt_json_writer *w)
{
    tt_json_begin_object(w);
    tt_http_error_put(w,
                      &(struct tt_http_error){.message = text,
                                              .code = code,
                                              .request_id = tt_http_request_id(request->exchange),
                                              .detail = detail_of(request, error)});
    tt_json_end_object(w);
}

static void put_openai(const struct tt_request *request, const struct tt_request_error *error,
                       const struct tt_http_error_openai *object, struct tt_json_writer *w)
{
    struct tt_str detail = detail_of(request, error);

    tt_json_begin_object(w);
    tt_json_key(w, TT_STR("error"));
    tt_http_error_put_openai(w, object);
    if (detail.data) {
        tt_json_key(w, TT_STR("detail"));
        tt_json_str(w, detail);
    }
    tt_json_end_object(w);
}

static void put_anthropic(const struct tt_request *request, const struct tt_request_error *error,
                          const struct tt_http_error_openai *object, struct tt_json_writer *w)
{
    struct tt_str id = tt_http_request_id(request->exchange);

    tt_http_error_put_anthropic(
        w, &(struct tt_http_error_anthropic){.message = object->message,
                                             .code = object->code,
                                             .status = object->status,
                                             .request_id = id,
                                             .detail = detail_of(request, error)});
}

/* Whether the same request may fare better later: by the error table, else by the status. */
static bool worth_retrying(const struct tt_request *request, struct tt_str code, int status)
{
    const struct tt_error_text *text = tt_generation_error(request->generation, code);

    if (text->retry != TT_ERROR_RETRY_BY_STATUS)
        return text->retry == TT_ERROR_RETRY_YES;
    return status == 408 || status == 429 || status >= 500;
}

static void add_retry_after(struct tt_request *request, int64_t seconds, int status, bool in_ms)
{
    char text[32];

    if (seconds <= 0 && status != 429 && status != 503)
        return;
    seconds = seconds > 0 ? seconds : 1;
    snprintf(text, sizeof(text), "%lld", (long long)seconds);
    tt_http_add_header(request->exchange, TT_STR("Retry-After"), tt_str_from(text));
    if (!in_ms)
        return;
    snprintf(text, sizeof(text), "%lld000", (long long)seconds);
    tt_http_add_header(request->exchange, TT_STR("Retry-After-Ms"), tt_str_from(text));
}

static void add_headers(struct tt_request *request, const struct tt_request_error *error,
                        struct tt_str code, int status, enum tt_error_shape shape)
{
    struct tt_http_exchange *exchange = request->exchange;

    if (shape == TT_ERROR_ANTHROPIC)
        tt_http_add_header(exchange, TT_STR("request-id"), tt_http_request_id(exchange));
    if (shape != TT_ERROR_OWN)
        tt_http_add_header(exchange, TT_STR("X-Should-Retry"),
                           worth_retrying(request, code, status) ? TT_STR("true")
                                                                 : TT_STR("false"));
    add_retry_after(request, error->retry_after_s, status, shape != TT_ERROR_OWN);
    tt_http_add_header(exchange, TT_STR("Content-Type"), TT_STR("application/json; charset=utf-8"));
}

/* ---- the routes of a path with another form ---- */

struct routes {
    const struct tt_request *request;
    struct tt_buf list;
};

/* The routes below the first part of the request's path: "GET /v1/models, ...". */
static struct tt_str list_routes(void *arg, struct tt_str name)
{
    struct routes *routes = arg;
    const struct tt_generation *generation = routes->request->generation;
    struct tt_str path = tt_http_path(routes->request->exchange);
    ptrdiff_t second = tt_str_find(tt_str_of(path.data + 1, path.len - 1), '/');
    struct tt_str below = tt_str_of(path.data, second < 0 ? path.len : (size_t)second + 2);

    if (!tt_str_eq(name, TT_STR("routes")))
        return (struct tt_str){0};
    routes->list.len = 0;
    for (size_t i = 0; i < generation->route_count; i++) {
        const struct tt_route *route = &generation->routes[i];
        if (route->listener != TT_LISTENER_PUBLIC || route->refused ||
            !tt_str_starts(route->path, below))
            continue;
        tt_buf_append_z(&routes->list, routes->list.len ? ", " : "");
        tt_buf_append_str(&routes->list, route->method);
        tt_buf_putc(&routes->list, ' ');
        tt_buf_append_str(&routes->list, route->path);
    }
    return tt_buf_str(&routes->list);
}

const char *tt_error_shape_unknown_path(const struct tt_request *request)
{
    static const char listing[] = "unknown_path"; /* a script of before may not have it */
    const struct tt_error_text *text =
        tt_generation_error(request->generation, tt_str_from(listing));

    return has_own_shape(request) || !tt_str_eq(text->code, tt_str_from(listing)) ? "not_found"
                                                                                  : listing;
}

int tt_error_shape_put(struct tt_request *request, const struct tt_request_error *error,
                       struct tt_str code, int status, struct tt_buf *body)
{
    const struct tt_error_text *entry = tt_generation_error(request->generation, code);
    struct tt_json_writer w = {.buf = body};
    struct routes routes = {.request = request};
    struct tt_buf filled = {0};
    enum tt_error_shape shape =
        tt_generation_error_shape(request->generation, tt_http_path(request->exchange));

    if (!error->text.data)
        tt_request_fill(request, error->code, list_routes, &routes, &filled);
    struct tt_str text = error->text.data ? error->text : tt_buf_str(&filled);
    if (shape != TT_ERROR_OWN)
        status = entry->door_status ? entry->door_status : status;
    struct tt_http_error_openai object = {text, error->param,
                                          entry->door_code.len ? entry->door_code : code, status};
    if (shape == TT_ERROR_OPENAI)
        put_openai(request, error, &object, &w);
    else if (shape == TT_ERROR_ANTHROPIC)
        put_anthropic(request, error, &object, &w);
    else
        put_own(request, error, text, code, &w);
    tt_buf_putc(body, '\n');
    if (!request->stream)
        add_headers(request, error, code, status, shape);
    tt_buf_free(&routes.list);
    tt_buf_free(&filled);
    return status;
}
