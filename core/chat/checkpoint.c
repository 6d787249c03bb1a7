/* Each running reply has its own time at which its new bytes are due, in steps of
 * TT_CHECKPOINT_SLOT_MS. Replies that are due together share a job, a bounded slice of them per
 * tick, so that copying a thousand replies does not hold up the loop. There is one job per reply at
 * a time: if it fails the next one covers its bytes, because a hole in the chunks would be a hole
 * in the text that remains after a crash. A commit that takes longer than the interval is followed
 * by the next job at once; waiting for the next tick instead would double the possible loss just
 * when the disk is slow.
 *
 * A reply of a node whose checkpoint changed no row has been taken over by another node, or its
 * message is deleted: it ends. */
#include "chat/checkpoint.h"

#include "base/log.h"
#include "base/mem.h"
#include "chat/reply_store.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Replies of one node whose turns' numbers are between these two. */
static const char SQL_STILL_OURS[] =
    "SELECT id, turn_epoch FROM chat_messages WHERE status = 'streaming'"
    " AND turn_epoch >= ?1 AND turn_epoch <= ?2";
#define EPOCH_BITS 40 /* node/node.h */

#define SLICE_REPLIES 32
#define SLICE_BYTES   (256u << 10)
#define RETRY_MS      250

/* A job and the replies in it, those that have ended meanwhile left out. */
struct slice {
    struct tt_chat *chat;
    struct tt_list checkpoints;
};

static void on_due(struct tt_timer *timer);

/* ---- when ---- */

static void arm(struct tt_chat *chat)
{
    if (tt_list_empty(&chat->unsaved)) {
        tt_timer_stop(&chat->checkpoint_timer);
        return;
    }
    uint64_t now = tt_loop_now(chat->loop);
    uint64_t due = tt_list_entry(chat->unsaved.next, struct tt_checkpoint, node)->due_ms;
    chat->checkpoint_timer.on_due = on_due;
    tt_timer_start(chat->loop, &chat->checkpoint_timer, due > now ? due - now : 0);
}

/* Of bytes that come from `ms` on. */
static uint64_t due_after(uint64_t ms)
{
    return (ms + TT_CHECKPOINT_MS) / TT_CHECKPOINT_SLOT_MS * TT_CHECKPOINT_SLOT_MS;
}

/* Those that come later belong almost always to the end. */
static void schedule(struct tt_checkpoint *checkpoint, uint64_t due_ms)
{
    struct tt_list *after = &checkpoint->chat->unsaved;
    checkpoint->due_ms = due_ms;
    do
        after = after->prev;
    while (after != &checkpoint->chat->unsaved &&
           tt_list_entry(after, struct tt_checkpoint, node)->due_ms > due_ms);
    tt_list_push_front(after, &checkpoint->node);
}

/* ---- what ---- */

static size_t add_new_bytes(struct tt_db_job *job, struct tt_checkpoint *checkpoint)
{
    int64_t id = tt_reply_message_id(checkpoint->reply);
    uint64_t from = checkpoint->submitted;
    struct tt_reply_span span;

    checkpoint->statement = tt_db_job_count(job);
    while (checkpoint->submitted - from < SLICE_BYTES &&
           tt_reply_read(checkpoint->reply, checkpoint->submitted, &span)) {
        tt_chat_store_checkpoint(job, id, checkpoint->turn_epoch, (int64_t)checkpoint->submitted,
                                 (int)span.kind, span.bytes);
        checkpoint->submitted = span.end;
    }
    return checkpoint->submitted - from;
}

static void tell_stored(struct tt_checkpoint *checkpoint)
{
    void (*on_stored)(void *arg) = checkpoint->on_stored;

    if (!on_stored || checkpoint->stored < checkpoint->wanted)
        return;
    checkpoint->on_stored = NULL;
    on_stored(checkpoint->stored_arg);
}

/* Somebody waits for it: it has no time of its own. */
static bool is_wanted(const struct tt_checkpoint *checkpoint)
{
    return checkpoint->on_stored && checkpoint->submitted < checkpoint->wanted;
}

void tt_checkpoint_set_lost(struct tt_err *err)
{
    tt_err_set(err, 503, "lease_lost", "another node has taken the reply over");
}

static _Atomic uint64_t lost_count;

uint64_t tt_checkpoints_lost(void)
{
    return atomic_load(&lost_count);
}

static void lose(struct tt_checkpoint *checkpoint)
{
    struct tt_err lost = {0};

    atomic_fetch_add(&lost_count, 1);
    tt_checkpoint_set_lost(&lost);
    tt_log(TT_LOG_WARN, "a reply was lost to another node",
           TT_F_INT("message_id", tt_reply_message_id(checkpoint->reply)));
    tt_reply_stop(checkpoint->reply, &lost);
}

/* Its end stores everything, and finds out by itself whether the reply is still ours. */
static bool is_produced(const struct tt_checkpoint *checkpoint)
{
    return tt_reply_state(checkpoint->reply) >= TT_REPLY_PRODUCED;
}

/* The end of a reply may be stored before a checkpoint that was submitted before it: PostgreSQL
 * gets the ends of a batch together (postgres_groups.c). */
static bool is_lost(const struct tt_checkpoint *checkpoint, const struct tt_db_job *job)
{
    return checkpoint->turn_epoch && !is_produced(checkpoint) &&
           tt_db_job_outcome(job, checkpoint->statement).changes == 0;
}

/* `job` NULL: none was submitted. */
static void settle(struct slice *slice, const struct tt_db_job *job, const struct tt_err *err)
{
    struct tt_chat *chat = slice->chat;
    uint64_t now = tt_loop_now(chat->loop);
    struct tt_list *node;

    if (err)
        tt_log(TT_LOG_WARN, "checkpoint failed", TT_F_Z("code", err->code),
               TT_F_Z("error", err->message));
    while ((node = tt_list_pop_front(&slice->checkpoints))) {
        struct tt_checkpoint *checkpoint = tt_list_entry(node, struct tt_checkpoint, node);
        if (!err && job && is_lost(checkpoint, job)) {
            lose(checkpoint);
            continue;
        }
        if (err)
            checkpoint->submitted = checkpoint->stored;
        else
            checkpoint->stored = checkpoint->submitted;
        bool at_once = checkpoint->more || is_wanted(checkpoint);
        schedule(checkpoint, err       ? now + RETRY_MS
                             : at_once ? now
                                       : due_after(checkpoint->submitted_ms));
        tell_stored(checkpoint);
    }
    free(slice);
    if (!chat->closing)
        arm(chat);
}

static void on_done(struct tt_db_job *job, void *arg)
{
    settle(arg, job, tt_db_job_error(job));
}

/* Moves what is due, and new, from the queue into the slice. */
static void fill(struct slice *slice, struct tt_db_job *job)
{
    struct tt_chat *chat = slice->chat;
    uint64_t now = tt_loop_now(chat->loop);
    size_t bytes = 0;

    for (int n = 0; n < SLICE_REPLIES && bytes < SLICE_BYTES; n++) {
        if (tt_list_empty(&chat->unsaved))
            return;
        struct tt_checkpoint *checkpoint =
            tt_list_entry(chat->unsaved.next, struct tt_checkpoint, node);
        if (checkpoint->due_ms > now)
            return;
        tt_list_remove(&checkpoint->node);
        if (is_produced(checkpoint))
            continue;
        size_t added = add_new_bytes(job, checkpoint);
        bytes += added;
        checkpoint->submitted_ms = now;
        checkpoint->more = added >= SLICE_BYTES;
        if (added > 0)
            tt_list_push_back(&slice->checkpoints, &checkpoint->node);
        else
            schedule(checkpoint, due_after(now));
    }
}

static void on_due(struct tt_timer *timer)
{
    struct tt_chat *chat = TT_CONTAINER_OF(timer, struct tt_chat, checkpoint_timer);
    struct slice *slice = TT_NEW(struct slice);
    struct tt_db_job *job = tt_db_job_new();
    struct tt_err err = {0};

    slice->chat = chat;
    tt_list_init(&slice->checkpoints);
    fill(slice, job);
    bool empty = tt_list_empty(&slice->checkpoints);
    if (!empty && tt_db_submit(chat->db, chat->loop, job, on_done, slice, &err) == 0) {
        arm(chat);
        return;
    }
    tt_db_job_free(job);
    settle(slice, NULL, empty ? NULL : &err);
}

/* ---- whose ---- */

void tt_checkpoint_start(struct tt_checkpoint *checkpoint, struct tt_chat *chat,
                         struct tt_reply *reply, int64_t turn_epoch)
{
    checkpoint->chat = chat;
    checkpoint->reply = reply;
    checkpoint->turn_epoch = turn_epoch;
    schedule(checkpoint, due_after(tt_loop_now(chat->loop)));
    if (chat->checkpoint_timer.due_ms == 0)
        arm(chat);
}

/* While a job of it is on its way it is not in the queue: settle looks again. */
void tt_checkpoint_now(struct tt_checkpoint *checkpoint, void (*on_stored)(void *arg), void *arg)
{
    uint64_t now = tt_loop_now(checkpoint->chat->loop);

    checkpoint->wanted = tt_reply_length(checkpoint->reply);
    checkpoint->on_stored = on_stored;
    checkpoint->stored_arg = arg;
    if (checkpoint->stored >= checkpoint->wanted) {
        tell_stored(checkpoint);
    } else if (checkpoint->submitted == checkpoint->stored) {
        tt_list_remove(&checkpoint->node);
        schedule(checkpoint, now);
        arm(checkpoint->chat);
    }
}

void tt_checkpoint_stop(struct tt_checkpoint *checkpoint)
{
    tt_list_remove(&checkpoint->node);
}

/* ---- after a gap ---- */

static void confirm(struct tt_chat *chat, int64_t message_id, int64_t turn_epoch)
{
    tt_list_for_each (node, &chat->unsaved) {
        struct tt_checkpoint *checkpoint = tt_list_entry(node, struct tt_checkpoint, node);
        if (tt_reply_message_id(checkpoint->reply) == message_id &&
            checkpoint->turn_epoch == turn_epoch)
            checkpoint->doubted = false;
    }
}

static void on_ours(struct tt_db_rows *rows, void *arg)
{
    struct tt_chat *chat = arg;
    struct tt_err err = {0};
    int more;

    while ((more = tt_db_next(rows, &err)) == TT_DB_ROW)
        confirm(chat, rows->values[0].integer, rows->values[1].integer);
    if (more == TT_DB_AGAIN)
        return;
    tt_list_for_each_safe (node, &chat->unsaved) {
        struct tt_checkpoint *checkpoint = tt_list_entry(node, struct tt_checkpoint, node);
        if (checkpoint->doubted && more == TT_DB_END && !is_produced(checkpoint))
            lose(checkpoint);
        checkpoint->doubted = false;
    }
    if (more == TT_DB_FAILED)
        tt_log(TT_LOG_WARN, "whether replies are still this node's is not known",
               TT_F_Z("code", err.code), TT_F_Z("error", err.message));
}

void tt_checkpoints_verify(struct tt_chat *chat)
{
    struct tt_db_pending *unused;
    struct tt_err err = {0};
    int64_t epoch = 0;

    tt_list_for_each (node, &chat->unsaved) {
        struct tt_checkpoint *checkpoint = tt_list_entry(node, struct tt_checkpoint, node);
        checkpoint->doubted = checkpoint->turn_epoch != 0;
        epoch = checkpoint->doubted ? checkpoint->turn_epoch : epoch;
    }
    if (!epoch)
        return;
    int64_t first = epoch >> EPOCH_BITS << EPOCH_BITS;
    const struct tt_db_value values[] = {tt_db_int(first),
                                         tt_db_int(first + (INT64_C(1) << EPOCH_BITS) - 1)};
    const struct tt_db_query query = {
        .sql = TT_STR(SQL_STILL_OURS), .values = values, .count = TT_COUNT(values)};
    if (tt_db_read(chat->db, chat->loop, &query, on_ours, chat, &unused, &err) != 0)
        tt_log(TT_LOG_WARN, "whether replies are still this node's is not known",
               TT_F_Z("code", err.code), TT_F_Z("error", err.message));
}
