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

/* ---- SQL ---- */

/* A position that is there already comes from a job whose failure was told too early: the newer
 * bytes are the same or more. */
static const char SQL_CHECKPOINT[] =
    "INSERT INTO reply_chunks (message_id, position, kind, bytes)"
    " SELECT id, ?2, ?3, ?4 FROM chat_messages WHERE id = ?1 AND status = 'streaming'"
    " ON CONFLICT (message_id, position)"
    " DO UPDATE SET kind = excluded.kind, bytes = excluded.bytes";
static const char SQL_END[] =
    "UPDATE chat_messages SET content = ?2, reasoning = ?3, status = ?4, finish_reason = ?5,"
    " usage = ?6, error_code = ?7, updated_at = ?8, tool_calls = ?10, runs = ?11,"
    " delivered = ?12, steps = ?13"
    " WHERE id = ?1"
    " AND session_row = (SELECT id FROM chat_sessions WHERE id = ?9 AND user_id IS NOT NULL)";
static const char SQL_TOUCH_SESSION[] =
    "UPDATE chat_sessions SET updated_at = ?2, version = version + 1"
    " WHERE id = (SELECT session_row FROM chat_messages WHERE id = ?1)";
static const char SQL_DELETE_CHUNKS[] = "DELETE FROM reply_chunks WHERE message_id = ?1";

static const char SQL_UNFINISHED[] =
    "SELECT id FROM chat_messages WHERE status = 'streaming' AND id > ?1 ORDER BY id LIMIT ?2";
/* The number of a turn begins with that of its node (node/node.h). */
static const char SQL_UNFINISHED_OF_DEAD[] =
    "SELECT m.id FROM chat_messages AS m WHERE m.status = 'streaming' AND m.id > ?1"
    " AND NOT EXISTS (SELECT 1 FROM nodes AS n WHERE n.id = m.turn_epoch >> 40"
    " AND n.alive_until >= tidetalk_now()) ORDER BY m.id LIMIT ?2";
static const char SQL_CHUNKS[] =
    "SELECT kind, bytes, position FROM reply_chunks WHERE message_id = ?1 AND position >= ?2"
    " ORDER BY position LIMIT ?3";
/* A row without chunks keeps what it has; normally nothing. */
static const char SQL_INTERRUPT[] =
    "UPDATE chat_messages SET status = 'interrupted', updated_at = ?2, delivered = 0, runs = ?6,"
    " error_code = 'interrupted',"
    " content = CASE ?3 WHEN '' THEN content ELSE ?3 END,"
    " reasoning = CASE ?4 WHEN '' THEN reasoning ELSE ?4 END,"
    " tool_calls = CASE ?5 WHEN '' THEN tool_calls ELSE ?5 END,"
    " steps = CASE ?7 WHEN '' THEN steps ELSE ?7 END"
    " WHERE id = ?1 AND status = 'streaming'";
static const char SQL_CHANGE_SESSION[] =
    "UPDATE chat_sessions SET version = version + 1"
    " WHERE id = (SELECT session_row FROM chat_messages WHERE id = ?1)";

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
    struct tt_db_value values[] = {tt_db_int(message_id), tt_db_int(position), tt_db_int(kind),
                                   tt_db_blob(bytes)};
    if (bytes.len > 0)
        tt_db_job_add(job, TT_STR(SQL_CHECKPOINT), values, TT_COUNT(values), -1);
}

void tt_chat_store_end(struct tt_db_job *job, const struct tt_chat_reply_end *end,
                       size_t *row_statement)
{
    char now[TT_RFC3339_SIZE];
    struct tt_db_value id = tt_db_int(end->message_id);
    tt_clock_format(end->ended_us ? end->ended_us : tt_clock_wall_us(), now);
    struct tt_db_value time = tt_db_text(tt_str_from(now));
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
                                   tt_db_int(end->delivered),
                                   tt_db_text(end->steps)};
    *row_statement = tt_db_job_count(job);
    tt_db_job_add(job, TT_STR(SQL_END), values, TT_COUNT(values), -1);
    tt_db_job_add(job, TT_STR(SQL_TOUCH_SESSION), (struct tt_db_value[]){id, time}, 2, -1);
    if (end->checkpointed)
        tt_db_job_add(job, TT_STR(SQL_DELETE_CHUNKS), &id, 1, -1);
}

/* ---- at start ---- */

#define KINDS    4   /* of enum tt_reply_kind */
#define MESSAGES 100 /* a page of them, and of chunks: well within what a read may take at once */
#define CHUNKS   500
#define JOBS     16 /* that wait at once; each may hold a reply of megabytes */

struct repair {
    struct tt_db *db;
    struct tt_loop *loop;
    bool shared;
    int waiting, count;
    struct tt_err error;
};

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
    static const char letters[KINDS] = {'c', 'r', 't', 's'};
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

/* A page of them from the position that is reached: 1 = there may be more. */
static int join_page(const struct repair *repair, int64_t id, struct joined *joined,
                     struct tt_err *err)
{
    const struct tt_db_value values[] = {tt_db_int(id), tt_db_int(joined->position),
                                         tt_db_int(CHUNKS)};
    struct tt_db_query query = {
        .sql = TT_STR(SQL_CHUNKS), .values = values, .count = TT_COUNT(values)};
    struct tt_db_rows *rows = tt_db_read_wait(repair->db, repair->loop, &query, err);
    int count = 0;

    if (!rows)
        return -1;
    while (tt_db_next(rows, NULL) == TT_DB_ROW &&
           join_chunk(joined, rows->values[2].integer, (int)rows->values[0].integer,
                      rows->values[1].text))
        count++;
    tt_db_rows_free(rows);
    return count == CHUNKS;
}

static int join_chunks(const struct repair *repair, int64_t id, struct joined *joined,
                       struct tt_err *err)
{
    int more;
    do
        more = join_page(repair, id, joined, err);
    while (more > 0);
    end_run(joined);
    return more;
}

/* The text, without a last character that is not whole: segments end on boundaries, so that only
 * happens when somebody else wrote the chunks. */
static struct tt_str whole_text(const struct tt_buf *buf)
{
    struct tt_str text = tt_buf_str(buf);
    text.len = text.data ? tt_utf8_complete(text) : 0;
    return text;
}

/* Entries, without a last one that is not whole. */
static struct tt_str whole_lines(const struct tt_buf *buf)
{
    struct tt_str text = whole_text(buf);
    while (text.len > 0 && text.data[text.len - 1] != '\n')
        text.len--;
    return text;
}

static void on_repaired(struct tt_db_job *job, void *arg)
{
    struct repair *repair = arg;
    const struct tt_err *err = tt_db_job_error(job);

    repair->waiting--;
    if (err)
        repair->error = *err;
    else
        repair->count += tt_db_job_outcome(job, 0).changes > 0;
}

static void add_interrupt(struct tt_db_job *job, int64_t id, const struct joined *joined)
{
    char now[TT_RFC3339_SIZE];
    struct tt_db_value id_value = tt_db_int(id);
    struct tt_db_value values[] = {id_value,
                                   now_text(now),
                                   tt_db_text(whole_text(&joined->text[0])),
                                   tt_db_text(whole_text(&joined->text[1])),
                                   tt_db_text(whole_lines(&joined->text[2])),
                                   tt_db_text(tt_buf_str(&joined->runs)),
                                   tt_db_text(whole_lines(&joined->text[3]))};
    tt_db_job_add(job, TT_STR(SQL_INTERRUPT), values, TT_COUNT(values), -1);
    tt_db_job_add(job, TT_STR(SQL_CHANGE_SESSION), &id_value, 1, -1);
    tt_db_job_add(job, TT_STR(SQL_DELETE_CHUNKS), &id_value, 1, -1);
}

/* Jobs are not waited for one by one: those that queue meanwhile share a commit. */
static int repair_message(struct repair *repair, int64_t id, struct tt_err *err)
{
    struct joined joined = {0};
    struct tt_db_job *job = tt_db_job_new();
    int failed = join_chunks(repair, id, &joined, err);

    if (failed == 0)
        add_interrupt(job, id, &joined);
    while (repair->waiting >= JOBS)
        tt_loop_tick(repair->loop, -1);
    if (failed == 0)
        failed = tt_db_submit(repair->db, repair->loop, job, on_repaired, repair, err);
    if (failed == 0)
        repair->waiting++;
    else
        tt_db_job_free(job);
    for (int kind = 0; kind < KINDS; kind++)
        tt_buf_free(&joined.text[kind]);
    tt_buf_free(&joined.runs);
    return failed;
}

/* One page of messages after `*last` (its own last one afterwards): 1 = there may be more. */
static int repair_page(struct repair *repair, int64_t *last, struct tt_err *err)
{
    const struct tt_db_value values[] = {tt_db_int(*last), tt_db_int(MESSAGES)};
    struct tt_db_query query = {.sql = repair->shared ? TT_STR(SQL_UNFINISHED_OF_DEAD)
                                                      : TT_STR(SQL_UNFINISHED),
                                .values = values,
                                .count = TT_COUNT(values)};
    struct tt_db_rows *rows = tt_db_read_wait(repair->db, repair->loop, &query, err);
    int failed = 0, count = 0;

    if (!rows)
        return -1;
    while (failed == 0 && tt_db_next(rows, NULL) == TT_DB_ROW) {
        *last = rows->values[0].integer;
        failed = repair_message(repair, *last, err);
        count++;
    }
    tt_db_rows_free(rows);
    return failed ? -1 : count == MESSAGES;
}

int tt_chat_store_repair(struct tt_db *db, struct tt_loop *loop, bool shared, struct tt_err *err)
{
    struct repair repair = {.db = db, .loop = loop, .shared = shared};
    int64_t last = 0;
    int more;

    do
        more = repair_page(&repair, &last, err);
    while (more > 0);
    while (repair.waiting > 0)
        tt_loop_tick(loop, -1);
    if (more == 0 && repair.error.status) {
        *err = repair.error;
        more = -1;
    }
    if (more < 0)
        return tt_err_wrap(err, "repair of interrupted replies");
    if (repair.count > 0)
        tt_log(TT_LOG_INFO, "replies were interrupted", TT_F_INT("count", repair.count));
    return repair.count;
}
