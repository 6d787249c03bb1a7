/* Stored replies become logs again, so that there is one way to read, frame and end a reply,
 * whether it runs or has ended long ago; the price is one copy of its text while somebody reads it.
 * Runs are read leniently: they come from a row that may have been changed by hand, and a log must
 * hold whole characters whatever they say. */
#include "reply/reply_stored.h"

#include "base/utf8.h"

/* ---- the runs of a log ---- */

/* The next run: all that follows of one kind. */
static bool next_run(const struct tt_reply *reply, uint64_t *position, enum tt_reply_kind *kind)
{
    struct tt_reply_span span;
    if (!tt_reply_read(reply, *position, &span))
        return false;
    *kind = span.kind;
    while (tt_reply_read(reply, *position, &span) && span.kind == *kind)
        *position = span.end;
    return true;
}

/* The order that needs no runs; letters are indexed by kind. */
static const enum tt_reply_kind usual[] = {TT_REPLY_REASONING, TT_REPLY_CONTENT,
                                           TT_REPLY_TOOL_CALLS, TT_REPLY_STEPS};
static const char letters[TT_REPLY_KINDS] = {'c', 'r', 't', 's'};

static bool has_usual_order(const struct tt_reply *reply)
{
    uint64_t position = 0;
    enum tt_reply_kind kind;
    size_t place = 0;
    while (next_run(reply, &position, &kind)) {
        while (place < TT_COUNT(usual) && usual[place] != kind)
            place++;
        if (place++ == TT_COUNT(usual))
            return false;
    }
    return true;
}

void tt_reply_runs(const struct tt_reply *reply, struct tt_buf *out)
{
    uint64_t position = 0, start = 0;
    enum tt_reply_kind kind;
    if (has_usual_order(reply))
        return;
    for (; next_run(reply, &position, &kind); start = position) {
        tt_buf_putc(out, letters[kind]);
        tt_buf_append_u64(out, position - start);
    }
}

/* ---- and back ---- */

/* Takes the next run off; false at the end, and at what is none. */
static bool take_run(struct tt_str *runs, enum tt_reply_kind *kind, size_t *len)
{
    const char *letter = runs->len > 0 ? memchr(letters, runs->data[0], sizeof(letters)) : NULL;
    size_t at = 1;
    if (!letter)
        return false;
    *kind = (enum tt_reply_kind)(letter - letters);
    for (*len = 0; at < runs->len && runs->data[at] >= '0' && runs->data[at] <= '9'; at++)
        if (*len <= TT_REPLY_MAX)
            *len = *len * 10 + (size_t)(runs->data[at] - '0');
    *runs = tt_str_of(runs->data + at, runs->len - at);
    return true;
}

/* Entries go line by line, as they came. */
static int append(struct tt_reply *reply, enum tt_reply_kind kind, struct tt_str part,
                  struct tt_err *err)
{
    ptrdiff_t end;
    if (!tt_reply_kind_has_entries(kind))
        return tt_reply_append(reply, kind, part, err);
    while ((end = tt_str_find(part, '\n')) >= 0) {
        if (tt_reply_append(reply, kind, tt_str_of(part.data, (size_t)end + 1), err) != 0)
            return -1;
        part = tt_str_of(part.data + end + 1, part.len - (size_t)end - 1);
    }
    return 0;
}

/* Moves the first `len` bytes of `rest`, at most, into the log; an end inside a character is put
 * off to the next run. */
static int move(struct tt_reply *reply, enum tt_reply_kind kind, struct tt_str *rest, size_t len,
                struct tt_err *err)
{
    struct tt_str part = tt_str_of(rest->data, len < rest->len ? len : rest->len);
    if (part.len < rest->len)
        part.len = tt_utf8_complete(part);
    *rest = tt_str_of(rest->data + part.len, rest->len - part.len);
    return append(reply, kind, part, err);
}

int tt_reply_refill(struct tt_reply *reply, const struct tt_reply_stored *stored,
                    struct tt_err *err)
{
    struct tt_str runs = stored->runs, rest[TT_REPLY_KINDS];
    enum tt_reply_kind kind;
    size_t len;
    memcpy(rest, stored->text, sizeof(rest));
    while (take_run(&runs, &kind, &len))
        if (move(reply, kind, &rest[kind], len, err) != 0)
            return -1;
    for (size_t i = 0; i < TT_COUNT(usual); i++)
        if (move(reply, usual[i], &rest[usual[i]], SIZE_MAX, err) != 0)
            return -1;
    tt_reply_add_files(reply, stored->files);
    tt_reply_add_images(reply, stored->images);
    return 0;
}

struct tt_reply *tt_reply_restore(struct tt_loop *loop, const struct tt_reply_stored *stored,
                                  struct tt_err *err)
{
    struct tt_reply *reply =
        tt_reply_new(loop, stored->message_id, stored->user_message_id, stored->user_id, err);
    if (!reply)
        return NULL;
    if (tt_reply_refill(reply, stored, err) != 0) {
        tt_reply_unref(reply);
        return NULL;
    }
    tt_reply_produced(reply, &stored->outcome);
    tt_reply_finish(reply, NULL);
    return reply;
}
