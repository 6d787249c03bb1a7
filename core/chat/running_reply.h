/* A running reply, from committed rows to the final commit. Ties together the reply's log (reply),
 * its place in the session's queue (registry), checkpoints, the end and the tokens spent (db). A
 * reply without rows of its own is only counted. It runs without Lua and without a connection: it
 * belongs to the worker that began it. */
#pragma once
#include "chat/chat.h"
#include "chat/image_files.h"
#include "chat/running_parts.h"
#include "reply/reply_stored.h"
#include "upstream/retry.h"

struct tt_running_reply_spec {
    struct tt_turn *turn; /* taken over: left after the final commit; allocated with tt_alloc */
    int64_t user_id;
    struct tt_str counted_as; /* the model's name for the usage; data == NULL: not counted */
    int64_t input_estimate;   /* tokens of the input, if the upstream does not report them */
    struct tt_str session_id;
    int64_t session_row;
    int64_t turn_epoch;                  /* its number, of a node; 0: alone */
    int64_t message_id, user_message_id; /* 0: it is not stored and has no session */
    bool stop_without_clients;           /* it ends when no client is left */
    /* One of the three: */
    const struct tt_retry_plan *plan; /* copied */
    const struct tt_play *play;
    const struct tt_running_producer *producer; /* copied; closed also when nothing begins */
    const struct tt_reply_stored *continues; /* the log that it begins with; NULL = an empty one */
    struct tt_image_room image_room;         /* all 0: images that come are not stored */
    struct tt_reply_filter filter;           /* taken over; all NULL = no filter */
    /* Called once at the very end, after the commit and after the turn was left; may be NULL. */
    void (*on_finish)(struct tt_reply *reply, void *arg);
    void *on_finish_arg;
};

/* Starts the reply. It always ends in a commit (if there is something to store or to count), even
 * if the upstream could not be called: then the reply is PRODUCED with the error at once. Returns a
 * new reference. Fails: NULL for lack of memory for logs ("busy"), and without a turn when too many
 * replies of the user run ("too_many_replies"); the row still ends as error, and the turn is left.
 * Thread: worker. */
struct tt_reply *tt_running_reply_start(struct tt_chat *chat,
                                        const struct tt_running_reply_spec *spec,
                                        struct tt_err *err);

/* Ends the row of a reply that cannot begin with status "error" and the error's code, and then
 * leaves the turn (may be NULL). Uses the spec's turn and ids. Thread: worker. */
void tt_running_reply_refuse(struct tt_chat *chat, const struct tt_running_reply_spec *spec,
                             const struct tt_err *error);

/* Shutdown by force: stops and forgets the replies whose end is not on its way to the database; the
 * next start repairs their rows. After it no reply submits anything. Thread: the worker, or
 * main after it. */
void tt_running_replies_abandon(struct tt_chat *chat);

/* Ends all running replies of this worker with `reason`. Thread: worker. */
void tt_running_replies_stop_all(struct tt_chat *chat, const struct tt_err *reason);

/* Tries once more, now, to store ends that could not be stored yet: the server is about to stop. */
void tt_running_replies_store_now(struct tt_chat *chat);

/* Replies that somebody may wait for, without those whose end could not be stored yet. */
int tt_running_replies_count(const struct tt_chat *chat);
