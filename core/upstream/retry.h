/* A reply requested from several upstreams, one after the other, until one of them begins to send
 * it. A script has made the plan (which upstreams, in which order, after which waits); this follows
 * it without Lua. */
#pragma once
#include "upstream/breaker.h"
#include "upstream/call_template.h"
#include "upstream/upstream.h"

struct tt_retry_candidate {
    struct tt_call_template *template; /* a reference is taken */
    struct tt_buf *body; /* taken out of it, which is empty then: the whole body; may be NULL */
    size_t body_of;      /* number (from 1) of an earlier candidate that has its body; 0: its own */
    int64_t group;       /* the same for all keys of a configuration; 0: it has one key */
};

struct tt_retry_step {
    size_t candidate; /* index */
    uint64_t wait_ms; /* before it; longer when that candidate has asked for more */
};

struct tt_retry_plan {
    const struct tt_retry_candidate *candidates;
    size_t candidate_count;
    const struct tt_retry_step *steps; /* at least one */
    size_t step_count;
    uint64_t retry_after_max_ms; /* a candidate that asks for a longer wait is not called again */
    bool retry_after_send;  /* another attempt also when a request was sent completely and got no
                               answer */
    bool retry_after_empty; /* another attempt also after an answer without text */
    bool keep_empty;        /* see tt_upstream_hooks */
    bool force;             /* call also where the breaker is open */
};

/* Starts the plan's first step. Another step follows only while the reply has no byte, and only
 * when there was no connection, when the upstream answered 429 or 5xx, when its breaker or its
 * in-flight limit refused the call, or when it gave no answer, or an empty one, and the plan allows
 * that. Where the account has nothing left, only other candidates are called. Where a key is
 * refused (401, 402, 429), the next one of its group is called, and the key rests for a while
 * (key_rest.h); after other failures the other keys of the group are passed over. Where a parameter
 * is refused that can be left out (adapt.h), the same one is called once more. Waits and further
 * attempts end with a stop like a running one, and at the candidate's `total` deadline, counted
 * from here. When no step is left, the reply ends with the last failure of a call that was made;
 * its outcome says how many calls there were, and whether one of them may have been charged too.
 * `breakers` may be NULL. Fails at once with -1 like tt_upstream_try. Thread: the reply's loop. */
int tt_retry_start(struct tt_client *client, struct tt_breakers *breakers,
                   const struct tt_retry_plan *plan, struct tt_reply *reply, struct tt_err *err);
