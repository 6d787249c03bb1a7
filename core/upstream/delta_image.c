/* Images in an answer. A reply is text, so an image is named where it stood, with its type and its
 * size, or linked when it lies somewhere else; the rest of the answer is kept. Those that came with
 * their bytes are carried beside the text, as parts in OpenAI's form, while there is room. */
#include "upstream/delta_internal.h"

#include <stddef.h>
#include <stdio.h>

#define TYPE_BYTES   64
#define BASE64_BYTES 64 /* at least so many are no word but an image */
#define DEPTH_MAX    3

/* Where an image goes. */
struct places {
    struct tt_buf *content, *items;
    int *left_out;
};

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
        if (!(letter >= 'a' && letter <= 'z') && !(c >= '+' && c <= '9' && c != ',') && c != '=' &&
            c != '_')
            return false;
    }
    return true;
}

/* One with other bytes is no image. */
static void put_item(struct places *to, struct tt_str type, struct tt_str base64)
{
    struct tt_buf *items = to->items;
    size_t before = items->len;

    items->max = TT_REPLY_IMAGES_MAX;
    if (type.len == 0 || type.len > TYPE_BYTES || base64.len == 0 || !is_plain(type) ||
        !is_plain(base64))
        return;
    if (tt_buf_printf(items, "%s{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:%.*s;base64,",
                      before ? "," : "", TT_STR_ARG(type)) != 0 ||
        tt_buf_append_str(items, base64) != 0 || tt_buf_append_z(items, "\"}}") != 0) {
        items->len = before;
        ++*to->left_out;
    }
}

static void put_data(struct places *to, struct tt_str type, struct tt_str base64)
{
    put_item(to, type, base64);
    put_note(to->content, type, base64.len);
}

/* The type of an image that is told without one, by the beginning of its base64. */
static struct tt_str type_of(struct tt_str base64)
{
    static const struct {
        const char *begin, *type;
    } kinds[] = {{"iVBORw0KGg", "image/png"},
                 {"/9j/", "image/jpeg"},
                 {"R0lGOD", "image/gif"},
                 {"UklGR", "image/webp"}};
    for (size_t i = 0; i < TT_COUNT(kinds); i++)
        if (tt_str_starts(base64, tt_str_from(kinds[i].begin)))
            return tt_str_from(kinds[i].type);
    return TT_STR("application/octet-stream");
}

/* An address, a data URL, or bare base64. */
static void put_url(struct places *to, struct tt_str url)
{
    ptrdiff_t comma = tt_str_find(url, ',');
    if (tt_str_starts(url, TT_STR("data:")) && comma > 0) {
        struct tt_str type = tt_str_of(url.data + 5, (size_t)comma - 5);
        struct tt_str data = tt_str_of(url.data + comma + 1, url.len - (size_t)comma - 1);
        ptrdiff_t end = tt_str_find(type, ';');
        bool base64 = tt_str_ends(type, TT_STR(";base64"));
        if (end >= 0)
            type.len = (size_t)end;
        if (base64)
            put_data(to, type, data);
        else
            put_note(to->content, type, data.len);
    } else if (tt_str_starts(url, TT_STR("https://")) || tt_str_starts(url, TT_STR("http://"))) {
        tt_buf_printf(to->content, "\n![](%.*s)\n", TT_STR_ARG(url));
    } else if (url.len >= BASE64_BYTES && is_plain(url)) {
        put_data(to, type_of(url), url);
    } else {
        put_note(to->content, TT_STR("image"), url.len);
    }
}

/* What an object says of an image, in the words of some API. */
struct told {
    struct tt_buf type, data, url;
    struct tt_json_value inner; /* an object, or an address */
};

static void take_member(struct told *told, struct tt_str key, const struct tt_json_value *value)
{
    static const struct {
        const char *key;
        size_t at;
    } texts[] = {{"\"mimeType\"", offsetof(struct told, type)},
                 {"\"media_type\"", offsetof(struct told, type)},
                 {"\"data\"", offsetof(struct told, data)},
                 {"\"b64_json\"", offsetof(struct told, data)},
                 {"\"url\"", offsetof(struct told, url)},
                 {"\"fileUri\"", offsetof(struct told, url)}};

    if (tt_str_eq(key, TT_STR("\"image_url\"")) || tt_str_eq(key, TT_STR("\"source\"")))
        told->inner = *value;
    for (size_t i = 0; i < TT_COUNT(texts) && value->type == TT_JSON_STRING; i++)
        if (tt_str_eq(key, tt_str_from(texts[i].key)))
            tt_json_unescape(value->raw, NULL, (struct tt_buf *)((char *)told + texts[i].at));
}

static void put_value(struct places *to, const struct tt_json_value *value, int depth);

/* {"mimeType": …, "data": …} and {"fileUri": …} (Gemini), {"media_type": …, "data": …} and
 * {"url": …} (Anthropic's sources), {"b64_json": …}, or one of them as "image_url" or "source". */
static void put_object(struct places *to, const struct tt_json_value *object, int depth)
{
    struct told told = {0};
    struct tt_json_value value;
    struct tt_str key;
    size_t cursor = 0;

    while (tt_json_next_member(object, &cursor, &key, &value))
        take_member(&told, key, &value);
    struct tt_str data = tt_buf_str(&told.data);
    if (data.len > 0)
        put_data(to, told.type.len ? tt_buf_str(&told.type) : type_of(data), data);
    else if (told.url.len > 0)
        put_url(to, tt_buf_str(&told.url));
    else if (told.inner.type == TT_JSON_STRING || told.inner.type == TT_JSON_OBJECT)
        put_value(to, &told.inner, depth + 1);
    else
        put_note(to->content, tt_buf_str(&told.type), 0);
    tt_buf_free(&told.type);
    tt_buf_free(&told.data);
    tt_buf_free(&told.url);
}

static void put_value(struct places *to, const struct tt_json_value *value, int depth)
{
    struct tt_buf plain = {0};

    if (value->type == TT_JSON_STRING) {
        tt_json_unescape(value->raw, NULL, &plain);
        put_url(to, tt_buf_str(&plain));
    } else if (value->type == TT_JSON_OBJECT && depth < DEPTH_MAX) {
        put_object(to, value, depth);
    }
    tt_buf_free(&plain);
}

void tt_delta_image(struct tt_delta_reader *reader, const struct tt_json_value *value)
{
    struct places to = {&reader->images, &reader->image_items, &reader->images_left_out};
    put_value(&to, value, 0);
}
