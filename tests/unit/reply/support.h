/* Shared by the tests of replies: one loop, and replies on it. */
#pragma once
#include "reply/reply.h"
#include "unit_test.h"

static struct tt_loop *loop;

static inline int open_loop(void **state)
{
    (void)state;
    loop = tt_loop_new(NULL);
    return loop ? 0 : -1;
}

static inline int close_loop(void **state)
{
    (void)state;
    tt_loop_tick(loop, 0); /* a reply that woke its readers is held until the end of a tick */
    tt_loop_free(loop);
    return tt_reply_memory_used() == 0 && tt_reply_count() == 0 ? 0 : -1;
}

static inline struct tt_reply *reply_new(void)
{
    struct tt_reply *reply = tt_reply_new(loop, 7, 6, 5, NULL);
    assert_non_null(reply);
    return reply;
}

static inline void append(struct tt_reply *reply, enum tt_reply_kind kind, struct tt_str text)
{
    assert_int_equal(tt_reply_append(reply, kind, text, NULL), 0);
}
