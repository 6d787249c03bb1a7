/* See reply_repair.h. A page of messages at a time, some of them at once; of each the chunks, page
 * by page, then one job. Jobs that queue meanwhile share a commit.
 *
 * Between nodes the job decides, not what was read before: it changes the message only if that is
 * still of the same turn, the turn's node still does not live, and its chunks are those that were
 * read: the node may have slept, or what it had sent came late, and a tool may have run because
 * its step was stored. Otherwise it fails, and who looks next tries again. From then on nothing
 * that the node writes about it finds its row (reply_store.c). */
#include "chat/reply_repair.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>

#define KINDS    4   /* of enum tt_reply_kind */
#define MESSAGES 100 /* a page of them, and of chunks: well within what a read may take at once */
#define CHUNKS   500
#define JOBS     16 /* that wait at once; each may hold a reply of megabytes */

/* ---- SQL ---- */

static const char SQL_UNFINISHED[] = "SELECT id, 0 FROM chat_messages"
                                     " WHERE status = 'streaming' AND id > ?1 ORDER BY id LIMIT ?2";
/* The number of a turn begins with that of its node (node/node.h). */
#define DEAD                                                                                       \
    "NOT EXISTS (SELECT 1 FROM nodes AS n WHERE n.id = m.turn_epoch >> 40"                         \
    " AND n.alive_until >= tidetalk_now())"
static const char SQL_UNFINISHED_OF_DEAD[] =
    "SELECT m.id, coalesce(m.turn_epoch, 0) FROM chat_messages AS m"
    " WHERE m.status = 'streaming' AND m.id > ?1 AND " DEAD " ORDER BY m.id LIMIT ?2";
static const char SQL_UNFINISHED_OF_SESSION[] =
    "SELECT m.id, coalesce(m.turn_epoch, 0) FROM chat_sessions AS s"
    " JOIN chat_messages AS m ON m.session_row = s.id AND m.user_id = s.user_id"
    " WHERE s.user_id = ?3 AND s.session_id = ?4 AND m.status = 'streaming' AND m.id > ?1"
    " AND " DEAD " ORDER BY m.id LIMIT ?2";
static const char SQL_CHUNKS[] =
    "SELECT kind, bytes, position FROM reply_chunks WHERE message_id = ?1 AND position >= ?2"
    " ORDER BY position LIMIT ?3";

/* A row without chunks keeps what it has; normally nothing. */
#define INTERRUPT                                                                                  \
    "UPDATE chat_messages AS m SET status = 'interrupted', updated_at = ?2, delivered = 0,"        \
    " runs = ?6, error_code = 'interrupted',"                                                      \
    " content = CASE ?3 WHEN '' THEN content ELSE ?3 END,"                                         \
    " reasoning = CASE ?4 WHEN '' THEN reasoning ELSE ?4 END,"                                     \
    " tool_calls = CASE ?5 WHEN '' THEN tool_calls ELSE ?5 END,"                                   \
    " steps = CASE ?7 WHEN '' THEN steps ELSE ?7 END,"                                             \
    " search_text = tidetalk_search_text(CASE ?3 WHEN '' THEN content ELSE ?3 END,"                \
    " CASE ?7 WHEN '' THEN steps ELSE ?7 END)"
#define RUNNING " WHERE id = ?1 AND status = 'streaming'"
static const char SQL_INTERRUPT[] = INTERRUPT RUNNING;
static const char SQL_INTERRUPT_OF_DEAD[] =
    INTERRUPT ", turn_epoch = NULL" RUNNING " AND coalesce(turn_epoch, 0) = ?8 AND " DEAD;
static const char SQL_CHANGE_SESSION[] =
    "UPDATE chat_sessions SET version = version + 1"
    " WHERE id = (SELECT session_row FROM chat_messages WHERE id = ?1)";
static const char SQL_FREE_SESSION[] =
    "UPDATE chat_sessions SET version = version + 1,"
    " turn_node = CASE WHEN turn_epoch = ?2 THEN NULL ELSE turn_node END"
    " WHERE id = (SELECT session_row FROM chat_messages WHERE id = ?1)";
static const char SQL_DELETE_CHUNKS[] = "DELETE FROM reply_chunks WHERE message_id = ?1";
/* A turn whose reply is gone altogether. */
static const char SQL_FREE_EMPTY[] =
    "UPDATE chat_sessions AS s SET turn_node = NULL, version = version + 1"
    " WHERE s.user_id = ?1 AND s.session_id = ?2 AND s.turn_node IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM nodes AS n WHERE n.id = s.turn_node"
    " AND n.alive_until >= tidetalk_now())"
    " AND NOT EXISTS (SELECT 1 FROM chat_messages AS m WHERE m.session_row = s.id"
    " AND m.status = 'streaming' AND m.turn_epoch = s.turn_epoch)";

/* ---- what is under way ---- */

/* A message's chunks, joined by kind, and the runs in which they came (see reply/reply_stored.h).
 */
struct joined {
    struct tt_buf text[KINDS];
    struct tt_buf runs;
    int kind; /* of the last run */
    size_t run;
    int64_t position;
    size_t count; /* of the last page */
    int64_t total;
    bool hole;
};

struct message {
    struct tt_list node; /* repair->messages */
    struct tt_chat_repair *repair;
    int64_t id, turn_epoch;
    struct joined joined;
    struct tt_db_pending *pending;
};

struct tt_chat_repair {
    struct tt_chat_repair_spec spec;
    struct tt_arena arena;   /* the session's id */
    struct tt_list messages; /* whose chunks are read */
    struct tt_db_pending *pending;
    struct tt_timer next;
    int64_t ids[MESSAGES], epochs[MESSAGES]; /* a page; those from `at` on are not begun */
    int count, at;
    int64_t last;
    int reading, jobs; /* messages, and jobs on their way */
    bool read_all, freed, cancelled;
    int repaired;
    struct tt_err error;
};

/* What comes next comes in a tick of its own, never from inside what ended. */
static void wake(struct tt_chat_repair *repair)
{
    tt_timer_start(repair->spec.loop, &repair->next, 0);
}

static void free_message(struct message *message)
{
    message->repair->reading--;
    tt_list_remove(&message->node);
    for (int kind = 0; kind < KINDS; kind++)
        tt_buf_free(&message->joined.text[kind]);
    tt_buf_free(&message->joined.runs);
    free(message);
}

static void free_repair(struct tt_chat_repair *repair)
{
    tt_arena_destroy(&repair->arena);
    free(repair);
}

static void fail(struct tt_chat_repair *repair, const struct tt_err *err)
{
    if (!repair->error.status)
        repair->error = *err;
}

/* ---- chunks ---- */

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
    joined->hole = position != joined->position || kind < 0 || kind >= KINDS;
    if (joined->hole)
        return false;
    joined->total++;
    if (kind != joined->kind)
        end_run(joined);
    joined->kind = kind;
    joined->run += bytes.len;
    joined->position += (int64_t)bytes.len;
    tt_buf_append_str(&joined->text[kind], bytes);
    return true;
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

/* ---- the job of a message ---- */

static bool job_ended(struct tt_chat_repair *repair)
{
    repair->jobs--;
    if (!repair->cancelled)
        return true;
    if (repair->jobs == 0)
        free_repair(repair);
    return false;
}

static void on_repaired(struct tt_db_job *job, void *arg)
{
    struct tt_chat_repair *repair = arg;
    const struct tt_err *err = tt_db_job_error(job);
    bool others = repair->spec.shared && err && strcmp(err->code, "unexpected_changes") == 0;

    if (!job_ended(repair))
        return;
    if (err && !others)
        fail(repair, err);
    else if (!err)
        repair->repaired += tt_db_job_outcome(job, 0).changes > 0;
    wake(repair);
}

static void add_statements(struct tt_db_job *job, const struct message *message)
{
    const struct joined *joined = &message->joined;
    bool shared = message->repair->spec.shared;
    char now[TT_RFC3339_SIZE];
    const struct tt_db_value id = tt_db_int(message->id), epoch = tt_db_int(message->turn_epoch);
    tt_clock_format(tt_clock_wall_us(), now);
    const struct tt_db_value values[] = {id,
                                         tt_db_text(tt_str_from(now)),
                                         tt_db_text(whole_text(&joined->text[0])),
                                         tt_db_text(whole_text(&joined->text[1])),
                                         tt_db_text(whole_lines(&joined->text[2])),
                                         tt_db_text(tt_buf_str(&joined->runs)),
                                         tt_db_text(whole_lines(&joined->text[3])),
                                         epoch};

    if (shared) {
        tt_db_job_add(job, TT_STR(SQL_INTERRUPT_OF_DEAD), values, TT_COUNT(values), 1);
        tt_db_job_add(job, TT_STR(SQL_FREE_SESSION), (struct tt_db_value[]){id, epoch}, 2, -1);
    } else {
        tt_db_job_add(job, TT_STR(SQL_INTERRUPT), values, TT_COUNT(values) - 1, -1);
        tt_db_job_add(job, TT_STR(SQL_CHANGE_SESSION), &id, 1, -1);
    }
    tt_db_job_add(job, TT_STR(SQL_DELETE_CHUNKS), &id, 1,
                  shared && !joined->hole ? joined->total : -1);
}

static void submit(struct tt_chat_repair *repair, struct tt_db_job *job,
                   void (*on_done)(struct tt_db_job *job, void *arg))
{
    struct tt_err err = {0};

    if (tt_db_submit(repair->spec.db, repair->spec.loop, job, on_done, repair, &err) == 0) {
        repair->jobs++;
        return;
    }
    tt_db_job_free(job);
    fail(repair, &err);
}

static void read_chunks(struct message *message);

static void on_chunks(struct tt_db_rows *rows, void *arg)
{
    struct message *message = arg;
    struct tt_chat_repair *repair = message->repair;
    struct joined *joined = &message->joined;
    struct tt_err err = {0};
    int more;

    message->pending = NULL;
    joined->count = 0;
    while ((more = tt_db_next(rows, &err)) == TT_DB_ROW &&
           join_chunk(joined, rows->values[2].integer, (int)rows->values[0].integer,
                      rows->values[1].text))
        joined->count++;
    if (more != TT_DB_FAILED && joined->count == CHUNKS) {
        read_chunks(message);
        return;
    }
    if (more == TT_DB_FAILED) {
        fail(repair, &err);
    } else {
        struct tt_db_job *job = tt_db_job_new();
        end_run(joined);
        add_statements(job, message);
        submit(repair, job, on_repaired);
    }
    free_message(message);
    wake(repair);
}

/* In the background, so that the rows always come later and as a whole. */
static int read_later(struct tt_chat_repair *repair, struct tt_str sql,
                      const struct tt_db_value *values, size_t count, tt_db_rows_fn *on_rows,
                      void *arg, struct tt_db_pending **pending)
{
    const struct tt_db_query query = {
        .sql = sql, .values = values, .count = count, .in_background = true};
    struct tt_err err = {0};

    if (tt_db_read(repair->spec.db, repair->spec.loop, &query, on_rows, arg, pending, &err) == 0)
        return 0;
    fail(repair, &err);
    return -1;
}

static void read_chunks(struct message *message)
{
    const struct tt_db_value values[] = {tt_db_int(message->id),
                                         tt_db_int(message->joined.position), tt_db_int(CHUNKS)};
    struct tt_chat_repair *repair = message->repair;

    if (read_later(repair, TT_STR(SQL_CHUNKS), values, TT_COUNT(values), on_chunks, message,
                   &message->pending) != 0) {
        free_message(message);
        wake(repair);
    }
}

static void begin_message(struct tt_chat_repair *repair, int at)
{
    struct message *message = TT_NEW(struct message);

    message->repair = repair;
    message->id = repair->ids[at];
    message->turn_epoch = repair->epochs[at];
    tt_list_push_back(&repair->messages, &message->node);
    repair->reading++;
    read_chunks(message);
}

/* ---- pages of messages ---- */

static void on_page(struct tt_db_rows *rows, void *arg)
{
    struct tt_chat_repair *repair = arg;
    struct tt_err err = {0};
    int more = TT_DB_END;

    repair->pending = NULL;
    repair->count = repair->at = 0;
    while (repair->count < MESSAGES && (more = tt_db_next(rows, &err)) == TT_DB_ROW) {
        repair->ids[repair->count] = repair->last = rows->values[0].integer;
        repair->epochs[repair->count++] = rows->values[1].integer;
    }
    if (more == TT_DB_FAILED)
        fail(repair, &err);
    repair->read_all = repair->count < MESSAGES;
    wake(repair);
}

static void read_page(struct tt_chat_repair *repair)
{
    const struct tt_chat_repair_spec *spec = &repair->spec;
    const struct tt_db_value values[] = {tt_db_int(repair->last), tt_db_int(MESSAGES),
                                         tt_db_int(spec->user_id), tt_db_text(spec->session_id)};
    bool all = !spec->session_id.data;
    struct tt_str sql = !spec->shared ? TT_STR(SQL_UNFINISHED)
                        : all         ? TT_STR(SQL_UNFINISHED_OF_DEAD)
                                      : TT_STR(SQL_UNFINISHED_OF_SESSION);

    if (read_later(repair, sql, values, all ? 2 : 4, on_page, repair, &repair->pending) != 0)
        wake(repair);
}

static void finish(struct tt_chat_repair *repair)
{
    struct tt_chat_repair_spec spec = repair->spec;
    struct tt_err error = repair->error;
    int repaired = repair->repaired;

    free_repair(repair);
    spec.on_done(repaired, error.status ? &error : NULL, spec.arg);
}

static void on_freed(struct tt_db_job *job, void *arg)
{
    struct tt_chat_repair *repair = arg;

    if (!job_ended(repair))
        return;
    if (tt_db_job_error(job))
        fail(repair, tt_db_job_error(job));
    wake(repair);
}

static void free_session(struct tt_chat_repair *repair)
{
    const struct tt_db_value values[] = {tt_db_int(repair->spec.user_id),
                                         tt_db_text(repair->spec.session_id)};
    struct tt_db_job *job = tt_db_job_new();

    repair->freed = true;
    tt_db_job_add(job, TT_STR(SQL_FREE_EMPTY), values, TT_COUNT(values), -1);
    submit(repair, job, on_freed);
    wake(repair);
}

static void go_on(struct tt_timer *timer)
{
    struct tt_chat_repair *repair = TT_CONTAINER_OF(timer, struct tt_chat_repair, next);

    while (!repair->error.status && repair->at < repair->count &&
           repair->jobs + repair->reading < JOBS)
        begin_message(repair, repair->at++);
    if (repair->pending || repair->reading > 0 || repair->jobs > 0)
        return;
    if (repair->error.status)
        finish(repair);
    else if (!repair->read_all)
        read_page(repair);
    else if (repair->spec.session_id.data && !repair->freed)
        free_session(repair);
    else
        finish(repair);
}

/* ---- from outside ---- */

struct tt_chat_repair *tt_chat_repair_start(const struct tt_chat_repair_spec *spec)
{
    struct tt_chat_repair *repair = TT_NEW(struct tt_chat_repair);

    repair->spec = *spec;
    if (spec->session_id.data)
        repair->spec.session_id = tt_arena_str(&repair->arena, spec->session_id);
    tt_list_init(&repair->messages);
    repair->next.on_due = go_on;
    wake(repair);
    return repair;
}

void tt_chat_repair_cancel(struct tt_chat_repair *repair)
{
    tt_timer_stop(&repair->next);
    if (repair->pending)
        tt_db_pending_cancel(repair->pending);
    tt_list_for_each_safe (node, &repair->messages) {
        struct message *message = tt_list_entry(node, struct message, node);
        if (message->pending)
            tt_db_pending_cancel(message->pending);
        free_message(message);
    }
    repair->cancelled = true;
    if (repair->jobs == 0)
        free_repair(repair);
}

struct all {
    int count;
    struct tt_err error;
    bool done;
};

static void on_all(int count, const struct tt_err *err, void *arg)
{
    struct all *all = arg;
    all->count = count;
    if (err)
        all->error = *err;
    all->done = true;
}

int tt_chat_repair_all(struct tt_db *db, struct tt_loop *loop, bool shared, struct tt_err *err)
{
    struct all all = {0};

    tt_chat_repair_start(&(struct tt_chat_repair_spec){
        .db = db, .loop = loop, .shared = shared, .on_done = on_all, .arg = &all});
    while (!all.done)
        tt_loop_tick(loop, -1);
    if (all.error.status) {
        *err = all.error;
        return tt_err_wrap(err, "repair of interrupted replies");
    }
    if (all.count > 0)
        tt_log(TT_LOG_INFO, "replies were interrupted", TT_F_INT("count", all.count));
    return all.count;
}
