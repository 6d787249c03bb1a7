/* Images in an answer. A reply is text, so an image is named where it stood, with its type and its
 * size, or linked when it lies somewhere else; the rest of the answer is kept. Those that came with
 * their bytes are carried beside the text, as parts in OpenAI's form, while there is room. */
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

/* The bytes of base64 and of types, which need no escapes. */
static bool is_plain(struct tt_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i], letter = c | 0x20;
        if (!(letter >= 'a' && letter <= 'z') && !(c >= '+' && c <= '9' && c != ',') && c != '=')
            return false;
    }
    return true;
}

/* One with other bytes is no image. */
static void put_item(struct tt_buf *items, struct tt_str type, struct tt_str base64)
{
    size_t before = items->len;

    items->max = TT_DELTA_IMAGES_BYTES;
    if (type.len == 0 || type.len > TYPE_BYTES || base64.len == 0 || !is_plain(type) ||
        !is_plain(base64))
        return;
    if (tt_buf_printf(items, "%s{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:%.*s;base64,",
                      before ? "," : "", TT_STR_ARG(type)) != 0 ||
        tt_buf_append_str(items, base64) != 0 || tt_buf_append_z(items, "\"}}") != 0)
        items->len = before;
}

static void put_url(struct tt_buf *content, struct tt_buf *items, struct tt_str url)
{
    ptrdiff_t comma = tt_str_find(url, ',');
    if (tt_str_starts(url, TT_STR("data:")) && comma > 0) {
        struct tt_str type = tt_str_of(url.data + 5, (size_t)comma - 5);
        ptrdiff_t end = tt_str_find(type, ';');
        if (tt_str_ends(type, TT_STR(";base64")))
            put_item(items, tt_str_of(type.data, (size_t)end),
                     tt_str_of(url.data + comma + 1, url.len - (size_t)comma - 1));
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
static void put_object(struct tt_buf *content, struct tt_buf *items,
                       const struct tt_json_value *object)
{
    struct tt_json_value member;
    struct tt_str key, type = TT_STR(""), data = TT_STR("");
    size_t cursor = 0;
    while (tt_json_next_member(object, &cursor, &key, &member)) {
        if (member.type != TT_JSON_STRING)
            continue;
        if (tt_str_eq(key, TT_STR("\"mimeType\"")))
            type = tt_str_of(member.raw.data + 1, member.raw.len - 2);
        else if (tt_str_eq(key, TT_STR("\"data\"")))
            data = tt_str_of(member.raw.data + 1, member.raw.len - 2);
    }
    put_item(items, type, data);
    put_note(content, type, data.len);
}

void tt_delta_image(const struct tt_json_value *value, struct tt_buf *content, struct tt_buf *items)
{
    struct tt_buf plain = {0};
    if (value->type == TT_JSON_STRING) {
        tt_json_unescape(value->raw, NULL, &plain);
        put_url(content, items, tt_buf_str(&plain));
    } else if (value->type == TT_JSON_OBJECT) {
        put_object(content, items, value);
    }
    tt_buf_free(&plain);
}
