/* Models that write their reasoning into the text, between <think> and </think>, in front of the
 * answer. Only what begins the text counts: a later tag is a text about tags. A tag may be cut
 * anywhere, so its possible begin waits for the next piece. Blanks around the reasoning belong to
 * the tags.
 *
 * Some models get the first tag with the question, so their text has the end only. What stood
 * before it has gone to readers as content by then, and stays; but the next answers of the same
 * model are assumed to begin inside. When one has no end after all, its text was the answer: it is
 * told a second time, as content. */
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

static bool is_quote(char c)
{
    return c && strchr("`'\"/\\", c);
}

/* Whether the text has an end without a begin before it; in quotes it is a text about tags. */
static bool has_lone_end(struct tt_str text)
{
    const char *end = memmem(text.data, text.len, close_tag.data, close_tag.len);
    return end && !memmem(text.data, (size_t)(end - text.data), open_tag.data, open_tag.len) &&
           (end == text.data || !is_quote(end[-1]));
}

/* At the text's begin. False: it is not decided yet. */
static bool begin(struct tt_delta_think *think, struct tt_str *text)
{
    size_t skip = blanks(*text);
    struct tt_str rest = tt_str_of(text->data + skip, text->len - skip);
    if (tt_str_starts(rest, open_tag)) {
        think->state = TT_THINK_INSIDE;
        think->assumed = false;
        *text = tt_str_of(rest.data + open_tag.len, rest.len - open_tag.len);
        return true;
    }
    if (rest.len < open_tag.len && tt_str_starts(open_tag, rest))
        return false;
    think->alone = think->assumed ? false : has_lone_end(rest);
    think->state = think->assumed || think->alone ? TT_THINK_INSIDE : TT_THINK_OVER;
    return true;
}

/* Behind the text's begin: looks for an end without a begin, which may be cut anywhere. */
static void watch(struct tt_delta_think *think, struct tt_str text)
{
    size_t at = 0;
    while (!think->unwatched && at < text.len) {
        if (think->tag_len == 0) {
            const char *next = memchr(text.data + at, '<', text.len - at);
            if (!next)
                break;
            at = (size_t)(next - text.data);
            think->quoted = is_quote(at > 0 ? text.data[at - 1] : think->last);
        }
        think->tag[think->tag_len] = text.data[at];
        struct tt_str tag = tt_str_of(think->tag, think->tag_len + 1u);
        if (tt_str_eq(tag, close_tag) || tt_str_eq(tag, open_tag)) {
            think->alone = tt_str_eq(tag, close_tag) && !think->quoted;
            think->unwatched = true;
        } else if (tt_str_starts(close_tag, tag) || tt_str_starts(open_tag, tag)) {
            think->tag_len++;
            at++;
        } else {
            at += think->tag_len == 0; /* else the byte may begin a tag itself */
            think->tag_len = 0;
        }
    }
    if (text.len > 0)
        think->last = text.data[text.len - 1];
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
    if (think->assumed)
        tt_buf_append_str(&think->said, thought);
    if (end) {
        think->state = TT_THINK_BEHIND;
        think->assumed = false;
        tt_buf_free(&think->said);
        len += close_tag.len;
    }
    *text = tt_str_of(text->data + len, text->len - len);
}

/* A service that tells the reasoning apart leaves none in the text. */
static void take_apart(struct tt_delta_think *think, struct tt_buf *content)
{
    think->unwatched = true;
    if (!think->assumed || think->thought)
        return;
    think->wrong = true;
    think->assumed = false;
    think->state = TT_THINK_OVER;
    tt_buf_append_str(&think->held, tt_buf_str(content));
    tt_buf_free(content);
    *content = think->held;
    think->held = (struct tt_buf){0};
}

void tt_delta_think(struct tt_delta_think *think, struct tt_buf *content, struct tt_buf *reasoning)
{
    if (reasoning->len > 0 && !think->unwatched)
        take_apart(think, content);
    if (think->state == TT_THINK_OVER && !think->unwatched)
        watch(think, tt_buf_str(content));
    if (think->state == TT_THINK_OVER || content->len == 0)
        return;
    tt_buf_append_str(&think->held, tt_buf_str(content));
    tt_buf_clear(content);
    struct tt_str text = tt_buf_str(&think->held);
    if (think->state == TT_THINK_BEGIN && !begin(think, &text))
        return;
    if (think->state == TT_THINK_OVER)
        watch(think, text);
    if (think->state == TT_THINK_INSIDE)
        inside(think, &text, reasoning);
    if (think->state == TT_THINK_BEHIND) {
        size_t skip = blanks(text);
        text = tt_str_of(text.data + skip, text.len - skip);
        think->unwatched = true;
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

/* `cut`: the model was not at the end of what it had to say. */
static void think_end(struct tt_delta_think *think, bool cut, struct tt_buf *content,
                      struct tt_buf *reasoning)
{
    struct tt_buf *to = think->state == TT_THINK_INSIDE ? reasoning : content;
    struct tt_str held = tt_buf_str(&think->held);
    if (think->state == TT_THINK_INSIDE) /* the blanks in front of a tag that never came */
        while (held.len > 0 && strchr(" \t\r\n", held.data[held.len - 1]))
            held.len--;
    if (think->state != TT_THINK_BEHIND)
        tt_buf_append_str(to, held);
    if (think->assumed && think->thought && !cut) {
        think->wrong = true;
        tt_buf_append_str(content, tt_buf_str(&think->said));
        tt_buf_append_str(content, held);
    }
    tt_buf_free(&think->said);
    tt_buf_free(&think->held);
    think->state = TT_THINK_OVER;
}

void tt_delta_assume_thinking(struct tt_delta_reader *reader)
{
    reader->think.assumed = reader->spec->think_tags;
}

void tt_delta_end(struct tt_delta_reader *reader)
{
    struct tt_str reason = tt_buf_str(&reader->finish_reason);
    tt_buf_clear(&reader->note);
    tt_buf_clear(&reader->content);
    tt_buf_clear(&reader->reasoning);
    tt_buf_clear(&reader->tool_calls);
    think_end(&reader->think, tt_str_eq(reason, TT_STR("length")), &reader->content,
              &reader->reasoning);
}
