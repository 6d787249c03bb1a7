/* Checkpoints: each second one job for all running replies of the worker, with only the new bytes.
 * The end: one job with text, status and usage; only after its commit the readers are told, the
 * next turn of the session admitted and the log forgotten. A database that is too busy for the end
 * is asked again until it takes it: a reply that was produced is not thrown away. */
#include "script/production.h"

#include "base/log.h"
#include "db/reply_store.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECKPOINT_MS 1000
#define RETRY_MS      100
#define RETRIES_MAX   100

struct production {
    struct tt_list node; /* env->productions */
    struct tt_env *env;
    struct tt_reply *reply;
    struct tt_turn *turn;
    int64_t session_row;
    uint64_t checkpointed; /* log position that checkpoint jobs cover */
    uint64_t stored;       /* the same, of those that were committed */
    bool ending;           /* the job of the end is on its way */
    struct tt_timer retry;
    int retries;
    size_t row_statement;
    struct tt_reply_filter filter;
    void (*on_finish)(struct tt_reply *reply, void *arg);
    void *on_finish_arg;
};

static void submit_end(struct production *production);

/* ---- checkpoints ---- */

static void add_checkpoint(struct tt_db_job *job, struct production *production)
{
    struct tt_reply_span span;

    while (tt_reply_read(production->reply, production->checkpointed, &span)) {
        tt_reply_store_checkpoint(job, tt_reply_message_id(production->reply),
                                  (int64_t)production->checkpointed, (int)span.kind, span.bytes);
        production->checkpointed = span.end;
    }
}

/* One job at a time, so that a failed one can be made good by the next: a hole in the chunks would
 * be a hole in the text that a crash leaves. */
static void checkpoint_settle(struct tt_env *env, bool stored)
{
    env->checkpointing = false;
    tt_list_for_each (node, &env->productions) {
        struct production *production = tt_list_entry(node, struct production, node);
        if (stored)
            production->stored = production->checkpointed;
        else
            production->checkpointed = production->stored;
    }
}

static void checkpoint_done(struct tt_db_job *job, void *arg)
{
    const struct tt_err *err = tt_db_job_error(job);
    if (err)
        tt_log(TT_LOG_WARN, "checkpoint failed", TT_F_Z("code", err->code),
               TT_F_Z("error", err->message));
    checkpoint_settle(arg, !err);
}

static void checkpoint_all(struct tt_env *env)
{
    struct tt_db_job *job = tt_db_job_new();
    struct tt_err err = {0};

    tt_list_for_each (node, &env->productions) {
        struct production *production = tt_list_entry(node, struct production, node);
        if (tt_reply_state(production->reply) < TT_REPLY_PRODUCED)
            add_checkpoint(job, production);
    }
    env->checkpointing = tt_db_job_count(job) > 0;
    if (env->checkpointing &&
        tt_db_submit(env->db, env->loop, job, checkpoint_done, env, &err) == 0)
        return;
    if (env->checkpointing)
        checkpoint_settle(env, false);
    tt_db_job_free(job);
}

static void checkpoint(struct tt_timer *timer)
{
    struct tt_env *env = TT_CONTAINER_OF(timer, struct tt_env, checkpoint_timer);

    if (!env->checkpointing)
        checkpoint_all(env);
    if (!tt_list_empty(&env->productions))
        tt_timer_start(env->loop, timer, CHECKPOINT_MS);
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

static void release(struct production *production, struct tt_reply *ended)
{
    void (*on_finish)(struct tt_reply * reply, void *arg) = production->on_finish;
    void *on_finish_arg = production->on_finish_arg;
    struct tt_reply *reply = production->reply;

    tt_turn_leave(production->turn);
    free(production->turn);
    tt_timer_stop(&production->retry);
    tt_list_remove(&production->node);
    close_filter(reply, &production->filter);
    free(production);
    if (on_finish)
        on_finish(ended, on_finish_arg);
    tt_reply_unref(reply);
}

static void finish(struct production *production, const struct tt_err *error)
{
    tt_registry_remove(production->env->registry, production->reply);
    tt_reply_finish(production->reply, error);
    release(production, production->reply);
}

void tt_production_abandon(struct tt_env *env)
{
    env->closing = true;
    tt_timer_stop(&env->checkpoint_timer);
    tt_list_for_each_safe (node, &env->productions) {
        struct production *production = tt_list_entry(node, struct production, node);
        tt_reply_on_produced(production->reply, NULL, NULL);
        if (production->ending)
            continue;
        tt_reply_stop(production->reply, NULL); /* by mail: the producer ends in a later turn */
        tt_registry_remove(env->registry, production->reply);
        release(production, NULL);
    }
}

static void end_done(struct tt_db_job *job, void *arg)
{
    struct production *production = arg;
    const struct tt_err *err = tt_db_job_error(job);

    production->ending = false;
    if (!err && tt_db_job_outcome(job, production->row_statement).changes == 0) {
        struct tt_err deleted = {0};
        tt_err_set(&deleted, 404, "session_deleted", "the session was deleted meanwhile");
        finish(production, &deleted);
        return;
    }
    if (err && strcmp(err->code, "busy") == 0 && !production->env->closing &&
        production->retries++ < RETRIES_MAX) {
        tt_timer_start(production->env->loop, &production->retry, RETRY_MS);
        return;
    }
    if (err)
        tt_log(TT_LOG_ERROR, "a reply could not be stored",
               TT_F_INT("message_id", tt_reply_message_id(production->reply)),
               TT_F_Z("code", err->code), TT_F_Z("error", err->message));
    finish(production, err);
}

static void retry_end(struct tt_timer *timer)
{
    submit_end(TT_CONTAINER_OF(timer, struct production, retry));
}

static void format_usage(const struct tt_usage *usage, struct tt_buf *out)
{
    struct tt_json_writer writer = {.buf = out};

    if (usage->input_tokens < 0 && usage->output_tokens < 0)
        return;
    tt_json_begin_object(&writer);
    if (usage->input_tokens >= 0) {
        tt_json_key(&writer, TT_STR("input_tokens"));
        tt_json_int(&writer, usage->input_tokens);
    }
    if (usage->output_tokens >= 0) {
        tt_json_key(&writer, TT_STR("output_tokens"));
        tt_json_int(&writer, usage->output_tokens);
    }
    tt_json_end_object(&writer);
}

static void submit_end(struct production *production)
{
    struct tt_reply *reply = production->reply;
    const struct tt_reply_outcome *outcome = tt_reply_outcome(reply);
    struct tt_buf content = {0}, reasoning = {0}, tool_calls = {0}, usage = {0};
    struct tt_db_job *job = tt_db_job_new();
    struct tt_err err = {0};

    tt_reply_text(reply, TT_REPLY_CONTENT, &content);
    tt_reply_text(reply, TT_REPLY_REASONING, &reasoning);
    tt_reply_text(reply, TT_REPLY_TOOL_CALLS, &tool_calls);
    format_usage(&outcome->usage, &usage);
    struct tt_reply_end end = {
        .message_id = tt_reply_message_id(reply),
        .session_row = production->session_row,
        .content = tt_buf_str(&content),
        .reasoning = tt_buf_str(&reasoning),
        .tool_calls = tt_buf_str(&tool_calls),
        .status = tt_str_from(outcome->status),
        .finish_reason = tt_str_from(outcome->finish_reason),
        .usage = tt_buf_str(&usage),
        .error_code = outcome->error.status ? tt_str_from(outcome->error.code) : (struct tt_str){0},
        .checkpointed = production->checkpointed > 0,
    };
    tt_reply_store_end(job, &end, &production->row_statement);
    tt_buf_free(&content);
    tt_buf_free(&reasoning);
    tt_buf_free(&tool_calls);
    tt_buf_free(&usage);
    if (tt_db_submit(production->env->db, production->env->loop, job, end_done, production, &err) !=
        0) {
        tt_db_job_free(job);
        tt_timer_start(production->env->loop, &production->retry, RETRY_MS);
        return;
    }
    production->ending = true;
}

static void on_produced(struct tt_reply *reply, void *arg)
{
    (void)reply;
    submit_end(arg);
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
void tt_production_refuse(struct tt_env *env, const struct tt_production_spec *spec,
                          const struct tt_err *error)
{
    struct tt_db_job *job = tt_db_job_new();
    struct tt_reply_end end = {.message_id = spec->message_id,
                               .session_row = spec->session_row,
                               .content = TT_STR(""),
                               .reasoning = TT_STR(""),
                               .status = TT_STR("error"),
                               .finish_reason = TT_STR("error"),
                               .error_code = tt_str_from(error->code)};
    size_t row;
    struct tt_err err = {0};

    tt_reply_store_end(job, &end, &row);
    if (tt_db_submit(env->db, env->loop, job, row_ended, spec->turn, &err) != 0) {
        tt_db_job_free(job); /* the row stays "streaming"; the next start repairs it */
        row_ended(NULL, spec->turn);
    }
    close_filter(NULL, &spec->filter);
    if (spec->on_finish)
        spec->on_finish(NULL, spec->on_finish_arg);
}

static int ask(struct tt_env *env, const struct tt_production_spec *spec, struct tt_reply *reply,
               struct tt_err *err)
{
    if (spec->play) {
        tt_play_start(spec->play, reply);
        return 0;
    }
    return tt_upstream_start(env->client, spec->request, spec->spec, reply, err);
}

struct tt_reply *tt_production_start(struct tt_env *env, const struct tt_production_spec *spec,
                                     struct tt_err *err)
{
    struct tt_err why = {0};
    struct tt_reply *reply =
        tt_reply_new(env->loop, spec->message_id, spec->user_message_id, spec->user_id, err);
    if (!reply) {
        tt_production_refuse(env, spec, err);
        return NULL;
    }
    struct production *production = TT_NEW(struct production);
    production->env = env;
    production->reply = reply;
    production->turn = spec->turn;
    production->session_row = spec->session_row;
    production->retry.on_due = retry_end;
    production->filter = spec->filter;
    if (spec->filter.run)
        tt_reply_set_filter(reply, &spec->filter);
    production->on_finish = spec->on_finish;
    production->on_finish_arg = spec->on_finish_arg;
    if (tt_list_empty(&env->productions)) {
        env->checkpoint_timer.on_due = checkpoint;
        tt_timer_start(env->loop, &env->checkpoint_timer, CHECKPOINT_MS);
    }
    tt_list_push_back(&env->productions, &production->node);
    tt_reply_on_produced(reply, on_produced, production);
    tt_registry_add(env->registry, reply, spec->session_id);
    tt_reply_ref(reply); /* the caller's */
    if (ask(env, spec, reply, &why) != 0) {
        struct tt_reply_outcome outcome = {
            .status = "error", .error = why, .usage = {-1, -1}, .retry_after_s = -1};
        tt_reply_produced(reply, &outcome);
    }
    return reply;
}

int tt_production_count(const struct tt_env *env)
{
    int count = 0;
    tt_list_for_each (node, &env->productions)
        count++;
    return count;
}
