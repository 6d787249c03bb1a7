/* The checker and the selector must agree on what is JSON, and what is written from a valid
 * document must be valid: indented, and its strings unescaped and escaped again. */
#include "base/json.h"

#include "base/utf8.h"
#include "fuzz.h"

static void check_string(struct tt_str raw)
{
    struct tt_buf text = {0}, again = {0};
    struct tt_err err = {0};

    check(tt_json_unescape(raw, NULL, &text) == 0);
    check(tt_utf8_valid(tt_buf_str(&text)));
    tt_buf_putc(&again, '"');
    check(tt_json_escape(&again, tt_buf_str(&text)) == 0);
    tt_buf_putc(&again, '"');
    check(tt_json_check(tt_buf_str(&again), 1, &err) == 0);
    tt_buf_free(&text);
    tt_buf_free(&again);
}

static void walk(struct tt_json_value value)
{
    struct tt_json_value item;
    struct tt_str key;
    size_t cursor = 0;
    int64_t number;

    if (value.type == TT_JSON_STRING)
        check_string(value.raw);
    if (value.type == TT_JSON_NUMBER)
        tt_json_to_i64(&value, &number);
    if (value.type == TT_JSON_ARRAY)
        while (tt_json_next(&value, &cursor, &item))
            walk(item);
    if (value.type == TT_JSON_OBJECT)
        while (tt_json_next_member(&value, &cursor, &key, &item)) {
            check_string(key);
            walk(item);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tt_str doc = tt_str_of((const char *)data, size);
    struct tt_json_path path;
    struct tt_json_value picked;
    struct tt_err err = {0};
    struct tt_buf indented = {0};
    size_t weight = 0;

    int rc = tt_json_check(doc, TT_JSON_MAX_DEPTH, &err);
    check((tt_json_weigh(doc, TT_JSON_MAX_DEPTH, &weight, &err) == 0) == (rc == 0));
    check(tt_json_path_parse(&path, "a.0.b", &err) == 0);
    int selected = tt_json_select(doc, &path, 1, &picked, &err);
    if (rc == 0) {
        check(selected == 0);
        walk(tt_json_value_of(doc));
        check(tt_json_indent(doc, &indented) == 0);
        check(tt_json_check(tt_buf_str(&indented), TT_JSON_MAX_DEPTH, &err) == 0);
    }
    tt_buf_free(&indented);
    return 0;
}
