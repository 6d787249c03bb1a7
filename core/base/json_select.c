/* Picking values out of a document in one pass; done for every event of a stream. The walk descends
 * only where some path still matches and scans over the rest; nothing is allocated, values are
 * slices of the document. The whole document is checked on the way, so that half an event is never
 * mistaken for a whole one. Lone surrogate escapes pass: tt_json_unescape can join them. */
#include "base/json_scan.h"

#define PATHS_MAX 31

int tt_json_path_parse(struct tt_json_path *path, const char *dotted, struct tt_err *err)
{
    struct tt_str rest = tt_str_from(dotted), step;
    *path = (struct tt_json_path){.count = 0};
    while (tt_str_split(&rest, '.', &step)) {
        uint64_t index;
        if (step.len == 0 || path->count == TT_JSON_PATH_MAX)
            return tt_err_set(err, 500, "invalid_path",
                              "JSON path \"%s\": 1 to %d steps, none empty", dotted,
                              TT_JSON_PATH_MAX);
        bool canonical = step.len <= 9 && (step.data[0] != '0' || step.len == 1);
        path->step[path->count] = step;
        path->index[path->count] = canonical && tt_str_to_u64(step, &index) == 0 ? (int)index : -1;
        path->count++;
    }
    if (path->count == 0)
        return tt_err_set(err, 500, "invalid_path", "no JSON path");
    return 0;
}

void tt_json_paths_link_last(struct tt_json_path *paths, size_t count)
{
    size_t last = count - 1;

    memset(paths[last].twins, 0, sizeof(paths[last].twins));
    for (size_t k = 0; k < count; k++)
        for (int level = 0; level < paths[last].count && level < paths[k].count &&
                            tt_str_eq(paths[last].step[level], paths[k].step[level]);
             level++) {
            paths[last].twins[level] |= 1u << k;
            paths[k].twins[level] |= 1u << last;
        }
}

void tt_json_paths_link(struct tt_json_path *paths, size_t count)
{
    for (size_t i = 1; i <= count; i++)
        tt_json_paths_link_last(paths, i);
}

struct selection {
    struct tt_json_scan scan;
    const struct tt_json_path *paths;
    size_t count;
    struct tt_json_value *out;
};

/* A key with escapes is the same key. */
static bool escaped_key_is(struct tt_str raw, struct tt_str step)
{
    struct tt_buf plain = {0};
    tt_json_unescape(raw, NULL, &plain);
    bool same = tt_str_eq(tt_buf_str(&plain), step);
    tt_buf_free(&plain);
    return same;
}

/* The paths among `active` whose step is this key. Every key of an event is compared with every
 * path, so paths with one step are compared once, and length and first byte before any call. */
static inline unsigned matching(const struct selection *sel, struct tt_str raw, unsigned active,
                                int level)
{
    const char *text = raw.data + 1;
    size_t len = raw.len - 2;
    bool escaped = active && memchr(text, '\\', len);
    unsigned matched = 0, group;
    for (unsigned left = active; left; left &= ~group) {
        const struct tt_json_path *path = &sel->paths[__builtin_ctz(left)];
        struct tt_str step = path->step[level];
        group = (left & -left) | path->twins[level];
        if (step.len == len ? step.data[0] == text[0] && memcmp(text, step.data, len) == 0
                            : escaped && len > step.len && escaped_key_is(raw, step))
            matched |= group & active;
    }
    return matched;
}

static bool walk_value(struct selection *sel, unsigned active, int level);

/* Walks the member at p with the paths that matched its key or index; fills those that end here. */
static bool walk_member(struct selection *sel, unsigned matched, int level)
{
    unsigned deeper = 0;
    for (unsigned left = matched; left; left &= left - 1) {
        int i = __builtin_ctz(left);
        /* Of equal keys the last wins: what an earlier one gave is void, below it too. */
        sel->out[i] = (struct tt_json_value){0};
        if (sel->paths[i].count > level + 1)
            deeper |= 1u << i;
    }
    const char *from = sel->scan.p;
    if (!walk_value(sel, deeper, level + 1))
        return false;
    for (unsigned left = matched & ~deeper; left; left &= left - 1) {
        int i = __builtin_ctz(left);
        sel->out[i].type = tt_json_type_at(from, sel->scan.end);
        sel->out[i].raw = tt_str_of(from, (size_t)(sel->scan.p - from));
    }
    return true;
}

static bool walk_object(struct selection *sel, unsigned active, int level)
{
    struct tt_json_scan *s = &sel->scan;
    if (!tt_json_scan_enter(s))
        return false;
    if (s->p < s->end && *s->p == '}') {
        s->p++;
        s->depth--;
        return true;
    }
    do {
        struct tt_str key;
        if (!tt_json_scan_key(s, &key) ||
            !walk_member(sel, matching(sel, key, active, level), level))
            return false;
    } while (tt_json_scan_more(s, '}'));
    return !s->error;
}

static bool walk_array(struct selection *sel, unsigned active, int level)
{
    struct tt_json_scan *s = &sel->scan;
    int index = 0;
    if (!tt_json_scan_enter(s))
        return false;
    if (s->p < s->end && *s->p == ']') {
        s->p++;
        s->depth--;
        return true;
    }
    do {
        unsigned matched = 0;
        for (unsigned left = active, group; left; left &= ~group) {
            const struct tt_json_path *path = &sel->paths[__builtin_ctz(left)];
            group = (left & -left) | path->twins[level];
            if (path->index[level] == index)
                matched |= group & active;
        }
        tt_json_scan_blank(s);
        if (!walk_member(sel, matched, level))
            return false;
        index++;
    } while (tt_json_scan_more(s, ']'));
    return !s->error;
}

/* Recursion ends with the paths: at most TT_JSON_PATH_MAX deep, whatever the document does. */
static bool walk_value(struct selection *sel, unsigned active, int level)
{
    struct tt_json_scan *s = &sel->scan;
    if (active && s->p < s->end && *s->p == '{')
        return walk_object(sel, active, level);
    if (active && s->p < s->end && *s->p == '[')
        return walk_array(sel, active, level);
    return tt_json_scan_value(s);
}

int tt_json_select(struct tt_str doc, const struct tt_json_path *paths, size_t count,
                   struct tt_json_value *out, struct tt_err *err)
{
    struct selection sel = {.paths = paths, .count = count, .out = out};
    if (count > PATHS_MAX)
        return tt_err_set(err, 500, "invalid_path", "more than %d JSON paths", PATHS_MAX);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct tt_json_value){0};
    tt_json_scan_init(&sel.scan, doc, TT_JSON_MAX_DEPTH);
    sel.scan.lone_allowed = true;
    tt_json_scan_blank(&sel.scan);
    if (walk_value(&sel, (1u << count) - 1, 0) && tt_json_scan_end(&sel.scan))
        return 0;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct tt_json_value){0};
    return tt_json_scan_report(&sel.scan, err);
}

struct tt_json_value tt_json_value_of(struct tt_str doc)
{
    doc = tt_str_trim(doc);
    return (struct tt_json_value){tt_json_type_at(doc.data, doc.data + doc.len), doc};
}

/* Begins at the cursor, which is on the opening bracket at first, then on the comma or bracket
 * after an item: false when none follows. */
static bool next_begin(struct tt_json_scan *s, struct tt_str container, size_t cursor)
{
    tt_json_scan_init(s, container, TT_JSON_MAX_DEPTH);
    s->lone_allowed = true;
    s->p += cursor;
    if (cursor > 0 && *s->p != ',')
        return false;
    s->p++;
    tt_json_scan_blank(s);
    return s->p < s->end && *s->p != ']' && *s->p != '}';
}

static bool next_value(struct tt_json_scan *s, size_t *cursor, struct tt_json_value *value)
{
    const char *from = s->p;
    if (!tt_json_scan_value(s))
        return false;
    value->type = tt_json_type_at(from, s->end);
    value->raw = tt_str_of(from, (size_t)(s->p - from));
    tt_json_scan_blank(s);
    *cursor = (size_t)(s->p - s->start);
    return true;
}

bool tt_json_next(const struct tt_json_value *array, size_t *cursor, struct tt_json_value *item)
{
    struct tt_json_scan s;
    return array->type == TT_JSON_ARRAY && *cursor < array->raw.len &&
           next_begin(&s, array->raw, *cursor) && next_value(&s, cursor, item);
}

bool tt_json_next_member(const struct tt_json_value *object, size_t *cursor, struct tt_str *key,
                         struct tt_json_value *value)
{
    struct tt_json_scan s;
    return object->type == TT_JSON_OBJECT && *cursor < object->raw.len &&
           next_begin(&s, object->raw, *cursor) && tt_json_scan_key(&s, key) &&
           next_value(&s, cursor, value);
}

struct tt_json_value tt_json_member(const struct tt_json_value *object, struct tt_str quoted_key)
{
    struct tt_json_value value;
    struct tt_str key;
    size_t cursor = 0;

    while (tt_json_next_member(object, &cursor, &key, &value))
        if (tt_str_eq(key, quoted_key))
            return value;
    return (struct tt_json_value){0};
}
