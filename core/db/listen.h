/* Being told at once that others have written something (LISTEN and NOTIFY of PostgreSQL), on a
 * connection of its own. It is only quick, never sure: whoever listens looks into the database from
 * time to time as well. */
#pragma once
#include "db/db.h"

struct tt_db_listener;

/* `on_notice` comes on the loop: when somebody has notified the channel (several may become one),
 * and whenever the connection is there anew, since something may have been missed. A connection
 * that is lost is opened again. `channel`: lower-case letters and '_'; borrowed. Owns: the caller,
 * tt_db_unlisten. Fails: NULL, the engine has nothing like that (SQLite). Thread: the loop's, for
 * all three; the loop need not run yet. */
struct tt_db_listener *tt_db_listen(struct tt_db *db, struct tt_loop *loop, const char *channel,
                                    void (*on_notice)(void *arg), void *arg);
void tt_db_unlisten(struct tt_db_listener *listener); /* harmless on NULL; before tt_db_close */

/* Notifies all who listen, this one too: soon, several calls together, never within a transaction
 * of somebody else. Without a connection when it is there again. */
void tt_db_notify(struct tt_db_listener *listener);
