/* Most events of a stream are the one before with another text. When all bytes around the text are
 * the same, so is everything that a reading of them would find, and only the text is read. What the
 * event before did once and for all (finish reason, token counts) is done already; what would be
 * done again (an error, the end, tool calls, a second text) or depends on the text's value (a
 * filter that compares it) is never kept as a shape. */
#include "upstream/delta_internal.h"

static bool take_around(struct tt_str *text, struct tt_str before, struct tt_str after)
{
    if (text->len < before.len + after.len || !tt_str_starts(*text, before) ||
        !tt_str_ends(*text, after))
        return false;
    *text = tt_str_of(text->data + before.len, text->len - before.len - after.len);
    return true;
}

/* Exactly one JSON string with something in it; checked as strictly as the whole event would be. */
static bool is_text(struct tt_str raw)
{
    struct tt_err unused = {0};
    return raw.len > 2 && raw.data[0] == '"' && raw.data[raw.len - 1] == '"' &&
           tt_json_select(raw, NULL, 0, NULL, &unused) == 0;
}

bool tt_delta_shape_match(const struct tt_delta_shape *shape, struct tt_str name,
                          struct tt_str data, struct tt_str *text)
{
    if (!shape->known ||
        !take_around(&data, tt_buf_str(&shape->before), tt_buf_str(&shape->after)) ||
        !tt_str_eq(name, tt_buf_str(&shape->name)) || !is_text(data))
        return false;
    *text = data;
    return true;
}

void tt_delta_shape_keep(struct tt_delta_shape *shape, enum tt_delta_role role, struct tt_str name,
                         struct tt_str data, struct tt_str text)
{
    size_t before = (size_t)(text.data - data.data), after = before + text.len;
    tt_buf_clear(&shape->name);
    tt_buf_clear(&shape->before);
    tt_buf_clear(&shape->after);
    if (name.len > 0) /* else it needs no memory */
        tt_buf_append_str(&shape->name, name);
    tt_buf_append(&shape->before, data.data, before);
    tt_buf_append(&shape->after, data.data + after, data.len - after);
    shape->role = role;
    shape->known = true;
}

void tt_delta_shape_destroy(struct tt_delta_shape *shape)
{
    tt_buf_free(&shape->name);
    tt_buf_free(&shape->before);
    tt_buf_free(&shape->after);
}
