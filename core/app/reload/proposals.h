/* The rows by which several servers change their scripts together. The one that a reload is asked
 * of proposes a bundle; every living node builds it and votes; when all are ready, one transaction
 * makes it the current generation (script_history.h), which the others see and follow. What is
 * decided with these rows is in builder_propose.c and builder_follow.c. Times are the database's.
 *
 * Whatever has an `err` waits. Fails: -1. Thread: that of the history's loop. */
#pragma once
#include "app/reload/probation.h"
#include "app/reload/script_history.h"
#include "script/diagnostics.h"

/* The news of both steps, for the caller to notify of (node/news.h); keys are generations' numbers.
 */
#define TT_PROPOSAL_NEWS "scripts"

struct tt_proposal { /* for the caller of tt_proposal_open */
    int64_t id;      /* no other one has it */
    int64_t node;    /* that asks */
    int replaces;    /* the number of the current generation */
    int number;      /* that it would have */
    bool need_state;
};

struct tt_proposal_look { /* what a node sees */
    struct tt_history_entry current;
    struct tt_proposal open; /* id 0: none is; `replaces` is not filled in */
    bool voted;              /* this node has */
    bool asker_lives;
    bool on_probation; /* the current generation; its counts over all nodes, and before it: */
    struct tt_probation_counts counts, before;
};
/* current.number is 0 when nothing serves yet. */
int tt_proposal_look(const struct tt_history *history, int64_t node, struct tt_proposal_look *out,
                     struct tt_err *err);

/* Whether another node serves: 1 or 0. */
int tt_proposal_others_serve(const struct tt_history *history, int64_t node, struct tt_err *err);

/* ---- who asks ---- */

/* Stores it with its files, and the asker's vote. Fails: "duplicate" or "unexpected_changes":
 * another one is open, or something else serves by now. */
int tt_proposal_open(const struct tt_history *history, const struct tt_proposal *proposal,
                     const struct tt_bundle *bundle, const struct tt_bundle *before,
                     struct tt_probation_counts counts, struct tt_err *err);

struct tt_proposal_votes {
    bool open;
    int refused, awaited; /* nodes; awaited: those that live and serve */
    char awaited_name[65];
};
int tt_proposal_count_votes(const struct tt_history *history, int64_t id,
                            struct tt_proposal_votes *out, struct tt_err *err);
/* Why nodes refused it: "file:line: node NAME: message". */
int tt_proposal_read_refusals(const struct tt_history *history, int64_t id,
                              struct tt_diagnostics *out, struct tt_err *err);

/* Around tt_history_add: the job fails with "unexpected_changes" unless all nodes that live are
 * ready. */
void tt_proposal_add_condition(struct tt_db_job *job, const struct tt_proposal *proposal);
void tt_proposal_add_end(struct tt_db_job *job, const struct tt_proposal *proposal);
/* The same where nothing is proposed: only if no other node serves. */
void tt_proposal_add_start(struct tt_db_job *job, int64_t node, int number);
/* Between them: for so long the new generation is on probation. What was counted before is `before`
 * and what the votes have, if it was proposed. */
void tt_proposal_add_probation(struct tt_db_job *job, int number, uint64_t probation_ms,
                               int64_t proposal, struct tt_probation_counts before);

/* Takes one back. */
int tt_proposal_withdraw(const struct tt_history *history, int64_t id, struct tt_err *err);
/* Removes one whose node is dead. */
int tt_proposal_forget(const struct tt_history *history, int64_t id, struct tt_err *err);

/* ---- who is asked ---- */

/* Its files. Fails: NULL. Owns: the caller. */
struct tt_bundle *tt_proposal_bundle(const struct tt_history *history, int64_t id,
                                     const struct tt_bundle *before, struct tt_err *err);
/* `why` NULL: ready; otherwise why not. Fails: "foreign_key": it is over. */
int tt_proposal_vote(const struct tt_history *history, int64_t id, int64_t node,
                     const struct tt_diagnostics *why, struct tt_probation_counts counts,
                     struct tt_err *err);
/* What a node has counted of the generation that is on probation. */
int tt_proposal_tell_counts(const struct tt_history *history, int number, int64_t node,
                            struct tt_probation_counts counts, struct tt_err *err);
