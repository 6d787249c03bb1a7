/* News: what nodes tell each other, as rows of table changes that are written in the transaction of
 * the change. Each node reads them once a second, which is sure; whoever has written one notifies
 * the others after the commit, which is quick. They only spare waiting: whether something may be
 * done is decided by the rows themselves (versions, a turn's number), for news may come late, and
 * those of the time before a node's start do not come at all. They come once, to the node that
 * wrote them too.
 *
 * The kinds are those of whoever calls tt_news_on, and each kind says what its keys are. */
#pragma once
#include "db/db.h"

struct tt_news;
struct tt_node;

/* On the node's loop. */
typedef void tt_news_fn(struct tt_str key, void *arg);

/* Owns: the caller, tt_news_free. Thread: main. */
struct tt_news *tt_news_new(struct tt_db *db, struct tt_loop *loop, const struct tt_node *node);
void tt_news_free(struct tt_news *news);

/* Who is told of a kind; one for each. `kind` is borrowed. Before tt_news_start. */
void tt_news_on(struct tt_news *news, const char *kind, tt_news_fn *fn, void *arg);

/* Thread: main before the loop runs; the loop's. */
void tt_news_start(struct tt_news *news);
void tt_news_stop(struct tt_news *news); /* harmless when not started */

/* Adds the row to the job of the change. */
void tt_news_add(struct tt_db_job *job, const char *kind, struct tt_str key);

/* Lets all nodes look now; to be called after the commit. Harmless on NULL. Thread: any. */
void tt_news_notify(struct tt_news *news);

struct tt_news_stats {
    uint64_t read, notices; /* news; how often the database notified */
    uint64_t delay_us;      /* of all that were read: since the change's transaction began */
};
void tt_news_stats(const struct tt_news *news, struct tt_news_stats *out); /* any thread */
