/* A reply that is produced in parts: an upstream is asked, something is done with what it said
 * (tools are run), it is asked again, and all of it is one reply with one log. Who produces it
 * decides what comes next; this is what it needs for it. Belongs to a running reply. Thread:
 * worker. */
#pragma once
#include "chat/chat.h"
#include "chat/checkpoint.h"
#include "upstream/retry.h"

struct tt_running_parts;

/* Who produces the reply. */
struct tt_running_producer {
    /* Called once, when others know the reply. It must lead to tt_running_parts_end, at once or
     * later.
     */
    void (*begin)(struct tt_running_parts *parts, void *arg);
    /* Somebody stops the reply between two parts; reason NULL = its user. It must lead to
     * tt_running_parts_end. */
    void (*on_stop)(const struct tt_err *reason, void *arg);
    /* The parts are gone: nothing may be called any more. Called once. */
    void (*close)(void *arg);
    void *arg;
};

/* For the running reply. `checkpoint` is NULL for a reply that is not stored; `earlier` is how a
 * reply that is continued ended before, whose tokens are the reply's too, or NULL; the producer is
 * copied. */
struct tt_running_parts *tt_running_parts_new(struct tt_chat *chat, struct tt_reply *reply,
                                              struct tt_checkpoint *checkpoint,
                                              const struct tt_reply_outcome *earlier,
                                              const struct tt_running_producer *producer);
void tt_running_parts_begin(struct tt_running_parts *parts);
void tt_running_parts_free(struct tt_running_parts *parts);

/* ---- for the producer ---- */

struct tt_reply *tt_running_parts_reply(struct tt_running_parts *parts); /* borrowed */

/* Where a part comes from: one of the two. */
struct tt_running_part_source {
    const struct tt_retry_plan *plan; /* copied */
    const struct tt_play *play;
    int64_t input_estimate; /* tokens, if the upstream does not report them */
};
/* Asks for one more part, appended to the reply. `on_part` gets its outcome when it has ended; the
 * part's tool calls are then to be had from tt_reply_take_held. Fails at once like tt_retry_start,
 * also when a part is running. */
int tt_running_parts_ask(struct tt_running_parts *parts,
                         const struct tt_running_part_source *source,
                         void (*on_part)(const struct tt_reply_outcome *outcome, void *arg),
                         void *arg, struct tt_err *err);

/* Calls `on_stored` when all that was appended so far is in the database; for a reply that is not
 * stored at once. One at a time. */
void tt_running_parts_store(struct tt_running_parts *parts, void (*on_stored)(void *arg),
                            void *arg);

/* The reply ends with this outcome and the usage of all its parts. Not while a part runs. */
void tt_running_parts_end(struct tt_running_parts *parts, const struct tt_reply_outcome *outcome);
