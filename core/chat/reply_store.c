/* The statements of a running reply: see reply_store.h. Two traps shape them. A checkpoint job
 * carries many replies, so a reply whose session was deleted meanwhile must do nothing rather than
 * fail (a foreign key error would undo the others' checkpoints). And chat_sessions.id may be reused
 * after a delete, chat_messages.id never (AUTOINCREMENT): so a session is always reached through
 * the message. */
#include "chat/reply_store.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "db/sqlite.h"

#define BUSY_MS 5000

/* ---- while the server runs ---- */

static struct tt_db_value text_or_null(struct tt_str s)
{
    return s.data ? tt_db_text(s) : tt_db_null();
}

static struct tt_db_value now_text(char out[TT_RFC3339_SIZE])
{
    tt_clock_format(tt_clock_wall_us(), out);
    return tt_db_text(tt_str_from(out));
}

void tt_chat_store_checkpoint(struct tt_db_job *job, int64_t message_id, int64_t position, int kind,
                              struct tt_str bytes)
{
    /* A position that exists already comes from a job whose failure was reported too early: the
     * newer bytes are the same or more. */
    static const char sql[] =
        "INSERT INTO reply_chunks (message_id, position, kind, bytes)"
        " SELECT id, ?2, ?3, ?4 FROM chat_messages WHERE id = ?1 AND status = 'streaming'"
        " ON CONFLICT (message_id, position)"
        " DO UPDATE SET kind = excluded.kind, bytes = excluded.bytes";
    struct tt_db_value values[] = {tt_db_int(message_id),
                                   tt_db_int(position),
                                   tt_db_int(kind),
                                   {.type = TT_DB_BLOB, .text = bytes}};
    if (bytes.len > 0)
        tt_db_job_add(job, TT_STR(sql), values, TT_COUNT(values), -1);
}

void tt_chat_store_end(struct tt_db_job *job, const struct tt_chat_reply_end *end,
                       size_t *row_statement)
{
    static const char row[] =
        "UPDATE chat_messages SET content = ?2, reasoning = ?3, status = ?4, finish_reason = ?5,"
        " usage = ?6, error_code = ?7, updated_at = ?8, tool_calls = ?10, runs = ?11,"
        " delivered = ?12"
        " WHERE id = ?1 AND session_row = ?9";
    static const char session[] =
        "UPDATE chat_sessions SET updated_at = ?2, version = version + 1"
        " WHERE id = (SELECT session_row FROM chat_messages WHERE id = ?1)";
    static const char chunks[] = "DELETE FROM reply_chunks WHERE message_id = ?1";
    char now[TT_RFC3339_SIZE];
    struct tt_db_value id = tt_db_int(end->message_id);
    struct tt_db_value time = now_text(now);
    struct tt_db_value values[] = {id,
                                   tt_db_text(end->content),
                                   tt_db_text(end->reasoning),
                                   tt_db_text(end->status),
                                   text_or_null(end->finish_reason),
                                   text_or_null(end->usage),
                                   text_or_null(end->error_code),
                                   time,
                                   tt_db_int(end->session_row),
                                   tt_db_text(end->tool_calls),
                                   tt_db_text(end->runs),
                                   tt_db_int(end->delivered)};
    *row_statement = tt_db_job_count(job);
    tt_db_job_add(job, TT_STR(row), values, TT_COUNT(values), -1);
    tt_db_job_add(job, TT_STR(session), (struct tt_db_value[]){id, time}, 2, -1);
    if (end->checkpointed)
        tt_db_job_add(job, TT_STR(chunks), &id, 1, -1);
}

/* ---- at start ---- */

#define KINDS 3 /* of enum tt_reply_kind, which this layer does not know */

/* A message's chunks, joined by kind, and the runs in which they came (see reply/reply_stored.h).
 */
struct joined {
    struct tt_buf text[KINDS];
    struct tt_buf runs;
    int kind; /* of the last run */
    size_t run;
    int64_t position;
};

static void end_run(struct joined *joined)
{
    static const char letters[KINDS] = {'c', 'r', 't'};
    if (joined->run > 0) {
        tt_buf_putc(&joined->runs, letters[joined->kind]);
        tt_buf_append_u64(&joined->runs, joined->run);
    }
    joined->run = 0;
}

/* False where the chunks have a hole: what comes after it is not the text any more. */
static bool join_chunk(struct joined *joined, int64_t position, int kind, struct tt_str bytes)
{
    if (position != joined->position || kind < 0 || kind >= KINDS)
        return false;
    if (kind != joined->kind)
        end_run(joined);
    joined->kind = kind;
    joined->run += bytes.len;
    joined->position += (int64_t)bytes.len;
    tt_buf_append_str(&joined->text[kind], bytes);
    return true;
}

static int join_chunks(struct tt_sqlite *conn, int64_t id, struct joined *joined,
                       struct tt_err *err)
{
    struct tt_statement *statement;
    struct tt_db_value value = tt_db_int(id);
    int rc = tt_sqlite_prepare(
        conn,
        TT_STR("SELECT kind, bytes, position FROM reply_chunks WHERE message_id = ?1"
               " ORDER BY position"),
        &statement, err);
    if (rc != SQLITE_OK)
        return rc;
    rc = tt_sqlite_bind(conn, statement, &value, 1, false, err);
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement->handle)) == SQLITE_ROW) {
        int kind = sqlite3_column_int(statement->handle, 0);
        int64_t position = sqlite3_column_int64(statement->handle, 2);
        rc = SQLITE_OK;
        if (!join_chunk(joined, position, kind, tt_sqlite_column(statement, 1).text))
            break;
    }
    end_run(joined);
    if (rc == SQLITE_DONE)
        rc = SQLITE_OK;
    else if (rc != SQLITE_OK)
        tt_sqlite_error(conn, rc, err);
    tt_sqlite_release(statement);
    return rc;
}

/* The text, without a last character that is not whole: segments end on boundaries, so that only
 * happens when somebody else wrote the chunks. */
static struct tt_str whole_text(const struct tt_buf *buf)
{
    struct tt_str text = tt_buf_str(buf);
    text.len = text.data ? tt_utf8_complete(text) : 0;
    return text;
}

/* The entries of tool calls, without a last one that is not whole. */
static struct tt_str whole_lines(const struct tt_buf *buf)
{
    struct tt_str text = whole_text(buf);
    while (text.len > 0 && text.data[text.len - 1] != '\n')
        text.len--;
    return text;
}

static int repair_message(struct tt_sqlite *conn, int64_t id, struct tt_err *err)
{
    /* A row without chunks keeps what it has; normally nothing. */
    static const char row[] =
        "UPDATE chat_messages SET status = 'interrupted', updated_at = ?2, delivered = 0, runs = "
        "?6,"
        " error_code = 'interrupted',"
        " content = CASE ?3 WHEN '' THEN content ELSE ?3 END,"
        " reasoning = CASE ?4 WHEN '' THEN reasoning ELSE ?4 END,"
        " tool_calls = CASE ?5 WHEN '' THEN tool_calls ELSE ?5 END WHERE id = ?1";
    static const char session[] =
        "UPDATE chat_sessions SET version = version + 1"
        " WHERE id = (SELECT session_row FROM chat_messages WHERE id = ?1)";
    static const char chunks[] = "DELETE FROM reply_chunks WHERE message_id = ?1";
    struct joined joined = {0};
    char now[TT_RFC3339_SIZE];
    struct tt_db_value id_value = tt_db_int(id);
    int rc = join_chunks(conn, id, &joined, err);
    struct tt_db_value values[] = {id_value,
                                   now_text(now),
                                   tt_db_text(whole_text(&joined.text[0])),
                                   tt_db_text(whole_text(&joined.text[1])),
                                   tt_db_text(whole_lines(&joined.text[2])),
                                   tt_db_text(tt_buf_str(&joined.runs))};
    if (rc == SQLITE_OK)
        rc = tt_sqlite_run_values(conn, row, values, TT_COUNT(values), NULL, err);
    if (rc == SQLITE_OK)
        rc = tt_sqlite_run_values(conn, session, &id_value, 1, NULL, err);
    if (rc == SQLITE_OK)
        rc = tt_sqlite_run_values(conn, chunks, &id_value, 1, NULL, err);
    for (int kind = 0; kind < KINDS; kind++)
        tt_buf_free(&joined.text[kind]);
    tt_buf_free(&joined.runs);
    return rc;
}

/* One after the other by the partial index on running messages, in one transaction. */
static int repair_all(struct tt_sqlite *conn, int *count, struct tt_err *err)
{
    for (;;) {
        int64_t id = -1;
        int rc = tt_sqlite_run_values(
            conn, "SELECT id FROM chat_messages WHERE status = 'streaming' ORDER BY id LIMIT 1",
            NULL, 0, &id, err);
        if (rc != SQLITE_OK || id < 0)
            return rc;
        rc = repair_message(conn, id, err);
        if (rc != SQLITE_OK)
            return rc;
        (*count)++;
    }
}

int tt_chat_store_repair(const char *path, struct tt_err *err)
{
    struct tt_sqlite conn;
    int count = 0;
    int rc = tt_sqlite_open(&conn, path, TT_SQLITE_WRITE, BUSY_MS, err);
    if (rc == SQLITE_OK)
        rc = tt_sqlite_run(&conn, "BEGIN IMMEDIATE", err);
    if (rc == SQLITE_OK)
        rc = repair_all(&conn, &count, err);
    if (rc == SQLITE_OK)
        rc = tt_sqlite_run(&conn, "COMMIT", err);
    tt_sqlite_close(&conn); /* rolls back what was not committed */
    if (rc != SQLITE_OK)
        return tt_err_wrap(err, "repair of interrupted replies");
    if (count > 0)
        tt_log(TT_LOG_INFO, "replies were interrupted", TT_F_INT("count", count));
    return count;
}
