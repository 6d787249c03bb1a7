/* The statements of a running reply: see reply_store.h. Two traps shape them. A checkpoint job
 * carries many replies, so a reply whose session was deleted meanwhile must do nothing rather than
 * fail (a foreign key error would undo the others' checkpoints). And chat_sessions.id may be reused
 * after a delete, chat_messages.id never (AUTOINCREMENT): so a session is always reached through
 * the message. */
#include "chat/reply_store.h"

#include "base/clock.h"

/* A position that is there already comes from a job whose failure was told too early: the newer
 * bytes are the same or more. */
#define CHECKPOINT                                                                                 \
    "INSERT INTO reply_chunks (message_id, position, kind, bytes)"                                 \
    " SELECT id, ?2, ?3, ?4 FROM chat_messages WHERE id = ?1 AND status = 'streaming'"
#define CHECKPOINT_AGAIN                                                                           \
    " ON CONFLICT (message_id, position)"                                                          \
    " DO UPDATE SET kind = excluded.kind, bytes = excluded.bytes"
#define END                                                                                        \
    "UPDATE chat_messages SET content = ?2, reasoning = ?3, status = ?4, finish_reason = ?5,"      \
    " usage = ?6, error_code = ?7, updated_at = ?8, tool_calls = ?10, runs = ?11,"                 \
    " delivered = ?12, steps = ?13,"                                                               \
    " search_text = CASE ?13 WHEN '' THEN NULL ELSE tidetalk_search_text(?2, ?13) END"             \
    " WHERE id = ?1"                                                                               \
    " AND session_row = (SELECT id FROM chat_sessions WHERE id = ?9 AND user_id IS NOT NULL)"
static const char SQL_CHECKPOINT[] = CHECKPOINT CHECKPOINT_AGAIN;
static const char SQL_END[] = END;
static const char SQL_TOUCH_SESSION[] =
    "UPDATE chat_sessions SET updated_at = ?2, version = version + 1"
    " WHERE id = (SELECT session_row FROM chat_messages WHERE id = ?1)";
static const char SQL_DELETE_CHUNKS[] = "DELETE FROM reply_chunks WHERE message_id = ?1";

/* The same for a turn with a number, of a node: they change nothing once another node has taken the
 * reply over. The row of the message decides; locked, so that who takes over waits for the chunks,
 * or these find that it has. The session is free again unless a later turn has it by now. */
static const char SQL_CHECKPOINT_OF_TURN[] =
    CHECKPOINT " AND turn_epoch = ?5 FOR SHARE" CHECKPOINT_AGAIN;
static const char SQL_END_OF_TURN[] = END " AND status = 'streaming' AND turn_epoch = ?14";
static const char SQL_TOUCH_SESSION_OF_TURN[] =
    "UPDATE chat_sessions SET updated_at = ?2, version = version + 1,"
    " turn_node = CASE WHEN turn_epoch = ?3 THEN NULL ELSE turn_node END"
    " WHERE id = (SELECT session_row FROM chat_messages WHERE id = ?1 AND turn_epoch = ?3)";
static const char SQL_DELETE_CHUNKS_OF_TURN[] =
    "DELETE FROM reply_chunks WHERE message_id ="
    " (SELECT id FROM chat_messages WHERE id = ?1 AND turn_epoch = ?2)";

static struct tt_db_value text_or_null(struct tt_str s)
{
    return s.data ? tt_db_text(s) : tt_db_null();
}

/* Adds a statement, or the one for a turn with a number, whose last value that is. */
static void add_of_turn(struct tt_db_job *job, struct tt_str sql, struct tt_str sql_of_turn,
                        const struct tt_db_value *values, size_t count, int64_t turn_epoch)
{
    tt_db_job_add(job, turn_epoch ? sql_of_turn : sql, values, turn_epoch ? count : count - 1, -1);
}

void tt_chat_store_checkpoint(struct tt_db_job *job, int64_t message_id, int64_t turn_epoch,
                              int64_t position, int kind, struct tt_str bytes)
{
    struct tt_db_value values[] = {tt_db_int(message_id), tt_db_int(position), tt_db_int(kind),
                                   tt_db_blob(bytes), tt_db_int(turn_epoch)};
    if (bytes.len > 0)
        add_of_turn(job, TT_STR(SQL_CHECKPOINT), TT_STR(SQL_CHECKPOINT_OF_TURN), values,
                    TT_COUNT(values), turn_epoch);
}

void tt_chat_store_end(struct tt_db_job *job, const struct tt_chat_reply_end *end,
                       size_t *row_statement)
{
    char now[TT_RFC3339_SIZE];
    const struct tt_db_value id = tt_db_int(end->message_id), turn = tt_db_int(end->turn_epoch);
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
                                   tt_db_text(end->steps),
                                   turn};
    *row_statement = tt_db_job_count(job);
    add_of_turn(job, TT_STR(SQL_END), TT_STR(SQL_END_OF_TURN), values, TT_COUNT(values),
                end->turn_epoch);
    add_of_turn(job, TT_STR(SQL_TOUCH_SESSION), TT_STR(SQL_TOUCH_SESSION_OF_TURN),
                (struct tt_db_value[]){id, time, turn}, 3, end->turn_epoch);
    if (end->checkpointed)
        add_of_turn(job, TT_STR(SQL_DELETE_CHUNKS), TT_STR(SQL_DELETE_CHUNKS_OF_TURN),
                    (struct tt_db_value[]){id, turn}, 2, end->turn_epoch);
}
