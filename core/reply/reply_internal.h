/* Shared by the files of a reply: reply.c (life, state, stopping), reply_log.c (the bytes),
 * reply_carried.c (what lies beside them) and reply_wake.c (readers). Nothing outside core/reply
 * includes this. */
#pragma once
#include "reply/reply.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- the log ---- */

#define TT_LOG_CHUNK_FIRST 512u /* doubling up to the eighth, 64 KiB, then all of that size */
#define TT_LOG_CHUNKS_NEAR 8u
#define TT_LOG_CHUNKS_FAR  127u /* enough for TT_REPLY_MAX */
#define TT_LOG_CHUNK_SPARE 3u   /* see reply_log.c */
#define TT_LOG_SEGMENTS    4u   /* inline; further blocks of 8, 16, 32, … */
#define TT_LOG_BLOCKS      18u

/* Chunk and segment pointers are plain: each is written once, before the release store of `length`
 * (or `segment_count`) that first covers it, and read only after an acquire load that does. */
struct tt_reply_log {
    atomic_uint_fast64_t length;
    atomic_uint segment_count;
    size_t memory; /* bytes allocated; the producer's */
    char *near[TT_LOG_CHUNKS_NEAR];
    char **far;                         /* TT_LOG_CHUNKS_FAR pointers, when needed */
    uint32_t segments[TT_LOG_SEGMENTS]; /* start << 2 | kind */
    uint32_t *blocks[TT_LOG_BLOCKS];
};

/* -1 with "busy" when the process holds no more logs. */
int tt_reply_log_refuse(struct tt_err *err);
int tt_reply_log_append(struct tt_reply_log *log, enum tt_reply_kind kind, struct tt_str text,
                        struct tt_err *err);
bool tt_reply_log_read(const struct tt_reply_log *log, uint64_t position,
                       struct tt_reply_span *span);
void tt_reply_log_destroy(struct tt_reply_log *log);

/* ---- readers ---- */

/* The readers of one reply on one loop. Lists, count and flags belong to that loop's thread; only
 * `node` and the setting of `mail_pending` are under the reply's lock. */
struct tt_reply_loop_readers {
    struct tt_list node;
    struct tt_reply *reply; /* valid while there are readers: they hold references */
    struct tt_loop *loop;
    struct tt_list readers;
    struct tt_list fresh; /* attached, waiting for the first wake */
    struct tt_deferred first_wake;
    struct tt_mail mail;
    atomic_bool mail_pending;
    unsigned count;
    bool walking;
    bool left; /* out of the reply's list; freed when nothing is in progress any more */
};

/* Shared by the replies of one loop: those touched in this tick, and one hook for all of them. */
struct tt_reply_hub;
struct tt_reply_hub *tt_reply_hub_ref(struct tt_loop *loop); /* any thread */
void tt_reply_hub_unref(struct tt_reply_hub *hub);           /* any thread */

/* Something is new: at the end of this tick on_produced is called and readers are woken. Thread:
 * the reply's. */
void tt_reply_touch(struct tt_reply *reply);

/* Called by the hub's hook before readers are woken: on_produced, when it is due. */
void tt_reply_tell_produced(struct tt_reply *reply);

/* Puts the images to what else is carried (reply_carried.c). Thread: the reply's. */
void tt_reply_carry_images(struct tt_reply *reply);

struct tt_reply {
    atomic_uint refs;
    atomic_int state;
    struct tt_loop *loop;
    struct tt_reply_hub *hub;
    int64_t message_id, user_message_id, user_id;
    struct tt_reply_log log;
    struct tt_reply_filter filter;
    enum { /* the reply's thread */
           TT_FILTER_NONE,
           TT_FILTER_RUNS,
           TT_FILTER_ENDS, /* it has ended the reply: nothing is appended any more */
           TT_FILTER_OVER
    } filtering;
    char filter_reason[32]; /* the finish reason that it gave; "" = none */
    bool estimates;         /* usage that the upstream does not report */
    int64_t input_estimate;
    void (*on_part)(struct tt_reply *reply, const struct tt_reply_outcome *outcome, void *arg);
    void *part_arg;
    uint64_t part_start;
    struct tt_buf held;   /* tool calls of the part, while there is an on_part */
    atomic_int listeners; /* clients that are connected */
    bool stop_without_clients;

    struct tt_list touched;             /* in the hub; holds a reference */
    pthread_mutex_t lock;               /* over `loop_readers` and `stop_reason` */
    struct tt_list loop_readers;        /* one per loop that has readers */
    struct tt_reply_loop_readers *home; /* the one on the reply's own loop; that thread's */

    _Atomic(struct tt_reply_outcome *) outcome;
    struct tt_reply_outcome *earlier; /* replaced by tt_reply_finish; somebody may still read it */

    _Atomic(const struct tt_reply_note *) first_note;
    struct tt_reply_note *last_note; /* the producer's */
    size_t note_bytes;

    struct tt_str carried; /* owned; written before `state` says PRODUCED */
    struct tt_buf images;  /* the producer's, until they are carried */
    int images_left_out;
    struct tt_buf files; /* written before `state` says FINISHED */

    void (*on_produced)(struct tt_reply *reply, void *arg);
    void *produced_arg;
    void (*on_stop)(struct tt_reply *reply, const struct tt_err *reason, void *arg);
    void *stop_arg;
    struct tt_mail stop_mail;
    struct tt_err *stop_reason;                               /* NULL = the user did */
    bool stop_asked;                                          /* under the lock */
    bool stop_arrived, stop_mailed, stop_told, produced_told; /* the reply's thread */
};
