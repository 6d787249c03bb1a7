/* JSON by RFC 8259, strict, on UTF-8 text. Three parts: a validator that limits size and depth, a
 * selector that picks values at fixed paths in one pass over a document (streaming needs that per
 * token, without building a tree), and a writer into a tt_buf. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define TT_JSON_MAX_DEPTH 64

enum tt_json_type {
    TT_JSON_NONE, /* absent */
    TT_JSON_NULL,
    TT_JSON_TRUE,
    TT_JSON_FALSE,
    TT_JSON_NUMBER,
    TT_JSON_STRING,
    TT_JSON_ARRAY,
    TT_JSON_OBJECT
};

/* Checks a whole document: syntax, UTF-8, depth, no lone surrogate escapes. 0, or -1 with code
 * "invalid_json" and the byte position in the message. Thread: any. */
int tt_json_check(struct tt_str doc, int max_depth, struct tt_err *err);

/* The same. *weight gets roughly the cost of building the document's values and writing them again,
 * which has little to do with its length: 1 for a whole number or a word, 3 for a string, 5 for an
 * array or object, 8 for a key and for a number with a fraction or an exponent. Thread: any. */
int tt_json_weigh(struct tt_str doc, int max_depth, size_t *weight, struct tt_err *err);

/* A value inside a document. `raw` is its exact text (a string with its quotes). */
struct tt_json_value {
    enum tt_json_type type;
    struct tt_str raw;
};

/* The whole of a valid document. */
struct tt_json_value tt_json_value_of(struct tt_str doc);

/* A path such as "choices.0.delta.content", split once: keys, or indexes written as numbers. */
#define TT_JSON_PATH_MAX 8
struct tt_json_path {
    struct tt_str step[TT_JSON_PATH_MAX]; /* slices of the text given to tt_json_path_parse */
    int index[TT_JSON_PATH_MAX];          /* the step as an array index, -1 if it is not a number */
    uint32_t twins[TT_JSON_PATH_MAX]; /* bits of paths with the same steps so far; 0 = unknown */
    int count;
};
int tt_json_path_parse(struct tt_json_path *path, const char *dotted, struct tt_err *err);

/* Notes the common beginnings of the paths of one tt_json_select, so that a step shared by many of
 * them is compared once. For sets that are used often; call it again after each change. When all
 * but the last are linked already, tt_json_paths_link_last does the same. Thread: the owner's. */
void tt_json_paths_link(struct tt_json_path *paths, size_t count);
void tt_json_paths_link_last(struct tt_json_path *paths, size_t count);

/* Picks the values at `count` (<= 31) paths in one strict pass. An absent value has type
 * TT_JSON_NONE; of equal keys the last wins. -1 when the document is not valid JSON. Thread: any.
 */
int tt_json_select(struct tt_str doc, const struct tt_json_path *paths, size_t count,
                   struct tt_json_value *out, struct tt_err *err);

/* Decodes the escapes of a TT_JSON_STRING value into out. U+0000 becomes U+FFFD (see
 * tt_utf8_append_without_nul), and so does a lone surrogate escape unless `high` is given: then a
 * trailing high half is stored there for the next string of the same stream (some upstreams cut a
 * pair in two), and a leading low half completes the stored one. */
int tt_json_unescape(struct tt_str raw, uint32_t *high, struct tt_buf *out);

/* Appends a valid document with \ufffd for each escape \u0000, for other readers than this one. */
int tt_json_without_nul(struct tt_str doc, struct tt_buf *out);

/* The value as an integer; -1 when it is not a number, has a fraction, or is outside +-2^53. */
int tt_json_to_i64(const struct tt_json_value *value, int64_t *out);

/* Walks an array: start with *cursor = 0; false at the end. */
bool tt_json_next(const struct tt_json_value *array, size_t *cursor, struct tt_json_value *item);

/* Walks a valid object in the same way; `key` is a string's exact text, with its quotes. */
bool tt_json_next_member(const struct tt_json_value *object, size_t *cursor, struct tt_str *key,
                         struct tt_json_value *value);

/* A member of a valid object by its key as it is written, with its quotes; TT_JSON_NONE when there
 * is none, also of anything that is no object. */
struct tt_json_value tt_json_member(const struct tt_json_value *object, struct tt_str quoted_key);

/* The writer adds the commas. Zero-initialise it and set buf; nesting up to TT_JSON_MAX_DEPTH.
 * Every string must be valid UTF-8 (invalid bytes become U+FFFD, so output is always valid JSON).
 */
struct tt_json_writer {
    struct tt_buf *buf;
    uint64_t not_first; /* one bit per depth */
    int depth;
    bool after_key;
    bool failed; /* the buffer's limit was exceeded */
};
/* A writer within an object that is open already; `empty`: no member is there yet. */
static inline struct tt_json_writer tt_json_within(struct tt_buf *buf, bool empty)
{
    return (struct tt_json_writer){.buf = buf, .not_first = empty ? 0 : 1, .depth = 1};
}
void tt_json_begin_object(struct tt_json_writer *w);
void tt_json_end_object(struct tt_json_writer *w);
void tt_json_begin_array(struct tt_json_writer *w);
void tt_json_end_array(struct tt_json_writer *w);
void tt_json_key(struct tt_json_writer *w, struct tt_str key);
void tt_json_raw_key(struct tt_json_writer *w, struct tt_str key); /* ready: "name": */
/* A member with a text: the same as tt_json_raw_key and tt_json_str. */
void tt_json_raw_key_str(struct tt_json_writer *w, struct tt_str key, struct tt_str s);
void tt_json_str(struct tt_json_writer *w, struct tt_str s);
void tt_json_int(struct tt_json_writer *w, int64_t n);
/* Whole numbers up to 2^53 have no fraction; NaN and infinities become null. */
void tt_json_num(struct tt_json_writer *w, double x);
void tt_json_bool(struct tt_json_writer *w, bool b);
void tt_json_null(struct tt_json_writer *w);
void tt_json_raw(struct tt_json_writer *w, struct tt_str json); /* one ready value */

/* Replaces the line breaks behind `from`, where there is valid JSON: they stand between its tokens
 * only. For an event of a stream, whose data ends with its line. */
void tt_json_one_line(struct tt_buf *buf, size_t from);

/* Appends a valid document in a form for people: one line per entry, two spaces per level. Fails:
 * -1 when out's limit was exceeded. */
int tt_json_indent(struct tt_str doc, struct tt_buf *out);

/* Appends `s` escaped, without quotes: the fast path of stream frames. */
int tt_json_escape(struct tt_buf *buf, struct tt_str s);
