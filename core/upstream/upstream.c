/* The pump of a real upstream: client -> answer (sse_parse, delta) -> reply, per token only C. A
 * refusal's body is read too, as far as it says why. Known behaviour of upstreams: anything after
 * the done marker, a cut after the finish reason (the text is complete then), a connection that
 * stays open with comments after everything was said. When the reply has ended early the rest is
 * read for a moment, so that the connection can be reused. Does not retry: see retry.c. */
#include "upstream/upstream.h"

#include "base/log.h"
#include "base/mem.h"
#include "upstream/adapt.h"
#include "upstream/answer.h"

#include <stdio.h>
#include <stdlib.h>

#define DRAIN_BYTES   ((size_t)64 << 10)
#define DRAIN_MS      1000
#define REFUSED_BYTES ((size_t)8 << 10) /* of a refusal's body */
#define REFUSED_MS    2000              /* for them */
#define FINISHED_MS   2000 /* after a finish reason: usage and the end are there by then */

enum mode { ANSWER, REFUSED, DRAIN };

struct pump {
    struct tt_reply *reply; /* NULL when it has ended */
    struct tt_call *call;
    struct tt_delta_spec *spec;
    struct tt_upstream_answer answer;
    struct tt_buf refused; /* the body of a refusal */
    enum mode mode;
    int http_status;
    int64_t retry_after_s;
    size_t drained;
    bool has_text;
    struct tt_timer finished; /* runs from the finish reason on */
    struct tt_upstream_hooks hooks;
};

/* ---- the end of the reply ---- */

static void pump_free(struct pump *pump)
{
    tt_timer_stop(&pump->finished);
    tt_reply_unref(pump->reply);
    tt_upstream_answer_destroy(&pump->answer);
    tt_buf_free(&pump->refused);
    tt_delta_spec_unref(pump->spec);
    free(pump);
}

/* Of an answer that failed only a reason that says why there is no text. */
static void take_finish(struct tt_reply_outcome *outcome, struct tt_str reason)
{
    bool says_why =
        tt_str_eq(reason, TT_STR("content_filter")) || tt_str_eq(reason, TT_STR("length"));
    if (!outcome->finish_reason[0] && (!outcome->error.status || says_why))
        snprintf(outcome->finish_reason, sizeof(outcome->finish_reason), "%.*s",
                 TT_STR_ARG(reason));
}

static void carry(const struct pump *pump, struct tt_reply *reply)
{
    struct tt_buf json = {0};

    tt_delta_carried_json(&pump->answer.reader, &json);
    tt_reply_carry(reply, tt_buf_str(&json));
    tt_reply_add_images(reply, tt_buf_str(&pump->answer.reader.image_items));
    tt_reply_leave_out_images(reply, pump->answer.reader.images_left_out);
    tt_buf_free(&json);
}

static void learn(const struct pump *pump)
{
    const struct tt_delta_think *think = &pump->answer.reader.think;
    if (think->alone)
        tt_adapt_learn(pump->hooks.learns, TT_ADAPT_THINKING);
    else if (think->wrong)
        tt_adapt_forget(pump->hooks.learns, TT_ADAPT_THINKING);
}

static void reply_end(struct pump *pump, struct tt_reply_outcome *outcome, bool final)
{
    static const struct tt_told_error nothing = {0};
    struct tt_reply *reply = pump->reply;
    const struct tt_delta_reader *reader = &pump->answer.reader;
    final = final || outcome->error.status == 0 || pump->has_text;
    if (pump->hooks.learns)
        learn(pump);
    outcome->usage = reader->usage;
    outcome->http_status = pump->http_status;
    take_finish(outcome, tt_buf_str(&reader->finish_reason));
    if (reader->repaired)
        tt_log(TT_LOG_INFO, "an upstream sends events that are not quite JSON",
               TT_F_INT("message_id", tt_reply_message_id(reply)));
    pump->reply = NULL;
    pump->mode = DRAIN;
    tt_timer_stop(&pump->finished);
    tt_reply_on_stop(reply, NULL, NULL);
    if (!pump->hooks.on_end ||
        !pump->hooks.on_end(reply, outcome, reader->told ? reader->told : &nothing, final,
                            pump->hooks.arg)) {
        carry(pump, reply);
        tt_reply_produced(reply, outcome);
    }
    tt_reply_unref(reply);
    if (pump->call)
        tt_call_limit(pump->call, DRAIN_MS);
}

static void reply_fail(struct pump *pump, const struct tt_err *error, bool maybe_charged)
{
    struct tt_reply_outcome outcome = {.status = "error",
                                       .error = *error,
                                       .retry_after_s = pump->retry_after_s,
                                       .maybe_charged = maybe_charged};
    reply_end(pump, &outcome, false);
}

static void reply_complete(struct pump *pump)
{
    struct tt_reply_outcome outcome = {.status = "complete", .retry_after_s = -1};
    reply_end(pump, &outcome, true);
}

/* In the middle of an answer the upstream has done work. */
static void take_result(struct pump *pump, enum tt_upstream_answer_result result,
                        const struct tt_err *error)
{
    if (result == TT_ANSWER_COMPLETE)
        reply_complete(pump);
    else if (result == TT_ANSWER_FAILED)
        reply_fail(pump, error, true);
}

static void refused_end(struct pump *pump)
{
    struct tt_told_error *told = tt_told_at(&pump->answer.reader.told);
    struct tt_err error = {0};
    tt_told_read(told, tt_buf_str(&pump->refused));
    tt_told_status_error(told, pump->http_status, &error);
    reply_fail(pump, &error, false);
}

static void on_finished(struct tt_timer *timer)
{
    struct pump *pump = TT_CONTAINER_OF(timer, struct pump, finished);
    struct tt_err error = {0};
    take_result(pump, tt_upstream_answer_end(&pump->answer, false, &error), &error);
}

/* ---- reading ---- */

static int on_texts(void *arg, const struct tt_delta_reader *reader, struct tt_err *err)
{
    struct pump *pump = arg;
    if (!pump->has_text) {
        pump->has_text = true;
        if (pump->hooks.on_text)
            pump->hooks.on_text(pump->hooks.arg);
    }
    if (tt_reply_append(pump->reply, TT_REPLY_REASONING, tt_buf_str(&reader->reasoning), err) != 0)
        return -1;
    tt_reply_note(pump->reply, tt_buf_str(&reader->note));
    if (tt_reply_append(pump->reply, TT_REPLY_CONTENT, tt_buf_str(&reader->content), err) != 0)
        return -1;
    return tt_reply_append(pump->reply, TT_REPLY_TOOL_CALLS, tt_buf_str(&reader->tool_calls), err);
}

/* Some name the finish reason in every event: the time counts from the last text. */
static void watch_end(struct pump *pump, size_t text_at)
{
    if (tt_upstream_answer_finished(&pump->answer) &&
        (!pump->finished.due_ms || pump->answer.text_at != text_at)) {
        pump->finished.on_due = on_finished;
        tt_timer_start(tt_reply_loop(pump->reply), &pump->finished, FINISHED_MS);
    }
}

/* ---- callbacks of the call ---- */

static void on_head(void *arg, int status, struct tt_str content_type, int64_t retry_after_s)
{
    struct pump *pump = arg;
    pump->http_status = status;
    if (status >= 200 && status <= 299) {
        tt_upstream_answer_label(&pump->answer, content_type);
        return;
    }
    pump->mode = REFUSED;
    pump->retry_after_s = retry_after_s;
    pump->refused.max = REFUSED_BYTES;
    tt_call_limit(pump->call, REFUSED_MS);
}

static int on_refused_data(struct pump *pump, struct tt_str bytes)
{
    size_t room = REFUSED_BYTES - pump->refused.len;
    tt_buf_append(&pump->refused, bytes.data, bytes.len < room ? bytes.len : room);
    if (bytes.len >= room)
        refused_end(pump);
    return 0;
}

static int on_data(void *arg, struct tt_str bytes)
{
    struct pump *pump = arg;
    struct tt_err error = {0};
    if (pump->mode == REFUSED)
        return on_refused_data(pump, bytes);
    if (pump->mode == DRAIN) {
        pump->drained += bytes.len;
        return pump->drained > DRAIN_BYTES ? -1 : 0;
    }
    size_t text_at = pump->answer.text_at;
    enum tt_upstream_answer_result result = tt_upstream_answer_feed(&pump->answer, bytes, &error);
    take_result(pump, result, &error);
    if (result == TT_ANSWER_GOES_ON)
        watch_end(pump, text_at);
    return 0;
}

static void on_done(void *arg, const struct tt_err *error, bool sent)
{
    struct pump *pump = arg;
    struct tt_err why = {0};
    pump->call = NULL;
    if (pump->reply && pump->mode == REFUSED)
        refused_end(pump); /* whatever ended its body */
    else if (pump->reply && (!error || pump->http_status > 0))
        take_result(pump, tt_upstream_answer_end(&pump->answer, error != NULL, &why), &why);
    if (pump->reply) /* cut off before its last word */
        reply_fail(pump, error, sent);
    pump_free(pump);
}

static void on_stop(struct tt_reply *reply, const struct tt_err *reason, void *arg)
{
    struct pump *pump = arg;
    struct tt_reply_outcome outcome = {.status = reason ? "error" : "stopped", .retry_after_s = -1};
    (void)reply;
    if (reason)
        outcome.error = *reason;
    else
        snprintf(outcome.finish_reason, sizeof(outcome.finish_reason), "stopped");
    tt_call_cancel(pump->call);
    pump->call = NULL;
    reply_end(pump, &outcome, true); /* who stops does not want another try */
    pump_free(pump);
}

/* The client is freed while the call runs: a reply that is left ends all the same. */
static void on_dropped(void *arg)
{
    struct pump *pump = arg;
    struct tt_reply_outcome outcome = {.status = "error", .retry_after_s = -1};
    pump->call = NULL;
    tt_err_set(&outcome.error, 503, "shutting_down", "the server stops");
    if (pump->reply)
        reply_end(pump, &outcome, true);
    pump_free(pump);
}

/* ---- starting ---- */

static int on_begin(void *arg, struct tt_err *err)
{
    struct pump *pump = arg;
    return pump->hooks.on_begin(pump->hooks.arg, err);
}

int tt_upstream_try(struct tt_client *client, struct tt_call_request *request,
                    struct tt_delta_spec *spec, struct tt_reply *reply,
                    const struct tt_upstream_hooks *hooks, struct tt_err *err)
{
    struct pump *pump = TT_NEW(struct pump);
    const struct tt_call_handler handler = {on_head, on_data, on_done, pump};
    request->any_coding = true;
    pump->call = tt_call_start(client, request, &handler, err);
    if (!pump->call) {
        free(pump);
        return -1;
    }
    tt_call_on_dropped(pump->call, on_dropped);
    pump->spec = tt_delta_spec_ref(spec);
    pump->retry_after_s = -1;
    tt_upstream_answer_create(&pump->answer, spec, hooks && hooks->keep_empty, on_texts, pump);
    pump->reply = tt_reply_ref(reply);
    if (hooks)
        pump->hooks = *hooks;
    if (pump->hooks.learns && tt_adapt_known(pump->hooks.learns) & TT_ADAPT_THINKING)
        tt_delta_assume_thinking(&pump->answer.reader);
    if (pump->hooks.on_begin)
        tt_call_on_begin(pump->call, on_begin);
    tt_reply_on_stop(reply, on_stop, pump);
    return 0;
}
