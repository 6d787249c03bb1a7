/* A reply: the text that a model produces, as an append-only log that belongs to the server and not
 * to a connection. It has one producer (on the reply's own worker) and any number of readers on any
 * worker, each at its own position; a slow reader affects only itself. The log is a list of fixed
 * chunks that never move, with its length published with release/acquire, so readers copy nothing
 * and lock nothing. Refcounted: the producer, the registry and each reader hold one reference. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "loop/loop.h"

#include <stdatomic.h>

#define TT_REPLY_MAX (8u << 20) /* bytes of log; then the reply ends with "reply_too_long" */

/* The numbers are stored in reply_chunks.kind. Tool calls and steps come in entries: one line of
 * JSON with its line end, appended in one call. An entry of tool calls is an array of OpenAI's
 * `tool_calls` deltas; a step is an object that says what was done between two parts of the reply
 * (lua/chat/tool_loop.lua). */
enum tt_reply_kind {
    TT_REPLY_CONTENT,
    TT_REPLY_REASONING,
    TT_REPLY_TOOL_CALLS,
    TT_REPLY_STEPS,
    TT_REPLY_KINDS
};

static inline bool tt_reply_kind_has_entries(enum tt_reply_kind kind)
{
    return kind == TT_REPLY_TOOL_CALLS || kind == TT_REPLY_STEPS;
}

enum tt_reply_state {
    TT_REPLY_WAITING,  /* no byte yet */
    TT_REPLY_RUNNING,  /* bytes came */
    TT_REPLY_PRODUCED, /* the producer has ended; the final commit is in progress */
    TT_REPLY_FINISHED  /* committed (or failed with a reason): readers may report the end */
};

struct tt_reply_usage {
    int64_t input_tokens, output_tokens;     /* -1 = not reported */
    int64_t cached_tokens, reasoning_tokens; /* parts of the two; 0 = none, or not reported */
};
#define TT_REPLY_NO_USAGE                                                                          \
    {                                                                                              \
        .input_tokens = -1, .output_tokens = -1                                                    \
    }

/* What a producer has learnt of the configuration that it asked with, to be stored with it. */
struct tt_reply_learnt {
    int64_t configuration, version; /* 0 = nothing */
    unsigned refused;               /* parameters: see upstream/adapt.h */
};

struct tt_reply_outcome { /* set when PRODUCED, final when FINISHED; strings live with the reply */
    const char *status;   /* complete, stopped, error, interrupted, waiting */
    struct tt_err error;  /* error.status != 0: how it failed */
    char detail[320];     /* what the upstream said of the failure, for its owner; "" = nothing */
    char finish_reason[32];
    struct tt_reply_usage usage;
    bool usage_estimated;  /* at least one of its numbers is our estimate: see tokens.h */
    int64_t retry_after_s; /* -1 = not reported */
    int http_status;       /* of the upstream's answer; 0 = none came */
    bool maybe_charged;    /* failed after the request had been sent */
    int attempts;          /* attempts that were begun; 0 = not counted */
    int64_t ended_us;      /* microseconds since 1970 at which it was PRODUCED; 0 = now */
    int images_left_out;   /* that came with it and are no files of its message */
    bool charged_twice;    /* possibly: one was sent, got no answer, and was followed by another */
    struct tt_reply_learnt learnt;
};

struct tt_reply;

/* Bytes that all logs of the process may hold; beyond it tt_reply_new fails with "busy" (503). Set
 * once at start. */
void tt_reply_set_memory_max(size_t bytes);
size_t tt_reply_memory_used(void);
int tt_reply_count(void); /* replies that are not FINISHED */

/* Creates a reply on its own worker. Owns: the caller, one reference. */
struct tt_reply *tt_reply_new(struct tt_loop *loop, int64_t message_id, int64_t user_message_id,
                              int64_t user_id, struct tt_err *err);
struct tt_reply *tt_reply_ref(struct tt_reply *reply);
void tt_reply_unref(struct tt_reply *reply);

int64_t tt_reply_message_id(const struct tt_reply *reply);
int64_t tt_reply_user_message_id(const struct tt_reply *reply);
int64_t tt_reply_user_id(const struct tt_reply *reply);
struct tt_loop *tt_reply_loop(const struct tt_reply *reply);

/* ---- the producer, on the reply's loop ---- */

/* Numbers of the usage that the upstream does not report are estimated when the reply ends: the
 * input as these tokens, the output from the log. A reply that failed before the upstream did any
 * work has no usage. Call it before the producer starts. */
void tt_reply_estimate(struct tt_reply *reply, int64_t input_tokens);
/* Nothing is estimated any more. */
void tt_reply_no_estimate(struct tt_reply *reply);

/* The producer comes in parts: from now on tt_reply_produced ends a part and calls `on_part` with
 * its outcome, while the reply goes on; tool calls that are appended are kept back for it (see
 * tt_reply_take_held). NULL: the next end is the reply's. */
void tt_reply_on_part(struct tt_reply *reply,
                      void (*on_part)(struct tt_reply *reply,
                                      const struct tt_reply_outcome *outcome, void *arg),
                      void *arg);
/* A part begins here: numbers that its upstream does not report are estimated for it alone. */
void tt_reply_begin_part(struct tt_reply *reply);
/* Where the current part begins in the log. */
uint64_t tt_reply_part_start(const struct tt_reply *reply);
/* Moves the part's tool calls into `out` (entries as of TT_REPLY_TOOL_CALLS). */
void tt_reply_take_held(struct tt_reply *reply, struct tt_buf *out);

/* Appends whole characters. -1 with "reply_too_long" when the log is full (nothing is appended), or
 * with the error of the filter. */
int tt_reply_append(struct tt_reply *reply, enum tt_reply_kind kind, struct tt_str text,
                    struct tt_err *err);

/* What a filter makes of a text. */
struct tt_reply_filtered {
    struct tt_buf text; /* to log instead: valid UTF-8, possibly nothing for now */
    char
        finish_reason[32]; /* not empty: the reply is complete behind this text, with this reason */
};

/* A filter between the producer and the log. Entries do not pass it: they are not text that
 * could be cut. `run` gets each appended text and fills in `out` (empty). At the end it is called
 * once for both kinds with an empty text and `final` true, so that it can release text that it held
 * back. When it ends the reply the producer is stopped, and what that still appends is dropped. It
 * is never called again after it has failed: the reply then ends as an error with *err. */
struct tt_reply_filter {
    int (*run)(void *arg, enum tt_reply_kind kind, struct tt_str text, bool final,
               struct tt_reply_filtered *out, struct tt_err *err);
    void (*close)(void *arg); /* for the filter's owner, when no reply uses it any more */
    void *arg;
};

/* Puts a filter before the log, before the first append. `run` NULL: from now on appended text is
 * dropped, for an owner that leaves before the producer has ended. */
void tt_reply_set_filter(struct tt_reply *reply, const struct tt_reply_filter *filter);

/* What the upstream sent beside the text and clients get as it came: a JSON object (copied). At
 * most once, before tt_reply_produced. */
void tt_reply_carry(struct tt_reply *reply, struct tt_str json);

/* Images that came with their bytes: items of a JSON list, parts in OpenAI's form with data URLs
 * (copied). Those of all calls are the member "images" of what is carried, together at most
 * TT_REPLY_IMAGES_MAX bytes; more is left out, and logged. Before tt_reply_produced. */
#define TT_REPLY_IMAGES_MAX ((size_t)8 << 20)
void tt_reply_add_images(struct tt_reply *reply, struct tt_str items);

/* Counts images that came and are left out: the outcome has their number when FINISHED. Thread: the
 * reply's. */
void tt_reply_leave_out_images(struct tt_reply *reply, int count);
int tt_reply_images_left_out(const struct tt_reply *reply);

/* The files of the reply's message: their ids with commas between them (copied). Nothing after
 * tt_reply_finish, when readers look at them: a reply may be stored later than it is told. */
void tt_reply_add_files(struct tt_reply *reply, struct tt_str ids);

/* Notes a JSON object beside the log, at its end as it is now: what only some forms of streams have
 * a place for, such as the signature of the reasoning before it. Copied; nothing when empty, and
 * when a filter may have changed what it is about. Notes are not stored; beyond 256 KiB they are
 * dropped. */
void tt_reply_note(struct tt_reply *reply, struct tt_str json);

/* The producer has finished. Calls on_produced (below) at the end of this tick. */
void tt_reply_produced(struct tt_reply *reply, const struct tt_reply_outcome *outcome);

/* The outcome is stored (or could not be stored: `error`). Wakes all readers. */
void tt_reply_finish(struct tt_reply *reply, const struct tt_err *error);

/* Called once, on the reply's loop, when PRODUCED: commits and then calls tt_reply_finish. */
void tt_reply_on_produced(struct tt_reply *reply,
                          void (*on_produced)(struct tt_reply *reply, void *arg), void *arg);

/* How to stop the producer, set by it: on the reply's loop, at most once; it must lead to
 * tt_reply_produced with status "stopped" (or `reason`'s error). */
void tt_reply_on_stop(struct tt_reply *reply,
                      void (*on_stop)(struct tt_reply *reply, const struct tt_err *reason,
                                      void *arg),
                      void *arg);

/* ---- anybody, any thread ---- */

/* Asks the producer to stop: reason NULL = the user did (status "stopped"); with a reason (e.g.
 * "shutting_down", "session_deleted") the reply ends as error with that code. */
void tt_reply_stop(struct tt_reply *reply, const struct tt_err *reason);

enum tt_reply_state tt_reply_state(const struct tt_reply *reply);
uint64_t tt_reply_length(const struct tt_reply *reply); /* bytes published */
const struct tt_reply_outcome *
tt_reply_outcome(const struct tt_reply *reply); /* when >= PRODUCED */
struct tt_str
tt_reply_carried(const struct tt_reply *reply); /* when >= PRODUCED; data == NULL: nothing */
/* The images in it, a list as of tt_reply_add_images. */
struct tt_json_value tt_reply_carried_images(const struct tt_reply *reply);
struct tt_str tt_reply_files(const struct tt_reply *reply); /* when FINISHED; may be empty */

/* A run of bytes of one kind from `position` on, at most up to the published length. False at the
 * end of the published bytes. Never ends inside a character if position is not inside one. An entry
 * may take several spans, but all of it is published at once. */
struct tt_reply_span {
    enum tt_reply_kind kind;
    struct tt_str bytes;
    uint64_t end;               /* position after them */
    uint64_t run_from, run_end; /* the whole run of this kind, as far as published; where it has
                                   entries the entry */
};
bool tt_reply_read(const struct tt_reply *reply, uint64_t position, struct tt_reply_span *span);

/* Appends the entry of tool calls at a span, without its line end, and moves the span to its end.
 * Half an entry is not JSON: it is the whole entry, wherever in it the span begins. */
void tt_reply_read_entry(const struct tt_reply *reply, struct tt_reply_span *span,
                         struct tt_buf *out);

struct tt_reply_note {
    _Atomic(const struct tt_reply_note *) next;
    uint64_t position;
    struct tt_str json;
};
/* The note after `last` (NULL: the first one), in the order of their positions; NULL: none yet. Who
 * has read text behind a note's position finds the note. */
const struct tt_reply_note *tt_reply_next_note(const struct tt_reply *reply,
                                               const struct tt_reply_note *last);

/* Appends all published text of one kind. */
void tt_reply_text(const struct tt_reply *reply, enum tt_reply_kind kind, struct tt_buf *out);

/* Whether `position` is inside a character or an entry: no frame ended there. */
bool tt_reply_splits(const struct tt_reply *reply, uint64_t position);

/* ---- who listens for a client ---- */

/* Readers say nothing about clients: a reader that waits for a row may have lost its client long
 * ago. So code that sends a reply to a client registers it here for as long as that client is
 * connected. */
void tt_reply_client_add(struct tt_reply *reply);
/* Removes one client. `left`: because the client has left; if it was the last one and the reply
 * must not run without clients, it is stopped. */
void tt_reply_client_remove(struct tt_reply *reply, bool left);
bool tt_reply_has_clients(const struct tt_reply *reply);
/* The reply ends when its last client has left. Set it before others know the reply. */
void tt_reply_stop_without_clients(struct tt_reply *reply);

/* A reader: on_wake comes on its own loop when there is something new (bytes or a state), joined to
 * one call per tick. On the reply's own loop it comes in the same tick (hook rank TT_RANK_REPLY).
 */
struct tt_reply_reader {
    struct tt_list node;
    struct tt_reply *reply;
    struct tt_loop *loop;
    void (*on_wake)(struct tt_reply_reader *reader);
    void *internal;
};
/* Takes a reference. A first on_wake comes soon if there is anything to see. Thread: loop's. */
void tt_reply_attach(struct tt_reply *reply, struct tt_loop *loop, struct tt_reply_reader *reader);
/* No on_wake after this. Drops the reference. Harmless when not attached. */
void tt_reply_detach(struct tt_reply_reader *reader);
