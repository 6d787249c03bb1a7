/* What is running now, process-wide: the running reply of a message, and the queue of turns of a
 * session (one at a time, in order of arrival, on all workers together). There is one lock, never
 * held during a callback. */
#pragma once
#include "reply/reply.h"
#include "reply/reply_users.h"

struct tt_registry;
/* `waiting_max` turns may wait per session; `user_max` replies of one user may run, 0 = any number.
 */
struct tt_registry *tt_registry_new(int waiting_max, int user_max);
void tt_registry_free(struct tt_registry *registry);

/* ---- turns ---- */

struct tt_turn { /* embed and zero */
    struct tt_list node;
    struct tt_loop *loop;
    void (*on_admitted)(struct tt_turn *turn, const struct tt_err *err); /* on the turn's loop */
    void *user; /* the owner's own pointer */
    /* Of several nodes: the user has so many replies that only the database can tell whether one
     * more may run. Set by tt_turn_enter. */
    bool beyond_share;
    void *internal;
};

/* Queues for (user, session). 0: on_admitted comes on the loop, never from inside this call: with
 * NULL when the turn may begin, with "session_deleted" or "stopped" when the wait was ended. -1:
 * "session_busy" or "too_many_replies" (429), or the reason of tt_registry_stop_all. A turn counts
 * as a running reply of its user until it is left. Thread: loop. */
int tt_turn_enter(struct tt_registry *registry, struct tt_loop *loop, struct tt_turn *turn,
                  int64_t user_id, struct tt_str session_id, struct tt_err *err);

/* Stops waiting, or ends the turn: the next one is admitted. Harmless when not entered. */
void tt_turn_leave(struct tt_turn *turn);

/* Ends the waiting turns of a session with `reason`, and stops its running reply with it (NULL
 * reason = stopped by the user; waiting turns get "stopped"). If a turn runs but has no reply yet,
 * its reply is stopped when it is added. Returns the running reply's message id or 0; *ended (may
 * be NULL) says whether there was anything to end. Thread: any. */
int64_t tt_registry_end_session(struct tt_registry *registry, int64_t user_id,
                                struct tt_str session_id, const struct tt_err *reason, bool *ended);

/* Sessions in which something runs or waits. Thread: any. */
size_t tt_registry_count(struct tt_registry *registry);

/* Counts a reply that needs no turn as a running one of its user, until tt_registry_uncount. Fails:
 * "too_many_replies" (429). Thread: any. */
int tt_registry_count_in(struct tt_registry *registry, int64_t user_id, struct tt_err *err);
void tt_registry_uncount(struct tt_registry *registry, int64_t user_id);

/* The replies that run, by user. Thread: any. */
struct tt_reply_users *tt_registry_users(struct tt_registry *registry);

/* ---- replies ---- */

/* Makes a reply findable until tt_registry_remove; holds a reference. */
void tt_registry_add(struct tt_registry *registry, struct tt_reply *reply,
                     struct tt_str session_id);
void tt_registry_remove(struct tt_registry *registry, struct tt_reply *reply);

/* A new reference, or NULL. The owner is checked: another user's reply is not found. */
struct tt_reply *tt_registry_find(struct tt_registry *registry, int64_t user_id,
                                  int64_t message_id);
struct tt_reply *tt_registry_find_session(struct tt_registry *registry, int64_t user_id,
                                          struct tt_str session_id);

/* Stops all running replies and ends all waiting turns with `reason`, e.g. at the drain limit; from
 * then on tt_turn_enter fails with it too. Thread: any. */
void tt_registry_stop_all(struct tt_registry *registry, const struct tt_err *reason);
