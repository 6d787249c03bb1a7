/* Checkpoints of running replies: what a crash leaves of them. Part of a running reply, see
 * running_reply.c; nothing else uses it. */
#pragma once
#include "chat/chat.h"
#include "reply/reply.h"

/* The time from the append of a byte to the submission of the job that stores it, if the previous
 * job was committed meanwhile. The rest of a second is for the commit. */
#define TT_CHECKPOINT_MS 750
/* The times are multiples of this, and rounded down to them: the replies of a process share jobs
 * and commits, instead of one commit for each. TT_CHECKPOINT_MS is a multiple. */
#define TT_CHECKPOINT_SLOT_MS 125

struct tt_checkpoint { /* a reply's part; zero it */
    struct tt_chat *chat;
    struct tt_reply *reply; /* borrowed from the running reply */
    int64_t turn_epoch;     /* of its turn, see reply_store.h */
    struct tt_list node;    /* chat->unsaved, by `due_ms`; the job's while its job is in progress */
    uint64_t due_ms;
    uint64_t submitted_ms;
    uint64_t submitted; /* log position that jobs cover */
    size_t statement;   /* the first of these in its job */
    bool more;          /* the job did not take all the text */
    bool doubted;       /* tt_checkpoints_verify asks for it */
    uint64_t stored;    /* the same, for committed jobs */
    uint64_t wanted;    /* on_stored is called when this much is stored */
    void (*on_stored)(void *arg);
    void *stored_arg;
};

/* The reply is saved from now on until tt_checkpoint_stop. Thread: worker, as for all of this. */
void tt_checkpoint_start(struct tt_checkpoint *checkpoint, struct tt_chat *chat,
                         struct tt_reply *reply, int64_t turn_epoch);
/* Stores what there is now without waiting for its time, and calls `on_stored` when it is
 * committed; not once the reply has ended. One at a time. */
void tt_checkpoint_now(struct tt_checkpoint *checkpoint, void (*on_stored)(void *arg), void *arg);
void tt_checkpoint_stop(struct tt_checkpoint *checkpoint);

/* This node could not renew its lease in time: replies that another node has taken over meanwhile
 * are found, and stopped with "lease_lost" (503). Those that store something find out by
 * themselves. */
void tt_checkpoints_verify(struct tt_chat *chat);
void tt_checkpoint_set_lost(struct tt_err *err);
/* How many replies this process has lost so. Thread: any. */
uint64_t tt_checkpoints_lost(void);
