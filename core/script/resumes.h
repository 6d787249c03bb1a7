/* Whose task goes on next. Tasks whose wait is through go on in the order in which that came, in
 * the same tick; when many are ready at once, users take turns, and what is left is for the next
 * tick, after the I/O of others. So a user with 64 tasks makes nobody wait for 64. Thread: the
 * loop's. */
#pragma once
#include "loop/loop.h"

struct tt_resume { /* embed and zero */
    struct tt_list node;
    uint64_t owner; /* 0 = nobody's: each of them is one of its own */
    void (*run)(struct tt_resume *resume);
};

#define TT_RESUMES_MAX 16 /* in a tick, when more are ready; a task takes some 100 us */

struct tt_resumes {
    struct tt_list ready;
    int count;
    struct tt_loop *loop;
    bool left_some;                  /* for this tick */
    uint64_t served[TT_RESUMES_MAX]; /* owners that had a turn, while some are left */
    int served_count;
    struct tt_deferred now;
    struct tt_hook later; /* in the next tick */
};

void tt_resumes_create(struct tt_resumes *resumes);

/* Runs `run` as if by tt_loop_defer, or in a later tick. Once queued, a further call changes
 * nothing. */
void tt_resumes_push(struct tt_resumes *resumes, struct tt_loop *loop, struct tt_resume *resume);

/* Whether others are still to go on, or this tick has taken long: what begins now takes its turn.
 */
bool tt_resumes_are_behind(const struct tt_resumes *resumes, const struct tt_loop *loop);

void tt_resumes_remove(struct tt_resumes *resumes,
                       struct tt_resume *resume); /* harmless when not queued */
