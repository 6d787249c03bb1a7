/* Tool calls, from the upstream's form to the deltas of OpenAI's streams: pieces of one call with
 * an index, or whole calls without one, arguments as text or as an object. Indexes are counted
 * again, from 0 in the order in which calls begin, because upstreams count other things too (blocks
 * of content) or do not count; some give every call the index 0, so another id is another call. */
#include "base/mem.h"
#include "base/secret.h"
#include "upstream/delta_internal.h"

#define FIELD(role) field[(role)-TT_DELTA_CALL_INDEX]

static uint64_t hash_more(uint64_t hash, struct tt_str s)
{
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.data[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t hash_of(struct tt_str s)
{
    return hash_more(0xcbf29ce484222325u, s);
}

static bool is_text(const struct tt_json_value *value)
{
    return value->type == TT_JSON_STRING && value->raw.len > 2;
}

/* By index or id, the last one first; 0 = any id, -1 = any index. */
static struct tt_delta_call *find_call(struct tt_delta_reader *reader, int64_t index, uint64_t id)
{
    for (size_t i = reader->call_count; i-- > 0;) {
        struct tt_delta_call *call = &reader->calls[i];
        if ((index < 0 || call->upstream_index == index) &&
            (id == 0 || call->id_hash == 0 || call->id_hash == id))
            return call;
    }
    return NULL;
}

/* The call of a piece that names no function. Its id goes first, since some count every call as 0
 * or each piece anew; where both say nothing that is known, it belongs to the last call, unless the
 * index counts other things too. */
static struct tt_delta_call *call_of_piece(struct tt_delta_reader *reader, int64_t index,
                                           uint64_t id, bool listed)
{
    struct tt_delta_call *call = NULL;
    for (size_t i = reader->call_count; id && !call && i-- > 0;)
        if (reader->calls[i].id_hash == id)
            call = &reader->calls[i];
    if (!call && index >= 0)
        call = find_call(reader, index, 0);
    return call || (index >= 0 && !listed) ? call : find_call(reader, -1, 0);
}

/* A named piece goes on with a call only when it says so by its index or its id. */
static struct tt_delta_call *call_of_named(struct tt_delta_reader *reader, int64_t index,
                                           uint64_t id)
{
    struct tt_delta_call *call = index >= 0 ? find_call(reader, index, id) : NULL;
    for (size_t i = reader->call_count; index < 0 && id && !reader->whole && !call && i-- > 0;)
        if (reader->calls[i].id_hash == id)
            call = &reader->calls[i];
    return call;
}

/* The call that the fields speak of. `*begins`: it is a new one; NULL: of none that has begun. */
static struct tt_delta_call *call_of(struct tt_delta_reader *reader,
                                     const struct tt_delta_call_fields *fields, bool listed,
                                     bool *begins)
{
    const struct tt_json_value *id = &fields->FIELD(TT_DELTA_CALL_ID);
    bool named = is_text(&fields->FIELD(TT_DELTA_CALL_NAME));
    uint64_t id_hash = is_text(id) ? hash_of(id->raw) : 0;
    int64_t index = -1;
    struct tt_delta_call *call = NULL;
    tt_json_to_i64(&fields->FIELD(TT_DELTA_CALL_INDEX), &index);
    call = named ? call_of_named(reader, index, id_hash)
                 : call_of_piece(reader, index, id_hash, listed);
    *begins = !call && named;
    if (!*begins)
        return call;
    reader->calls = tt_realloc(reader->calls, (reader->call_count + 1) * sizeof(*reader->calls));
    call = &reader->calls[reader->call_count++];
    *call = (struct tt_delta_call){.upstream_index = index, .id_hash = id_hash};
    return call;
}

/* ---- writing ---- */

static void put_key(struct tt_buf *out, const char *text)
{
    if (out->data[out->len - 1] != '{' && out->data[out->len - 1] != '[')
        tt_buf_putc(out, ',');
    tt_buf_append_z(out, text);
}

/* A JSON string as JSON again: lone halves become U+FFFD, except at the end of a piece. */
static void put_string(struct tt_buf *out, struct tt_str raw, uint32_t *high)
{
    struct tt_buf plain = {0};
    tt_json_unescape(raw, high, &plain);
    tt_buf_putc(out, '"');
    tt_json_escape(out, tt_buf_str(&plain));
    tt_buf_putc(out, '"');
    tt_buf_free(&plain);
}

static void put_id(struct tt_buf *out, const struct tt_json_value *id)
{
    char made[17];
    put_key(out, "\"id\":");
    if (is_text(id)) {
        put_string(out, id->raw, NULL);
        return;
    }
    tt_random_hex(made, sizeof(made) - 1);
    tt_buf_printf(out, "\"call_%s\"", made);
}

/* "a.b" and a value: "a":{"b":value} */
static void put_extra(struct tt_buf *out, const char *dotted, const struct tt_json_value *value)
{
    struct tt_str rest = tt_str_from(dotted), step;
    int depth = 0;
    put_key(out, "");
    for (; tt_str_split(&rest, '.', &step); depth++)
        tt_buf_printf(out, "\"%.*s\":%s", TT_STR_ARG(step), rest.len > 0 ? "{" : "");
    if (value->type == TT_JSON_STRING)
        put_string(out, value->raw, NULL);
    else
        tt_buf_append_str(out, value->raw);
    while (--depth > 0)
        tt_buf_putc(out, '}');
}

/* Where pieces have an index some begin a call with "{}" and send the arguments behind it; where
 * nothing follows, the end of the answer puts it there. */
static bool may_follow(const struct tt_delta_call *call, bool whole,
                       const struct tt_json_value *object)
{
    struct tt_json_value member;
    struct tt_str key;
    size_t cursor = 0;
    return !whole && call->upstream_index >= 0 &&
           !tt_json_next_member(object, &cursor, &key, &member);
}

/* Whether something stands behind the end of the JSON object that the text begins with. */
static bool goes_too_far(struct tt_str text)
{
    bool in_string = false;
    int depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']') && --depth == 0)
            return tt_str_trim(tt_str_of(text.data + i + 1, text.len - i - 1)).len > 0;
    }
    return false;
}

/* Some repeat in each piece what they have said of the arguments so far. In a JSON object nothing
 * can go on with its own beginning but a value, and then it would close one object too many. */
static bool repeats(const struct tt_delta_call *call, struct tt_str piece)
{
    return call->is_object && piece.len >= call->said_len &&
           hash_of(tt_str_of(piece.data, call->said_len)) == call->said_hash &&
           !goes_too_far(piece);
}

static void put_piece(struct tt_buf *out, struct tt_delta_call *call, struct tt_str piece)
{
    call->has_arguments |= piece.len > 0;
    if (call->said_len == 0) {
        call->is_object = piece.len > 0 && piece.data[0] == '{';
        call->said_hash = hash_of(TT_STR(""));
    }
    call->said_hash = hash_more(call->said_hash, piece);
    call->said_len += piece.len;
    tt_buf_putc(out, '"');
    tt_json_escape(out, piece);
    tt_buf_putc(out, '"');
}

/* The text of a piece; what it repeats is left out. */
static struct tt_str piece_of(struct tt_delta_call *call, struct tt_str raw, uint32_t *high,
                              struct tt_buf *plain)
{
    uint32_t own = 0;
    if (high && call->is_object && raw.len >= call->said_len) {
        tt_json_unescape(raw, &own, plain);
        if (repeats(call, tt_buf_str(plain))) {
            *high = own;
            return tt_str_of(plain->data + call->said_len, plain->len - call->said_len);
        }
        tt_buf_clear(plain);
    }
    tt_json_unescape(raw, high, plain);
    return tt_buf_str(plain);
}

static void put_arguments(struct tt_buf *out, struct tt_delta_call *call, bool whole,
                          const struct tt_json_value *arguments)
{
    struct tt_buf plain = {0};
    struct tt_str piece = TT_STR("");
    if (arguments->type == TT_JSON_STRING)
        piece = piece_of(call, arguments->raw, whole ? NULL : &call->high, &plain);
    else if (arguments->type == TT_JSON_OBJECT && !may_follow(call, whole, arguments) &&
             !repeats(call, arguments->raw))
        piece = arguments->raw;
    put_key(out, "\"arguments\":");
    put_piece(out, call, piece);
    tt_buf_free(&plain);
}

static void put_begin(struct tt_buf *out, size_t index)
{
    put_key(out, "{\"index\":");
    tt_buf_append_u64(out, index);
}

int tt_delta_call_read(struct tt_delta_reader *reader, const struct tt_delta_call_fields *fields,
                       bool listed, struct tt_err *err)
{
    const struct tt_json_value *arguments = &fields->FIELD(TT_DELTA_CALL_ARGUMENTS);
    const struct tt_json_value *extra = &fields->FIELD(TT_DELTA_CALL_EXTRA);
    const char *extra_key = reader->spec->extra_key;
    struct tt_buf *out = &reader->tool_calls;
    bool begins;
    struct tt_delta_call *call = call_of(reader, fields, listed, &begins);
    if (reader->call_count > TT_DELTA_CALLS_MAX)
        return tt_err_set(err, 502, "upstream_bad_response", "more than %d tool calls",
                          TT_DELTA_CALLS_MAX);
    if (!call || (!begins && !is_text(arguments) && arguments->type != TT_JSON_OBJECT))
        return 0;
    put_begin(out, (size_t)(call - reader->calls));
    if (begins) {
        put_id(out, &fields->FIELD(TT_DELTA_CALL_ID));
        put_key(out, "\"type\":\"function\"");
        if (extra_key && (is_text(extra) || extra->type == TT_JSON_OBJECT))
            put_extra(out, extra_key, extra);
    }
    put_key(out, "\"function\":{");
    if (begins) {
        put_key(out, "\"name\":");
        put_string(out, fields->FIELD(TT_DELTA_CALL_NAME).raw, NULL);
    }
    put_arguments(out, call, reader->whole, arguments);
    tt_buf_append_z(out, "}}");
    return 0;
}

void tt_delta_calls_begin(struct tt_delta_reader *reader)
{
    tt_buf_putc(&reader->tool_calls, '[');
}

void tt_delta_calls_end(struct tt_delta_reader *reader)
{
    if (reader->tool_calls.len == 1)
        tt_buf_clear(&reader->tool_calls);
    else
        tt_buf_append_z(&reader->tool_calls, "]\n");
}

void tt_delta_calls_complete(struct tt_delta_reader *reader)
{
    struct tt_buf *out = &reader->tool_calls;
    tt_buf_clear(out);
    tt_delta_calls_begin(reader);
    for (size_t i = 0; i < reader->call_count; i++) {
        if (reader->calls[i].has_arguments)
            continue;
        reader->calls[i].has_arguments = true;
        put_begin(out, i);
        tt_buf_append_z(out, ",\"function\":{\"arguments\":\"{}\"}}");
    }
    tt_delta_calls_end(reader);
}
