/* While a reply runs its new bytes are stored now and then (checkpoint.c). The end is one job with
 * text, status and usage; only after its commit are the readers notified, the next turn of the
 * session admitted and the log released. If the database is too busy for the end, the job is
 * submitted again until it is accepted: a reply that was produced is not thrown away. If it fails
 * for another reason (the disk is full), readers get the error and the session continues, but the
 * text is held and stored as soon as there is room. A failure that would repeat for ever still
 * ends: the part that cannot be stored is left out, and logged, so that nothing is held in memory
 * for it. */
#include "chat/running_reply.h"

#include "base/log.h"
#include "chat/checkpoint.h"
#include "chat/learnt_store.h"
#include "chat/running_end.h"
#include "chat/running_totals.h"
#include "chat/usage_store.h"
#include "reply/reply_stored.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_MS              100
#define RETRIES_MAX           100
#define UNSTORED_RETRY_MS     1000 /* doubled from try to try */
#define UNSTORED_RETRY_MAX_MS 15000

/* How much of a reply's row the end stores. */
enum row_part {
    ROW_WHOLE,
    ROW_WITHOUT_TEXT, /* it says that the reply was lost */
    ROW_LEFT_OUT
};

struct running_reply {
    struct tt_list node; /* chat->running */
    struct tt_chat *chat;
    struct tt_reply *reply; /* NULL: only its tokens are left to be counted */
    int64_t message_id, user_id;
    struct tt_turn *turn;
    bool among_users; /* counted as a running reply of its user: turns are by themselves */
    int64_t session_row, turn_epoch;
    struct tt_checkpoint checkpoint;
    struct tt_running_parts *parts;   /* NULL: it has one */
    struct tt_reply_outcome *outcome; /* as produced: what is stored; NULL until then */
    bool ending;                      /* the job of the end is on its way */
    bool unstored;                    /* readers got the error; storing is still tried */
    uint64_t retry_ms;                /* the wait before the next try */
    struct tt_timer retry;
    int retries;
    size_t row_statement, usage_statement, images_statement;
    enum row_part row;
    struct tt_err *lost;           /* the text will never be stored; NULL: it may be */
    char *counted_as;              /* NULL = not counted */
    struct tt_reply_usage counted; /* the tokens of a continued reply that are counted already */
    struct tt_image_room image_room;
    struct tt_image_files *images; /* NULL = none came, or they are left out */
    struct tt_reply_filter filter;
    void (*on_finish)(struct tt_reply *reply, void *arg);
    void *on_finish_arg;
};

static void submit_end(void *arg);

static bool is_stored(const struct running_reply *running)
{
    return running->message_id != 0;
}

static bool has_row(const struct running_reply *running)
{
    return is_stored(running) && running->row != ROW_LEFT_OUT;
}

/* ---- the end ---- */

/* The producer of an abandoned reply may still append: its text is dropped, not let through. */
static void close_filter(struct tt_reply *reply, const struct tt_reply_filter *filter)
{
    if (!filter->run)
        return;
    if (reply)
        tt_reply_set_filter(reply, &(struct tt_reply_filter){0});
    filter->close(filter->arg);
}

static void leave_turn(struct running_reply *running)
{
    if (running->among_users)
        tt_registry_uncount(running->chat->registry, running->user_id);
    running->among_users = false;
    if (running->turn)
        tt_turn_leave(running->turn);
    free(running->turn);
    running->turn = NULL;
}

static void release(struct running_reply *running, struct tt_reply *ended)
{
    void (*on_finish)(struct tt_reply * reply, void *arg) = running->on_finish;
    void *on_finish_arg = running->on_finish_arg;
    struct tt_reply *reply = running->reply;

    leave_turn(running);
    tt_timer_stop(&running->retry);
    tt_checkpoint_stop(&running->checkpoint);
    tt_running_parts_free(running->parts);
    tt_image_files_free(running->images);
    tt_list_remove(&running->node);
    close_filter(reply, &running->filter);
    free(running->counted_as);
    free(running->outcome);
    free(running->lost);
    free(running);
    if (on_finish)
        on_finish(ended, on_finish_arg);
    tt_reply_unref(reply);
}

/* Notifies the readers; with an error unless the text was stored. */
static void tell(struct running_reply *running, const struct tt_err *error)
{
    if (is_stored(running))
        tt_registry_remove(running->chat->registry, running->reply);
    tt_reply_finish(running->reply, error);
}

static void finish(struct running_reply *running, const struct tt_err *error)
{
    if (!error)
        error = running->lost;
    if (!running->unstored)
        tell(running, error);
    release(running, running->reply);
}

/* Nobody waits for it any more, but it is not given up. */
static void try_later(struct running_reply *running, const struct tt_err *error)
{
    void (*on_finish)(struct tt_reply * reply, void *arg) = running->on_finish;

    running->retry_ms = running->retry_ms ? running->retry_ms * 2 : UNSTORED_RETRY_MS;
    if (running->retry_ms > UNSTORED_RETRY_MAX_MS)
        running->retry_ms = UNSTORED_RETRY_MAX_MS;
    tt_timer_start(running->chat->loop, &running->retry, running->retry_ms);
    if (running->unstored)
        return;
    tt_log(TT_LOG_ERROR, "a reply could not be stored yet",
           TT_F_INT("message_id", running->message_id), TT_F_Z("code", error->code),
           TT_F_Z("error", error->message));
    running->unstored = true;
    running->on_finish = NULL;
    /* Of a reply without a row only the counting has failed: its client gets it all the same. */
    tell(running, is_stored(running) ? error : NULL);
    leave_turn(running);
    if (on_finish)
        on_finish(running->reply, running->on_finish_arg);
    /* What is kept is the text that has to be stored, nothing else: no filter and its scripts, and
     * no text when there is no row for it. */
    close_filter(running->reply, &running->filter);
    running->filter = (struct tt_reply_filter){0};
    if (!is_stored(running)) {
        tt_reply_unref(running->reply);
        running->reply = NULL;
    }
}

/* What the failed statement stores can never be stored: the end is tried without it. Each call
 * leaves out more, so this ends. */
static void leave_out(struct running_reply *running, const struct tt_db_job *job,
                      const struct tt_err *error)
{
    int failed = tt_db_job_failed_statement(job);
    bool images = running->images && (failed < 0 || failed >= (int)running->images_statement);
    bool usage = running->counted_as && (failed < 0 || failed >= (int)running->usage_statement);

    tt_log(TT_LOG_ERROR, "a reply's end can never be stored, a part of it is left out",
           TT_F_INT("message_id", running->message_id), TT_F_INT("user_id", running->user_id),
           TT_F_Z("left_out", images                      ? "images"
                              : usage                     ? "usage"
                              : running->row == ROW_WHOLE ? "text"
                                                          : "row"),
           TT_F_Z("code", error->code), TT_F_Z("error", error->message));
    if (images) {
        tt_image_files_free(running->images);
        running->images = NULL;
    } else if (usage) {
        free(running->counted_as);
        running->counted_as = NULL;
    } else {
        running->row = running->row == ROW_WHOLE ? ROW_WITHOUT_TEXT : ROW_LEFT_OUT;
        if (!running->lost)
            running->lost = TT_NEW(struct tt_err);
        tt_err_set(running->lost, 500, "reply_not_stored", "%s", error->message);
    }
    submit_end(running);
}

void tt_running_replies_abandon(struct tt_chat *chat)
{
    chat->closing = true;
    tt_timer_stop(&chat->checkpoint_timer);
    tt_list_for_each_safe (node, &chat->running) {
        struct running_reply *running = tt_list_entry(node, struct running_reply, node);
        if (running->ending)
            continue;
        if (running->unstored) {
            release(running, NULL);
            continue;
        }
        tt_reply_on_produced(running->reply, NULL, NULL);
        tt_reply_stop(running->reply, NULL); /* by mail: the producer ends in a later tick */
        if (is_stored(running))
            tt_registry_remove(chat->registry, running->reply);
        release(running, NULL);
    }
}

void tt_running_replies_stop_all(struct tt_chat *chat, const struct tt_err *reason)
{
    tt_list_for_each (node, &chat->running) {
        struct running_reply *running = tt_list_entry(node, struct running_reply, node);
        if (!running->unstored)
            tt_reply_stop(running->reply, reason);
    }
}

/* Why there is no row for its end. */
static void set_gone(const struct running_reply *running, struct tt_err *gone)
{
    if (running->turn_epoch && strcmp(running->outcome->error.code, "session_deleted") != 0)
        tt_checkpoint_set_lost(gone);
    else
        tt_err_set(gone, 404, "session_deleted", "the session was deleted meanwhile");
}

static void end_done(struct tt_db_job *job, void *arg)
{
    struct running_reply *running = arg;
    const struct tt_err *err = tt_db_job_error(job);

    running->ending = false;
    if (!err && running->images)
        tt_image_files_committed(running->images, job);
    if (!err && has_row(running) && tt_db_job_outcome(job, running->row_statement).changes == 0) {
        struct tt_err gone = {0};
        set_gone(running, &gone);
        finish(running, &gone);
        return;
    }
    if (!err || running->chat->closing)
        finish(running, is_stored(running) ? err : NULL);
    else if (tt_db_error_is_lasting(err))
        leave_out(running, job, err);
    else if (strcmp(err->code, "busy") == 0 && !running->unstored &&
             running->retries++ < RETRIES_MAX)
        tt_timer_start(running->chat->loop, &running->retry, RETRY_MS);
    else
        try_later(running, err);
}

static void retry_end(struct tt_timer *timer)
{
    submit_end(TT_CONTAINER_OF(timer, struct running_reply, retry));
}

static void submit_end(void *arg)
{
    struct running_reply *running = arg;
    struct tt_db_job *job = tt_db_job_new();
    struct tt_err err = {0};

    tt_db_job_use_reserve(job);
    if (has_row(running) && running->row == ROW_WHOLE)
        tt_running_end_add(
            job,
            &(struct tt_running_end){.reply = running->reply,
                                     .session_row = running->session_row,
                                     .turn_epoch = running->turn_epoch,
                                     .outcome = running->outcome,
                                     .checkpointed = running->checkpoint.submitted > 0},
            &running->row_statement);
    else if (has_row(running))
        tt_running_end_add_failed(job, running->message_id, running->session_row,
                                  running->turn_epoch, running->lost, &running->row_statement);
    running->usage_statement = tt_db_job_count(job);
    if (running->counted_as)
        tt_usage_store_add_reply(
            job,
            &(struct tt_usage_entry){.user_id = running->user_id,
                                     .model_name = tt_str_from(running->counted_as),
                                     .message_id = running->message_id,
                                     .turn_epoch = running->turn_epoch},
            running->outcome, &running->counted);
    running->images_statement = tt_db_job_count(job);
    if (!running->images)
        tt_db_job_be_independent(job);
    if (running->images && has_row(running)) {
        tt_db_job_lock(job, running->user_id);
        tt_image_files_add(running->images, running->turn_epoch, job);
    }
    if (tt_db_job_count(job) == 0) {
        tt_db_job_free(job);
        finish(running, NULL);
        return;
    }
    if (tt_db_submit(running->chat->db, running->chat->loop, job, end_done, running, &err) != 0) {
        tt_db_job_free(job);
        tt_timer_start(running->chat->loop, &running->retry,
                       running->unstored ? running->retry_ms : RETRY_MS);
        return;
    }
    running->ending = true;
}

static void on_produced(struct tt_reply *reply, void *arg)
{
    struct running_reply *running = arg;

    tt_running_totals_add(reply);
    running->outcome = TT_NEW(struct tt_reply_outcome);
    *running->outcome = *tt_reply_outcome(reply);
    running->outcome->images_left_out = 0; /* image_files.c stores it, when all of it is known */
    tt_learnt_store(running->chat, running->user_id, &running->outcome->learnt);
    if (is_stored(running))
        running->images =
            tt_image_files_write(running->chat, reply, &running->image_room, submit_end, running);
    if (!running->images)
        submit_end(running);
}

/* ---- the start ---- */

static void row_ended(struct tt_db_job *job, void *arg)
{
    struct tt_turn *turn = arg;
    (void)job;
    if (turn)
        tt_turn_leave(turn);
    free(turn);
}

/* There is no reply to carry the error: the row is ended directly. */
static void refuse_row(struct tt_chat *chat, const struct tt_running_reply_spec *spec,
                       const struct tt_err *error)
{
    struct tt_db_job *job = tt_db_job_new();
    size_t row;
    struct tt_err err = {0};

    tt_db_job_use_reserve(job);
    tt_running_end_add_failed(job, spec->message_id, spec->session_row, spec->turn_epoch, error,
                              &row);
    if (tt_db_submit(chat->db, chat->loop, job, row_ended, spec->turn, &err) != 0) {
        tt_db_job_free(job); /* the row stays "streaming"; the next start repairs it */
        row_ended(NULL, spec->turn);
    }
}

void tt_running_reply_refuse(struct tt_chat *chat, const struct tt_running_reply_spec *spec,
                             const struct tt_err *error)
{
    if (spec->message_id)
        refuse_row(chat, spec, error);
    close_filter(NULL, &spec->filter);
    if (spec->producer)
        spec->producer->close(spec->producer->arg);
    if (spec->on_finish)
        spec->on_finish(NULL, spec->on_finish_arg);
}

static int ask(struct tt_chat *chat, const struct tt_running_reply_spec *spec,
               struct tt_reply *reply, struct tt_err *err)
{
    if (spec->play) {
        tt_play_start(spec->play, reply);
        return 0;
    }
    return tt_retry_start(chat->client, chat->breakers, spec->plan, reply, err);
}

static struct tt_reply *make_reply(struct tt_chat *chat, const struct tt_running_reply_spec *spec,
                                   struct tt_err *err)
{
    struct tt_reply *reply =
        tt_reply_new(chat->loop, spec->message_id, spec->user_message_id, spec->user_id, err);

    if (reply && spec->continues && tt_reply_refill(reply, spec->continues, err) != 0) {
        tt_reply_unref(reply);
        return NULL;
    }
    return reply;
}

struct tt_reply *tt_running_reply_start(struct tt_chat *chat,
                                        const struct tt_running_reply_spec *spec,
                                        struct tt_err *err)
{
    struct tt_err why = {0};
    bool counted = !spec->turn && spec->user_id;
    struct tt_reply *reply = NULL;
    if (counted && tt_registry_count_in(chat->registry, spec->user_id, err) != 0) {
        tt_running_reply_refuse(chat, spec, err);
        return NULL;
    }
    reply = make_reply(chat, spec, err);
    if (!reply) {
        if (counted)
            tt_registry_uncount(chat->registry, spec->user_id);
        tt_running_reply_refuse(chat, spec, err);
        return NULL;
    }
    struct running_reply *running = TT_NEW(struct running_reply);
    running->chat = chat;
    running->reply = reply;
    running->message_id = spec->message_id;
    running->user_id = spec->user_id;
    running->turn = spec->turn;
    running->among_users = counted;
    running->session_row = spec->session_row;
    running->turn_epoch = spec->turn_epoch;
    running->image_room = spec->image_room;
    running->retry.on_due = retry_end;
    if (spec->counted_as.data) {
        running->counted_as = tt_strndup(spec->counted_as.data, spec->counted_as.len);
        tt_reply_estimate(reply, spec->input_estimate);
    }
    running->filter = spec->filter;
    if (spec->filter.run)
        tt_reply_set_filter(reply, &spec->filter);
    running->on_finish = spec->on_finish;
    running->on_finish_arg = spec->on_finish_arg;
    tt_list_push_back(&chat->running, &running->node);
    if (spec->message_id)
        tt_checkpoint_start(&running->checkpoint, chat, reply, spec->turn_epoch);
    if (spec->stop_without_clients)
        tt_reply_stop_without_clients(reply);
    tt_reply_on_produced(reply, on_produced, running);
    if (spec->message_id)
        tt_registry_add(chat->registry, reply, spec->session_id);
    tt_reply_ref(reply); /* the caller's */
    if (spec->continues)
        running->counted = spec->continues->outcome.usage;
    if (spec->producer) {
        running->parts = tt_running_parts_new(
            chat, reply, spec->message_id ? &running->checkpoint : NULL,
            spec->continues ? &spec->continues->outcome : NULL, spec->producer);
        tt_running_parts_begin(running->parts);
    } else if (ask(chat, spec, reply, &why) != 0) {
        struct tt_reply_outcome outcome = {
            .status = "error", .error = why, .usage = TT_REPLY_NO_USAGE, .retry_after_s = -1};
        tt_reply_produced(reply, &outcome);
    }
    return reply;
}

void tt_running_replies_store_now(struct tt_chat *chat)
{
    tt_list_for_each (node, &chat->running) {
        struct running_reply *running = tt_list_entry(node, struct running_reply, node);
        if (running->unstored && !running->ending)
            tt_timer_start(chat->loop, &running->retry, 0);
    }
}

int tt_running_replies_count(const struct tt_chat *chat)
{
    int count = 0;
    tt_list_for_each (node, &chat->running) {
        struct running_reply *running = tt_list_entry(node, struct running_reply, node);
        count += !running->unstored || running->ending;
    }
    return count;
}
