/*
 * Streams in the formats of Anthropic, Gemini and Ollama, as far as a client of them can tell:
 * every event that the vendor documents for a text, a thought, a tool call and an end. Faults in
 * the middle are stream.c's; only the error object differs.
 */
#include "stream.h"

#include <string.h>

enum { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL };

static const char tool_arguments[] = "{\"city\":\"Paris\"}";

/* ---- Anthropic ---- */

static void anthropic_event(struct stream *s, const char *type)
{
    buf_printf(&s->event, "event: %s%sdata: {\"type\":\"%s\"", type, s->eol, type);
}

static void anthropic_send(struct stream *s, const char *rest)
{
    buf_str(&s->event, rest);
    stream_send_event(s);
}

static void anthropic_begin(struct stream *s)
{
    anthropic_event(s, "message_start");
    buf_printf(&s->event,
               ",\"message\":{\"id\":\"msg_mock\",\"type\":\"message\",\"role\":\"assistant\","
               "\"model\":%.*s,\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
               "\"usage\":{\"input_tokens\":%zu,\"output_tokens\":1}}}",
               (int)s->a->chat->model.n, s->a->chat->model.p, s->a->chat->messages);
    stream_send_event(s);
    anthropic_event(s, "ping");
    anthropic_send(s, "}");
}

static void anthropic_close_block(struct stream *s)
{
    if (s->block_kind == BLOCK_NONE)
        return;
    anthropic_event(s, "content_block_stop");
    buf_printf(&s->event, ",\"index\":%d}", s->block++);
    stream_send_event(s);
    s->block_kind = BLOCK_NONE;
}

static void anthropic_open_block(struct stream *s, int kind, const char *block)
{
    if (s->block_kind == kind)
        return;
    anthropic_close_block(s);
    anthropic_event(s, "content_block_start");
    buf_printf(&s->event, ",\"index\":%d,\"content_block\":%s}", s->block, block);
    stream_send_event(s);
    s->block_kind = kind;
}

static void anthropic_delta(struct stream *s, const char *type, const char *key, const char *json,
                            size_t n)
{
    anthropic_event(s, "content_block_delta");
    buf_printf(&s->event, ",\"index\":%d,\"delta\":{\"type\":\"%s\",\"%s\":\"", s->block, type,
               key);
    buf_add(&s->event, json, n);
    anthropic_send(s, "\"}}");
}

static void anthropic_text(struct stream *s, bool reasoning, const char *json, size_t n)
{
    if (reasoning) {
        anthropic_open_block(s, BLOCK_THINKING, "{\"type\":\"thinking\",\"thinking\":\"\"}");
        anthropic_delta(s, "thinking_delta", "thinking", json, n);
    } else {
        anthropic_open_block(s, BLOCK_TEXT, "{\"type\":\"text\",\"text\":\"\"}");
        anthropic_delta(s, "text_delta", "text", json, n);
    }
}

static void anthropic_tool_call(struct stream *s)
{
    struct buf json = {0};

    anthropic_open_block(s, BLOCK_TOOL,
                         "{\"type\":\"tool_use\",\"id\":\"" REPLY_TOOL_ID
                         "\",\"name\":\"" REPLY_TOOL_NAME "\",\"input\":{}}");
    for (size_t at = 0; at < sizeof(tool_arguments) - 1; at += 5) {
        size_t rest = sizeof(tool_arguments) - 1 - at;
        json.n = 0;
        buf_json(&json, tool_arguments + at, rest < 5 ? rest : 5, false);
        anthropic_delta(s, "input_json_delta", "partial_json", json.p, json.n);
    }
    buf_free(&json);
}

static void anthropic_end(struct stream *s, size_t completion)
{
    static const char *const reasons[] = {"end_turn", "max_tokens", "refusal", "tool_use"};
    int finish = reply_uses_tools(s->a) ? 3 : s->a->sc->finish;

    anthropic_close_block(s);
    anthropic_event(s, "message_delta");
    buf_printf(&s->event,
               ",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},"
               "\"usage\":{\"output_tokens\":%zu}}",
               reasons[finish], completion);
    stream_send_event(s);
    anthropic_event(s, "message_stop");
    anthropic_send(s, "}");
}

static void anthropic_error(struct stream *s)
{
    anthropic_event(s, "error");
    anthropic_send(s, ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}");
}

/* ---- Gemini ---- */

static void gemini_send(struct stream *s, const char *parts, size_t n, const char *finish,
                        size_t completion)
{
    buf_str(&s->event, "data: {\"candidates\":[{\"content\":{\"parts\":[");
    buf_add(&s->event, parts, n);
    buf_str(&s->event, "],\"role\":\"model\"},\"index\":0");
    if (finish)
        buf_printf(&s->event, ",\"finishReason\":\"%s\"", finish);
    buf_printf(&s->event,
               "}],\"usageMetadata\":{\"promptTokenCount\":%zu,\"candidatesTokenCount\":%zu},"
               "\"modelVersion\":\"gemini-mock\"}",
               s->a->chat->messages, completion);
    stream_send_event(s);
}

static void nothing(struct stream *s)
{
    (void)s;
}

static void gemini_text(struct stream *s, bool reasoning, const char *json, size_t n)
{
    struct buf part = {0};

    buf_str(&part, "{\"text\":\"");
    buf_add(&part, json, n);
    buf_str(&part, reasoning ? "\",\"thought\":true}" : "\"}");
    gemini_send(s, part.p, part.n, NULL, 0);
    buf_free(&part);
}

static void gemini_tool_call(struct stream *s)
{
    struct buf part = {0};

    buf_printf(&part,
               "{\"functionCall\":{\"name\":\"" REPLY_TOOL_NAME "\",\"args\":%s},"
               "\"thoughtSignature\":\"c2lnbmF0dXJl\"}",
               tool_arguments);
    gemini_send(s, part.p, part.n, NULL, 0);
    buf_free(&part);
}

static void gemini_end(struct stream *s, size_t completion)
{
    static const char *const reasons[] = {"STOP", "MAX_TOKENS", "SAFETY", "STOP"};
    gemini_send(s, "{\"text\":\"\"}", 11, reasons[s->a->sc->finish], completion);
}

static void gemini_error(struct stream *s)
{
    buf_str(&s->event, "data: {\"error\":{\"code\":503,\"message\":\"The model is overloaded.\","
                       "\"status\":\"UNAVAILABLE\"}}");
    stream_send_event(s);
}

/* ---- Ollama ---- */

static void ollama_send(struct stream *s, const char *message, const char *rest)
{
    buf_printf(&s->event,
               "{\"model\":%.*s,\"created_at\":\"2026-01-01T00:00:00.000000Z\","
               "\"message\":{\"role\":\"assistant\",%s},%s}",
               (int)s->a->chat->model.n, s->a->chat->model.p, message, rest);
    stream_send_event(s);
}

static void ollama_text(struct stream *s, bool reasoning, const char *json, size_t n)
{
    struct buf message = {0};

    buf_printf(&message,
               reasoning ? "\"content\":\"\",\"thinking\":\"%.*s\"" : "\"content\":\"%.*s\"",
               (int)n, json);
    buf_add(&message, "", 1);
    ollama_send(s, message.p, "\"done\":false");
    buf_free(&message);
}

static void ollama_tool_call(struct stream *s)
{
    struct buf message = {0};

    buf_printf(&message,
               "\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"" REPLY_TOOL_NAME
               "\",\"arguments\":%s}}]",
               tool_arguments);
    buf_add(&message, "", 1);
    ollama_send(s, message.p, "\"done\":false");
    buf_free(&message);
}

static void ollama_end(struct stream *s, size_t completion)
{
    static const char *const reasons[] = {"stop", "length", "stop", "stop"};
    struct buf rest = {0};

    buf_printf(&rest,
               "\"done\":true,\"done_reason\":\"%s\",\"total_duration\":1,"
               "\"prompt_eval_count\":%zu,\"eval_count\":%zu",
               reasons[s->a->sc->finish], s->a->chat->messages, completion);
    buf_add(&rest, "", 1);
    ollama_send(s, "\"content\":\"\"", rest.p);
    buf_free(&rest);
}

static void ollama_error(struct stream *s)
{
    buf_str(&s->event, "{\"error\":\"the mock failed as asked\"}");
    stream_send_event(s);
}

const struct dialect *dialect_of(int kind)
{
    static const struct dialect anthropic = {"text/event-stream", anthropic_begin, anthropic_text,
                                             anthropic_tool_call, anthropic_end,   anthropic_error};
    static const struct dialect gemini = {"text/event-stream", nothing,    gemini_text,
                                          gemini_tool_call,    gemini_end, gemini_error};
    static const struct dialect ollama = {"application/x-ndjson", nothing,    ollama_text,
                                          ollama_tool_call,       ollama_end, ollama_error};
    static const struct dialect *const all[] = {NULL, &anthropic, &gemini, &ollama};
    return all[kind];
}
