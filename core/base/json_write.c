/* The writer: commas and nesting, so that callers write values in order. A failed writer stays
 * silent to the end, and its buffer holds a broken document: check `failed` once, at the end. It
 * does not check that keys are given only in objects: tests of the callers see that. */
#include "base/json_scan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put(struct tt_json_writer *w, const char *data, size_t len)
{
    if (!w->failed && tt_buf_append(w->buf, data, len) < 0)
        w->failed = true;
}

/* Whether a comma belongs before a member: unless it is the first or follows its key. */
static bool needs_comma(struct tt_json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return false;
    }
    if (w->depth < 1 || w->depth > TT_JSON_MAX_DEPTH)
        return false;
    uint64_t bit = (uint64_t)1 << (w->depth - 1);
    bool not_first = (w->not_first & bit) != 0;
    w->not_first |= bit;
    return not_first;
}

static void separate(struct tt_json_writer *w)
{
    if (needs_comma(w))
        put(w, ",", 1);
}

static void begin(struct tt_json_writer *w, const char *bracket)
{
    separate(w);
    put(w, bracket, 1);
    w->depth++;
    if (w->depth > TT_JSON_MAX_DEPTH)
        w->failed = true;
    else
        w->not_first &= ~((uint64_t)1 << (w->depth - 1));
}

static void end(struct tt_json_writer *w, const char *bracket)
{
    put(w, bracket, 1);
    w->depth--;
}

void tt_json_begin_object(struct tt_json_writer *w)
{
    begin(w, "{");
}

void tt_json_end_object(struct tt_json_writer *w)
{
    end(w, "}");
}

void tt_json_begin_array(struct tt_json_writer *w)
{
    begin(w, "[");
}

void tt_json_end_array(struct tt_json_writer *w)
{
    end(w, "]");
}

/* A string that needs no escape, and what is before and after it, in one piece. False: nothing was
 * written, since it needs some or there is no room. */
static bool put_plain(struct tt_json_writer *w, bool comma, struct tt_str before, struct tt_str s,
                      bool key)
{
    const char *data = s.len > 0 ? s.data : "";
    char *to;

    if (w->failed || tt_json_plain_run(data, data + s.len) != data + s.len ||
        !(to = tt_buf_reserve(w->buf, before.len + s.len + 4)))
        return false;
    char *from = to;
    if (comma)
        *to++ = ',';
    if (before.len > 0)
        memcpy(to, before.data, before.len);
    to += before.len;
    *to++ = '"';
    memcpy(to, data, s.len);
    to += s.len;
    *to++ = '"';
    if (key)
        *to++ = ':';
    *to = '\0';
    w->buf->len += (size_t)(to - from);
    return true;
}

static void put_string(struct tt_json_writer *w, struct tt_str before, struct tt_str s, bool key)
{
    bool comma = needs_comma(w);

    if (w->failed || put_plain(w, comma, before, s, key))
        return;
    if (comma)
        put(w, ",", 1);
    put(w, before.data, before.len);
    put(w, "\"", 1);
    if (!w->failed && tt_json_escape(w->buf, s) < 0)
        w->failed = true;
    put(w, "\":", key ? 2 : 1);
}

void tt_json_key(struct tt_json_writer *w, struct tt_str key)
{
    put_string(w, TT_STR(""), key, true);
    w->after_key = true;
}

void tt_json_raw_key(struct tt_json_writer *w, struct tt_str key)
{
    bool comma = needs_comma(w);
    char *to = w->failed ? NULL : tt_buf_reserve(w->buf, key.len + 1);

    if (to) {
        *to = ',';
        memcpy(to + comma, key.data, key.len);
        w->buf->len += key.len + comma;
        w->buf->data[w->buf->len] = '\0';
    }
    w->failed = !to;
    w->after_key = true;
}

void tt_json_raw_key_str(struct tt_json_writer *w, struct tt_str key, struct tt_str s)
{
    put_string(w, key, s, false);
}

void tt_json_str(struct tt_json_writer *w, struct tt_str s)
{
    put_string(w, TT_STR(""), s, false);
}

void tt_json_int(struct tt_json_writer *w, int64_t n)
{
    separate(w);
    if (!w->failed && tt_buf_append_i64(w->buf, n) < 0)
        w->failed = true;
}

void tt_json_num(struct tt_json_writer *w, double x)
{
    char text[32];
    if (!isfinite(x)) {
        tt_json_null(w);
        return;
    }
    if (fabs(x) <= 9007199254740992.0 && x == (double)(int64_t)x) {
        tt_json_int(w, (int64_t)x);
        return;
    }
    /* The shortest of these that reads back the same: 0.1 and not 0.10000000000000001. */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    separate(w);
    put(w, text, strlen(text));
}

void tt_json_bool(struct tt_json_writer *w, bool b)
{
    separate(w);
    put(w, b ? "true" : "false", b ? 4 : 5);
}

void tt_json_null(struct tt_json_writer *w)
{
    separate(w);
    put(w, "null", 4);
}

void tt_json_raw(struct tt_json_writer *w, struct tt_str json)
{
    separate(w);
    put(w, json.data, json.len);
}
