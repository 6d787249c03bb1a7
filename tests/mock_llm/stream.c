/*
 * Streamed answers: chat.completion.chunk events as OpenAI sends them (role first, then deltas,
 * then the finish reason, usage, [DONE]), one HTTP chunk each, with the faults that strike in the
 * middle. Unpaced, the whole stream is one step and leaves with one send.
 */
#include "stream.h"

#include <string.h>

#define ENDLESS_BLOCK 64

void stream_send_event(struct stream *s)
{
    buf_str(&s->event, s->eol);
    if (s->a->chat->dialect != DIALECT_OLLAMA)
        buf_str(&s->event, s->eol);
    program_body(s->p, s->event.p, s->event.n);
    s->sent = s->event.n;
    s->event.n = 0;
}

static void begin_event(struct stream *s)
{
    buf_add(&s->event, s->head.p, s->head.n);
    buf_str(&s->event, "\"choices\":[{\"index\":0,\"delta\":");
}

static void end_event(struct stream *s, const char *finish)
{
    buf_str(&s->event, ",\"logprobs\":null,\"finish_reason\":");
    buf_printf(&s->event, finish ? "\"%s\"}]}" : "null}]}", finish);
    stream_send_event(s);
}

static void send_delta(struct stream *s, const char *delta, const char *finish)
{
    begin_event(s);
    buf_str(&s->event, delta);
    end_event(s, finish);
}

static void send_text(struct stream *s, const char *key, const char *json, size_t n)
{
    size_t text_at, event_at;

    begin_event(s);
    buf_printf(&s->event, "{\"%s\":\"", key);
    text_at = s->event.n;
    buf_add(&s->event, json, n);
    buf_str(&s->event, "\"}");
    end_event(s, NULL);
    if (!s->a->sc->stamp || strcmp(key, "content") != 0)
        return;
    event_at = s->p->bytes.n - s->sent - (s->p->chunked ? 2 : 0);
    program_stamp(s->p, event_at + text_at);
}

static void send_comment(struct stream *s, size_t i)
{
    static const char *const empty[] = {"{\"content\":\"\"}", "{}", "{\"content\":null}"};

    buf_str(&s->event, i % 2 ? ":" : ": OPENROUTER PROCESSING");
    stream_send_event(s);
    send_delta(s, empty[i % 3], NULL);
}

static void send_broken(struct stream *s)
{
    const struct scenario *sc = s->a->sc;

    switch (sc->fault) {
    case FAULT_BADJSON:
        buf_str(&s->event, "data: {\"choices\":[{\"delta\":{\"content\":\"broken");
        stream_send_event(s);
        break;
    case FAULT_WRONGJSON:
        buf_str(&s->event, "data: {\"id\":[],\"choices\":{\"0\":\"none\"},\"usage\":7}");
        stream_send_event(s);
        send_delta(s, "{\"content\":12345}", NULL);
        send_delta(s, "[\"content\"]", NULL);
        break;
    case FAULT_BIGLINE:
        begin_event(s);
        buf_str(&s->event, "{\"content\":\"");
        buf_fill(&s->event, 'x', sc->bytes > 0 ? (size_t)sc->bytes : 8u << 20);
        buf_str(&s->event, "\"}");
        end_event(s, NULL);
        break;
    case FAULT_ERROR_MID:
        if (s->dialect) {
            s->dialect->error(s);
            break;
        }
        buf_str(&s->event, "data: ");
        error_json(&s->event, 500, "the mock failed as asked");
        stream_send_event(s);
        break;
    default:
        break;
    }
}

/* Alive, and without a word: comments and deltas without text, over and over. */
static void send_empty(struct stream *s)
{
    program_step(s->p, s->a->sc->pace > 0 ? s->a->sc->pace : 1e-6);
    s->p->loop_step = s->p->nsteps - 1;
    for (size_t i = 0; i < ENDLESS_BLOCK; i++) {
        if (i)
            program_step(s->p, s->a->sc->pace);
        send_comment(s, i);
    }
    program_finish(s->p, END_LOOP);
}

/* What happens after `at` deltas. True when the stream ends there. */
static bool strike(struct stream *s)
{
    switch (s->a->sc->fault) {
    case FAULT_RESET_MID:
        program_finish(s->p, END_RESET);
        return true;
    case FAULT_CLOSE_MID:
        program_finish(s->p, END_CLOSE);
        return true;
    case FAULT_HANG_MID:
        program_finish(s->p, END_HANG);
        return true;
    case FAULT_ERROR_MID:
        send_broken(s);
        program_finish(s->p, END_OK);
        return true;
    case FAULT_EMPTY:
        send_empty(s);
        return true;
    default:
        send_broken(s);
        return false;
    }
}

/* Thinking again after every so many deltas of text; n of them are told. */
static void send_afterthought(struct stream *s, size_t n)
{
    size_t every = (size_t)s->a->sc->interleave;
    struct buf text = {0};

    if (every == 0 || n == 0 || n % every)
        return;
    buf_printf(&text, "想%zu ", n / every);
    program_step(s->p, s->a->sc->pace);
    send_text(s, "reasoning_content", text.p, text.n);
    buf_free(&text);
}

static bool send_deltas(struct stream *s)
{
    const struct scenario *sc = s->a->sc;
    struct deltas d = {0};
    size_t thoughts = (size_t)sc->reasoning, at;
    bool ended = false;

    deltas_reasoning(&d, thoughts);
    deltas_build(&d, s->a);
    at = sc->at < 0 ? d.count / 2 : (size_t)sc->at < d.count ? (size_t)sc->at : d.count;
    for (size_t i = 0; i <= d.count && !ended; i++) {
        if (i == at && sc->fault != FAULT_NONE)
            ended = strike(s);
        if (i == d.count || ended)
            break;
        if (i)
            program_step(s->p, sc->pace);
        if (sc->comments)
            send_comment(s, i);
        size_t from = i ? d.end[i - 1] : 0;
        if (s->dialect)
            s->dialect->text(s, i < thoughts, d.json.p + from, d.end[i] - from);
        else
            send_text(s, i < thoughts ? "reasoning_content" : "content", d.json.p + from,
                      d.end[i] - from);
        send_afterthought(s, i < thoughts ? 0 : i + 1 - thoughts);
    }
    deltas_free(&d);
    return ended;
}

/* What a model that calls a tool has thought before. */
static void send_forethought(struct stream *s)
{
    struct deltas d = {0};

    deltas_reasoning(&d, (size_t)s->a->sc->reasoning);
    for (size_t i = 0; i < d.count; i++) {
        size_t from = i ? d.end[i - 1] : 0;
        send_text(s, "reasoning_content", d.json.p + from, d.end[i] - from);
        program_step(s->p, s->a->sc->pace);
    }
    deltas_free(&d);
}

static void send_tool_call(struct stream *s)
{
    if (s->dialect) {
        s->dialect->tool_call(s);
        return;
    }
    send_forethought(s);
    static const char *const parts[] = {"{\\\"ci", "ty\\\":", "\\\"Par", "is\\\"}"};

    send_delta(s,
               "{\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":\"" REPLY_TOOL_ID
               "\",\"type\":\"function\",\"function\":{\"name\":\"" REPLY_TOOL_NAME
               "\",\"arguments\":\"\"}}]}",
               NULL);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        program_step(s->p, s->a->sc->pace);
        begin_event(s);
        buf_printf(&s->event,
                   "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"%s\"}}]}",
                   parts[i]);
        end_event(s, NULL);
    }
}

static size_t count_deltas(const struct reply_args *a)
{
    struct deltas d = {0};

    if (reply_uses_tools(a))
        return 1;
    deltas_build(&d, a);
    size_t n = d.count;
    deltas_free(&d);
    return n;
}

static void send_end(struct stream *s)
{
    const struct reply_args *a = s->a;
    bool usage = a->sc->usage < 0 ? a->chat->include_usage : a->sc->usage;

    if (s->dialect) {
        s->dialect->end(s, count_deltas(a) + (size_t)a->sc->reasoning);
        program_finish(s->p, END_OK);
        return;
    }
    send_delta(s, "{}", reply_uses_tools(a) ? "tool_calls" : scenario_finish_names[a->sc->finish]);
    if (usage) {
        buf_add(&s->event, s->head.p, s->head.n);
        buf_str(&s->event, "\"choices\":[],\"usage\":");
        usage_json(&s->event, a, count_deltas(a));
        buf_str(&s->event, "}");
        stream_send_event(s);
    }
    if (a->sc->done) {
        buf_str(&s->event, "data: [DONE]");
        stream_send_event(s);
    }
    program_finish(s->p, END_OK);
}

static void send_endless(struct stream *s)
{
    struct deltas d = {0};
    struct scenario words = {
        .tokens = ENDLESS_BLOCK, .size = s->a->sc->size, .stamp = s->a->sc->stamp};
    struct reply_args args = {.sc = &words};

    deltas_build(&d, &args);
    program_step(s->p, s->a->sc->pace > 0 ? s->a->sc->pace : 1e-6);
    s->p->loop_step = s->p->nsteps - 1;
    for (size_t i = 0; i < d.count; i++) {
        size_t from = i ? d.end[i - 1] : 0;
        if (i)
            program_step(s->p, s->a->sc->pace);
        send_text(s, "content", d.json.p + from, d.end[i] - from);
    }
    deltas_free(&d);
    program_finish(s->p, END_LOOP);
}

struct program *reply_stream(const struct reply_args *a)
{
    struct stream s = {.a = a, .p = reply_begin(a), .eol = a->sc->eol ? "\r\n" : "\n"};

    s.dialect = dialect_of(a->chat->dialect);
    program_head(s.p, (int)a->sc->status, s.dialect ? s.dialect->type : "text/event-stream",
                 "Cache-Control: no-cache\r\n", -1);
    buf_str(&s.head, "data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",");
    buf_str(&s.head, "\"created\":1700000000,\"model\":");
    buf_add(&s.head, a->chat->model.p, a->chat->model.n);
    buf_str(&s.head, ",");
    if (s.dialect)
        s.dialect->begin(&s);
    else
        send_delta(&s, "{\"role\":\"assistant\",\"content\":\"\"}", NULL);
    if (a->sc->fault == FAULT_ENDLESS) {
        send_endless(&s);
    } else if (reply_uses_tools(a)) {
        send_tool_call(&s);
        send_end(&s);
    } else if (!send_deltas(&s)) {
        send_end(&s);
    }
    buf_free(&s.head);
    buf_free(&s.event);
    return s.p;
}
