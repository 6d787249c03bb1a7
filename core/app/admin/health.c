/* Liveness says that the loop runs; readiness that requests can be served. Scripts are loaded
 * before a listener opens, so readiness ends only when the server stops, as a node drains, cannot
 * build the scripts that the others serve, or while its database, on another machine, takes no
 * changes: then the status is the error's code. Both are answered on both listeners, without a
 * token. */
#include "app/admin/health.h"

#include "app/admin/admin_internal.h"
#include "app/reload/builder.h"
#include "node/node.h"
#include "serve/answer.h"

void tt_health_live(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_buf body = {0};

    (void)dispatcher;
    tt_buf_append_z(&body, "{\"status\":\"ok\"}");
    tt_answer_json(exchange, 200, &body);
}

static void ready(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange,
                  bool with_reason)
{
    struct tt_admin *admin = tt_admin_of(dispatcher);
    bool stopping = atomic_load(&admin->stopping);
    struct tt_buf body = {0}, reason = {0};
    struct tt_json_writer w = {.buf = &body};
    bool history = tt_builder_from_history(admin->parts.builder, dispatcher->generation, &reason);
    struct tt_err trouble = {0};
    bool draining = tt_node_is_draining(admin->parts.node);
    bool outdated = tt_builder_is_outdated(admin->parts.builder);
    bool is_ready =
        !stopping && !draining && !outdated && !tt_db_trouble(admin->parts.db, &trouble);

    tt_json_begin_object(&w);
    tt_answer_put_str(&w, "status",
                      is_ready   ? TT_STR("ready")
                      : stopping ? TT_STR("stopping")
                      : draining ? TT_STR("draining")
                      : outdated ? TT_STR("scripts_outdated")
                                 : tt_str_from(trouble.code));
    if (trouble.status && with_reason)
        tt_answer_put_str(&w, "database_reason", tt_str_from(trouble.message));
    tt_answer_put_int(&w, "generation", dispatcher->generation->number);
    tt_answer_put_str(&w, "version", tt_str_from(TT_VERSION));
    tt_answer_put_str(&w, "scripts", history ? TT_STR("history") : TT_STR("disk"));
    if (history && with_reason)
        tt_answer_put_str(&w, "scripts_reason", tt_buf_str(&reason));
    tt_json_end_object(&w);
    tt_buf_free(&reason);
    tt_answer_json(exchange, is_ready ? 200 : 503, &body);
}

void tt_health_ready(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    ready(dispatcher, exchange, false);
}

void tt_health_ready_admin(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    ready(dispatcher, exchange, true);
}
