/* The pump of a real upstream: client -> sse_parse -> delta -> reply, per token only C. The content
 * type decides how the answer is read; only if it says nothing useful, the first byte decides.
 * Known behaviour of upstreams: a whole JSON answer to a request for a stream, errors inside a
 * stream, events without text, usage in an event of its own, anything after the done marker, a cut
 * after the finish reason (the text is complete then). When the reply has ended early the rest is
 * read for a moment, so that the connection can be reused. Does not retry: see retry.c. */
#include "upstream/upstream.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_MAX_BYTES     ((size_t)1 << 20)
#define WHOLE_MAX_BYTES    ((size_t)4 * TT_REPLY_MAX) /* escapes make JSON longer than its text */
#define RAW_MAX_BYTES      ((size_t)256 << 20) /* of a stream: events around at most TT_REPLY_MAX */
#define TEXTLESS_MAX_BYTES ((size_t)8 << 20)   /* comments and empty deltas in a row */
#define DRAIN_BYTES        ((size_t)64 << 10)
#define DRAIN_MS           1000

enum mode { UNDECIDED, EVENTS, WHOLE, DRAIN };

struct pump {
    struct tt_reply *reply; /* NULL when it has ended */
    struct tt_call *call;
    struct tt_delta_spec *spec;
    struct tt_delta_reader reader;
    struct tt_sse_parser parser;
    struct tt_buf whole;
    enum mode mode;
    int http_status;
    size_t bytes;   /* of the body, or of what is drained */
    size_t text_at; /* `bytes` when the last text came */
    bool has_text;
    struct tt_upstream_hooks hooks;
};

/* ---- the end of the reply ---- */

static void pump_free(struct pump *pump)
{
    tt_reply_unref(pump->reply);
    tt_delta_destroy(&pump->reader);
    tt_sse_destroy(&pump->parser);
    tt_buf_free(&pump->whole);
    tt_delta_spec_unref(pump->spec);
    free(pump);
}

static void reply_end(struct pump *pump, struct tt_reply_outcome *outcome, bool final)
{
    struct tt_reply *reply = pump->reply;
    final = final || outcome->error.status == 0 || pump->has_text;
    outcome->usage = pump->reader.usage;
    outcome->http_status = pump->http_status;
    pump->reply = NULL;
    pump->mode = DRAIN;
    pump->bytes = 0;
    tt_reply_on_stop(reply, NULL, NULL);
    if (!pump->hooks.on_end || !pump->hooks.on_end(reply, outcome, final, pump->hooks.arg))
        tt_reply_produced(reply, outcome);
    tt_reply_unref(reply);
    if (pump->call)
        tt_call_limit(pump->call, DRAIN_MS);
}

static void reply_fail(struct pump *pump, const struct tt_err *error, int64_t retry_after_s,
                       bool maybe_charged)
{
    struct tt_reply_outcome outcome = {.status = "error",
                                       .error = *error,
                                       .retry_after_s = retry_after_s,
                                       .maybe_charged = maybe_charged};
    reply_end(pump, &outcome, false);
}

static void reply_complete(struct pump *pump)
{
    struct tt_reply_outcome outcome = {.status = "complete", .retry_after_s = -1};
    struct tt_delta_reader *reader = &pump->reader;
    struct tt_err error = {0};
    tt_delta_complete(reader);
    if (tt_reply_append(pump->reply, TT_REPLY_TOOL_CALLS, tt_buf_str(&reader->tool_calls),
                        &error) != 0) {
        reply_fail(pump, &error, -1, true);
        return;
    }
    snprintf(outcome.finish_reason, sizeof(outcome.finish_reason), "%.*s",
             TT_STR_ARG(tt_buf_str(&reader->finish_reason)));
    reply_end(pump, &outcome, true);
}

/* In the middle of an answer: the upstream has done work. */
static void answer_fail(struct pump *pump, int status, const char *code, const char *why)
{
    struct tt_err error = {0};
    tt_err_set(&error, status, code, "%s", why);
    reply_fail(pump, &error, -1, true);
}

/* ---- reading ---- */

static int append_texts(struct pump *pump, struct tt_err *err)
{
    struct tt_delta_reader *reader = &pump->reader;
    if (reader->reasoning.len + reader->content.len + reader->tool_calls.len == 0)
        return 0;
    pump->text_at = pump->bytes;
    if (!pump->has_text) {
        pump->has_text = true;
        if (pump->hooks.on_text)
            pump->hooks.on_text(pump->hooks.arg);
    }
    if (tt_reply_append(pump->reply, TT_REPLY_REASONING, tt_buf_str(&reader->reasoning), err) != 0)
        return -1;
    if (tt_reply_append(pump->reply, TT_REPLY_CONTENT, tt_buf_str(&reader->content), err) != 0)
        return -1;
    return tt_reply_append(pump->reply, TT_REPLY_TOOL_CALLS, tt_buf_str(&reader->tool_calls), err);
}

static int on_event(void *arg, struct tt_str name, struct tt_str data, struct tt_err *err)
{
    struct pump *pump = arg;
    if (!pump->reply)
        return 0; /* after the end */
    if (tt_delta_read(&pump->reader, name, data, err) != 0 || append_texts(pump, err) != 0) {
        reply_fail(pump, err, -1, true);
        return -1;
    }
    if (pump->reader.done)
        reply_complete(pump);
    return 0;
}

static void begin_events(struct pump *pump, enum tt_sse_kind kind)
{
    pump->mode = EVENTS;
    tt_delta_create(&pump->reader, pump->spec, false);
    tt_sse_create(&pump->parser, kind, LINE_MAX_BYTES);
}

static void begin_whole(struct pump *pump)
{
    pump->mode = WHOLE;
    tt_delta_create(&pump->reader, pump->spec, true);
    pump->whole.max = WHOLE_MAX_BYTES;
}

static void decide_by_first_byte(struct pump *pump, struct tt_str bytes)
{
    size_t at = tt_str_starts(bytes, TT_STR("\xEF\xBB\xBF")) ? 3 : 0;
    while (at < bytes.len && strchr(" \t\r\n", bytes.data[at]) && bytes.data[at])
        at++;
    if (at == bytes.len || bytes.data[at] != '{')
        begin_events(pump, TT_SSE_EVENTS);
    else if (tt_delta_spec_kind(pump->spec) == TT_SSE_JSON_LINES)
        begin_events(pump, TT_SSE_JSON_LINES);
    else
        begin_whole(pump);
}

static void read_whole(struct pump *pump)
{
    struct tt_delta_reader *reader = &pump->reader;
    struct tt_err error = {0};
    if (tt_delta_read(reader, TT_STR(""), tt_buf_str(&pump->whole), &error) != 0 ||
        append_texts(pump, &error) != 0)
        reply_fail(pump, &error, -1, true);
    else if (reader->content.len + reader->reasoning.len + reader->finish_reason.len == 0 &&
             reader->call_count == 0)
        answer_fail(pump, 502, "upstream_bad_response", "JSON without an answer in it");
    else
        reply_complete(pump);
}

static void read_end(struct pump *pump)
{
    struct tt_err error = {0};
    if (pump->mode == WHOLE) {
        read_whole(pump);
        return;
    }
    if (pump->mode != EVENTS) {
        answer_fail(pump, 502, "upstream_bad_response", "an empty answer");
        return;
    }
    if (tt_sse_end(&pump->parser, on_event, pump, &error) != 0 || !pump->reply)
        return; /* the last line ended the reply */
    if (pump->reader.finish_reason.len > 0 || !tt_delta_spec_tells_end(pump->spec))
        reply_complete(pump);
    else
        answer_fail(pump, 502, "upstream_incomplete", "the stream ended in the middle");
}

/* ---- callbacks of the call ---- */

void tt_upstream_status_error(int status, struct tt_err *error)
{
    static const struct {
        int status, ours;
        const char *code;
    } known[] = {{401, 502, "upstream_unauthorized"}, {403, 502, "upstream_unauthorized"},
                 {404, 502, "upstream_not_found"},    {408, 504, "upstream_timeout"},
                 {504, 504, "upstream_timeout"},      {429, 502, "upstream_rate_limited"},
                 {529, 502, "upstream_overloaded"},   {503, 502, "upstream_overloaded"},
                 {400, 502, "upstream_rejected"},     {422, 502, "upstream_rejected"}};
    const char *code = status < 400 ? "upstream_bad_response" : "upstream_failed";
    int ours = 502;
    for (size_t i = 0; i < TT_COUNT(known); i++) {
        if (known[i].status == status) {
            code = known[i].code;
            ours = known[i].ours;
        }
    }
    tt_err_set(error, ours, code, "the upstream answered %d", status);
}

/* "text/event-stream; charset=utf-8" -> "text/event-stream" */
static struct tt_str media_type(struct tt_str content_type)
{
    ptrdiff_t end = tt_str_find(content_type, ';');
    if (end >= 0)
        content_type.len = (size_t)end;
    return tt_str_trim(content_type);
}

static bool is_one_of(struct tt_str type, const char *const *names)
{
    for (; *names; names++)
        if (tt_str_eq_nocase(type, tt_str_from(*names)))
            return true;
    return false;
}

static void on_head(void *arg, int status, struct tt_str content_type, int64_t retry_after_s)
{
    static const char *const lines[] = {"application/x-ndjson", "application/ndjson",
                                        "application/jsonl", "application/x-jsonlines", NULL};
    static const char *const unclear[] = {"", "text/plain", "application/octet-stream", NULL};
    struct pump *pump = arg;
    struct tt_str type = media_type(content_type);
    struct tt_err error = {0};
    pump->http_status = status;
    if (status < 200 || status > 299) {
        tt_upstream_status_error(status, &error);
        reply_fail(pump, &error, retry_after_s, false);
    } else if (tt_str_eq_nocase(type, TT_STR("text/event-stream"))) {
        begin_events(pump, TT_SSE_EVENTS);
    } else if (is_one_of(type, lines)) {
        begin_events(pump, TT_SSE_JSON_LINES);
    } else if (tt_str_eq_nocase(type, TT_STR("application/json"))) {
        begin_whole(pump);
    } else if (!is_one_of(type, unclear)) {
        answer_fail(pump, 502, "upstream_bad_response", "neither events nor JSON");
    }
}

static int on_data(void *arg, struct tt_str bytes)
{
    struct pump *pump = arg;
    struct tt_err error = {0};
    pump->bytes += bytes.len;
    if (pump->mode == UNDECIDED)
        decide_by_first_byte(pump, bytes);
    if (pump->mode == DRAIN)
        return pump->bytes > DRAIN_BYTES ? -1 : 0;
    if (pump->mode == WHOLE) {
        if (tt_buf_append_str(&pump->whole, bytes) == 0)
            return 0;
        answer_fail(pump, 502, "reply_too_long", "the upstream's JSON is too long");
        return -1;
    }
    if (tt_sse_feed(&pump->parser, bytes, on_event, pump, &error) != 0) {
        if (pump->reply) /* else the event itself has ended it */
            reply_fail(pump, &error, -1, true);
        return -1;
    }
    if (pump->reply && pump->bytes > RAW_MAX_BYTES) {
        answer_fail(pump, 502, "reply_too_long", "the upstream's stream is too long");
        return -1;
    }
    if (pump->reply && pump->bytes - pump->text_at > TEXTLESS_MAX_BYTES) {
        answer_fail(pump, 502, "upstream_bad_response", "a stream without text");
        return -1;
    }
    return 0;
}

static void on_done(void *arg, const struct tt_err *error, bool sent)
{
    struct pump *pump = arg;
    pump->call = NULL;
    if (pump->reply && error && pump->mode == EVENTS && pump->reader.finish_reason.len > 0)
        reply_complete(pump); /* cut off after its last word */
    else if (pump->reply && error)
        reply_fail(pump, error, -1, sent);
    else if (pump->reply)
        read_end(pump);
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
    pump->reader.usage = (struct tt_reply_usage){-1, -1};
    pump->call = tt_call_start(client, request, &handler, err);
    if (!pump->call) {
        free(pump);
        return -1;
    }
    tt_call_on_dropped(pump->call, on_dropped);
    pump->spec = tt_delta_spec_ref(spec);
    pump->reply = tt_reply_ref(reply);
    if (hooks)
        pump->hooks = *hooks;
    if (pump->hooks.on_begin)
        tt_call_on_begin(pump->call, on_begin);
    tt_reply_on_stop(reply, on_stop, pump);
    return 0;
}
