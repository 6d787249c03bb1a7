/* What one worker needs to produce replies, and the replies that it is producing. No Lua here: the
 * code that starts a reply passes its callbacks. */
#pragma once
#include "db/db.h"
#include "files/store.h"
#include "loop/aux.h"
#include "reply/registry.h"
#include "upstream/breaker.h"
#include "upstream/client.h"

struct tt_chat {
    struct tt_loop *loop; /* borrowed, like all that follow */
    struct tt_db *db;     /* the loop is attached to it */
    struct tt_client *client;
    struct tt_breakers *breakers; /* of all workers; NULL = none */
    struct tt_registry *registry;
    struct tt_store *store; /* of files; NULL = images are not stored */
    struct tt_aux *file_aux;

    struct tt_list running; /* replies of this worker, see running_reply.c */
    struct tt_list unsaved; /* their checkpoints, by due time */
    struct tt_timer checkpoint_timer;
    bool closing; /* the loop has ended: nothing is submitted any more */
};

static inline void tt_chat_create(struct tt_chat *chat)
{
    tt_list_init(&chat->running);
    tt_list_init(&chat->unsaved);
}
