/* Our own streams end their lines with LF alone, so an event ends at the first empty line: "\n\n".
 * What stands at the beginning of a line is a field, whatever texts there are: JSON has no raw line
 * ends. */
#include "node/relay_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The length of the whole events at the beginning of a text. Only `fresh` bytes at its end are new.
 */
static size_t whole_length(struct tt_str text, size_t fresh)
{
    size_t first = text.len > fresh + 1 ? text.len - fresh - 1 : 0;

    for (size_t i = text.len; i-- > first + 1;)
        if (text.data[i] == '\n' && text.data[i - 1] == '\n')
            return i + 1;
    return 0;
}

/* What follows `start` in the last line of `text` that begins with it; data NULL: no line does. */
static struct tt_str last_line(struct tt_str text, struct tt_str start)
{
    size_t end = text.len;

    for (size_t i = text.len; i-- > 0;) {
        if (i > 0 && text.data[i - 1] != '\n')
            continue;
        struct tt_str line = tt_str_of(text.data + i, end - i);
        if (tt_str_starts(line, start))
            return tt_str_of(line.data + start.len, line.len - start.len);
        end = i > 0 ? i - 1 : 0;
    }
    return (struct tt_str){0};
}

static void note_id(struct tt_relay_events *events, struct tt_str whole)
{
    struct tt_str id = last_line(whole, TT_STR("id: "));
    ptrdiff_t end = tt_str_find(id, '\n');

    if (end >= 0)
        id.len = (size_t)end;
    if (id.data && id.len < sizeof(events->id))
        snprintf(events->id, sizeof(events->id), "%.*s", TT_STR_ARG(id));
}

/* {"type":"response.created","sequence_number":0, … */
static void note_number(struct tt_relay_events *events, struct tt_str whole)
{
    struct tt_str key = TT_STR("\",\"sequence_number\":");
    struct tt_str rest = last_line(whole, TT_STR("data: {\"type\":\""));
    ptrdiff_t quote = tt_str_find(rest, '"');

    if (quote < 0)
        return;
    rest = tt_str_of(rest.data + quote, rest.len - (size_t)quote);
    if (!tt_str_starts(rest, key))
        return;
    events->number = strtoll(rest.data + key.len, NULL, 10); /* a comma follows */
    events->has_number = true;
}

int tt_relay_events_feed(struct tt_relay_events *events, struct tt_str bytes, struct tt_buf *out)
{
    if (tt_buf_append_str(&events->part, bytes) != 0)
        return -1;
    struct tt_str whole = tt_buf_str(&events->part);
    whole.len = whole_length(whole, bytes.len);
    if (whole.len == 0)
        return 0;
    note_id(events, whole);
    note_number(events, whole);
    if (tt_buf_append_str(out, whole) != 0)
        return -1;
    if (whole.len == events->part.len)
        tt_buf_free(&events->part); /* nearly always: a quiet stream holds nothing */
    else
        tt_buf_consume(&events->part, whole.len);
    return 0;
}

void tt_relay_events_free(struct tt_relay_events *events)
{
    tt_buf_free(&events->part);
}
