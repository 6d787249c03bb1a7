/* The admin side of the builder. Error texts come from the scripts that serve now; mistakes in
 * scripts that do not serve are reported as found. */
#include "app/admin/admin_scripts.h"

#include "app/admin/admin_access.h"
#include "app/admin/admin_internal.h"
#include "app/admin/audit.h"
#include "app/reload/builder.h"
#include "app/reload/script_history.h"
#include "serve/answer.h"

#define LIVE_MAX 64

struct reload {
    struct tt_dispatcher *dispatcher;
    struct tt_http_exchange *exchange;
    const char *who;
};

/* ---- the result of a reload ---- */

static void put_errors(struct tt_json_writer *w, const struct tt_diagnostics *diagnostics)
{
    tt_json_key(w, TT_STR("errors"));
    tt_json_begin_array(w);
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct tt_diagnostic *diagnostic = &diagnostics->items[i];
        tt_json_begin_object(w);
        tt_answer_put_str(w, "file", diagnostic->file);
        tt_answer_put_int(w, "line", diagnostic->line);
        tt_answer_put_str(w, "message", diagnostic->message);
        tt_answer_put_str(w, "traceback", diagnostic->traceback);
        tt_answer_put_str(w, "phase", tt_str_from(diagnostic->phase));
        tt_json_end_object(w);
    }
    tt_json_end_array(w);
}

static void put_failure(struct tt_json_writer *w, const void *arg)
{
    const struct tt_reload_result *result = arg;

    tt_answer_put_int(w, "generation", result->generation);
    put_errors(w, &result->diagnostics);
}

static void put_files(struct tt_json_writer *w, const struct tt_bundle *bundle)
{
    tt_json_key(w, TT_STR("files"));
    tt_json_begin_array(w);
    for (size_t i = 0; i < bundle->file_count; i++) {
        tt_json_begin_object(w);
        tt_answer_put_str(w, "path", bundle->files[i].path);
        tt_answer_put_str(w, "sha256", tt_str_from(bundle->files[i].hash));
        tt_json_end_object(w);
    }
    tt_json_end_array(w);
}

static void put_changed(struct tt_json_writer *w, const struct tt_reload_result *result)
{
    tt_json_begin_array(w);
    for (size_t i = 0; i < result->changed_count; i++)
        tt_json_str(w, result->changed[i]);
    tt_json_end_array(w);
}

static void send_success(struct reload *reload, const struct tt_reload_result *result)
{
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};

    tt_json_begin_object(&w);
    tt_answer_put_int(&w, "generation", result->generation);
    tt_answer_put_int(&w, "previous", result->previous);
    tt_json_key(&w, TT_STR("unchanged"));
    tt_json_bool(&w, result->unchanged);
    tt_json_key(&w, TT_STR("dry_run"));
    tt_json_bool(&w, result->dry_run);
    if (result->restores)
        tt_answer_put_int(&w, "restores", result->restores);
    tt_answer_put_str(&w, "hash", tt_str_from(result->built->bundle->hash));
    tt_json_key(&w, TT_STR("changed"));
    put_changed(&w, result);
    put_files(&w, result->built->bundle);
    tt_answer_put_int(&w, "duration_ms", (int64_t)result->duration_ms);
    tt_answer_put_int(&w, "stall_us", (int64_t)result->stall_us);
    tt_json_end_object(&w);
    tt_answer_json(reload->exchange, 200, &body);
}

static void record(const struct reload *reload, const struct tt_reload_result *result)
{
    struct tt_buf changed = {0}, action = {0};
    struct tt_json_writer w = {.buf = &changed};
    struct tt_str path = tt_http_path(reload->exchange);

    put_changed(&w, result);
    tt_buf_printf(&action, "POST %.*s%s", TT_STR_ARG(path), result->dry_run ? " (dry run)" : "");
    struct tt_audit_entry entry = {.who = reload->who,
                                   .action = tt_buf_str(&action),
                                   .status = result->error.status ? result->error.status : 200,
                                   .code = tt_str_from(result->error.code),
                                   .changed = tt_buf_str(&changed)};
    if (result->built)
        entry.hash = tt_str_from(result->built->bundle->hash);
    tt_audit_write(reload->dispatcher, &entry);
    tt_buf_free(&changed);
    tt_buf_free(&action);
}

static void on_done(const struct tt_reload_result *result, void *arg)
{
    struct reload *reload = arg;

    record(reload, result);
    if (result->error.status)
        tt_answer_error(reload->dispatcher, reload->exchange, &result->error, put_failure, result);
    else
        send_success(reload, result);
}

/* ---- requests ---- */

static bool is_on(struct tt_http_exchange *exchange, const char *name)
{
    struct tt_str value = tt_http_query_arg(exchange, name);
    return tt_str_eq(value, TT_STR("1")) || tt_str_eq(value, TT_STR("true"));
}

static void ask_builder(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange,
                        enum tt_reload_action action)
{
    struct reload *reload = tt_arena_alloc(tt_http_arena(exchange), sizeof(*reload));
    const char *who = tt_admin_who(dispatcher, exchange);
    struct tt_reload_request request = {.action = action,
                                        .who = who,
                                        .dry_run = is_on(exchange, "dry_run"),
                                        .force = is_on(exchange, "force")};

    *reload = (struct reload){dispatcher, exchange, who};
    tt_builder_submit(tt_admin_of(dispatcher)->parts.builder, &request,
                      tt_dispatcher_loop(dispatcher), on_done, reload);
}

void tt_admin_reload(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    ask_builder(dispatcher, exchange, TT_RELOAD);
}

void tt_admin_rollback(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    ask_builder(dispatcher, exchange, TT_ROLLBACK);
}

/* ---- GET /admin/generations ---- */

static void put_live(struct tt_json_writer *w, const struct tt_dispatcher *dispatcher)
{
    const struct tt_admin_parts *parts = &tt_admin_of(dispatcher)->parts;
    struct tt_live_generation live[LIVE_MAX];
    int count = tt_builder_live(parts->builder, live, LIVE_MAX);

    tt_json_key(w, TT_STR("live"));
    tt_json_begin_array(w);
    for (int i = 0; i < count && i < LIVE_MAX; i++) {
        bool current = live[i].number == dispatcher->generation->number;
        int own = current ? parts->worker_count + 1 : 0;
        tt_json_begin_object(w);
        tt_answer_put_int(w, "generation", live[i].number);
        tt_answer_put_int(w, "in_use", live[i].references > own ? live[i].references - own : 0);
        tt_json_end_object(w);
    }
    tt_json_end_array(w);
}

static void put_generations(struct tt_json_writer *w, struct tt_str entries,
                            const struct tt_dispatcher *dispatcher)
{
    tt_answer_put_int(w, "current", dispatcher->generation->number);
    tt_json_key(w, TT_STR("generations"));
    tt_json_raw(w, entries);
    put_live(w, dispatcher);
}

void tt_admin_generations(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_answer_list list = tt_history_newest_entries;

    list.put_members = put_generations;
    tt_answer_read_list(dispatcher, exchange, &list);
}
