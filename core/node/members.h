/* The statements about the table of nodes. Whoever reads it uses these. */
#pragma once
#include "db/db.h"

/* All nodes: id, name, address, version, generation, load, draining, alive (1 or 0), started_at,
 * heartbeat_at (microseconds since 1970), age_us since the last heartbeat, script_generation (the
 * number; 0: it serves none yet). No values. */
extern const char tt_members_sql_list[];

/* The ids of those that live. No values. */
extern const char tt_members_sql_alive[];

/* The node in whose session a turn runs: id, name, address, alive; no row if none runs. Values: the
 * user's id, the session's id. */
extern const char tt_members_sql_owner[];

/* A node that is not draining, other than this one: id, name, address. Value: this one's id. */
extern const char tt_members_sql_other[];

/* A node that is not draining and serves the current scripts, this one if it does: id, name,
 * address. Value: this one's id. */
extern const char tt_members_sql_current[];

/* What the other living nodes have reported: replies, script_generation. Value: this one's id. */
extern const char tt_members_sql_replies[];

struct tt_node_settings;

/* The row of a new node; the job's first statement has its id. */
void tt_members_add_row(struct tt_db_job *job, const struct tt_node_settings *settings);

/* What it serves, without waiting for the next heartbeat. */
void tt_members_add_generation(struct tt_db_job *job, int64_t id, const char *hash, int number);

struct tt_members_report { /* of a heartbeat */
    int64_t id;
    const struct tt_node_settings *settings;
    const char *generation;
    int generation_number;
    int64_t load;
    struct tt_str replies; /* see struct tt_node_watcher */
    bool draining;
};
/* Renews the row (or writes it again), and the lease of what one node does, if it is free or this
 * node's: the second statement changes a row if it has it now. */
void tt_members_add_heartbeat(struct tt_db_job *job, const struct tt_members_report *report);

/* Removes a node's row and its lease; and rows of nodes that died long ago. */
void tt_members_add_leave(struct tt_db_job *job, int64_t id);
