/*
 * A walking JSON reader: it builds no tree, it visits the body once and remembers where the few
 * interesting values lie. Text is only decoded when a scenario echoes it.
 */
#include "chat.h"

#include <string.h>

#define MAX_DEPTH 64

struct walk {
    const char *p, *end;
    int depth;
};

static int skip_value(struct walk *w, struct slice *out);

static char peek(struct walk *w)
{
    while (w->p < w->end && memchr(" \t\r\n", *w->p, 4))
        w->p++;
    return w->p < w->end ? *w->p : 0;
}

static int skip_escape(struct walk *w)
{
    if (w->end - w->p < 2 || !w->p[1] || !strchr("\"\\/bfnrtu", w->p[1]))
        return -1;
    if (w->p[1] == 'u') {
        if (w->end - w->p < 6)
            return -1;
        for (int i = 2; i < 6; i++) {
            if (hex_digit(w->p[i]) < 0)
                return -1;
        }
        w->p += 4;
    }
    w->p += 2;
    return 0;
}

static int skip_string(struct walk *w, struct slice *out)
{
    const char *start = w->p++;
    uint32_t cp;

    while (w->p < w->end && *w->p != '"') {
        size_t n = utf8_next(w->p, w->end, &cp);
        if (!n || cp < 0x20)
            return -1;
        if (cp != '\\')
            w->p += n;
        else if (skip_escape(w))
            return -1;
    }
    if (w->p >= w->end)
        return -1;
    w->p++;
    *out = (struct slice){start, (size_t)(w->p - start)};
    return 0;
}

static int skip_digits(struct walk *w)
{
    const char *start = w->p;

    while (w->p < w->end && *w->p >= '0' && *w->p <= '9')
        w->p++;
    return w->p > start ? 0 : -1;
}

static int skip_number(struct walk *w)
{
    if (*w->p == '-')
        w->p++;
    if (w->p < w->end && *w->p == '0')
        w->p++;
    else if (skip_digits(w))
        return -1;
    if (w->p < w->end && *w->p == '.') {
        w->p++;
        if (skip_digits(w))
            return -1;
    }
    if (w->p < w->end && (*w->p | 0x20) == 'e') {
        w->p++;
        if (w->p < w->end && (*w->p == '+' || *w->p == '-'))
            w->p++;
        return skip_digits(w);
    }
    return 0;
}

static int skip_word(struct walk *w)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(w->end - w->p) >= n && !memcmp(w->p, words[i], n)) {
            w->p += n;
            return 0;
        }
    }
    return -1;
}

/*
 * Steps through a list or an object whose opening bracket is taken: 1 an element follows (and for
 * an object its key is in *key), 0 the closing bracket is taken, -1 bad.
 */
static int next_element(struct walk *w, char close, bool *first, struct slice *key)
{
    if (peek(w) == close) {
        /* a comma before the bracket was refused below, so this is the end or an empty one */
        w->p++;
        w->depth--;
        return 0;
    }
    if (!*first) {
        if (peek(w) != ',')
            return -1;
        w->p++;
        if (peek(w) == close)
            return -1;
    }
    *first = false;
    if (close == ']')
        return 1;
    if (peek(w) != '"' || skip_string(w, key) || peek(w) != ':')
        return -1;
    w->p++;
    return 1;
}

static int enter(struct walk *w)
{
    w->p++;
    return ++w->depth > MAX_DEPTH ? -1 : 0;
}

static int skip_value(struct walk *w, struct slice *out)
{
    char c = peek(w);
    const char *start = w->p;
    struct slice ignored;
    bool first = true;
    int rc;

    if (c == '"')
        return skip_string(w, out);
    if (c == '{' || c == '[') {
        char close = c == '{' ? '}' : ']';
        if (enter(w))
            return -1;
        while ((rc = next_element(w, close, &first, &ignored)) > 0) {
            if (skip_value(w, &ignored))
                return -1;
        }
    } else {
        rc = c == '-' || (c >= '0' && c <= '9') ? skip_number(w) : skip_word(w);
    }
    *out = (struct slice){start, (size_t)(w->p - start)};
    return rc;
}

static bool holds(struct slice s, const char *text)
{
    return s.p && memmem(s.p, s.n, text, strlen(text));
}

static int read_message(struct chat_request *q, struct walk *w)
{
    struct slice key, value, role = {NULL, 0}, content = {NULL, 0};
    bool first = true;
    int rc;

    if (peek(w) != '{' || enter(w))
        return -1;
    while ((rc = next_element(w, '}', &first, &key)) > 0) {
        if (skip_value(w, &value))
            return -1;
        if (slice_is(key, "\"role\""))
            role = value;
        else if (slice_is(key, "\"content\"") || slice_is(key, "\"parts\""))
            content = value;
    }
    if (rc < 0 || role.n < 3 || *role.p != '"')
        return -1;
    if (q->messages++)
        buf_add(&q->roles, ",", 1);
    buf_add(&q->roles, role.p + 1, role.n - 2);
    q->last_is_tool = slice_is(role, "\"tool\"") || holds(content, "\"tool_result\"") ||
                      holds(content, "\"functionResponse\"");
    if (slice_is(role, "\"user\""))
        q->last_user = content;
    else if (slice_is(role, "\"system\"") && !q->system.p)
        q->system = content;
    return 0;
}

static int read_messages(struct chat_request *q, struct walk *w)
{
    struct slice none;
    bool first = true;
    int rc;

    if (peek(w) != '[' || enter(w))
        return -1;
    while ((rc = next_element(w, ']', &first, &none)) > 0) {
        if (read_message(q, w))
            return -1;
    }
    return rc;
}

static int read_stream_options(struct chat_request *q, struct walk *w)
{
    struct slice key, value;
    bool first = true;
    int rc;

    if (peek(w) != '{')
        return skip_value(w, &value);
    if (enter(w))
        return -1;
    while ((rc = next_element(w, '}', &first, &key)) > 0) {
        if (skip_value(w, &value))
            return -1;
        if (slice_is(key, "\"include_usage\""))
            q->include_usage = slice_is(value, "true");
    }
    return rc;
}

static int read_inputs(struct chat_request *q, struct walk *w)
{
    struct slice value;
    bool first = true;
    int rc;

    if (peek(w) != '[') {
        q->inputs = 1;
        return skip_value(w, &value);
    }
    if (enter(w))
        return -1;
    while ((rc = next_element(w, ']', &first, &value)) > 0) {
        q->inputs++;
        if (skip_value(w, &value))
            return -1;
    }
    return rc;
}

static int read_body(struct chat_request *q, struct walk *w)
{
    struct slice key, value;
    bool first = true;
    int rc;

    if (peek(w) != '{' || enter(w))
        return -1;
    while ((rc = next_element(w, '}', &first, &key)) > 0) {
        if (slice_is(key, "\"messages\"") || slice_is(key, "\"contents\"")) {
            rc = read_messages(q, w);
        } else if (slice_is(key, "\"stream_options\"")) {
            rc = read_stream_options(q, w);
        } else if (slice_is(key, "\"input\"")) {
            rc = read_inputs(q, w);
        } else {
            rc = skip_value(w, &value);
            if (rc == 0 && slice_is(key, "\"model\""))
                q->model = value;
            else if (rc == 0 && slice_is(key, "\"system\""))
                q->system = value;
            else if (rc == 0 && slice_is(key, "\"stream\""))
                q->stream = slice_is(value, "true");
            else if (rc == 0 && slice_is(key, "\"tools\""))
                q->has_tools = holds(value, "\"name\"");
        }
        if (rc < 0)
            return -1;
    }
    return rc < 0 || peek(w) || w->p != w->end ? -1 : 0;
}

int chat_read(struct chat_request *q, struct slice body, bool embeddings, const char **err)
{
    struct walk w = {body.p, body.p + body.n, 0};
    struct buf roles = q->roles;

    roles.n = 0;
    *q = (struct chat_request){.roles = roles, .dialect = q->dialect};
    if (q->dialect == DIALECT_GEMINI) {
        q->model = (struct slice){"\"in the path\"", 13};
        q->stream = true;
    } else if (q->dialect == DIALECT_OLLAMA) {
        q->stream = true;
    }
    *err = NULL;
    if (read_body(q, &w))
        *err = "the body is not valid JSON, or messages is not a list of objects with a role";
    else if (q->model.n < 3 || *q->model.p != '"')
        *err = "you must provide a model parameter";
    else if (embeddings ? !q->inputs : !q->messages)
        *err = embeddings ? "input must not be empty" : "messages must not be empty";
    return *err ? -1 : 0;
}

static uint32_t hex4(const char *p)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++)
        v = v << 4 | (uint32_t)hex_digit(p[i]);
    return v;
}

/* The escape at p, known to be well-formed; returns its length. Lone surrogates become U+FFFD. */
static size_t decode_escape(const char *p, const char *end, struct buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *at = strchr(from, p[1]);

    if (p[1] != 'u') {
        buf_add(out, at ? &to[at - from] : p + 1, 1);
        return 2;
    }
    uint32_t cp = hex4(p + 2);
    if (cp < 0xd800 || cp > 0xdfff) {
        buf_utf8(out, cp);
        return 6;
    }
    if (cp < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
        uint32_t low = hex4(p + 8);
        if (low >= 0xdc00 && low <= 0xdfff) {
            buf_utf8(out, 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00));
            return 12;
        }
    }
    buf_utf8(out, 0xfffd);
    return 6;
}

static void decode_string(struct slice raw, struct buf *out)
{
    const char *p = raw.p + 1, *end = raw.p + raw.n - 1;

    while (p < end) {
        if (*p == '\\') {
            p += decode_escape(p, end, out);
        } else {
            buf_add(out, p, 1);
            p++;
        }
    }
}

void chat_text(struct slice raw, struct buf *out)
{
    struct walk w = {raw.p, raw.p + raw.n, 0};
    bool first = true, inner;
    struct slice key, value;

    if (raw.n && *raw.p == '"')
        decode_string(raw, out);
    if (!raw.n || *raw.p != '[')
        return;
    w.p++;
    while (next_element(&w, ']', &first, &key) > 0) {
        if (peek(&w) != '{') {
            skip_value(&w, &value);
            continue;
        }
        w.p++;
        inner = true;
        while (next_element(&w, '}', &inner, &key) > 0) {
            skip_value(&w, &value);
            if (slice_is(key, "\"text\"") && *value.p == '"')
                decode_string(value, out);
        }
    }
}
