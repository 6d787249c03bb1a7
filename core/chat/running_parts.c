/* While a part runs its upstream stops the reply, as for any other; between two parts the producer
 * does. What the parts have used is added up here: each was asked, and is charged, by itself. */
#include "chat/running_parts.h"

#include "base/mem.h"

#include <stdlib.h>

struct tt_running_parts {
    struct tt_chat *chat;
    struct tt_reply *reply; /* the running reply's */
    struct tt_checkpoint *checkpoint;
    struct tt_running_producer producer;
    void (*on_part)(const struct tt_reply_outcome *outcome, void *arg);
    void *part_arg;
    bool asking, ended;
    struct tt_reply_usage usage; /* of the parts that have ended */
    bool estimated, charged_twice;
    int attempts;
};

struct tt_running_parts *tt_running_parts_new(struct tt_chat *chat, struct tt_reply *reply,
                                              struct tt_checkpoint *checkpoint,
                                              const struct tt_reply_outcome *earlier,
                                              const struct tt_running_producer *producer)
{
    struct tt_running_parts *parts = TT_NEW(struct tt_running_parts);

    parts->chat = chat;
    parts->reply = reply;
    parts->checkpoint = checkpoint;
    parts->producer = *producer;
    parts->usage = (struct tt_reply_usage)TT_REPLY_NO_USAGE;
    if (earlier) {
        parts->usage = earlier->usage;
        parts->estimated = earlier->usage_estimated;
        parts->charged_twice = earlier->charged_twice;
        parts->attempts = earlier->attempts;
    }
    return parts;
}

static void on_stop(struct tt_reply *reply, const struct tt_err *reason, void *arg)
{
    struct tt_running_parts *parts = arg;
    (void)reply;
    parts->producer.on_stop(reason, parts->producer.arg);
}

static void add(int64_t *sum, int64_t tokens)
{
    if (tokens >= 0)
        *sum = *sum < 0 ? tokens : *sum + tokens;
}

static void part_ended(struct tt_reply *reply, const struct tt_reply_outcome *outcome, void *arg)
{
    struct tt_running_parts *parts = arg;

    add(&parts->usage.input_tokens, outcome->usage.input_tokens);
    add(&parts->usage.output_tokens, outcome->usage.output_tokens);
    parts->usage.cached_tokens += outcome->usage.cached_tokens;
    parts->usage.reasoning_tokens += outcome->usage.reasoning_tokens;
    parts->estimated = parts->estimated || outcome->usage_estimated;
    parts->charged_twice = parts->charged_twice || outcome->charged_twice;
    parts->attempts += outcome->attempts;
    parts->asking = false;
    tt_reply_on_part(reply, NULL, NULL); /* calls that are added now are for the client */
    tt_reply_on_stop(reply, on_stop, parts);
    parts->on_part(outcome, parts->part_arg);
}

void tt_running_parts_begin(struct tt_running_parts *parts)
{
    tt_reply_begin_part(parts->reply);
    tt_reply_on_stop(parts->reply, on_stop, parts);
    parts->producer.begin(parts, parts->producer.arg);
}

void tt_running_parts_free(struct tt_running_parts *parts)
{
    if (!parts)
        return;
    if (!parts->ended)
        tt_reply_on_part(parts->reply, NULL, NULL); /* what runs ends the reply */
    if (!parts->ended && !parts->asking)
        tt_reply_on_stop(parts->reply, NULL, NULL);
    parts->producer.close(parts->producer.arg);
    free(parts);
}

struct tt_reply *tt_running_parts_reply(struct tt_running_parts *parts)
{
    return parts->reply;
}

int tt_running_parts_ask(struct tt_running_parts *parts,
                         const struct tt_running_part_source *source,
                         void (*on_part)(const struct tt_reply_outcome *outcome, void *arg),
                         void *arg, struct tt_err *err)
{
    if (parts->asking || parts->ended)
        return tt_err_set(err, 500, "internal_error", "a part of this reply runs already");
    tt_reply_begin_part(parts->reply);
    tt_reply_estimate(parts->reply, source->input_estimate);
    parts->on_part = on_part;
    parts->part_arg = arg;
    tt_reply_on_part(parts->reply, part_ended, parts);
    if (source->play) {
        tt_play_start(source->play, parts->reply);
    } else if (tt_retry_start(parts->chat->client, parts->chat->breakers, source->plan,
                              parts->reply, err) != 0) {
        tt_reply_on_part(parts->reply, NULL, NULL);
        return -1;
    }
    parts->asking = true;
    return 0;
}

void tt_running_parts_store(struct tt_running_parts *parts, void (*on_stored)(void *arg), void *arg)
{
    if (parts->checkpoint)
        tt_checkpoint_now(parts->checkpoint, on_stored, arg);
    else
        on_stored(arg);
}

void tt_running_parts_end(struct tt_running_parts *parts, const struct tt_reply_outcome *outcome)
{
    struct tt_reply_outcome whole = *outcome;

    if (parts->ended)
        return;
    parts->ended = true;
    whole.usage = parts->usage;
    whole.usage_estimated = parts->estimated;
    whole.charged_twice = parts->charged_twice;
    whole.attempts = parts->attempts;
    tt_reply_on_part(parts->reply, NULL, NULL); /* when it ends in the middle of a part */
    tt_reply_on_stop(parts->reply, NULL, NULL);
    tt_reply_no_estimate(parts->reply);
    tt_reply_produced(parts->reply, &whole);
}
