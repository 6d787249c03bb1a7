/* See node.h. A heartbeat is a small job of its own: it goes through the same writer as all that
 * the node stores, so a node whose heartbeats arrive can store. */
#include "node/node.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/members.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define HEARTBEAT_MS 1000 /* a fifth of the lease, if that is shorter */

struct tt_node {
    struct tt_db *db;
    struct tt_loop *loop;
    struct tt_node_settings settings; /* with texts of its own */
    struct tt_arena arena;
    struct tt_news *news;
    int64_t id;
    bool was_first;
    struct tt_node_watcher watcher;
    struct tt_timer timer;
    struct tt_mail ending;
    pthread_t thread;
    bool started, stopped;
    bool asking;      /* who else is there; the answer is to come */
    uint64_t sent_ms; /* when the heartbeat was submitted that is on its way */
    _Atomic int64_t epochs;
    atomic_bool draining;
    _Atomic uint64_t renewed_ms;   /* the last heartbeat that was committed, when it was sent */
    _Atomic uint64_t unbroken_ms;  /* since when no gap was longer than the lease */
    _Atomic uint64_t keeper_until; /* 0: it is not */
    _Atomic uint64_t heartbeats, late;
    atomic_int others, other_scripts;
    pthread_mutex_t mutex;
    char generation[65]; /* under the lock */
    int generation_number;
};

/* ---- joining ---- */

static const char SQL_SECRET[] = "SELECT value FROM node_settings WHERE key = 'secret'";
static const char SQL_FIRST_SECRET[] =
    "INSERT INTO node_settings (key, value) VALUES ('secret', ?1)"
    " ON CONFLICT (key) DO NOTHING";
/* When nobody else lives, it is the operator's business that the key is another one. */
static const char SQL_NEW_SECRET[] =
    "UPDATE node_settings SET value = ?1 WHERE key = 'secret' AND NOT EXISTS"
    " (SELECT 1 FROM nodes WHERE id <> ?2 AND alive_until >= tidetalk_now())";
static const char SQL_OTHERS[] =
    "SELECT name, address, files_place FROM nodes WHERE id <> ?1 AND alive_until >= tidetalk_now()"
    " ORDER BY CASE WHEN files_place = ?2 THEN 1 ELSE 0 END, id LIMIT 1";

struct outcome {
    struct tt_db_outcome first;
    struct tt_err error;
    bool done;
};

static void note_outcome(struct tt_db_job *job, void *arg)
{
    struct outcome *outcome = arg;
    if (tt_db_job_error(job))
        outcome->error = *tt_db_job_error(job);
    outcome->first = tt_db_job_outcome(job, 0);
    outcome->done = true;
}

/* Runs a job to its end; *first is the outcome of its first statement. */
static int run(struct tt_node *node, struct tt_db_job *job, struct tt_db_outcome *first,
               struct tt_err *err)
{
    struct outcome outcome = {0};

    if (tt_db_submit(node->db, node->loop, job, note_outcome, &outcome, err) != 0) {
        tt_db_job_free(job);
        return -1;
    }
    while (!outcome.done)
        tt_loop_tick(node->loop, -1);
    *first = outcome.first;
    if (!outcome.error.status)
        return 0;
    *err = outcome.error;
    return -1;
}

static int enter(struct tt_node *node, struct tt_err *err)
{
    const struct tt_db_value secret = tt_db_text(node->settings.fingerprint);
    struct tt_db_job *job = tt_db_job_new();
    struct tt_db_outcome row;

    tt_members_add_row(job, &node->settings);
    tt_db_job_add(job, TT_STR(SQL_FIRST_SECRET), &secret, 1, -1);
    if (run(node, job, &row, err) != 0)
        return -1;
    node->id = row.insert_id;
    return 0;
}

static int check_secret(struct tt_node *node, struct tt_err *err)
{
    const struct tt_db_query query = {.sql = TT_STR(SQL_SECRET)};
    const struct tt_db_value values[] = {tt_db_text(node->settings.fingerprint),
                                         tt_db_int(node->id)};
    struct tt_db_outcome changed;
    struct tt_db_rows *rows = tt_db_read_wait(node->db, node->loop, &query, err);
    bool same = rows && tt_db_next(rows, NULL) == TT_DB_ROW &&
                tt_str_eq(rows->values[0].text, node->settings.fingerprint);

    tt_db_rows_free(rows);
    if (!rows || same)
        return rows ? 0 : -1;
    struct tt_db_job *job = tt_db_job_new();
    tt_db_job_add(job, TT_STR(SQL_NEW_SECRET), values, TT_COUNT(values), -1);
    if (run(node, job, &changed, err) != 0)
        return -1;
    if (changed.changes == 1)
        return 0;
    return tt_err_set(err, 0, "node_refused",
                      "the nodes that use this database have another secret: give this one their "
                      "secret file (setting secret_file), and start it again");
}

static int check_others(struct tt_node *node, struct tt_err *err)
{
    struct tt_str place = node->settings.files_place;
    const struct tt_db_value values[] = {tt_db_int(node->id), tt_db_text(place)};
    const struct tt_db_query query = {
        .sql = TT_STR(SQL_OTHERS), .values = values, .count = TT_COUNT(values)};
    struct tt_db_rows *rows = tt_db_read_wait(node->db, node->loop, &query, err);
    int result = rows ? 0 : -1;

    node->was_first = rows && tt_db_next(rows, NULL) != TT_DB_ROW;
    if (rows && !node->was_first && !tt_str_eq(rows->values[2].text, place))
        result = tt_err_set(
            err, 0, "node_refused",
            "the uploaded files of this node are not those of node %.*s (%.*s), which uses the "
            "same database: set files_url to the same bucket or folder on all nodes",
            TT_STR_ARG(rows->values[0].text), TT_STR_ARG(rows->values[1].text));
    tt_db_rows_free(rows);
    return result;
}

static struct tt_node *node_new(struct tt_db *db, const struct tt_node_settings *settings)
{
    struct tt_node *node = TT_NEW(struct tt_node);
    struct tt_arena *arena = &node->arena;

    node->db = db;
    node->settings = (struct tt_node_settings){
        .name = tt_arena_str(arena, settings->name),
        .address = tt_arena_str(arena, settings->address),
        .fingerprint = tt_arena_str(arena, settings->fingerprint),
        .files_place = tt_arena_str(arena, settings->files_place),
        .version = settings->version,
        .lease_ms = settings->lease_ms,
    };
    pthread_mutex_init(&node->mutex, NULL);
    return node;
}

static int join(struct tt_node *node, struct tt_err *err)
{
    node->loop = tt_loop_new(err);
    if (!node->loop || tt_db_attach(node->db, node->loop, err) != 0 || enter(node, err) != 0)
        return -1;
    node->news = tt_news_new(node->db, node->loop, node);
    if (check_secret(node, err) == 0 && check_others(node, err) == 0)
        return 0;
    tt_node_leave(node);
    return -1;
}

struct tt_node *tt_node_join(struct tt_db *db, const struct tt_node_settings *settings,
                             struct tt_err *err)
{
    struct tt_node *node = node_new(db, settings);

    if (join(node, err) == 0)
        return node;
    tt_db_detach(db, node->loop);
    tt_node_free(node);
    return NULL;
}

void tt_node_free(struct tt_node *node)
{
    if (!node)
        return;
    tt_loop_free(node->loop);
    tt_news_free(node->news);
    pthread_mutex_destroy(&node->mutex);
    tt_arena_destroy(&node->arena);
    free(node);
}

void tt_node_leave(struct tt_node *node)
{
    struct tt_db_outcome unused;
    struct tt_err err = {0};

    if (!node)
        return;
    struct tt_db_job *job = tt_db_job_new();
    tt_members_add_leave(job, node->id);
    if (run(node, job, &unused, &err) != 0)
        tt_log(TT_LOG_WARN, "node: it could not leave", TT_F_INT("node", node->id),
               TT_F_Z("code", err.code), TT_F_Z("error", err.message));
    tt_db_detach(node->db, node->loop);
}

/* ---- heartbeats ---- */

static void arm(struct tt_node *node)
{
    uint64_t fifth = node->settings.lease_ms / 5;
    if (!node->stopped)
        tt_timer_start(node->loop, &node->timer, fifth < HEARTBEAT_MS ? fifth : HEARTBEAT_MS);
}

static void note_renewal(struct tt_node *node, bool keeper)
{
    uint64_t lease_ms = node->settings.lease_ms, before = atomic_load(&node->renewed_ms);
    bool late = before > 0 && tt_clock_mono_ms() - before > lease_ms;

    atomic_fetch_add(&node->heartbeats, 1);
    atomic_store(&node->renewed_ms, node->sent_ms);
    atomic_store(&node->keeper_until, keeper ? node->sent_ms + lease_ms : 0);
    if (!late) {
        if (before == 0)
            atomic_store(&node->unbroken_ms, node->sent_ms);
        return;
    }
    atomic_store(&node->unbroken_ms, tt_clock_mono_ms());
    atomic_fetch_add(&node->late, 1);
    tt_log(TT_LOG_WARN, "node: its lease was over before it was renewed",
           TT_F_INT("node", node->id));
    if (!node->stopped)
        node->watcher.on_late(node->watcher.arg);
}

#define OTHERS_MAX 256

static int generation_number(struct tt_node *node)
{
    pthread_mutex_lock(&node->mutex);
    int number = node->generation_number;
    pthread_mutex_unlock(&node->mutex);
    return number;
}

static void on_others(struct tt_db_rows *rows, void *arg)
{
    struct tt_node *node = arg;
    struct tt_str told[OTHERS_MAX];
    struct tt_arena arena = {0};
    size_t count = 0;
    int more = TT_DB_END, differing = 0, number = generation_number(node);

    while (count < OTHERS_MAX && (more = tt_db_next(rows, NULL)) == TT_DB_ROW) {
        differing += rows->values[1].integer != number;
        told[count++] = tt_arena_str(&arena, rows->values[0].text);
    }
    if (more != TT_DB_FAILED) {
        atomic_store(&node->others, (int)count);
        atomic_store(&node->other_scripts, differing);
        node->watcher.on_others(told, count, node->watcher.arg);
    }
    tt_arena_destroy(&arena);
    node->asking = false;
}

/* One at a time: the answer may take longer than a lease, and no heartbeat waits for it. */
static void ask_others(struct tt_node *node)
{
    const struct tt_db_value id = tt_db_int(node->id);
    const struct tt_db_query query = {
        .sql = tt_str_from(tt_members_sql_replies), .values = &id, .count = 1};
    struct tt_db_pending *unused; /* it ends with the link */

    if (node->asking)
        return;
    node->asking = true; /* on_others may be called within the next call */
    if (tt_db_read(node->db, node->loop, &query, on_others, node, &unused, NULL) != 0)
        node->asking = false;
}

static void on_heartbeat(struct tt_db_job *job, void *arg)
{
    struct tt_node *node = arg;
    const struct tt_err *err = tt_db_job_error(job);

    if (!err)
        note_renewal(node, !tt_node_is_draining(node) && tt_db_job_outcome(job, 1).changes == 1);
    else
        tt_log(TT_LOG_WARN, "node: its lease was not renewed", TT_F_Z("code", err->code),
               TT_F_Z("error", err->message));
    arm(node);
    if (!err && !node->stopped)
        ask_others(node);
}

static void beat(struct tt_timer *timer)
{
    struct tt_node *node = TT_CONTAINER_OF(timer, struct tt_node, timer);
    struct tt_db_job *job = tt_db_job_new();
    struct tt_buf replies = {0};
    struct tt_err err = {0};
    char generation[sizeof(node->generation)];

    pthread_mutex_lock(&node->mutex);
    memcpy(generation, node->generation, sizeof(generation));
    int number = node->generation_number;
    pthread_mutex_unlock(&node->mutex);
    size_t load = node->watcher.report(&replies, node->watcher.arg);
    tt_members_add_heartbeat(job,
                             &(struct tt_members_report){.id = node->id,
                                                         .settings = &node->settings,
                                                         .generation = generation,
                                                         .generation_number = number,
                                                         .load = (int64_t)load,
                                                         .replies = tt_buf_str(&replies),
                                                         .draining = tt_node_is_draining(node)});
    tt_buf_free(&replies);
    node->sent_ms = tt_clock_mono_ms();
    if (tt_db_submit(node->db, node->loop, job, on_heartbeat, node, &err) == 0)
        return;
    tt_db_job_free(job);
    arm(node);
}

struct tt_loop *tt_node_loop(struct tt_node *node)
{
    return node->loop;
}

static void *run_loop(void *arg)
{
    struct tt_node *node = arg;
    pthread_setname_np(pthread_self(), "tt-node");
    tt_loop_run(node->loop);
    return NULL;
}

int tt_node_start(struct tt_node *node, const struct tt_node_watcher *watcher, struct tt_err *err)
{
    node->watcher = *watcher;
    node->timer.on_due = beat;
    tt_timer_start(node->loop, &node->timer, 0);
    tt_news_start(node->news);
    int failed = pthread_create(&node->thread, NULL, run_loop, node);
    if (failed)
        return tt_err_set(err, 0, "thread_failed", "the node's thread: %s", strerror(failed));
    node->started = true;
    return 0;
}

static void end(struct tt_mail *mail)
{
    struct tt_node *node = TT_CONTAINER_OF(mail, struct tt_node, ending);
    node->stopped = true;
    tt_timer_stop(&node->timer);
    tt_news_stop(node->news);
    tt_loop_stop(node->loop);
}

void tt_node_stop(struct tt_node *node)
{
    if (!node || !node->started)
        return;
    node->ending.deliver = end;
    tt_loop_post(node->loop, &node->ending);
    pthread_join(node->thread, NULL);
    node->started = false;
}

/* ---- what it is ---- */

struct tt_news *tt_node_news(struct tt_node *node)
{
    return node ? node->news : NULL;
}

int64_t tt_node_id(const struct tt_node *node)
{
    return node->id;
}

const char *tt_node_name(const struct tt_node *node)
{
    return node->settings.name.data;
}

const char *tt_node_address(const struct tt_node *node)
{
    return node->settings.address.data;
}

uint64_t tt_node_lease_ms(const struct tt_node *node)
{
    return node->settings.lease_ms;
}

bool tt_node_was_first(const struct tt_node *node)
{
    return node->was_first;
}

int64_t tt_node_next_epoch(struct tt_node *node)
{
    return (node->id << TT_NODE_EPOCH_BITS) + atomic_fetch_add(&node->epochs, 1) + 1;
}

void tt_node_drain(struct tt_node *node)
{
    atomic_store(&node->draining, true);
}

bool tt_node_is_draining(const struct tt_node *node)
{
    return node && atomic_load(&node->draining);
}

void tt_node_set_generation(struct tt_node *node, const char *hash, int number)
{
    pthread_mutex_lock(&node->mutex);
    node->generation_number = number;
    snprintf(node->generation, sizeof(node->generation), "%s", hash);
    pthread_mutex_unlock(&node->mutex);
}

bool tt_node_may_take_over(const struct tt_node *node)
{
    uint64_t now = tt_clock_mono_ms(), lease_ms = node->settings.lease_ms;
    uint64_t renewed = atomic_load(&node->renewed_ms), since = atomic_load(&node->unbroken_ms);
    return renewed > 0 && now - renewed <= lease_ms && now - since >= lease_ms;
}

bool tt_node_is_keeper(const struct tt_node *node)
{
    return !node || tt_clock_mono_ms() < atomic_load(&node->keeper_until);
}

void tt_node_stats(const struct tt_node *node, struct tt_node_stats *out)
{
    *out = (struct tt_node_stats){0};
    if (!node)
        return;
    out->heartbeats = atomic_load(&node->heartbeats);
    out->late = atomic_load(&node->late);
    out->others = atomic_load(&node->others);
    out->other_scripts = atomic_load(&node->other_scripts);
    out->keeper = tt_node_is_keeper(node);
    out->draining = tt_node_is_draining(node);
    tt_news_stats(node->news, &out->news);
}
