/* JSON for people, from valid JSON without spaces between its parts, as the writer produces it. */
#include "base/json.h"

static int new_line(struct tt_buf *out, int depth)
{
    int failed = tt_buf_putc(out, '\n');
    for (int i = 0; i < depth; i++)
        failed |= tt_buf_append(out, "  ", 2);
    return failed;
}

/* The end of the string that begins at `at`. */
static size_t string_end(struct tt_str doc, size_t at)
{
    for (at++; at < doc.len && doc.data[at] != '"'; at++)
        if (doc.data[at] == '\\')
            at++;
    return at < doc.len ? at + 1 : doc.len;
}

static bool is_empty(struct tt_str doc, size_t at)
{
    return at + 1 < doc.len && (doc.data[at + 1] == '}' || doc.data[at + 1] == ']');
}

static int put(struct tt_str doc, size_t *at, int *depth, struct tt_buf *out)
{
    char c = doc.data[*at];
    size_t stop = c == '"' ? string_end(doc, *at) : *at + 1;
    int failed = 0;

    if (c == '}' || c == ']')
        failed |= new_line(out, --*depth);
    failed |= tt_buf_append(out, doc.data + *at, stop - *at);
    if ((c == '{' || c == '[') && is_empty(doc, *at))
        failed |= tt_buf_putc(out, doc.data[stop++]);
    else if (c == '{' || c == '[')
        failed |= new_line(out, ++*depth);
    else if (c == ',')
        failed |= new_line(out, *depth);
    else if (c == ':')
        failed |= tt_buf_putc(out, ' ');
    *at = stop;
    return failed;
}

int tt_json_indent(struct tt_str doc, struct tt_buf *out)
{
    int depth = 0, failed = 0;

    for (size_t at = 0; at < doc.len && !failed;)
        failed = put(doc, &at, &depth, out);
    return failed;
}
