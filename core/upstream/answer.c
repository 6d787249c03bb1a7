/* Nothing that a sender says about its body is believed: streams come as application/json or
 * text/html, a bare JSON error as a stream. The first byte that is no blank decides. An answer is
 * good when it has a text or a call, and an end. What is none is an error with the best reason that
 * can be found: never an empty success. */
#include "upstream/answer.h"

#include "base/mem.h"

#define LINE_MAX_BYTES     ((size_t)6 << 20)          /* an event with an image in it */
#define WHOLE_MAX_BYTES    ((size_t)4 * TT_REPLY_MAX) /* escapes make JSON longer than its text */
#define RAW_MAX_BYTES      ((size_t)256 << 20) /* of a stream: events around at most TT_REPLY_MAX */
#define TEXTLESS_MAX_BYTES ((size_t)8 << 20)   /* comments and empty deltas in a row */
#define SAID_MAX_BYTES     ((size_t)8 << 10)

void tt_upstream_answer_create(
    struct tt_upstream_answer *answer, struct tt_delta_spec *spec, bool keep_empty,
    int (*on_texts)(void *arg, const struct tt_delta_reader *reader, struct tt_err *err), void *arg)
{
    *answer = (struct tt_upstream_answer){
        .spec = spec, .keep_empty = keep_empty, .on_texts = on_texts, .arg = arg};
    tt_delta_create(&answer->reader, spec, false);
    answer->whole.max = WHOLE_MAX_BYTES;
    answer->said.max = SAID_MAX_BYTES;
}

void tt_upstream_answer_destroy(struct tt_upstream_answer *answer)
{
    tt_delta_destroy(&answer->reader);
    tt_sse_destroy(&answer->parser);
    tt_buf_free(&answer->whole);
    tt_buf_free(&answer->said);
}

/* "text/event-stream; charset=utf-8" -> "text/event-stream" */
static struct tt_str media_type(struct tt_str content_type)
{
    ptrdiff_t end = tt_str_find(content_type, ';');
    if (end >= 0)
        content_type.len = (size_t)end;
    return tt_str_trim(content_type);
}

void tt_upstream_answer_label(struct tt_upstream_answer *answer, struct tt_str content_type)
{
    answer->events_told = tt_str_eq_nocase(media_type(content_type), TT_STR("text/event-stream"));
}

bool tt_upstream_answer_finished(const struct tt_upstream_answer *answer)
{
    return answer->reader.finish_reason.len > 0;
}

/* ---- the end ---- */

static enum tt_upstream_answer_result fail(struct tt_upstream_answer *answer, const char *code,
                                           const char *why, struct tt_err *err)
{
    answer->ended = true;
    tt_err_set(err, 502, code, "%s", why);
    return TT_ANSWER_FAILED;
}

static bool reason_is(const struct tt_upstream_answer *answer, const char *word)
{
    return tt_str_eq(tt_buf_str(&answer->reader.finish_reason), tt_str_from(word));
}

/* Whether one of the events without text has words for people in it. */
static bool read_said(struct tt_upstream_answer *answer)
{
    struct tt_told_error *told = tt_told_at(&answer->reader.told);
    struct tt_str rest = tt_buf_str(&answer->said), one;
    while (!told->found && rest.len > 0 && tt_str_split(&rest, '\0', &one))
        tt_told_read(told, one);
    return told->found;
}

/* An answer without text: why there is none. */
static enum tt_upstream_answer_result fail_empty(struct tt_upstream_answer *answer,
                                                 struct tt_err *err)
{
    if (reason_is(answer, "content_filter"))
        return fail(answer, "upstream_content_refused", "its filter withheld the answer", err);
    if (reason_is(answer, "length"))
        return fail(answer, "upstream_length_reached", "no text before the limit of tokens", err);
    if (!read_said(answer))
        return fail(answer, "upstream_empty", "an answer without text", err);
    const char *code = tt_told_code(answer->reader.told, 0);
    return fail(answer, *code ? code : "upstream_error", "an error instead of an answer", err);
}

static int pass_on(struct tt_upstream_answer *answer, struct tt_err *err)
{
    const struct tt_delta_reader *reader = &answer->reader;
    bool has_text = reader->reasoning.len + reader->content.len + reader->tool_calls.len > 0;
    if (!has_text && reader->note.len == 0)
        return 0;
    if (has_text) {
        answer->text_at = answer->bytes;
        tt_buf_free(&answer->said); /* only an answer without text needs it */
    }
    answer->has_text |= has_text;
    if (!answer->has_answer)
        answer->has_answer =
            reader->tool_calls.len > 0 || tt_str_trim(tt_buf_str(&reader->content)).len > 0;
    return answer->on_texts(answer->arg, reader, err);
}

static enum tt_upstream_answer_result complete(struct tt_upstream_answer *answer,
                                               struct tt_err *err)
{
    struct tt_delta_reader *reader = &answer->reader;
    bool told = reader->finish_reason.len > 0;
    tt_delta_end(reader);
    answer->ended = true;
    if (pass_on(answer, err) != 0)
        return TT_ANSWER_FAILED;
    if (reason_is(answer, "error"))
        return fail(answer, "upstream_error", "the upstream ended its answer with an error", err);
    if (!answer->has_answer && !(answer->keep_empty && (told || answer->has_text)))
        return fail_empty(answer, err);
    tt_delta_complete(reader);
    return pass_on(answer, err) == 0 ? TT_ANSWER_COMPLETE : TT_ANSWER_FAILED;
}

/* ---- reading ---- */

static int read_event(struct tt_upstream_answer *answer, struct tt_str name, struct tt_str data,
                      struct tt_err *err)
{
    struct tt_delta_reader *reader = &answer->reader;
    size_t before = reader->events;
    if (tt_delta_read(reader, name, data, err) != 0)
        return -1;
    if (reader->content.len + reader->reasoning.len + reader->tool_calls.len == 0 &&
        reader->events > before && !answer->has_text && tt_buf_append_str(&answer->said, data) == 0)
        tt_buf_putc(&answer->said, '\0');
    return pass_on(answer, err);
}

/* -1 with err->status 0: the end has come. */
static int on_event(void *arg, struct tt_str name, struct tt_str data, struct tt_err *err)
{
    struct tt_upstream_answer *answer = arg;
    if (answer->ended)
        return 0;
    if (read_event(answer, name, data, err) != 0) {
        bool half = answer->last && strcmp(err->code, "upstream_bad_response") == 0;
        *err = half ? (struct tt_err){0} : *err;
        answer->ended = !half;
        return half ? 0 : -1;
    }
    if (!answer->reader.done)
        return 0;
    answer->ended = true;
    *err = (struct tt_err){0};
    return -1;
}

static enum tt_upstream_answer_result result_of(struct tt_upstream_answer *answer, int read,
                                                struct tt_err *err)
{
    if (read == 0)
        return TT_ANSWER_GOES_ON;
    answer->ended = true;
    return err->status ? TT_ANSWER_FAILED : complete(answer, err);
}

/* Whether the body is lines of JSON: the events of a stream, without what frames them. */
static bool is_lines(struct tt_str body)
{
    struct tt_err unused = {0};
    struct tt_str rest = body, line;
    return tt_str_split(&rest, '\n', &line) && tt_str_trim(rest).len > 0 &&
           tt_json_check(tt_str_trim(line), TT_JSON_MAX_DEPTH, &unused) == 0;
}

static enum tt_upstream_answer_result read_lines(struct tt_upstream_answer *answer,
                                                 struct tt_str body, struct tt_err *err)
{
    struct tt_str line;
    while (!answer->reader.done && body.len > 0 && tt_str_split(&body, '\n', &line))
        if (read_event(answer, TT_STR(""), line, err) != 0)
            return result_of(answer, -1, err);
    return complete(answer, err);
}

/* A document that came as a whole; a list of them is a stream in one piece. */
static enum tt_upstream_answer_result read_whole(struct tt_upstream_answer *answer, bool cut,
                                                 struct tt_err *err)
{
    struct tt_str body = tt_str_trim(tt_buf_str(&answer->whole));
    struct tt_json_value list = {TT_JSON_ARRAY, body}, item;
    struct tt_err why = {0};
    size_t cursor = 0;
    bool is_list = body.len > 0 && body.data[0] == '[';
    if (cut && tt_json_check(body, TT_JSON_MAX_DEPTH, &why) != 0)
        return TT_ANSWER_GOES_ON;
    if (is_list && tt_json_check(body, TT_JSON_MAX_DEPTH, &why) == 0) {
        while (!answer->reader.done && tt_json_next(&list, &cursor, &item))
            if (read_event(answer, TT_STR(""), item.raw, err) != 0)
                return result_of(answer, -1, err);
        return complete(answer, err);
    }
    if (is_lines(body))
        return read_lines(answer, body, err);
    tt_delta_destroy(&answer->reader);
    tt_delta_create(&answer->reader, answer->spec, true);
    if (read_event(answer, TT_STR(""), body, err) != 0)
        return result_of(answer, -1, err);
    if (!answer->has_text && !tt_upstream_answer_finished(answer) && !read_said(answer))
        return fail(answer, "upstream_bad_response", "JSON without an answer in it", err);
    return complete(answer, err);
}

static void begin_events(struct tt_upstream_answer *answer, enum tt_sse_kind kind)
{
    answer->mode = TT_ANSWER_EVENTS;
    tt_sse_create(&answer->parser, kind, LINE_MAX_BYTES);
}

/* Skips a byte order mark and blanks; perhaps nothing is left to decide by. -1: a page, or no text
 * at all. */
static int decide(struct tt_upstream_answer *answer, struct tt_str *bytes, struct tt_err *err)
{
    while (bytes->len > 0 && memchr(" \t\r\n\xEF\xBB\xBF", bytes->data[0], 7))
        *bytes = tt_str_of(bytes->data + 1, bytes->len - 1);
    if (bytes->len == 0)
        return 0;
    bool lines = tt_delta_spec_kind(answer->spec) == TT_SSE_JSON_LINES;
    if (bytes->data[0] == '<')
        return tt_err_set(err, 502, "upstream_bad_response", "a page: neither events nor JSON");
    if (bytes->data[0] < ' ' || bytes->data[0] == 0x7F)
        return tt_err_set(err, 502, "upstream_bad_response", "bytes that are no text");
    if (bytes->data[0] == '{' && lines)
        begin_events(answer, TT_SSE_JSON_LINES);
    else if (bytes->data[0] == '{' || bytes->data[0] == '[')
        answer->mode = TT_ANSWER_WHOLE;
    else
        begin_events(answer, TT_SSE_EVENTS);
    return 0;
}

/* An event that has come but for its line ends. */
static bool is_whole_event(struct tt_str data)
{
    struct tt_err unused = {0};
    if (tt_str_eq(data, TT_STR("[DONE]")))
        return true;
    return data.data[0] == '{' && data.data[data.len - 1] == '}' &&
           tt_json_check(data, TT_JSON_MAX_DEPTH, &unused) == 0;
}

/* Lines whose first is no JSON: a document over several lines, an error mostly. */
/* The whole answer's buffer took no more. */
static enum tt_upstream_answer_result fail_full(struct tt_upstream_answer *answer, const char *why,
                                                struct tt_err *err)
{
    if (!answer->whole.no_memory)
        return fail(answer, "reply_too_long", why, err);
    answer->ended = true;
    tt_err_set(err, 503, "no_memory", "no memory for the upstream's answer");
    return TT_ANSWER_FAILED;
}

static bool is_document(const struct tt_upstream_answer *answer, const struct tt_err *err)
{
    return answer->parser.kind == TT_SSE_JSON_LINES && answer->reader.events == 0 &&
           strcmp(err->code, "upstream_bad_response") == 0;
}

static enum tt_upstream_answer_result feed_events(struct tt_upstream_answer *answer,
                                                  struct tt_str bytes, struct tt_err *err)
{
    bool first = answer->parser.kind == TT_SSE_JSON_LINES && answer->reader.events == 0;
    if (first && tt_buf_append_str(&answer->whole, bytes) != 0)
        return fail_full(answer, "a line that is too long", err);
    int read = tt_sse_feed(&answer->parser, bytes, on_event, answer, err);
    if (read != 0 && is_document(answer, err)) {
        *err = (struct tt_err){0};
        answer->ended = false;
        answer->mode = TT_ANSWER_WHOLE;
        return TT_ANSWER_GOES_ON;
    }
    if (read == 0)
        read = tt_sse_flush(&answer->parser, is_whole_event, on_event, answer, err);
    if (read != 0)
        return result_of(answer, read, err);
    if (answer->bytes > RAW_MAX_BYTES)
        return fail(answer, "reply_too_long", "the upstream's stream is too long", err);
    if (answer->bytes - answer->text_at > TEXTLESS_MAX_BYTES)
        return fail(answer, "upstream_bad_response", "a stream without text", err);
    return TT_ANSWER_GOES_ON;
}

enum tt_upstream_answer_result tt_upstream_answer_feed(struct tt_upstream_answer *answer,
                                                       struct tt_str bytes, struct tt_err *err)
{
    if (answer->ended)
        return TT_ANSWER_GOES_ON;
    answer->bytes += bytes.len;
    if (answer->mode == TT_ANSWER_UNDECIDED && decide(answer, &bytes, err) != 0) {
        answer->ended = true;
        return TT_ANSWER_FAILED;
    }
    if (answer->mode == TT_ANSWER_EVENTS)
        return feed_events(answer, bytes, err);
    if (answer->bytes > TEXTLESS_MAX_BYTES && answer->mode == TT_ANSWER_UNDECIDED)
        return fail(answer, "upstream_bad_response", "nothing but blanks", err);
    if (answer->mode == TT_ANSWER_WHOLE && tt_buf_append_str(&answer->whole, bytes) != 0)
        return fail_full(answer, "the upstream's JSON is too long", err);
    return TT_ANSWER_GOES_ON;
}

enum tt_upstream_answer_result tt_upstream_answer_end(struct tt_upstream_answer *answer, bool cut,
                                                      struct tt_err *err)
{
    if (answer->ended)
        return TT_ANSWER_GOES_ON;
    if (answer->mode == TT_ANSWER_WHOLE)
        return read_whole(answer, cut, err);
    if (answer->mode == TT_ANSWER_EVENTS) {
        answer->last = true;
        int read = tt_sse_end(&answer->parser, on_event, answer, err);
        if (read != 0)
            return result_of(answer, read, err);
        if (tt_upstream_answer_finished(answer) || (!cut && !tt_delta_spec_tells_end(answer->spec)))
            return complete(answer, err);
    }
    if (cut)
        return TT_ANSWER_GOES_ON;
    if (answer->mode == TT_ANSWER_UNDECIDED)
        return fail(answer, "upstream_empty", "a body without anything in it", err);
    if (!answer->has_text && read_said(answer))
        return fail_empty(answer, err);
    if (answer->reader.events == 0 && !answer->events_told)
        return fail(answer, "upstream_bad_response", "neither events nor JSON", err);
    return fail(answer, "upstream_incomplete", "the stream ended in the middle", err);
}
