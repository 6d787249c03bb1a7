/* The played producer: a ready text sent at a pace, for the demo model and for tests. It takes the
 * same way as a real one (append, produced, stop), so everything behind it is exercised without a
 * network. There is one timer per play; with pace 0 the whole text is one append, so readers get it
 * joined. */
#include "base/mem.h"
#include "base/utf8.h"
#include "upstream/upstream.h"

#include <stdio.h>
#include <stdlib.h>

struct play {
    struct tt_play settings; /* text and reasoning are owned copies */
    struct tt_reply *reply;
    struct tt_timer timer;
    size_t reasoning_at, text_at;
};

static struct tt_str copy_str(struct tt_str s)
{
    return tt_str_of(tt_strndup(s.data, s.len), s.len);
}

static void play_free(struct play *play)
{
    tt_timer_stop(&play->timer);
    tt_reply_unref(play->reply);
    free((char *)play->settings.text.data);
    free((char *)play->settings.reasoning.data);
    free((char *)play->settings.tool_calls.data);
    free((char *)play->settings.finish_reason.data);
    free(play);
}

static void play_end(struct play *play, const char *status, const struct tt_err *error,
                     const char *finish_reason)
{
    struct tt_reply_outcome outcome = {
        .status = status, .usage = TT_REPLY_NO_USAGE, .retry_after_s = -1};
    if (error)
        outcome.error = *error;
    snprintf(outcome.finish_reason, sizeof(outcome.finish_reason), "%s", finish_reason);
    tt_reply_produced(play->reply, &outcome);
    play_free(play);
}

/* Tells one piece of `text` (all that is left when there is no pace). */
static int append_piece(struct play *play, enum tt_reply_kind kind, struct tt_str text, size_t *at,
                        struct tt_err *err)
{
    struct tt_str rest = tt_str_of(text.data + *at, text.len - *at);
    int characters = play->settings.piece_characters;
    if (play->settings.pace_ms > 0)
        rest.len = tt_utf8_prefix(rest, characters > 0 ? (size_t)characters : 1);
    *at += rest.len;
    return tt_reply_append(play->reply, kind, rest, err);
}

static int tell_tool_calls(struct play *play, struct tt_err *err)
{
    struct tt_str rest = play->settings.tool_calls;
    ptrdiff_t end;
    while ((end = tt_str_find(rest, '\n')) >= 0) {
        struct tt_str line = tt_str_of(rest.data, (size_t)end + 1);
        if (tt_reply_append(play->reply, TT_REPLY_TOOL_CALLS, line, err) != 0)
            return -1;
        rest = tt_str_of(rest.data + line.len, rest.len - line.len);
    }
    return 0;
}

static const char *reason_of(const struct play *play)
{
    if (play->settings.finish_reason.len > 0)
        return play->settings.finish_reason.data;
    return play->settings.tool_calls.len > 0 ? "tool_calls" : "stop";
}

/* All of the text has been sent. */
static void tell_end(struct play *play)
{
    struct tt_err error = {0};
    if (tell_tool_calls(play, &error) != 0)
        play_end(play, "error", &error, "");
    else if (play->settings.error.status != 0)
        play_end(play, "error", &play->settings.error, "");
    else
        play_end(play, "complete", NULL, reason_of(play));
}

static void on_due(struct tt_timer *timer)
{
    struct play *play = TT_CONTAINER_OF(timer, struct play, timer);
    const struct tt_play *settings = &play->settings;
    bool paced = settings->pace_ms > 0, appended = false;
    struct tt_err error = {0};
    int result = 0;
    if (play->reasoning_at < settings->reasoning.len) {
        result = append_piece(play, TT_REPLY_REASONING, settings->reasoning, &play->reasoning_at,
                              &error);
        appended = true;
    }
    if (result == 0 && play->text_at < settings->text.len && !(paced && appended))
        result = append_piece(play, TT_REPLY_CONTENT, settings->text, &play->text_at, &error);
    if (result != 0)
        play_end(play, "error", &error, "");
    else if (play->reasoning_at < settings->reasoning.len || play->text_at < settings->text.len)
        tt_timer_start(tt_reply_loop(play->reply), &play->timer, settings->pace_ms);
    else
        tell_end(play);
}

static void on_stop(struct tt_reply *reply, const struct tt_err *reason, void *arg)
{
    (void)reply;
    play_end(arg, reason ? "error" : "stopped", reason, reason ? "" : "stopped");
}

void tt_play_start(const struct tt_play *play, struct tt_reply *reply)
{
    struct play *copy = TT_NEW(struct play);
    copy->settings = *play;
    copy->settings.text = copy_str(play->text);
    copy->settings.reasoning = copy_str(play->reasoning);
    copy->settings.tool_calls = copy_str(play->tool_calls);
    copy->settings.finish_reason = copy_str(play->finish_reason);
    copy->reply = tt_reply_ref(reply);
    copy->timer.on_due = on_due;
    tt_timer_start(tt_reply_loop(reply), &copy->timer, play->first_ms);
    tt_reply_on_stop(reply, on_stop, copy);
}
