/* Images in an answer. A reply is text, so an image is named where it stood, with its type and its
 * size, or linked when it lies somewhere else; the rest of the answer is kept. */
#include "upstream/delta_internal.h"

#include <stdio.h>

#define TYPE_BYTES 64

static void put_note(struct tt_buf *content, struct tt_str type, size_t base64_bytes)
{
    double kib = (double)base64_bytes * 3 / 4 / 1024;
    if (type.len == 0 || type.len > TYPE_BYTES)
        type = TT_STR("image");
    tt_buf_printf(content, kib < 1024 ? "\n[%.*s, %.1f KiB]\n" : "\n[%.*s, %.2f MiB]\n",
                  TT_STR_ARG(type), kib < 1024 ? kib : kib / 1024);
}

static void put_url(struct tt_buf *content, struct tt_str url)
{
    ptrdiff_t comma = tt_str_find(url, ',');
    if (tt_str_starts(url, TT_STR("data:")) && comma > 0) {
        struct tt_str type = tt_str_of(url.data + 5, (size_t)comma - 5);
        ptrdiff_t end = tt_str_find(type, ';');
        if (end >= 0)
            type.len = (size_t)end;
        put_note(content, type, url.len - (size_t)comma - 1);
    } else if (tt_str_starts(url, TT_STR("https://")) || tt_str_starts(url, TT_STR("http://"))) {
        tt_buf_printf(content, "\n![](%.*s)\n", TT_STR_ARG(url));
    } else {
        put_note(content, TT_STR("image"), url.len);
    }
}

/* {"mimeType": …, "data": …}, in Gemini's words. */
static void put_object(struct tt_buf *content, const struct tt_json_value *object)
{
    struct tt_json_value member;
    struct tt_str key, type = TT_STR("");
    size_t cursor = 0, bytes = 0;
    while (tt_json_next_member(object, &cursor, &key, &member)) {
        if (member.type != TT_JSON_STRING)
            continue;
        if (tt_str_eq(key, TT_STR("\"mimeType\"")))
            type = tt_str_of(member.raw.data + 1, member.raw.len - 2);
        else if (tt_str_eq(key, TT_STR("\"data\"")))
            bytes = member.raw.len - 2;
    }
    put_note(content, type, bytes);
}

void tt_delta_image(const struct tt_json_value *value, struct tt_buf *content)
{
    struct tt_buf plain = {0};
    if (value->type == TT_JSON_STRING) {
        tt_json_unescape(value->raw, NULL, &plain);
        put_url(content, tt_buf_str(&plain));
    } else if (value->type == TT_JSON_OBJECT) {
        put_object(content, value);
    }
    tt_buf_free(&plain);
}
