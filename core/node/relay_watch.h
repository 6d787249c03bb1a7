/* Whether the nodes that answer passed-on requests live: a node that was stopped, or has lost its
 * database, keeps its connections open, and nothing comes over them. While calls run, the table of
 * nodes is read each quarter of a lease. Thread: the loop's. */
#pragma once
#include "base/list.h"
#include "db/db.h"

struct tt_relay_watch {
    struct tt_loop *loop; /* attached to the database */
    struct tt_db *db;     /* NULL: nobody is watched */
    uint64_t period_ms;
    struct tt_list calls;
    struct tt_timer timer;
    struct tt_db_pending *pending; /* the read that is on its way */
};

/* Embed it and zero it. */
struct tt_relay_watched {
    struct tt_list node;
    int64_t to; /* the node's id */
    /* It lives no more; not watched from here on. */
    void (*on_dead)(struct tt_relay_watched *watched);
};

void tt_relay_watch_create(struct tt_relay_watch *watch, struct tt_loop *loop, struct tt_db *db,
                           uint64_t lease_ms);
void tt_relay_watch_destroy(struct tt_relay_watch *watch);

void tt_relay_watch_add(struct tt_relay_watch *watch, struct tt_relay_watched *watched);
void tt_relay_watch_remove(struct tt_relay_watched *watched); /* harmless if it is not watched */
