/*
 * Answers that are one JSON document: chat.completion, errors, the mock's own pages; and the way
 * from a request to the right kind of answer. Identifiers and times are constants, because a
 * test wants to compare bytes.
 */
#include "reply.h"

#include <stdio.h>
#include <string.h>

struct program *reply_begin(const struct reply_args *a)
{
    struct program *p = program_new();

    p->split = (size_t)a->sc->split;
    p->splitpace_ns = (uint64_t)(a->sc->splitpace * 1e3);
    p->chunked = !a->http10 && a->sc->chunked;
    p->close = a->close;
    program_step(p, a->sc->first);
    return p;
}

struct program *reply_plain(int status, const char *json, size_t n, bool close)
{
    struct program *p = program_new();

    p->close = close;
    program_head(p, status, "application/json", "", (long)n);
    program_body(p, json, n);
    program_finish(p, END_OK);
    return p;
}

static const char *error_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

void error_json(struct buf *out, int status, const char *message)
{
    buf_str(out, "{\"error\":{\"message\":\"");
    buf_json(out, message, strlen(message), false);
    buf_printf(out, "\",\"type\":\"%s\",\"param\":null,\"code\":\"mock_%d\"}}", error_type(status),
               status);
}

struct program *reply_error(int status, const char *message, bool close)
{
    struct buf json = {0};
    struct program *p;

    error_json(&json, status, message);
    p = reply_plain(status, json.p, json.n, close);
    buf_free(&json);
    return p;
}

void usage_json(struct buf *out, const struct reply_args *a, size_t completion)
{
    size_t prompt = a->chat->messages, thought = (size_t)a->sc->reasoning;

    completion += thought;
    buf_printf(out, "{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu", prompt,
               completion, prompt + completion);
    if (thought)
        buf_printf(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":%zu}", thought);
    buf_str(out, "}");
}

/* After a tool's result the model talks again, or an agent's loop would never end. */
bool reply_uses_tools(const struct reply_args *a)
{
    bool wanted = a->sc->tools == TOOLS_ASKED ? a->chat->has_tools : a->sc->tools == TOOLS_ALWAYS;

    return wanted && !a->chat->last_is_tool;
}

static void message_json(struct buf *out, const struct reply_args *a, struct deltas *d)
{
    struct deltas thought = {0};

    buf_str(out, "{\"role\":\"assistant\"");
    if (a->sc->reasoning > 0) {
        deltas_reasoning(&thought, (size_t)a->sc->reasoning);
        buf_str(out, ",\"reasoning_content\":\"");
        buf_add(out, thought.json.p, thought.json.n);
        buf_str(out, "\"");
        deltas_free(&thought);
    }
    if (reply_uses_tools(a)) {
        buf_str(out, ",\"content\":null,\"tool_calls\":[{\"id\":\"" REPLY_TOOL_ID "\",");
        buf_str(out, "\"type\":\"function\",\"function\":{\"name\":\"" REPLY_TOOL_NAME "\",");
        buf_str(out, "\"arguments\":\"{\\\"city\\\":\\\"Paris\\\"}\"}}]}");
        return;
    }
    buf_str(out, ",\"content\":\"");
    buf_add(out, d->json.p, d->json.n);
    if (a->sc->fault == FAULT_BIGLINE)
        buf_fill(out, 'x', a->sc->bytes > 0 ? (size_t)a->sc->bytes : 8u << 20);
    buf_str(out, "\"}");
}

/* Returns where in out the text begins, for the stamps. */
static size_t completion_json(struct buf *out, const struct reply_args *a, struct deltas *d)
{
    const char *finish = reply_uses_tools(a) ? "tool_calls" : scenario_finish_names[a->sc->finish];
    size_t text_at;

    if (a->sc->fault == FAULT_ERROR_MID) {
        error_json(out, 500, "the mock failed as asked");
        return 0;
    }
    buf_str(out, "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",");
    buf_str(out, "\"created\":1700000000,\"model\":");
    buf_add(out, a->chat->model.p, a->chat->model.n);
    if (a->sc->fault == FAULT_WRONGJSON) {
        buf_str(out, ",\"choices\":\"none\",\"usage\":[]}");
        return 0;
    }
    buf_str(out, ",\"choices\":[{\"index\":0,\"message\":");
    message_json(out, a, d);
    text_at = out->n - 2 - d->json.n;
    buf_printf(out, ",\"logprobs\":null,\"finish_reason\":\"%s\"}],\"usage\":", finish);
    usage_json(out, a, reply_uses_tools(a) ? 1 : d->count);
    buf_str(out, "}");
    return text_at;
}

static enum program_end mid_end(int fault)
{
    return fault == FAULT_RESET_MID ? END_RESET : fault == FAULT_CLOSE_MID ? END_CLOSE : END_HANG;
}

struct program *reply_json(const struct reply_args *a, const char *json, size_t n)
{
    int fault = a->sc->fault, status = (int)a->sc->status;
    char extra[64] = "";
    struct program *p = reply_begin(a);

    if (a->sc->retry_after >= 0)
        snprintf(extra, sizeof extra, "Retry-After: %.0f\r\n", a->sc->retry_after);
    else if (status >= 300 && status < 400) /* a client that follows it is caught answering 200 */
        snprintf(extra, sizeof extra, "Location: /v1/chat/completions\r\n");
    if (fault == FAULT_BADJSON)
        n /= 2;
    if (fault == FAULT_ENDLESS) {
        program_head(p, status, "application/json", extra, -1);
        program_body(p, json, n / 2);
        program_step(p, a->sc->pace > 0 ? a->sc->pace : 1e-6);
        p->loop_step = p->nsteps - 1;
        for (int i = 0; i < 64; i++)
            program_body(p, "endless ", 8);
        program_finish(p, END_LOOP);
        return p;
    }
    program_head(p, status, "application/json", extra, (long)n);
    if (fault == FAULT_RESET_MID || fault == FAULT_CLOSE_MID || fault == FAULT_HANG_MID) {
        program_body(p, json, n / 2);
        program_finish(p, mid_end(fault));
    } else {
        program_body(p, json, n);
        program_finish(p, END_OK);
    }
    return p;
}

static struct program *complete(const struct reply_args *a)
{
    struct deltas d = {0};
    struct buf json = {0};
    struct program *p;

    deltas_build(&d, a);
    size_t text_at = completion_json(&json, a, &d);
    p = reply_json(a, json.p, json.n);
    if (a->sc->stamp && text_at && a->sc->fault == FAULT_NONE && !reply_uses_tools(a)) {
        size_t shift = p->bytes.n - json.n;
        for (size_t i = 0; i < d.count; i++)
            program_stamp(p, shift + text_at + (i ? d.end[i - 1] : 0));
    }
    deltas_free(&d);
    buf_free(&json);
    return p;
}

struct program *reply_chat(const struct reply_args *a)
{
    struct program *p = fault_whole(a);
    bool stream =
        a->chat->dialect != DIALECT_OPENAI || a->chat->stream != (a->sc->fault == FAULT_WRONGTYPE);

    if (!p)
        p = stream ? reply_stream(a) : complete(a);
    p->stream = a->chat->stream;
    return p;
}
