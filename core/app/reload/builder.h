/* The builder: the one thread that builds script generations, swaps them on all workers and closes
 * the states of old ones, so that no loop waits for any of it. It handles one request after the
 * other, and each gets its own answer. It belongs to app and not to serve, because it needs
 * settings, history and the requester's name, which serve does not have. */
#pragma once
#include "app/settings/settings.h"
#include "serve/dispatch.h"

enum tt_reload_action {
    TT_RELOAD,  /* the files on the disk */
    TT_ROLLBACK /* the generation before the current one, from its stored bytes */
};

struct tt_reload_request {
    enum tt_reload_action action;
    const char *who; /* for log and history: "uid:0", "signal", "dev", …; lives until `done` */
    bool dry_run;    /* everything but the swap */
    bool force; /* also content that was rolled back before, and without the old side's state */
    int of;     /* a rollback that is only meant while this one serves; 0: whichever does */
    bool told;  /* whoever asks shows the result: with the warnings, and it is not logged twice */
};

struct tt_reload_result {
    struct tt_err error; /* status 0: done; otherwise nothing has changed */
    struct tt_diagnostics diagnostics;
    struct tt_diagnostics advice; /* with `told`: the warnings of `tidetalk check` */
    int generation, previous;     /* the number that serves now (with dry_run: would), and before */
    int restores;                 /* the generation that a rollback restores, otherwise 0 */
    bool unchanged, dry_run;
    struct tt_generation *built; /* what was built or serves already; NULL after an error */
    struct tt_str *changed;      /* [changed_count] paths added, removed or with other bytes */
    size_t changed_count;
    uint64_t duration_ms;
    uint64_t stall_us; /* the longest time that it kept a worker's loop busy at once */
};

struct tt_builder_parts { /* what it works with; all of it outlives the builder */
    const struct tt_settings *settings;
    const struct tt_serve_settings *serving;
    struct tt_db *db;
    struct tt_node *node;                 /* is told what serves; NULL: alone */
    struct tt_dispatcher *const *workers; /* [worker_count] */
    int worker_count;
    const struct tt_bundle *known; /* what is compiled of it is used at the start; NULL = nothing */
    struct tt_diagnostics *advice; /* gets the warnings about the first generation; NULL = none */
};

/* Creates the builder, reads the scripts and builds the first generation for all workers, which
 * must not run yet. Fails: NULL. Owns: the caller. Thread: main. */
struct tt_builder *tt_builder_new(const struct tt_builder_parts *parts, struct tt_err *err);
int tt_builder_start(struct tt_builder *builder, struct tt_err *err);

/* Requests a reload or rollback. `done` is called on `loop`, or on the builder's thread if `loop`
 * is NULL; the result is valid until it returns. After tt_builder_stop the answer is
 * "shutting_down". Thread: any. */
typedef void tt_reload_done_fn(const struct tt_reload_result *result, void *arg);
void tt_builder_submit(struct tt_builder *builder, const struct tt_reload_request *request,
                       struct tt_loop *loop, tt_reload_done_fn *done, void *arg);

/* Generations whose states are not closed yet: returns their number, the oldest `max` of them in
 * out[]. It is one if nobody uses an old one. Thread: any. */
struct tt_live_generation {
    int number;
    int references; /* workers whose current one it is, requests, tasks, and the builder's own */
};
int tt_builder_live(struct tt_builder *builder, struct tt_live_generation *out, int max);

/* Whether a generation of this builder came from the history, and its files have not been on the
 * disk since; then the reason is appended to *reason. Thread: any, with a reference held. */
bool tt_builder_from_history(struct tt_builder *builder, const struct tt_generation *generation,
                             struct tt_buf *reason);

/* Of a node: it looks at once whether the others do something with their scripts. It does so every
 * second by itself. Thread: any. */
void tt_builder_wake(struct tt_builder *builder);
/* Whether this node cannot build the scripts that the others serve: it takes no turns. Thread: any.
 */
bool tt_builder_is_outdated(const struct tt_builder *builder);

/* Ends the thread after the current request; waiting ones are refused. Call it before the workers
 * stop, because a swap needs them. Thread: main. */
void tt_builder_stop(struct tt_builder *builder);

/* Closes the remaining generations. Call it after the workers are destroyed. Thread: main. */
void tt_builder_free(struct tt_builder *builder);
