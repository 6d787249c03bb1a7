/* Models that write their reasoning into the text, between <think> and </think>, in front of the
 * answer. Only what begins the text counts: a later tag is a text about tags. A tag may be cut
 * anywhere, so its possible begin waits for the next piece. Blanks around the reasoning belong to
 * the tags. */
#include "upstream/delta_internal.h"

static const struct tt_str open_tag = {"<think>", 7}, close_tag = {"</think>", 8};

static size_t blanks(struct tt_str text)
{
    size_t n = 0;
    while (n < text.len && strchr(" \t\r\n", text.data[n]) && text.data[n])
        n++;
    return n;
}

/* The length of the text's end that may be the begin of what is looked for: blanks, then a part of
 * the tag. */
static size_t waiting(struct tt_str text)
{
    size_t tag = close_tag.len - 1 < text.len ? close_tag.len - 1 : text.len;
    while (tag > 0 && !tt_str_ends(text, tt_str_of(close_tag.data, tag)))
        tag--;
    while (tag < text.len && strchr(" \t\r\n", text.data[text.len - tag - 1]))
        tag++;
    return tag;
}

/* At the text's begin. False: it is not decided yet. */
static bool begin(struct tt_delta_think *think, struct tt_str *text)
{
    size_t skip = blanks(*text);
    struct tt_str rest = tt_str_of(text->data + skip, text->len - skip);
    if (tt_str_starts(rest, open_tag)) {
        think->state = TT_THINK_INSIDE;
        *text = tt_str_of(rest.data + open_tag.len, rest.len - open_tag.len);
        return true;
    }
    if (rest.len < open_tag.len && tt_str_starts(open_tag, rest))
        return false;
    think->state = TT_THINK_OVER;
    return true;
}

/* Inside: moves what is reasoning for sure. */
static void inside(struct tt_delta_think *think, struct tt_str *text, struct tt_buf *reasoning)
{
    const char *end = memmem(text->data, text->len, close_tag.data, close_tag.len);
    size_t len = end ? (size_t)(end - text->data) : text->len - waiting(*text);
    struct tt_str thought = tt_str_of(text->data, len);
    if (!think->thought) {
        size_t skip = blanks(thought);
        thought = tt_str_of(thought.data + skip, thought.len - skip);
    }
    while (end && thought.len > 0 && strchr(" \t\r\n", thought.data[thought.len - 1]))
        thought.len--;
    think->thought |= thought.len > 0;
    tt_buf_append_str(reasoning, thought);
    if (end) {
        think->state = TT_THINK_BEHIND;
        len += close_tag.len;
    }
    *text = tt_str_of(text->data + len, text->len - len);
}

void tt_delta_think(struct tt_delta_think *think, struct tt_buf *content, struct tt_buf *reasoning)
{
    if (think->state == TT_THINK_OVER || content->len == 0)
        return;
    tt_buf_append_str(&think->held, tt_buf_str(content));
    tt_buf_clear(content);
    struct tt_str text = tt_buf_str(&think->held);
    if (think->state == TT_THINK_BEGIN && !begin(think, &text))
        return;
    if (think->state == TT_THINK_INSIDE)
        inside(think, &text, reasoning);
    if (think->state == TT_THINK_BEHIND) {
        size_t skip = blanks(text);
        text = tt_str_of(text.data + skip, text.len - skip);
        if (text.len > 0)
            think->state = TT_THINK_OVER;
    }
    if (think->state == TT_THINK_OVER) {
        tt_buf_append_str(content, text);
        tt_buf_free(&think->held);
    } else {
        tt_buf_consume(&think->held, think->held.len - text.len);
    }
}

void tt_delta_think_end(struct tt_delta_think *think, struct tt_buf *content,
                        struct tt_buf *reasoning)
{
    struct tt_buf *to = think->state == TT_THINK_INSIDE ? reasoning : content;
    struct tt_str held = tt_buf_str(&think->held);
    if (think->state == TT_THINK_INSIDE) /* the blanks in front of a tag that never came */
        while (held.len > 0 && strchr(" \t\r\n", held.data[held.len - 1]))
            held.len--;
    if (think->state != TT_THINK_BEHIND)
        tt_buf_append_str(to, held);
    tt_buf_free(&think->held);
    think->state = TT_THINK_OVER;
}
