/* Reading one event of a provider's stream by declared paths. One strict pass over the JSON picks
 * all of them (base/json), and nothing is allocated once the buffers have grown. A value that is
 * missing, null or of another type counts as absent: upstreams send `choices: []`, `content: null`
 * and fields that nobody requested. An upstream's own error text is never passed on: it may contain
 * parts of the request. Does not know any provider. */
#include "upstream/delta.h"

#include "upstream/delta_internal.h"

#include <stdlib.h>

void tt_delta_create(struct tt_delta_reader *reader, struct tt_delta_spec *spec, bool whole)
{
    *reader = (struct tt_delta_reader){.spec = tt_delta_spec_ref(spec), .whole = whole};
    reader->usage = (struct tt_reply_usage){-1, -1, 0, 0};
    reader->finish_reason.max = 256; /* an upstream's word, kept for the whole stream */
    if (!spec->think_tags)
        reader->think = (struct tt_delta_think){.state = TT_THINK_OVER, .unwatched = true};
}

void tt_delta_destroy(struct tt_delta_reader *reader)
{
    tt_buf_free(&reader->content);
    tt_buf_free(&reader->reasoning);
    tt_buf_free(&reader->note);
    tt_buf_free(&reader->tool_calls);
    tt_buf_free(&reader->finish_reason);
    tt_buf_free(&reader->repair);
    tt_buf_free(&reader->images);
    tt_delta_carried_destroy(reader);
    tt_buf_free(&reader->think.held);
    tt_buf_free(&reader->think.said);
    tt_delta_shape_destroy(&reader->shape);
    free(reader->told);
    reader->told = NULL;
    free(reader->calls);
    reader->calls = NULL;
    tt_delta_spec_unref(reader->spec);
    reader->spec = NULL;
}

/* ---- one event ---- */

#define COMPARED_MAX 16

struct event {
    struct tt_delta_reader *reader;
    struct tt_str name;
    const struct tt_delta_entry *source[TT_DELTA_ROLES]; /* whose value counts */
    struct tt_reply_usage usage;                         /* reported by this event */
    struct tt_reply_usage elsewhere;                     /* at the other place */
    bool read;                                           /* the document is JSON */
    bool failed;
    const char *error_code;
    struct tt_err *err;
    /* For the shape (delta_shape.c): */
    size_t texts;            /* that were read */
    struct tt_str text;      /* the last one */
    enum tt_delta_role role; /* its */
    bool calls;              /* or something else that is to be read in full */
    const char *finish;      /* where the finish reason stands */
    struct tt_str compared[COMPARED_MAX];
    size_t compared_count; /* by filters */
};

static bool is_set(const struct tt_json_value *value)
{
    return value->type != TT_JSON_NONE && value->type != TT_JSON_NULL &&
           value->type != TT_JSON_FALSE;
}

/* A word as it is written: what tells kinds of events apart has no escapes. */
static struct tt_str word_of(const struct tt_json_value *value)
{
    if (value->type == TT_JSON_STRING)
        return tt_str_of(value->raw.data + 1, value->raw.len - 2);
    return value->raw;
}

static void note_compared(struct event *event, struct tt_str raw)
{
    if (event->compared_count < COMPARED_MAX)
        event->compared[event->compared_count] = raw;
    event->compared_count++;
}

static bool holds(struct event *event, const struct tt_delta_entry *entry,
                  const struct tt_json_value *values)
{
    for (size_t i = 0; i < entry->condition_count; i++) {
        const struct tt_delta_condition *condition = &entry->conditions[i];
        bool yes = false;
        switch (condition->op) {
        case TT_DELTA_EQUALS:
            yes = tt_str_eq(word_of(&values[condition->slot]), tt_str_from(condition->literal));
            note_compared(event, values[condition->slot].raw);
            break;
        case TT_DELTA_SET:
            yes = is_set(&values[condition->slot]);
            break;
        case TT_DELTA_UNSET:
            yes = !is_set(&values[condition->slot]);
            break;
        case TT_DELTA_EVENT:
            yes = tt_str_eq(event->name, tt_str_from(condition->literal));
            break;
        }
        if (!yes)
            return false;
    }
    return true;
}

static const char *translate(const struct tt_delta_spec *spec, enum tt_delta_role role,
                             struct tt_str word)
{
    for (size_t i = 0; i < spec->word_count; i++) {
        struct tt_str from = tt_str_from(spec->words[i].from);
        if (spec->words[i].role == role &&
            (role == TT_DELTA_FINISH ? tt_str_eq_nocase(word, from) : tt_str_eq(word, from)))
            return spec->words[i].to;
    }
    return NULL;
}

static void read_text(struct tt_delta_reader *reader, enum tt_delta_role role, struct tt_str raw)
{
    tt_json_unescape(raw, reader->whole ? NULL : &reader->high[role],
                     role == TT_DELTA_CONTENT ? &reader->content : &reader->reasoning);
}

static void read_finish(struct tt_delta_reader *reader, const struct tt_json_value *value)
{
    const char *ours = translate(reader->spec, TT_DELTA_FINISH, word_of(value));
    tt_buf_clear(&reader->finish_reason);
    if (ours)
        tt_buf_append_z(&reader->finish_reason, ours);
    else if (value->raw.len > reader->finish_reason.max ||
             tt_json_unescape(value->raw, NULL, &reader->finish_reason) != 0)
        tt_buf_append_z(&reader->finish_reason, "other");
}

static void take_note(struct tt_delta_reader *reader, enum tt_delta_role role,
                      const struct tt_json_value *value)
{
    tt_buf_clear(&reader->note);
    tt_buf_append_z(&reader->note,
                    role == TT_DELTA_SIGNATURE ? "{\"signature\":" : "{\"redacted\":");
    tt_buf_append_str(&reader->note, value->raw);
    tt_buf_putc(&reader->note, '}');
}

/* -1: none. */
static int64_t tokens_of(const struct tt_json_value *value)
{
    int64_t n = -1;
    bool whole = value->type == TT_JSON_NUMBER && tt_json_to_i64(value, &n) == 0;
    return whole ? tt_tokens_told(n) : -1;
}

static void add_count(int64_t *count, int64_t tokens)
{
    if (tokens >= 0)
        *count = *count < 0 ? tokens : *count + tokens;
}

/* Of several declared places the first that has something speaks; a list is one place. */
static bool speaks(struct event *event, const struct tt_delta_entry *entry,
                   const struct tt_json_value *value)
{
    const struct tt_delta_entry **source = &event->source[entry->role];
    if (value->type != TT_JSON_STRING || value->raw.len <= 2 || (*source && *source != entry))
        return false;
    *source = entry;
    return true;
}

/* Some upstreams have the member in every event, with nothing in it. */
static bool says_something(const struct tt_json_value *value)
{
    struct tt_json_value member;
    struct tt_str key;
    size_t cursor = 0;
    int64_t number;
    switch (value->type) {
    case TT_JSON_STRING:
        return value->raw.len > 2;
    case TT_JSON_NUMBER:
        return tt_json_to_i64(value, &number) != 0 || number != 0;
    case TT_JSON_OBJECT:
        while (tt_json_next_member(value, &cursor, &key, &member))
            if (says_something(&member))
                return true;
        return false;
    case TT_JSON_ARRAY:
        return tt_json_next(value, &cursor, &member);
    default:
        return value->type == TT_JSON_TRUE;
    }
}

static void read_value(struct event *event, const struct tt_delta_entry *entry,
                       const struct tt_json_value *value, struct tt_delta_call_fields *call)
{
    struct tt_delta_reader *reader = event->reader;
    switch (entry->role) {
    case TT_DELTA_CONTENT:
    case TT_DELTA_REASONING:
        if (speaks(event, entry, value)) {
            read_text(reader, entry->role, value->raw);
            event->texts++;
            event->text = value->raw;
            event->role = entry->role;
        }
        break;
    case TT_DELTA_FINISH:
        if (speaks(event, entry, value) && !tt_str_eq(value->raw, TT_STR("\"null\""))) {
            read_finish(reader, value);
            event->finish = value->raw.data;
        }
        break;
    case TT_DELTA_INPUT:
        add_count(&event->usage.input_tokens, tokens_of(value));
        break;
    case TT_DELTA_OUTPUT:
        add_count(&event->usage.output_tokens, tokens_of(value));
        break;
    case TT_DELTA_INPUT_ELSE:
        add_count(&event->elsewhere.input_tokens, tokens_of(value));
        break;
    case TT_DELTA_OUTPUT_ELSE:
        add_count(&event->elsewhere.output_tokens, tokens_of(value));
        break;
    case TT_DELTA_CACHED:
        tt_tokens_most(&reader->usage.cached_tokens, tokens_of(value));
        break;
    case TT_DELTA_THOUGHT:
        tt_tokens_most(&reader->usage.reasoning_tokens, tokens_of(value));
        break;
    case TT_DELTA_CARRIED:
        if (is_set(value))
            event->calls |= tt_delta_carry(reader, entry->carried, value);
        break;
    case TT_DELTA_SIGNATURE:
    case TT_DELTA_REDACTED:
        if (value->type == TT_JSON_STRING && value->raw.len > 2)
            take_note(reader, entry->role, value);
        break;
    case TT_DELTA_IMAGE:
        if (is_set(value)) {
            tt_delta_image(reader, value);
            event->calls = true;
        }
        break;
    case TT_DELTA_CODE:
        if (is_set(value)) {
            tt_delta_code(value, &reader->content);
            event->calls = true;
        }
        break;
    case TT_DELTA_ERROR:
        event->failed |= says_something(value);
        break;
    case TT_DELTA_ERROR_TYPE:
        if (!event->error_code && is_set(value))
            event->error_code = translate(reader->spec, entry->role, word_of(value));
        break;
    case TT_DELTA_ENDED:
        reader->done |= is_set(value);
        break;
    default:
        if (is_set(value)) {
            call->field[entry->role - TT_DELTA_CALL_INDEX] = *value;
            call->any = true;
        }
    }
}

static int read_node(struct event *event, const struct tt_delta_node *node,
                     const struct tt_json_value *self);

static int read_items(struct event *event, const struct tt_delta_node *node,
                      const struct tt_json_value *list)
{
    struct tt_json_value item;
    size_t cursor = 0;
    while (tt_json_next(list, &cursor, &item))
        if (read_node(event, node, &item) != 0)
            return -1;
    return 0;
}

/* Recursion ends with the declared paths. */
static int read_node(struct event *event, const struct tt_delta_node *node,
                     const struct tt_json_value *self)
{
    struct tt_json_value values[TT_DELTA_NODE_PATHS];
    struct tt_delta_call_fields call = {0};
    struct tt_err why = {0};
    if (tt_json_select(self->raw, node->paths, node->path_count, values, &why) != 0)
        return tt_err_set(event->err, 502, "upstream_bad_response", "the upstream sent no JSON: %s",
                          why.message);
    event->read = true;
    for (size_t i = 0; i < node->entry_count; i++) {
        const struct tt_delta_entry *entry = &node->entries[i];
        const struct tt_json_value *value = entry->slot < 0 ? self : &values[entry->slot];
        if (value->type == TT_JSON_NONE || !holds(event, entry, values))
            continue;
        if (!entry->items)
            read_value(event, entry, value, &call);
        else if (read_items(event, entry->items, value) != 0)
            return -1;
    }
    event->calls |= call.any;
    bool listed = node != &event->reader->spec->stream && node != &event->reader->spec->whole;
    return call.any ? tt_delta_call_read(event->reader, &call, listed, event->err) : 0;
}

/* Whether a filter looked at the text's value, or at something that holds it. */
static bool is_compared(const struct event *event)
{
    for (size_t i = 0; i < event->compared_count && i < COMPARED_MAX; i++) {
        struct tt_str raw = event->compared[i];
        if (raw.data && event->text.data >= raw.data && event->text.data < raw.data + raw.len)
            return true;
    }
    return event->compared_count > COMPARED_MAX;
}

static bool is_shape(const struct event *event)
{
    return event->texts == 1 && !event->failed && !event->calls && !event->reader->done &&
           event->finish != event->text.data && !is_compared(event);
}

/* What the provider's script knows of its names goes first, but for the names that fit many
 * reasons. */
static int upstream_error(const struct event *event, struct tt_str data)
{
    static const char *const general[] = {"upstream_rejected", "upstream_failed",
                                          "upstream_rate_limited", NULL};
    struct tt_told_error *told = tt_told_at(&event->reader->told);
    const char *code = event->error_code ? event->error_code : "upstream_error";
    bool refine = !event->error_code;
    tt_told_read(told, data);
    for (size_t i = 0; general[i]; i++)
        refine |= strcmp(code, general[i]) == 0;
    const char *said = refine ? tt_told_code(told, 0) : "";
    if (*said)
        code = said;
    return tt_err_set(event->err, strcmp(code, "upstream_timeout") == 0 ? 504 : 502, code,
                      "the upstream reported an error in its answer");
}

static enum tt_json_type type_of(struct tt_str data)
{
    return data.data[0] == '[' ? TT_JSON_ARRAY : TT_JSON_OBJECT;
}

/* The end of a stream, also where a provider does not declare it: gateways add it. */
static bool is_done_marker(const struct tt_delta_reader *reader, struct tt_str data)
{
    const char *own = reader->spec->done_data;
    return !reader->whole &&
           ((own && tt_str_eq(data, tt_str_from(own))) || tt_str_eq_nocase(data, TT_STR("[DONE]")));
}

/* No JSON and not meant to be: "keep-alive", "[ping]". */
static bool is_word(struct tt_str data)
{
    char c = data.data[0] == '[' && data.len > 1 ? data.data[1] : data.data[0];
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void take_usage(struct tt_delta_reader *reader, const struct event *event)
{
    const struct tt_reply_usage *told = &event->usage, *other = &event->elsewhere;
    int64_t input =
        tt_tokens_told(told->input_tokens >= 0 ? told->input_tokens : other->input_tokens);
    int64_t output =
        tt_tokens_told(told->output_tokens >= 0 ? told->output_tokens : other->output_tokens);
    if (input > reader->usage.input_tokens)
        reader->usage.input_tokens = input;
    if (output > reader->usage.output_tokens)
        reader->usage.output_tokens = output;
}

/* Whether something of it was taken that goes to readers. */
static bool has_said(const struct tt_delta_reader *reader)
{
    return reader->content.len + reader->reasoning.len + reader->images.len > 0 ||
           reader->tool_calls.len > strlen("[");
}

/* A stream may be one event with the whole answer in it, or end with one: that says nothing new. */
static bool is_whole(const struct event *event)
{
    const struct tt_delta_reader *reader = event->reader;
    return !reader->whole && !reader->said && event->finish && !event->failed && !has_said(reader);
}

static int read_whole(struct event *event, const struct tt_json_value *self)
{
    event->calls = true; /* no shape for the next event */
    memset(event->source, 0, sizeof(event->source));
    event->usage = event->elsewhere = (struct tt_reply_usage)TT_REPLY_NO_USAGE;
    return read_node(event, &event->reader->spec->whole, self);
}

static int read_document(struct event *event, struct tt_str *data)
{
    struct tt_delta_reader *reader = event->reader;
    const struct tt_delta_node *root = reader->whole ? &reader->spec->whole : &reader->spec->stream;
    struct tt_json_value self = {type_of(*data), *data};
    tt_delta_calls_begin(reader);
    if (read_node(event, root, &self) == 0)
        return is_whole(event) ? read_whole(event, &self) : 0;
    /* The root is read first and strictly: nothing was taken from a document that is none. */
    if (event->read)
        return -1;
    tt_delta_repair(*data, &reader->repair);
    if (tt_str_eq(tt_buf_str(&reader->repair), *data))
        return -1;
    *data = self.raw = tt_buf_str(&reader->repair);
    *event->err = (struct tt_err){0};
    reader->repaired = true;
    return read_node(event, root, &self);
}

int tt_delta_read(struct tt_delta_reader *reader, struct tt_str name, struct tt_str data,
                  struct tt_err *err)
{
    struct event event = {.reader = reader,
                          .name = name,
                          .usage = TT_REPLY_NO_USAGE,
                          .elsewhere = TT_REPLY_NO_USAGE,
                          .err = err};
    struct tt_str text;
    tt_buf_clear(&reader->content);
    tt_buf_clear(&reader->reasoning);
    tt_buf_clear(&reader->note);
    tt_buf_clear(&reader->tool_calls);
    data = tt_str_trim(data);
    while (tt_str_starts(data, TT_STR("data:"))) /* gateways that frame what is framed */
        data = tt_str_trim(tt_str_of(data.data + 5, data.len - 5));
    if (reader->done || data.len == 0)
        return 0;
    if (is_done_marker(reader, data)) {
        reader->done = true;
        return 0;
    }
    if (tt_delta_shape_match(&reader->shape, name, data, &text)) {
        read_text(reader, reader->shape.role, text);
        tt_delta_think(&reader->think, &reader->content, &reader->reasoning);
        return 0;
    }
    if (!reader->whole && is_word(data))
        return tt_str_eq(name, TT_STR("error")) ? upstream_error(&event, data) : 0;
    reader->shape.known = false;
    if (read_document(&event, &data) != 0)
        return -1;
    reader->events++;
    tt_buf_append_str(&reader->content, tt_buf_str(&reader->images));
    tt_buf_clear(&reader->images);
    reader->said = reader->said || has_said(reader);
    tt_delta_calls_end(reader);
    take_usage(reader, &event);
    if (!reader->whole && !reader->shape.off && is_shape(&event))
        tt_delta_shape_keep(&reader->shape, event.role, name, data, event.text);
    tt_delta_think(&reader->think, &reader->content, &reader->reasoning);
    if (tt_str_eq(name, TT_STR("error")))
        event.failed = true;
    return event.failed ? upstream_error(&event, data) : 0;
}

/* Some upstreams say "stop" when the model wants tools to be called: clients wait for the other
 * word. */
void tt_delta_complete(struct tt_delta_reader *reader)
{
    struct tt_buf *reason = &reader->finish_reason;
    tt_buf_clear(&reader->note);
    tt_buf_clear(&reader->content);
    tt_buf_clear(&reader->reasoning);
    tt_delta_calls_complete(reader);
    if (reason->len == 0)
        tt_buf_append_z(reason, "stop");
    if (reader->call_count > 0 && tt_str_eq(tt_buf_str(reason), TT_STR("stop"))) {
        tt_buf_clear(reason);
        tt_buf_append_z(reason, "tool_calls");
    }
}
