/* The push parser. Lines first, then events: bytes are only copied when a line or an event crosses
 * the end of the fed bytes, so a stream whose events arrive whole costs no copy. The traps of the
 * format: three kinds of line ends, CR and LF of one end in two feeds, a byte order mark (only at
 * the very start, perhaps cut too), one optional blank after the colon, several data lines joined
 * by LF. `id` and `retry` have no meaning here. Unlike in the standard, an event with empty data is
 * skipped (upstreams send such events as keep-alive), and the blank line between events may be
 * missing: two data lines that cannot be parts of one JSON document are two events. Otherwise it
 * does not look inside the data. */
#include "upstream/sse_parse.h"

#define LINE_KEPT_BYTES ((size_t)256 << 10) /* of memory, behind a line that needed more */

typedef int on_event_fn(void *arg, struct tt_str name, struct tt_str data, struct tt_err *err);

void tt_sse_create(struct tt_sse_parser *parser, enum tt_sse_kind kind, size_t line_max)
{
    *parser = (struct tt_sse_parser){.kind = kind, .line_max = line_max};
    parser->line.max = line_max + 4; /* a CR or a byte order mark is no part of the line */
    parser->data.max = line_max;
    parser->name.max = line_max;
}

void tt_sse_destroy(struct tt_sse_parser *parser)
{
    tt_buf_free(&parser->line);
    tt_buf_free(&parser->data);
    tt_buf_free(&parser->name);
}

/* What one feed works with. `kept` is a first data line that still lies in the fed bytes. */
struct feed {
    struct tt_sse_parser *parser;
    on_event_fn *on_event;
    void *arg;
    struct tt_err *err;
    struct tt_str kept;
};

static int too_long(const struct feed *feed)
{
    return tt_err_set(feed->err, 502, "upstream_line_too_long",
                      "the upstream sent a line or event of more than %zu bytes",
                      feed->parser->line_max);
}

static int keep(struct feed *feed)
{
    if (!feed->kept.data)
        return 0;
    if (tt_buf_append_str(&feed->parser->data, feed->kept) != 0)
        return too_long(feed);
    feed->kept.data = NULL;
    return 0;
}

static struct tt_str data_of(const struct feed *feed)
{
    return feed->kept.data ? feed->kept : tt_buf_str(&feed->parser->data);
}

/* Empties; what one big event needed is not kept for the rest of a stream. */
static void empty(struct tt_buf *buf)
{
    if (buf->cap > LINE_KEPT_BYTES)
        tt_buf_free(buf);
    else
        tt_buf_clear(buf);
}

static int dispatch(struct feed *feed)
{
    struct tt_sse_parser *parser = feed->parser;
    struct tt_str data = data_of(feed);
    int result = 0;
    if (parser->has_data && data.len > 0)
        result = feed->on_event(feed->arg, tt_buf_str(&parser->name), data, feed->err);
    parser->has_data = false;
    feed->kept.data = NULL;
    empty(&parser->data);
    tt_buf_clear(&parser->name);
    parser->late_name = false;
    return result;
}

/* Another event begins without a blank line: a name behind the data is that one's. */
static int dispatch_before_next(struct feed *feed)
{
    struct tt_buf *name = &feed->parser->name, next = *name;
    if (!feed->parser->late_name)
        return dispatch(feed);
    *name = (struct tt_buf){.max = next.max};
    int result = dispatch(feed);
    tt_buf_free(name);
    *name = next;
    return result;
}

/* Whether a data line begins another event although no blank line came. Exact: in a JSON document
 * an object or a list begins a line only behind "[", "{", ":" or ",", and only a comma or another
 * end follows the end of one. */
static bool begins_another(const struct feed *feed, struct tt_str value)
{
    struct tt_str before = tt_str_trim(data_of(feed));
    value = tt_str_trim(value);
    if (!feed->parser->has_data || before.len == 0 || value.len == 0)
        return false;
    char last = before.data[before.len - 1], first = value.data[0];
    return ((first == '{' || first == '[') && !memchr("[{:,", last, 4)) ||
           ((last == '}' || last == ']') && !memchr(",]}", first, 3));
}

/* `whole`: the value lies in the fed bytes and stays there until the feed ends. */
static int take_data(struct feed *feed, struct tt_str value, bool whole)
{
    struct tt_sse_parser *parser = feed->parser;
    if (begins_another(feed, value) && dispatch_before_next(feed) != 0)
        return -1;
    bool first = !parser->has_data;
    parser->has_data = true;
    if (first && whole) {
        feed->kept = value;
        return 0;
    }
    if (keep(feed) != 0)
        return -1;
    if ((!first && tt_buf_putc(&parser->data, '\n') != 0) ||
        tt_buf_append_str(&parser->data, value) != 0)
        return too_long(feed);
    return 0;
}

static int take_field(struct feed *feed, struct tt_str line, bool whole)
{
    ptrdiff_t colon = tt_str_find(line, ':');
    struct tt_str field = tt_str_of(line.data, colon < 0 ? line.len : (size_t)colon);
    struct tt_str value = tt_str_of(line.data + line.len, 0);
    if (colon >= 0)
        value = tt_str_of(line.data + colon + 1, line.len - (size_t)colon - 1);
    if (value.len > 0 && value.data[0] == ' ')
        value = tt_str_of(value.data + 1, value.len - 1);
    if (tt_str_eq(field, TT_STR("data")))
        return take_data(feed, value, whole);
    if (tt_str_eq(field, TT_STR("event"))) {
        /* A second name behind data: the blank line between the two events is missing. */
        if (feed->parser->has_data && feed->parser->name.len > 0 && dispatch(feed) != 0)
            return -1;
        feed->parser->late_name = feed->parser->has_data;
        tt_buf_clear(&feed->parser->name);
        if (tt_buf_append_str(&feed->parser->name, value) != 0)
            return too_long(feed);
    }
    return 0; /* comments (an empty field), id, retry, unknown ones */
}

static int take_line(struct feed *feed, struct tt_str line, bool whole)
{
    struct tt_sse_parser *parser = feed->parser;
    if (!parser->started && tt_str_starts(line, TT_STR("\xEF\xBB\xBF")))
        line = tt_str_of(line.data + 3, line.len - 3);
    parser->started = true;
    if (line.len > parser->line_max)
        return too_long(feed);
    if (parser->kind == TT_SSE_JSON_LINES) {
        line = tt_str_trim(line);
        return line.len > 0 ? feed->on_event(feed->arg, TT_STR(""), line, feed->err) : 0;
    }
    return line.len > 0 ? take_field(feed, line, whole) : dispatch(feed);
}

/* The line's begin may wait in parser->line. */
static int end_line(struct feed *feed, struct tt_str rest_of_line)
{
    struct tt_buf *line = &feed->parser->line;
    if (line->len == 0)
        return take_line(feed, rest_of_line, true);
    if (tt_buf_append_str(line, rest_of_line) != 0)
        return too_long(feed);
    int result = take_line(feed, tt_buf_str(line), false);
    empty(line);
    return result;
}

/* Looks for both line ends, but for each LF only once: bytes full of CRs stay linear. */
static int take_lines(struct feed *feed, struct tt_str *bytes)
{
    struct tt_sse_parser *parser = feed->parser;
    const char *p = bytes->data;
    const char *end = p + bytes->len;
    const char *lf = NULL;
    while (p < end) {
        if (parser->after_cr) {
            parser->after_cr = false;
            if (*p == '\n') {
                p++;
                continue;
            }
        }
        if (!lf || lf < p)
            lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf)
            lf = end;
        const char *at = lf;
        if (parser->kind == TT_SSE_EVENTS) {
            const char *cr = memchr(p, '\r', (size_t)(lf - p));
            at = cr ? cr : lf;
        }
        if (at == end)
            break;
        parser->after_cr = *at == '\r';
        if (end_line(feed, tt_str_of(p, (size_t)(at - p))) != 0)
            return -1;
        p = at + 1;
    }
    *bytes = tt_str_of(p, (size_t)(end - p));
    return 0;
}

int tt_sse_feed(struct tt_sse_parser *parser, struct tt_str bytes,
                int (*on_event)(void *arg, struct tt_str name, struct tt_str data,
                                struct tt_err *err),
                void *arg, struct tt_err *err)
{
    struct feed feed = {parser, on_event, arg, err, {NULL, 0}};
    if (bytes.len == 0)
        return 0;
    if (take_lines(&feed, &bytes) != 0 || keep(&feed) != 0)
        return -1;
    if (bytes.len > 0 && tt_buf_append_str(&parser->line, bytes) != 0)
        return too_long(&feed);
    return 0;
}

static void forget(struct tt_sse_parser *parser)
{
    empty(&parser->line);
    empty(&parser->data);
    tt_buf_clear(&parser->name);
    parser->has_data = parser->late_name = false;
}

/* The data of the unfinished event, when all of it is in one piece. */
static struct tt_str pending(const struct tt_sse_parser *parser)
{
    struct tt_str line = tt_buf_str(&parser->line);
    if (parser->kind == TT_SSE_JSON_LINES)
        return line;
    if (line.len == 0)
        return parser->has_data ? tt_buf_str(&parser->data) : line;
    if (parser->has_data || !tt_str_starts(line, TT_STR("data:")))
        return tt_str_of(line.data, 0);
    return tt_str_of(line.data + 5, line.len - 5);
}

int tt_sse_flush(struct tt_sse_parser *parser, bool (*is_whole)(struct tt_str data),
                 int (*on_event)(void *arg, struct tt_str name, struct tt_str data,
                                 struct tt_err *err),
                 void *arg, struct tt_err *err)
{
    struct tt_str data = tt_str_trim(pending(parser));
    if (data.len == 0 || parser->late_name || !is_whole(data))
        return 0;
    int result = on_event(arg, tt_buf_str(&parser->name), data, err);
    forget(parser);
    return result;
}

int tt_sse_end(struct tt_sse_parser *parser,
               int (*on_event)(void *arg, struct tt_str name, struct tt_str data,
                               struct tt_err *err),
               void *arg, struct tt_err *err)
{
    struct feed feed = {parser, on_event, arg, err, {NULL, 0}};
    int result = 0;
    if (parser->line.len > 0)
        result = end_line(&feed, TT_STR(""));
    if (result == 0 && parser->kind == TT_SSE_EVENTS)
        result = dispatch(&feed);
    forget(parser);
    return result;
}
