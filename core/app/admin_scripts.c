/* The admin side of the builder. Error texts come from the scripts that serve now; what is wrong
 * with those that do not is told as it was found. */
#include "app/admin_scripts.h"

#include "app/builder.h"
#include "app/worker.h"
#include "base/json.h"
#include "script/request.h"

struct asking {
    struct tt_worker *worker;
    struct tt_http_exchange *exchange;
};

static void send_json(struct tt_http_exchange *exchange, int status, struct tt_buf *body)
{
    tt_http_add_header(exchange, TT_STR("Content-Type"), TT_STR("application/json; charset=utf-8"));
    tt_http_add_header(exchange, TT_STR("Cache-Control"), TT_STR("no-store"));
    tt_http_reply(exchange, status, body);
}

static void put_int(struct tt_json_writer *w, const char *key, int64_t value)
{
    tt_json_key(w, tt_str_from(key));
    tt_json_int(w, value);
}

static void put_str(struct tt_json_writer *w, const char *key, struct tt_str value)
{
    tt_json_key(w, tt_str_from(key));
    tt_json_str(w, value);
}

/* ---- what a reload came to ---- */

static void put_errors(struct tt_json_writer *w, const struct tt_complaints *complaints)
{
    tt_json_key(w, TT_STR("errors"));
    tt_json_begin_array(w);
    for (size_t i = 0; i < complaints->count; i++) {
        const struct tt_complaint *complaint = &complaints->items[i];
        tt_json_begin_object(w);
        put_str(w, "file", complaint->file);
        put_int(w, "line", complaint->line);
        put_str(w, "message", complaint->message);
        put_str(w, "traceback", complaint->traceback);
        put_str(w, "phase", tt_str_from(complaint->phase));
        tt_json_end_object(w);
    }
    tt_json_end_array(w);
}

static void send_failure(struct asking *asking, const struct tt_reload_result *result)
{
    struct tt_http_exchange *exchange = asking->exchange;
    const struct tt_generation *current = asking->worker->dispatcher.generation;
    const struct tt_error_text *text =
        tt_generation_error(current, tt_str_from(result->error.code));
    struct tt_str language = tt_http_header(exchange, "Accept-Language");
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};

    tt_json_begin_object(&w);
    put_str(&w, "error", tt_request_prefers_chinese(language) ? text->zh : text->en);
    put_str(&w, "code", tt_str_from(result->error.code));
    put_str(&w, "detail", tt_str_from(result->error.message));
    put_str(&w, "request_id", tt_http_request_id(exchange));
    put_int(&w, "generation", current->number);
    put_errors(&w, &result->complaints);
    tt_json_end_object(&w);
    send_json(exchange, result->error.status, &body);
}

static void put_files(struct tt_json_writer *w, const struct tt_bundle *bundle)
{
    tt_json_key(w, TT_STR("files"));
    tt_json_begin_array(w);
    for (size_t i = 0; i < bundle->file_count; i++) {
        tt_json_begin_object(w);
        put_str(w, "path", bundle->files[i].path);
        put_str(w, "sha256", tt_str_from(bundle->files[i].hash));
        tt_json_end_object(w);
    }
    tt_json_end_array(w);
}

static void send_success(struct asking *asking, const struct tt_reload_result *result)
{
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};

    tt_json_begin_object(&w);
    put_int(&w, "generation", result->generation);
    put_int(&w, "previous", result->previous);
    tt_json_key(&w, TT_STR("unchanged"));
    tt_json_bool(&w, result->unchanged);
    tt_json_key(&w, TT_STR("dry_run"));
    tt_json_bool(&w, result->dry_run);
    put_str(&w, "hash", tt_str_from(result->built->bundle->hash));
    tt_json_key(&w, TT_STR("changed"));
    tt_json_begin_array(&w);
    for (size_t i = 0; i < result->changed_count; i++)
        tt_json_str(&w, result->changed[i]);
    tt_json_end_array(&w);
    put_files(&w, result->built->bundle);
    put_int(&w, "duration_ms", (int64_t)result->duration_ms);
    tt_json_end_object(&w);
    send_json(asking->exchange, 200, &body);
}

static void on_done(const struct tt_reload_result *result, void *arg)
{
    if (result->error.status)
        send_failure(arg, result);
    else
        send_success(arg, result);
}

/* ---- requests ---- */

static bool is_on(struct tt_http_exchange *exchange, const char *name)
{
    struct tt_str value = tt_http_query_arg(exchange, name);
    return tt_str_eq(value, TT_STR("1")) || tt_str_eq(value, TT_STR("true"));
}

static void ask_builder(struct tt_worker *worker, struct tt_http_exchange *exchange,
                        enum tt_reload_action action)
{
    struct asking *asking = tt_arena_alloc(tt_http_arena(exchange), sizeof(*asking));
    struct tt_reload_request request = {.action = action,
                                        .who = "admin",
                                        .dry_run = is_on(exchange, "dry_run"),
                                        .force = is_on(exchange, "force")};

    *asking = (struct asking){worker, exchange};
    tt_builder_ask(worker->app->builder, &request, worker->loop, on_done, asking);
}

static void send_not_allowed(struct tt_http_exchange *exchange, struct tt_worker *worker,
                             struct tt_str allow)
{
    struct asking asking = {worker, exchange};
    struct tt_reload_result result = {0};

    tt_http_add_header(exchange, TT_STR("Allow"), allow);
    tt_err_set(&result.error, 405, "method_not_allowed", "use %s", allow.data);
    send_failure(&asking, &result);
}

bool tt_admin_scripts_owns(struct tt_http_exchange *exchange)
{
    return tt_str_eq(tt_http_path(exchange), TT_STR("/admin/reload"));
}

void tt_admin_scripts_answer(void *arg, struct tt_http_exchange *exchange)
{
    struct tt_worker *worker = arg;

    if (!tt_str_eq(tt_http_method(exchange), TT_STR("POST")))
        send_not_allowed(exchange, worker, TT_STR("POST"));
    else
        ask_builder(worker, exchange, TT_RELOAD);
}
