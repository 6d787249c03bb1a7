/* Shared by the builder's files: builder.c has the thread and its requests, builder_swap.c the
 * steps of a request, builder_start.c the first generation, builder_live.c the generations that are
 * not closed; of several servers builder_propose.c asks the others, builder_follow.c answers and
 * follows. Everything runs on the builder's thread (before it starts, on the main thread),
 * except for functions marked "worker". */
#pragma once
#include "app/reload/builder.h"
#include "app/reload/probation.h"
#include "app/reload/proposals.h"
#include "app/reload/script_history.h"

#include <pthread.h>

struct tt_probation {
    struct tt_timer timer;
    bool look; /* a check is due */
    uint64_t end_ms;
    struct tt_probation_counts before; /* of the generation before */
};

/* The builder's record of a generation that it has built, until that is closed: on_unused_arg. */
struct tt_built {
    struct tt_list node; /* in builder->live */
    struct tt_mail unused;
    struct tt_builder *builder;
    struct tt_generation *generation;
    struct tt_buf fallback_reason; /* why it is not the files on the disk; "" = it is */
    bool on_disk_again;            /* these very bytes were found on the disk since */
};

struct tt_builder_node { /* of one server among several, see proposals.h */
    struct tt_timer timer;
    bool look;                        /* at the rows: it is due */
    struct tt_generation *candidate;  /* built for a proposal, to be swapped in if that is taken */
    int64_t unvoted;                  /* the proposal on which the vote was not stored, or 0 */
    uint64_t vote_ms;                 /* when it is built and voted on again */
    struct tt_proposal asking;        /* id 0: this node asks nothing */
    uint64_t probation_ms;            /* of what it asks */
    bool overtaken;                   /* by another node's: the request begins anew */
    uint64_t retry_ms;                /* what has failed is not tried again before */
    bool roll_back;                   /* the probation has failed */
    atomic_bool outdated;             /* it cannot build what the others serve */
    struct tt_history_entry followed; /* the row that `current` was made of last */
};

struct tt_builder {
    struct tt_builder_parts parts;
    struct tt_loop *loop;
    pthread_t thread;
    bool running;
    bool stopping; /* the thread ends */
    struct tt_mail stop;
    pthread_mutex_t lock;
    bool closed; /* under `door`: no further request is accepted */
    struct tt_list queue;
    struct tt_history history;
    struct tt_generation *current; /* a reference */
    int newest;                    /* number of the newest generation, in the history as well */
    struct tt_probation probation;
    struct tt_builder_node node;
    uint64_t stall_ns;   /* the longest swap of the current request */
    int awaited;         /* answers of workers that have not come yet */
    struct tt_list live; /* struct tt_built; under `door`, with their contents */
    int live_count;
};

/* The files on the disk. NULL: result->diagnostics says why. */
struct tt_bundle *tt_builder_read_disk(struct tt_builder *builder, struct tt_reload_result *result);

/* Builds a generation with this number and passes it the state of the one that serves; with
 * `need_state` that one must be able to export it. NULL: result has the diagnostics or the error.
 * Takes over the bundle. */
struct tt_generation *tt_builder_build(struct tt_builder *builder, struct tt_bundle *bundle,
                                       int number, bool need_state,
                                       struct tt_reload_result *result);

/* Applies the migrations that a built generation needs, or tries them; -1: result has the
 * diagnostic. `online`: the server runs, so they may not take long. */
int tt_builder_migrate(struct tt_builder *builder, const struct tt_generation *generation,
                       bool online, bool dry_run, struct tt_reload_result *result);

/* Adds a new generation to the live ones; it is closed when nobody uses it any more. */
void tt_builder_add_live(struct tt_builder *builder, struct tt_generation *generation);
/* Records that it came from the history, and why. */
void tt_builder_note_fallback(struct tt_generation *generation, struct tt_str reason);
/* Records that the files on the disk are those of this generation. */
void tt_builder_note_on_disk(struct tt_generation *generation);

/* Writes a generation into the history. -1: result->error. */
int tt_builder_record(struct tt_builder *builder, struct tt_history_record *record,
                      struct tt_reload_result *result);

/* Records it and makes it serve on all workers; if this fails (-1), nothing has changed. */
int tt_builder_commit(struct tt_builder *builder, struct tt_generation *next,
                      struct tt_history_record *entry, struct tt_reload_result *result);

/* Makes a generation serve on all workers, which cannot fail, and tells the other nodes. */
void tt_builder_swap(struct tt_builder *builder, struct tt_generation *next);
/* Tells the other nodes what serves; harmless when there are none. */
void tt_builder_tell(struct tt_builder *builder);

/* ---- several servers ---- */

#define TT_BUILDER_SOON_MS 25 /* between two looks while a proposal is open */

/* Whether it is a command beside nodes: it changes nothing for them. */
bool tt_builder_is_guest(const struct tt_builder *builder);

/* Waits until no other node asks anything, and follows meanwhile. Fails: -1, after `give_up_ms`
 * too. */
int tt_builder_await_others(struct tt_builder *builder, uint64_t give_up_ms, struct tt_err *err);
/* Proposes a built generation, if other nodes serve, and waits until all of them are ready. -1:
 * result has why; or it was overtaken. Afterwards, in any case: tt_builder_end_asking. */
int tt_builder_ask(struct tt_builder *builder, struct tt_generation *next, bool need_state,
                   struct tt_reload_result *result);
void tt_builder_end_asking(struct tt_builder *builder);

/* One look at the rows: votes, follows, and watches the probation. Fails: -1, the rows are not
 * known. */
int tt_builder_follow(struct tt_builder *builder, struct tt_proposal_look *look,
                      struct tt_err *err);
/* Whether this node serves what the rows have as the current generation. A database that has lost
 * its last commits goes back to an earlier one, and gives its number to another one later. */
bool tt_builder_serves(const struct tt_builder *builder, const struct tt_history_entry *current);
/* tt_builder_follow when it is due, and arms the timer. */
void tt_builder_follow_due(struct tt_builder *builder);
void tt_builder_follow_stop(struct tt_builder *builder);
/* Notes when the files on the disk are not those of a generation that came from other nodes. */
void tt_builder_compare_disk(struct tt_builder *builder, struct tt_generation *generation);

/* Starts the first generation: the files on the disk, otherwise the last good one of the history.
 */
int tt_builder_load_first(struct tt_builder *builder, struct tt_err *err);

/* What all workers have counted of it. */
struct tt_probation_counts tt_probation_count(const struct tt_generation *generation);
/* Watches the generation that serves now; `before` has the counts of the previous one. */
void tt_probation_begin(struct tt_builder *builder, const struct tt_generation *before);
void tt_probation_end(struct tt_builder *builder);
/* Whether it must be rolled back. Checks only when a check is due. */
bool tt_builder_probation_failed(struct tt_builder *builder);
