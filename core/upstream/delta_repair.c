/* JSON that is none by the letter but has one meaning: numbers that no JSON has (Python writes NaN
 * and Infinity), bytes that are no UTF-8, control characters inside a text. Only documents that the
 * strict reader refused come here. What is broken otherwise stays so. */
#include "base/utf8.h"
#include "upstream/delta_internal.h"

#include <ctype.h>

static const char *const numbers[] = {"NaN", "-Infinity", "Infinity"};

/* Outside of a text: the number's length, 0 when it is none. */
static size_t odd_number(struct tt_str rest)
{
    for (size_t i = 0; i < TT_COUNT(numbers); i++)
        if (tt_str_starts(rest, tt_str_from(numbers[i])))
            return strlen(numbers[i]);
    return 0;
}

/* The bytes that one U+FFFD stands for: the begin of a character without its end counts once. */
static size_t broken_character(struct tt_str rest)
{
    size_t len = rest.len < 3 ? rest.len : 3;
    while (len > 1 && tt_utf8_complete(tt_str_of(rest.data, len)) != 0)
        len--;
    return len;
}

static size_t put_in_text(struct tt_buf *out, struct tt_str rest)
{
    unsigned char c = (unsigned char)rest.data[0];
    uint32_t unused;
    if (c == '\\' && rest.len > 1) {
        tt_buf_append(out, rest.data, 2);
        return 2;
    }
    if (c < ' ') {
        tt_buf_printf(out, "\\u%04x", c);
        return 1;
    }
    size_t len = tt_utf8_decode(rest, &unused);
    if (len == 0) {
        tt_buf_append_z(out, "\xEF\xBF\xBD");
        return broken_character(rest);
    }
    tt_buf_append(out, rest.data, len);
    return len;
}

void tt_delta_repair(struct tt_str data, struct tt_buf *out)
{
    bool in_text = false;
    tt_buf_clear(out);
    for (size_t at = 0; at < data.len;) {
        struct tt_str rest = tt_str_of(data.data + at, data.len - at);
        size_t odd = in_text ? 0 : odd_number(rest);
        if (*rest.data == '"') {
            in_text = !in_text;
            tt_buf_putc(out, '"');
            at++;
        } else if (in_text) {
            at += put_in_text(out, rest);
        } else if (odd > 0) {
            tt_buf_append_z(out, "null");
            at += odd;
        } else {
            tt_buf_putc(out, *rest.data);
            at++;
        }
    }
}
