#include "app/admin/admin_nodes.h"

#include "app/admin/admin_access.h"
#include "app/admin/admin_internal.h"
#include "app/admin/audit.h"
#include "base/log.h"
#include "node/members.h"
#include "node/node.h"
#include "reply/registry.h"
#include "serve/answer.h"

static void put_row(struct tt_json_writer *w, const struct tt_db_rows *row)
{
    static const char *const names[] = {
        "id",       "name",  "address",    "version",      "generation", "load",
        "draining", "alive", "started_at", "heartbeat_at", "age_us",     "script_generation"};

    tt_json_begin_object(w);
    tt_answer_put_columns(w, row, names, (int)TT_COUNT(names));
    bool alive = row->values[7].integer == 1, draining = row->values[6].integer == 1;
    tt_answer_put_str(w, "state",
                      !alive     ? TT_STR("dead")
                      : draining ? TT_STR("draining")
                                 : TT_STR("alive"));
    tt_json_end_object(w);
}

static void put_members(struct tt_json_writer *w, struct tt_str rows,
                        const struct tt_dispatcher *dispatcher)
{
    const struct tt_node *node = tt_admin_of(dispatcher)->parts.node;

    tt_json_key(w, TT_STR("shared"));
    tt_json_bool(w, node != NULL);
    if (node)
        tt_answer_put_int(w, "self", tt_node_id(node));
    tt_json_key(w, TT_STR("data"));
    tt_json_raw(w, rows);
}

void tt_admin_nodes(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    const struct tt_answer_list list = {tt_str_from(tt_members_sql_list), put_row, put_members};
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};

    if (tt_admin_of(dispatcher)->parts.node) {
        tt_answer_read_list(dispatcher, exchange, &list);
        return;
    }
    tt_json_begin_object(&w);
    put_members(&w, TT_STR("[]"), dispatcher);
    tt_json_end_object(&w);
    tt_answer_json(exchange, 200, &body);
}

void tt_admin_drain(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    const struct tt_admin_parts *parts = &tt_admin_of(dispatcher)->parts;
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};
    struct tt_err err = {0};

    if (!parts->node) {
        tt_err_set(&err, 409, "not_a_node", "nodes.listen is not set");
        tt_answer_error(dispatcher, exchange, &err, NULL, NULL);
        return;
    }
    if (!tt_node_is_draining(parts->node)) {
        tt_log(TT_LOG_INFO, "node: draining", TT_F_INT("node", tt_node_id(parts->node)));
        tt_audit_write(dispatcher,
                       &(struct tt_audit_entry){.who = tt_admin_who(dispatcher, exchange),
                                                .action = TT_STR("POST /admin/drain"),
                                                .status = 200,
                                                .code = TT_STR("")});
    }
    tt_node_drain(parts->node);
    tt_json_begin_object(&w);
    tt_json_key(&w, TT_STR("draining"));
    tt_json_bool(&w, true);
    tt_answer_put_int(&w, "running", (int64_t)tt_registry_count(parts->registry));
    tt_json_end_object(&w);
    tt_answer_json(exchange, 200, &body);
}
