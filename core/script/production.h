/* The production of a reply, from committed rows to the final commit: ties together the reply's log
 * (llm), its place in the session's queue (registry), checkpoints and the end in the database (db).
 * Runs without Lua and without a connection: it belongs to the worker that began it. */
#pragma once
#include "llm/upstream.h"
#include "script/env.h"

struct tt_production_spec {
    struct tt_turn *turn; /* taken over: left after the final commit; allocated with tt_alloc */
    int64_t user_id;
    struct tt_str session_id;
    int64_t session_row;
    int64_t message_id, user_message_id;
    /* One of the two: */
    struct tt_call_request *request; /* with spec; body taken over */
    struct tt_delta_spec *spec;
    const struct tt_play *play;
};

/* Starts it. Always ends in a commit, also when the upstream could not even be asked: then the
 * reply is PRODUCED with the error at once. Returns a new reference. Fails: NULL only for lack of
 * memory for logs ("busy"); the row is then ended as error all the same and the turn left. Thread:
 * worker. */
struct tt_reply *tt_production_start(struct tt_env *env, const struct tt_production_spec *spec,
                                     struct tt_err *err);

int tt_production_count(const struct tt_env *env);
