/* What an upstream sends beside the text and a client may want or has to send back: annotations,
 * details of its reasoning, the fingerprint of the system, images. It is kept as it came and told
 * at the reply's end: the items of lists one after the other, of anything else the last. */
#include "base/mem.h"
#include "upstream/delta_internal.h"

#include <stdlib.h>

static bool is_empty(const struct tt_json_value *value)
{
    return tt_str_trim(tt_str_of(value->raw.data + 1, value->raw.len - 2)).len == 0;
}

bool tt_delta_carry(struct tt_delta_reader *reader, int place, const struct tt_json_value *value)
{
    bool list = value->type == TT_JSON_ARRAY;
    bool holds = list || value->type == TT_JSON_OBJECT;
    struct tt_str items =
        list ? tt_str_trim(tt_str_of(value->raw.data + 1, value->raw.len - 2)) : value->raw;

    if ((holds || value->type == TT_JSON_STRING) && is_empty(value))
        return false;
    if (!reader->carried)
        reader->carried = tt_alloc(TT_DELTA_CARRIED_MAX * sizeof(*reader->carried));
    struct tt_buf *kept = &reader->carried[place].json;
    if (!list || !reader->carried[place].list)
        tt_buf_clear(kept);
    reader->carried[place].list = list;
    size_t before = kept->len;
    kept->max = TT_DELTA_CARRIED_BYTES;
    if (before > 0)
        tt_buf_putc(kept, ',');
    /* What is too much is left out; half of it would be no JSON. */
    if (tt_buf_append_str(kept, items) != 0)
        kept->len = before;
    /* It will stand in a line of a stream. There are none inside of strings. */
    for (size_t i = before; i < kept->len; i++)
        if (kept->data[i] == '\n' || kept->data[i] == '\r')
            kept->data[i] = ' ';
    return holds;
}

/* The place of the first name behind `last` in the alphabet, so that the order is always the same;
 * -1: none. */
static int next_place(const struct tt_delta_spec *spec, const char *last)
{
    int found = -1;

    for (size_t i = 0; i < spec->carried_count; i++)
        if (strcmp(spec->carried[i], last) > 0 &&
            (found < 0 || strcmp(spec->carried[i], spec->carried[found]) < 0))
            found = (int)i;
    return found;
}

static void put_member(struct tt_json_writer *w, const char *name, struct tt_str json, bool list)
{
    tt_json_key(w, tt_str_from(name));
    if (list)
        tt_json_begin_array(w);
    tt_json_raw(w, json);
    if (list)
        tt_json_end_array(w);
}

void tt_delta_carried_json(const struct tt_delta_reader *reader, struct tt_buf *out)
{
    const struct tt_delta_spec *spec = reader->spec;
    struct tt_json_writer w = {.buf = out};
    bool any = false;

    for (int i = reader->carried ? next_place(spec, "") : -1; i >= 0;
         i = next_place(spec, spec->carried[i])) {
        if (reader->carried[i].json.len == 0)
            continue;
        if (!any)
            tt_json_begin_object(&w);
        any = true;
        put_member(&w, spec->carried[i], tt_buf_str(&reader->carried[i].json),
                   reader->carried[i].list);
    }
    if (any)
        tt_json_end_object(&w);
}

void tt_delta_carried_destroy(struct tt_delta_reader *reader)
{
    for (size_t i = 0; reader->carried && i < TT_DELTA_CARRIED_MAX; i++)
        tt_buf_free(&reader->carried[i].json);
    free(reader->carried);
    reader->carried = NULL;
    tt_buf_free(&reader->image_items);
}
