/* One pass over the bytes, whatever they are: a reply must be able to end. A text is a key where a
 * colon follows. */
#include "db/sqlite_search_text.h"

#include "base/json.h"

#define STEP_DEPTH 2 /* of the members of {"tool_call":{...}} */

struct walk {
    const char *p, *end;
    int depth;
    bool is_id;    /* the value that follows */
    bool has_some; /* of this line is in the output */
    struct tt_buf *out;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool in_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* p at the opening quote; moves behind the closing one. */
static struct tt_str take_string(struct walk *walk)
{
    const char *start = walk->p++;
    while (walk->p < walk->end && *walk->p != '"')
        walk->p += *walk->p == '\\' && walk->end - walk->p > 1 ? 2 : 1;
    if (walk->p < walk->end)
        walk->p++;
    return tt_str_of(start, (size_t)(walk->p - start));
}

static struct tt_str take_number(struct walk *walk)
{
    const char *start = walk->p++;
    while (walk->p < walk->end && in_number(*walk->p))
        walk->p++;
    return tt_str_of(start, (size_t)(walk->p - start));
}

static void put_value(struct walk *walk, struct tt_str raw)
{
    if (!walk->is_id) {
        if (walk->has_some)
            tt_buf_putc(walk->out, ' ');
        tt_json_unescape(raw, NULL, walk->out);
        walk->has_some = true;
    }
    walk->is_id = false;
}

static void put_string(struct walk *walk)
{
    struct tt_str raw = take_string(walk);
    while (walk->p < walk->end && is_blank(*walk->p))
        walk->p++;
    if (walk->p < walk->end && *walk->p == ':')
        walk->is_id = walk->depth == STEP_DEPTH && tt_str_eq(raw, TT_STR("\"id\""));
    else
        put_value(walk, raw);
}

static void put_step(struct tt_str line, struct tt_buf *out)
{
    struct walk walk = {.p = line.data, .end = line.data + line.len, .out = out};

    while (walk.p < walk.end) {
        char c = *walk.p;
        if (c == '"') {
            put_string(&walk);
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            put_value(&walk, take_number(&walk));
        } else {
            walk.depth += (c == '{' || c == '[') - (c == '}' || c == ']');
            walk.p++;
        }
    }
}

static void put_steps(struct tt_str steps, struct tt_buf *out)
{
    struct tt_str line;

    while (tt_str_split(&steps, '\n', &line)) {
        size_t before = out->len;
        if (line.len == 0)
            continue;
        if (before > 0)
            tt_buf_putc(out, '\n');
        size_t begin = out->len;
        put_step(line, out);
        if (out->len == begin)
            tt_buf_truncate(out, before);
    }
}

static struct tt_str text_of(sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);
    return tt_str_of(text ? text : "", text ? (size_t)sqlite3_value_bytes(value) : 0);
}

static void search_text(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct tt_str steps = text_of(values[1]);
    struct tt_buf out = {0};
    (void)count;
    if (steps.len == 0) {
        sqlite3_result_null(context);
        return;
    }
    tt_buf_append_str(&out, text_of(values[0]));
    put_steps(steps, &out);
    sqlite3_result_text64(context, out.data ? out.data : "", out.len, SQLITE_TRANSIENT,
                          SQLITE_UTF8);
    tt_buf_free(&out);
}

int tt_sqlite_search_text_register(sqlite3 *handle)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    return sqlite3_create_function(handle, "tidetalk_search_text", 2, flags, NULL, search_text,
                                   NULL, NULL);
}
