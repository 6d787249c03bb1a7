/* Copies what the log has, by kind: the job outlives it. */
#include "chat/running_end.h"

#include "chat/reply_store.h"
#include "chat/usage_json.h"
#include "reply/reply_stored.h"

void tt_running_end_add_failed(struct tt_db_job *job, int64_t message_id, int64_t session_row,
                               int64_t turn_epoch, const struct tt_err *error,
                               size_t *row_statement)
{
    struct tt_chat_reply_end end = {.message_id = message_id,
                                    .session_row = session_row,
                                    .turn_epoch = turn_epoch,
                                    .content = TT_STR(""),
                                    .reasoning = TT_STR(""),
                                    .status = TT_STR("error"),
                                    .finish_reason = TT_STR("error"),
                                    .error_code = tt_str_from(error->code),
                                    .checkpointed = true};
    tt_chat_store_end(job, &end, row_statement);
}

void tt_running_end_add(struct tt_db_job *job, const struct tt_running_end *end,
                        size_t *row_statement)
{
    const struct tt_reply *reply = end->reply;
    const struct tt_reply_outcome *outcome = end->outcome;
    struct tt_buf text[TT_REPLY_KINDS] = {{0}}, runs = {0}, usage = {0};

    for (int kind = 0; kind < TT_REPLY_KINDS; kind++)
        tt_reply_text(reply, (enum tt_reply_kind)kind, &text[kind]);
    tt_reply_runs(reply, &runs);
    tt_usage_put_json(&(struct tt_json_writer){.buf = &usage}, outcome);
    struct tt_chat_reply_end row = {
        .message_id = tt_reply_message_id(reply),
        .session_row = end->session_row,
        .turn_epoch = end->turn_epoch,
        .content = tt_buf_str(&text[TT_REPLY_CONTENT]),
        .reasoning = tt_buf_str(&text[TT_REPLY_REASONING]),
        .tool_calls = tt_buf_str(&text[TT_REPLY_TOOL_CALLS]),
        .steps = tt_buf_str(&text[TT_REPLY_STEPS]),
        .runs = tt_buf_str(&runs),
        .status = tt_str_from(outcome->status),
        .finish_reason = tt_str_from(outcome->finish_reason),
        .usage = tt_buf_str(&usage),
        .error_code = outcome->error.status ? tt_str_from(outcome->error.code) : (struct tt_str){0},
        .ended_us = outcome->ended_us,
        .delivered = tt_reply_has_clients(reply),
        .checkpointed = end->checkpointed,
    };
    tt_chat_store_end(job, &row, row_statement);
    for (int kind = 0; kind < TT_REPLY_KINDS; kind++)
        tt_buf_free(&text[kind]);
    tt_buf_free(&runs);
    tt_buf_free(&usage);
}
