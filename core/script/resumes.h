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

struct tt_resumes {
    struct tt_list ready;
    int count;
    struct tt_loop *loop;
    struct tt_deferred now;
    struct tt_hook later; /* in the next tick */
};

void tt_resumes_create(struct tt_resumes *resumes);

/* Runs `run` as if by tt_loop_defer, or in a later tick. Once queued, a further call changes
 * nothing. */
void tt_resumes_push(struct tt_resumes *resumes, struct tt_loop *loop, struct tt_resume *resume);
void tt_resumes_remove(struct tt_resumes *resumes,
                       struct tt_resume *resume); /* harmless when not queued */
