/* This process as one of several servers that share a database (setting nodes.listen). Truth,
 * ordering and leases are rows: table nodes has who lives, chat_sessions.turn_node whose turn runs
 * in a session. A node lives, and owns what it owns, as long as it renews its row; all times are
 * the database's. Nothing here decides whether a write is right: each write of a reply names the
 * number of its turn (chat/reply_store.h), and a node that others took for dead finds no row.
 *
 * A server alone has no struct tt_node: NULL everywhere. */
#pragma once
#include "base/buf.h"
#include "db/db.h"
#include "node/news.h"

struct tt_node;

#define TT_NODE_EPOCH_BITS 40 /* of a turn's number: below its node's id */

struct tt_node_settings {
    struct tt_str name, address; /* for people; of the private listener, host:port */
    struct tt_str fingerprint;   /* of the secret: the same on all nodes */
    struct tt_str files_place;   /* where uploaded files are: likewise */
    const char *version;
    uint64_t lease_ms;
};

/* Enters this process into the table of nodes. Owns: the caller, tt_node_free. Fails: NULL,
 * "node_refused": another node lives whose secret or files are not the same. Thread: main, waits.
 */
struct tt_node *tt_node_join(struct tt_db *db, const struct tt_node_settings *settings,
                             struct tt_err *err);

/* ---- who it is; any thread ---- */

int64_t tt_node_id(const struct tt_node *node); /* a new one for each start */
const char *tt_node_name(const struct tt_node *node);
const char *tt_node_address(const struct tt_node *node);
uint64_t tt_node_lease_ms(const struct tt_node *node);
/* Whether no other node lived when it joined. */
bool tt_node_was_first(const struct tt_node *node);

/* The number of a new turn: no other turn of any node has it. */
int64_t tt_node_next_epoch(struct tt_node *node);

/* ---- living ---- */

struct tt_node_watcher { /* on the node's loop */
    /* Sessions in which something runs or waits, for others to see; appends which users' replies
     * run, for those to count. */
    size_t (*report)(struct tt_buf *replies, void *arg);
    /* What the other living nodes have appended. */
    void (*on_others)(const struct tt_str *replies, size_t count, void *arg);
    /* It could not renew its lease in time, and has renewed it now: others may have taken over
     * replies that still run here. */
    void (*on_late)(void *arg);
    void *arg;
};

/* Its loop, on a thread of its own from tt_node_start on: scripts keep workers busy, and workers
 * end one after the other. Attached to the database. */
struct tt_loop *tt_node_loop(struct tt_node *node);

/* What it tells the others, and is told; NULL for NULL. Thread: any. */
struct tt_news *tt_node_news(struct tt_node *node);

/* From now on its lease is renewed, and news are read. Fails: -1. Thread: main. */
int tt_node_start(struct tt_node *node, const struct tt_node_watcher *watcher, struct tt_err *err);
/* Its thread ends. What else runs on the loop must have been stopped there before; its answers come
 * until tt_node_leave. Harmless on NULL, and when not started. Thread: main. */
void tt_node_stop(struct tt_node *node);
/* Removes its row: nothing of it runs any more. Harmless on NULL. Thread: main, waits. */
void tt_node_leave(struct tt_node *node);
void tt_node_free(struct tt_node *node); /* harmless on NULL; after tt_db_close */

/* Draining: it takes no turn in sessions that it does not own. Thread: any. */
void tt_node_drain(struct tt_node *node);
bool tt_node_is_draining(const struct tt_node *node);

/* Which scripts it serves, for others to see: the hash of their files and the generation's number;
 * with the next heartbeat. Thread: any. */
void tt_node_set_generation(struct tt_node *node, const char *hash, int number);

/* Whether it may take over from nodes that look dead: only who could reach the database for a whole
 * lease, otherwise nodes would take each other for dead after the database was away. Thread: any.
 */
bool tt_node_may_take_over(const struct tt_node *node);

/* Whether this node does what only one does: timers, queues, removing what is deleted, the index of
 * the search. True for NULL. It may be true on two nodes for a moment when one of them was stopped
 * beyond its lease. Thread: any. */
bool tt_node_is_keeper(const struct tt_node *node);

struct tt_node_stats {
    uint64_t heartbeats, late; /* late: gaps longer than the lease */
    int others;                /* living nodes, as of the last heartbeat */
    int other_scripts;         /* of these, those that serve another generation */
    int keeper, draining;
    struct tt_news_stats news;
};
/* Zeros for NULL. Thread: any. */
void tt_node_stats(const struct tt_node *node, struct tt_node_stats *out);
