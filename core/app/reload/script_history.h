/* The script generations that have served, with the bytes of their files, in the database: for
 * rollbacks, and for a start whose files on the disk are unusable. The newest 50 are kept, and each
 * file's bytes once. */
#pragma once
#include "db/db.h"
#include "script/bundle.h"
#include "serve/answer.h"

struct tt_history_entry {
    int number;
    char hash[65]; /* of the bundle */
};

/* Where the history is read: it waits, so the loop must have nothing else to do (the builder's). */
struct tt_history {
    struct tt_db *db;
    struct tt_loop *loop; /* attached */
};

/* The newest entry, whatever happened to it, or number 0. -1 on error. Thread: the loop's, as for
 * all reading here. */
int tt_history_newest(const struct tt_history *history, struct tt_history_entry *out,
                      struct tt_err *err);

/* The entry that serves (or would, if the server had not stopped), or number 0. -1 on error. */
int tt_history_current(const struct tt_history *history, struct tt_history_entry *out,
                       struct tt_err *err);

/* The newest entry before `number` that was replaced by a newer one and not rolled back since, with
 * content other than `hash`; number 0 if there is none. -1 on error. */
int tt_history_before(const struct tt_history *history, int number, const char *hash,
                      struct tt_history_entry *out, struct tt_err *err);

/* Whether the last generation with this content was rolled back. -1 on error. */
int tt_history_rolled_back(const struct tt_history *history, const char *hash, struct tt_err *err);

/* The files of an entry; `before` as in tt_bundle_seal. Fails: NULL. Owns: the caller. */
struct tt_bundle *tt_history_bundle(const struct tt_history *history, int number,
                                    const struct tt_bundle *before, struct tt_err *err);

/* The same of whatever is stored in this manner: the statement's value is `id`, its rows are paths
 * and bytes. Fails: NULL. Owns: the caller. */
struct tt_bundle *tt_history_read_bundle(const struct tt_history *history, struct tt_str sql,
                                         int64_t id, const struct tt_bundle *before,
                                         struct tt_err *err);

/* Entries of servers whose hash of a bundle was made in another way (over all bytes) get today's.
 * Reads one entry when there are none. Fails: -1. */
int tt_history_update_hashes(const struct tt_history *history, struct tt_err *err);

struct tt_history_record {
    int number;
    const struct tt_bundle *bundle, *before; /* `before` has served until now; NULL at the start */
    const char *made_by;
    int restores;            /* 0 = none */
    struct tt_str changed;   /* JSON */
    bool before_rolled_back; /* what happened to the previous one; otherwise it was replaced */
    /* Of a node: the job fails ("unexpected_changes", "duplicate") unless the current entry is this
     * one; 0 = there is none. */
    bool shared;
    int replaces;
};
/* Adds to `job`: the new entry as the current one, the end of the previous one, and the removal of
 * entries that are too old. */
void tt_history_add(struct tt_db_job *job, const struct tt_history_record *record);
/* Adds the bytes of files alone; those that `before` has under the same path are stored already. */
void tt_history_add_bytes(struct tt_db_job *job, const struct tt_bundle *bundle,
                          const struct tt_bundle *before);

/* The newest 50, for tt_answer_read_list. */
extern const struct tt_answer_list tt_history_newest_entries;
