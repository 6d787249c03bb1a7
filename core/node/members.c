/* See members.h. Only PostgreSQL is ever shared: tidetalk_now() is a function of its migrations. */
#include "node/members.h"

#include "node/node.h"

#define ALIVE        "alive_until >= tidetalk_now()"
#define KEEPER       "keeper"
#define FORGET_AFTER "86400000000" /* a day, in microseconds */

const char tt_members_sql_list[] =
    "SELECT id, name, address, version, generation, load, draining, CASE WHEN " ALIVE
    " THEN 1 ELSE 0 END AS alive, started_at, heartbeat_at, tidetalk_now() - heartbeat_at AS "
    "age_us,"
    " script_generation"
    " FROM nodes ORDER BY id";

const char tt_members_sql_alive[] = "SELECT id FROM nodes WHERE " ALIVE;

const char tt_members_sql_owner[] =
    "SELECT s.turn_node AS id, n.name, n.address, CASE WHEN n." ALIVE " THEN 1 ELSE 0 END AS alive"
    " FROM chat_sessions AS s LEFT JOIN nodes AS n ON n.id = s.turn_node"
    " WHERE s.user_id = ? AND s.session_id = ? AND s.turn_node IS NOT NULL";

const char tt_members_sql_other[] =
    "SELECT id, name, address FROM nodes"
    " WHERE id <> ? AND draining = 0 AND " ALIVE " ORDER BY load, id LIMIT 1";

const char tt_members_sql_current[] =
    "SELECT n.id, n.name, n.address FROM nodes AS n JOIN script_generations AS g"
    " ON g.outcome = 'current' AND g.number = n.script_generation"
    " WHERE n.draining = 0 AND n." ALIVE
    " ORDER BY CASE WHEN n.id = ? THEN 0 ELSE 1 END, n.load, n.id LIMIT 1";

const char tt_members_sql_replies[] =
    "SELECT replies, script_generation FROM nodes WHERE id <> ? AND " ALIVE;

static const char SQL_JOIN[] =
    "INSERT INTO nodes (name, address, version, files_place, started_at, heartbeat_at, alive_until)"
    " VALUES (?1, ?2, ?3, ?4, tidetalk_now(), tidetalk_now(), tidetalk_now() + ?5)";
/* An insert too: a node that slept for days finds its row gone. */
static const char SQL_HEARTBEAT[] =
    "INSERT INTO nodes (id, name, address, version, files_place, generation, load, replies,"
    " script_generation, draining, started_at, heartbeat_at, alive_until)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?10, ?11, ?8, tidetalk_now(), tidetalk_now(), "
    "tidetalk_now() "
    "+ ?9)"
    " ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, load = excluded.load,"
    " script_generation = excluded.script_generation, replies = excluded.replies, draining = "
    "excluded.draining, heartbeat_at = "
    "excluded.heartbeat_at,"
    " alive_until = excluded.alive_until";
static const char SQL_SET_GENERATION[] =
    "UPDATE nodes SET generation = ?2, script_generation = ?3 WHERE id = ?1";
static const char SQL_KEEP[] =
    "INSERT INTO node_leases (name, node, until) VALUES ('" KEEPER "', ?1, tidetalk_now() + ?2)"
    " ON CONFLICT (name) DO UPDATE SET node = excluded.node, until = excluded.until"
    " WHERE node_leases.node = excluded.node OR node_leases.until < tidetalk_now()";
static const char SQL_GIVE_UP[] = "DELETE FROM node_leases WHERE node = ?1";
static const char SQL_LEAVE[] = "DELETE FROM nodes WHERE id = ?1";
static const char SQL_FORGET[] =
    "DELETE FROM nodes WHERE alive_until < tidetalk_now() - " FORGET_AFTER;

static struct tt_db_value lease_of(const struct tt_node_settings *settings)
{
    return tt_db_int((int64_t)settings->lease_ms * 1000);
}

void tt_members_add_row(struct tt_db_job *job, const struct tt_node_settings *settings)
{
    const struct tt_db_value values[] = {tt_db_text(settings->name), tt_db_text(settings->address),
                                         tt_db_text(tt_str_from(settings->version)),
                                         tt_db_text(settings->files_place), lease_of(settings)};
    tt_db_job_add(job, TT_STR(SQL_JOIN), values, TT_COUNT(values), 1);
    tt_db_job_add(job, TT_STR(SQL_FORGET), NULL, 0, -1);
}

void tt_members_add_heartbeat(struct tt_db_job *job, const struct tt_members_report *report)
{
    const struct tt_node_settings *settings = report->settings;
    const struct tt_db_value id = tt_db_int(report->id), lease = lease_of(settings);
    const struct tt_db_value values[] = {id,
                                         tt_db_text(settings->name),
                                         tt_db_text(settings->address),
                                         tt_db_text(tt_str_from(settings->version)),
                                         tt_db_text(settings->files_place),
                                         tt_db_text(tt_str_from(report->generation)),
                                         tt_db_int(report->load),
                                         tt_db_int(report->draining),
                                         lease,
                                         tt_db_text(report->replies),
                                         tt_db_int(report->generation_number)};
    const struct tt_db_value keep[] = {id, lease};

    tt_db_job_add(job, TT_STR(SQL_HEARTBEAT), values, TT_COUNT(values), -1);
    if (report->draining)
        tt_db_job_add(job, TT_STR(SQL_GIVE_UP), &id, 1, -1);
    else
        tt_db_job_add(job, TT_STR(SQL_KEEP), keep, TT_COUNT(keep), -1);
}

void tt_members_add_generation(struct tt_db_job *job, int64_t id, const char *hash, int number)
{
    const struct tt_db_value values[] = {tt_db_int(id), tt_db_text(tt_str_from(hash)),
                                         tt_db_int(number)};
    tt_db_job_add(job, TT_STR(SQL_SET_GENERATION), values, TT_COUNT(values), -1);
}

void tt_members_add_leave(struct tt_db_job *job, int64_t id)
{
    const struct tt_db_value value = tt_db_int(id);
    tt_db_job_add(job, TT_STR(SQL_GIVE_UP), &value, 1, -1);
    tt_db_job_add(job, TT_STR(SQL_LEAVE), &value, 1, -1);
}
