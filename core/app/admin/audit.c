/* A row is written after the action, by a separate job: if the record cannot be written, the action
 * (a new user, say) is not undone. */
#include "app/admin/audit.h"

#include "app/admin/admin_internal.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "serve/answer.h"

#include <stdio.h>

static const char SQL_INSERT[] =
    "INSERT INTO admin_audit (created_at, who, action, status, code, scripts_hash, changed)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
static const char SQL_PRUNE[] =
    "DELETE FROM admin_audit WHERE id <= (SELECT MAX(id) FROM admin_audit) - 10000";
static const char SQL_NEWEST[] =
    "SELECT id, created_at, who, action, status, code, scripts_hash, changed"
    " FROM admin_audit ORDER BY id DESC LIMIT 100";

static void on_done(struct tt_db_job *job, void *arg)
{
    const struct tt_err *error = tt_db_job_error(job);
    (void)arg;
    if (error)
        tt_log(TT_LOG_ERROR, "the audit record was not stored", TT_F_Z("error", error->message));
}

void tt_audit_write(const struct tt_dispatcher *dispatcher, const struct tt_audit_entry *entry)
{
    char now[TT_RFC3339_SIZE];
    struct tt_err err = {0};
    struct tt_db_job *job = tt_db_job_new();

    tt_log(TT_LOG_INFO, "admin", TT_F_Z("who", entry->who), TT_F_STR("action", entry->action),
           TT_F_INT("status", entry->status), TT_F_STR("code", entry->code),
           TT_F_STR("scripts", entry->hash), TT_F_STR("changed", entry->changed));
    tt_clock_format(tt_clock_wall_us(), now);
    const struct tt_db_value row[] = {
        tt_db_text(tt_str_from(now)),
        tt_db_text(tt_str_from(entry->who)),
        tt_db_text(entry->action),
        tt_db_int(entry->status),
        tt_db_text(entry->code.data ? entry->code : TT_STR("")),
        entry->hash.data ? tt_db_text(entry->hash) : tt_db_null(),
        entry->changed.data ? tt_db_text(entry->changed) : tt_db_null(),
    };
    tt_db_job_add(job, TT_STR(SQL_INSERT), row, TT_COUNT(row), 1);
    tt_db_job_add(job, TT_STR(SQL_PRUNE), NULL, 0, -1);
    if (tt_db_submit(tt_admin_of(dispatcher)->parts.db, tt_dispatcher_loop(dispatcher), job,
                     on_done, NULL, &err) != 0) {
        tt_log(TT_LOG_ERROR, "the audit record was not stored", TT_F_Z("error", err.message));
        tt_db_job_free(job);
    }
}

static void put_row(struct tt_json_writer *w, const struct tt_db_rows *row)
{
    static const char *const names[] = {"id",     "created_at", "who",    "action",
                                        "status", "code",       "scripts"};

    tt_json_begin_object(w);
    tt_answer_put_columns(w, row, names, (int)TT_COUNT(names));
    struct tt_db_value changed = row->values[TT_COUNT(names)];
    tt_json_key(w, TT_STR("changed"));
    tt_json_raw(w, changed.type == TT_DB_NULL ? TT_STR("[]") : changed.text);
    tt_json_end_object(w);
}

static void put_members(struct tt_json_writer *w, struct tt_str rows,
                        const struct tt_dispatcher *dispatcher)
{
    (void)dispatcher;
    tt_json_key(w, TT_STR("data"));
    tt_json_raw(w, rows);
}

void tt_audit_answer(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    static const struct tt_answer_list newest = {TT_STR(SQL_NEWEST), put_row, put_members};

    tt_answer_read_list(dispatcher, exchange, &newest);
}
