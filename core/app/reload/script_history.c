/* The SQL of the history; builder.c decides what it means. */
#include "app/reload/script_history.h"

#include "base/clock.h"
#include "base/json.h"
#include "serve/answer.h"

#include <stdio.h>

#define KEEP      50
#define FILES_MAX 100000 /* rows of one generation's files */

/* ---- SQL ---- */

static const char SQL_NEWEST[] =
    "SELECT number, hash FROM script_generations ORDER BY number DESC LIMIT 1";
static const char SQL_CURRENT[] = "SELECT number, hash FROM script_generations"
                                  " WHERE outcome = 'current' ORDER BY number DESC LIMIT 1";
static const char SQL_BEFORE[] =
    "SELECT number, hash FROM script_generations AS g"
    " WHERE number < ?1 AND outcome = 'replaced' AND hash <> ?2 AND NOT EXISTS"
    " (SELECT 1 FROM script_generations AS later WHERE later.hash = g.hash"
    "  AND later.number > g.number AND later.outcome = 'rolled_back')"
    " ORDER BY number DESC LIMIT 1";
static const char SQL_ROLLED_BACK[] =
    "SELECT number, hash FROM"
    " (SELECT number, hash, outcome FROM script_generations WHERE hash = ?1"
    "  ORDER BY number DESC LIMIT 1) AS newest WHERE outcome = 'rolled_back'";
static const char SQL_FILES[] =
    "SELECT g.path, f.bytes FROM script_generation_files AS g"
    " JOIN script_files AS f ON f.hash = g.file_hash WHERE g.generation = ?1 ORDER BY g.path";
static const char SQL_FILE_HASHES[] =
    "SELECT g.number, g.hash, f.path, f.file_hash FROM script_generations AS g"
    " JOIN script_generation_files AS f ON f.generation = g.number"
    " WHERE g.number >= ?1 ORDER BY g.number";
static const char SQL_SET_HASH[] = "UPDATE script_generations SET hash = ?1 WHERE number = ?2";
static const char SQL_NEWEST_ENTRIES[] =
    "SELECT number, hash, created_at, made_by, outcome, restores,"
    " (SELECT COUNT(*) FROM script_generation_files WHERE generation = number), changed"
    " FROM script_generations ORDER BY number DESC LIMIT 50";

static const char SQL_END_CURRENT[] =
    "UPDATE script_generations SET outcome = ?1 WHERE outcome = 'current'";
static const char SQL_END_EXPECTED[] =
    "UPDATE script_generations SET outcome = ?1 WHERE outcome = 'current' AND number = ?2";
static const char SQL_INSERT[] =
    "INSERT INTO script_generations (number, hash, created_at, made_by, restores, changed,"
    " outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'current')";
static const char SQL_INSERT_BYTES[] =
    "INSERT INTO script_files (hash, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
static const char SQL_INSERT_FILE[] =
    "INSERT INTO script_generation_files (generation, path, file_hash) VALUES (?1, ?2, ?3)";
static const char SQL_DELETE_OLD[] = "DELETE FROM script_generations WHERE number <= ?1";
#define DELETE_UNUSED                                                                              \
    "DELETE FROM script_files WHERE NOT EXISTS"                                                    \
    " (SELECT 1 FROM script_generation_files WHERE file_hash = script_files.hash)"
static const char SQL_DELETE_UNUSED[] = DELETE_UNUSED;
static const char SQL_DELETE_UNUSED_SHARED[] =
    DELETE_UNUSED " AND NOT EXISTS"
                  " (SELECT 1 FROM node_proposal_files WHERE file_hash = script_files.hash)";

/* ---- reading ---- */

/* Runs a query for one (number, hash). */
static int read_entry(const struct tt_history *history, struct tt_str sql,
                      const struct tt_db_value *values, size_t count, struct tt_history_entry *out,
                      struct tt_err *err)
{
    struct tt_db_query query = {.sql = sql, .values = values, .count = count};
    struct tt_db_rows *rows = tt_db_read_wait(history->db, history->loop, &query, err);

    *out = (struct tt_history_entry){0};
    if (!rows)
        return -1;
    if (tt_db_next(rows, NULL) == TT_DB_ROW) {
        out->number = (int)rows->values[0].integer;
        snprintf(out->hash, sizeof(out->hash), "%.*s", TT_STR_ARG(rows->values[1].text));
    }
    tt_db_rows_free(rows);
    return 0;
}

int tt_history_newest(const struct tt_history *history, struct tt_history_entry *out,
                      struct tt_err *err)
{
    return read_entry(history, TT_STR(SQL_NEWEST), NULL, 0, out, err);
}

int tt_history_current(const struct tt_history *history, struct tt_history_entry *out,
                       struct tt_err *err)
{
    return read_entry(history, TT_STR(SQL_CURRENT), NULL, 0, out, err);
}

int tt_history_before(const struct tt_history *history, int number, const char *hash,
                      struct tt_history_entry *out, struct tt_err *err)
{
    const struct tt_db_value values[] = {tt_db_int(number), tt_db_text(tt_str_from(hash))};
    return read_entry(history, TT_STR(SQL_BEFORE), values, TT_COUNT(values), out, err);
}

int tt_history_rolled_back(const struct tt_history *history, const char *hash, struct tt_err *err)
{
    const struct tt_db_value value = tt_db_text(tt_str_from(hash));
    struct tt_history_entry entry;

    if (read_entry(history, TT_STR(SQL_ROLLED_BACK), &value, 1, &entry, err) != 0)
        return -1;
    return entry.number > 0;
}

struct tt_bundle *tt_history_read_bundle(const struct tt_history *history, struct tt_str sql,
                                         int64_t id, const struct tt_bundle *before,
                                         struct tt_err *err)
{
    const struct tt_db_value value = tt_db_int(id);
    struct tt_db_query query = {.sql = sql, .values = &value, .count = 1, .rows_max = FILES_MAX};
    struct tt_db_rows *rows = tt_db_read_wait(history->db, history->loop, &query, err);

    if (!rows)
        return NULL;
    struct tt_bundle *bundle = tt_bundle_new();
    while (tt_db_next(rows, NULL) == TT_DB_ROW)
        tt_bundle_add(bundle, rows->values[0].text, rows->values[1].text);
    tt_db_rows_free(rows);
    if (tt_bundle_seal(bundle, before, err) == 0)
        return bundle;
    tt_bundle_free(bundle);
    return NULL;
}

struct tt_bundle *tt_history_bundle(const struct tt_history *history, int number,
                                    const struct tt_bundle *before, struct tt_err *err)
{
    return tt_history_read_bundle(history, TT_STR(SQL_FILES), number, before, err);
}

/* ---- hashes made in another way ---- */

struct rehash {
    struct tt_db_job *job; /* of those that are different */
    struct tt_bundle *bundle;
    struct tt_history_entry entry; /* whose files are in the bundle */
    int changed;
};

static void end_entry(struct rehash *rehash)
{
    tt_bundle_hash(rehash->bundle);
    if (rehash->entry.number && strcmp(rehash->bundle->hash, rehash->entry.hash) != 0) {
        const struct tt_db_value values[] = {tt_db_text(tt_str_from(rehash->bundle->hash)),
                                             tt_db_int(rehash->entry.number)};
        tt_db_job_add(rehash->job, TT_STR(SQL_SET_HASH), values, TT_COUNT(values), 1);
        rehash->changed++;
    }
    tt_bundle_free(rehash->bundle);
    rehash->bundle = tt_bundle_new();
}

static void add_row(struct rehash *rehash, const struct tt_db_rows *row)
{
    if (row->values[0].integer != rehash->entry.number)
        end_entry(rehash);
    rehash->entry.number = (int)row->values[0].integer;
    snprintf(rehash->entry.hash, sizeof(rehash->entry.hash), "%.*s",
             TT_STR_ARG(row->values[1].text));
    tt_bundle_add(rehash->bundle, row->values[2].text, TT_STR(""));
    struct tt_bundle_file *file = &rehash->bundle->files[rehash->bundle->file_count - 1];
    snprintf(file->hash, sizeof(file->hash), "%.*s", TT_STR_ARG(row->values[3].text));
}

/* Of the entries from this number on: how many have changed, or -1. */
static int rehash_from(const struct tt_history *history, int number, struct tt_err *err)
{
    const struct tt_db_value value = tt_db_int(number);
    struct tt_db_query query = {
        .sql = TT_STR(SQL_FILE_HASHES), .values = &value, .count = 1, .rows_max = FILES_MAX};
    struct tt_db_rows *rows = tt_db_read_wait(history->db, history->loop, &query, err);

    if (!rows)
        return -1;
    struct rehash rehash = {.job = tt_db_job_new(), .bundle = tt_bundle_new()};
    while (tt_db_next(rows, NULL) == TT_DB_ROW)
        add_row(&rehash, rows);
    tt_db_rows_free(rows);
    end_entry(&rehash);
    tt_bundle_free(rehash.bundle);
    if (rehash.changed == 0) {
        tt_db_job_free(rehash.job);
        return 0;
    }
    return tt_db_submit_wait(history->db, history->loop, rehash.job, err) == 0 ? rehash.changed
                                                                               : -1;
}

int tt_history_update_hashes(const struct tt_history *history, struct tt_err *err)
{
    struct tt_history_entry newest;

    if (tt_history_newest(history, &newest, err) != 0)
        return -1;
    int changed = newest.number ? rehash_from(history, newest.number, err) : 0;
    return changed > 0 ? (rehash_from(history, 0, err) < 0 ? -1 : 0) : changed;
}

static void put_entry(struct tt_json_writer *w, const struct tt_db_rows *row)
{
    static const char *const names[] = {"number",  "hash",     "created_at", "made_by",
                                        "outcome", "restores", "files"};

    tt_json_begin_object(w);
    tt_answer_put_columns(w, row, names, (int)TT_COUNT(names));
    tt_json_key(w, TT_STR("changed"));
    tt_json_raw(w, row->values[TT_COUNT(names)].text);
    tt_json_end_object(w);
}

const struct tt_answer_list tt_history_newest_entries = {
    .sql = {SQL_NEWEST_ENTRIES, sizeof(SQL_NEWEST_ENTRIES) - 1}, .put_row = put_entry};

/* ---- writing ---- */

void tt_history_add_bytes(struct tt_db_job *job, const struct tt_bundle *bundle,
                          const struct tt_bundle *before)
{
    for (size_t i = 0; i < bundle->file_count; i++) {
        const struct tt_bundle_file *file = &bundle->files[i];
        const struct tt_bundle_file *old = before ? tt_bundle_find(before, file->path) : NULL;
        if (old && strcmp(old->hash, file->hash) == 0)
            continue;
        const struct tt_db_value values[] = {tt_db_text(tt_str_from(file->hash)),
                                             tt_db_blob(file->bytes)};
        tt_db_job_add(job, TT_STR(SQL_INSERT_BYTES), values, TT_COUNT(values), -1);
    }
}

static void add_files(struct tt_db_job *job, const struct tt_history_record *record)
{
    for (size_t i = 0; i < record->bundle->file_count; i++) {
        const struct tt_bundle_file *file = &record->bundle->files[i];
        const struct tt_db_value values[] = {tt_db_int(record->number), tt_db_text(file->path),
                                             tt_db_text(tt_str_from(file->hash))};
        tt_db_job_add(job, TT_STR(SQL_INSERT_FILE), values, TT_COUNT(values), 1);
    }
}

void tt_history_add(struct tt_db_job *job, const struct tt_history_record *record)
{
    char now[TT_RFC3339_SIZE];
    struct tt_db_value outcome =
        tt_db_text(record->before_rolled_back ? TT_STR("rolled_back") : TT_STR("replaced"));
    struct tt_db_value oldest = tt_db_int(record->number - KEEP);

    tt_clock_format(tt_clock_wall_us(), now);
    const struct tt_db_value expected[] = {outcome, tt_db_int(record->replaces)};
    if (record->shared)
        tt_db_job_add(job, TT_STR(SQL_END_EXPECTED), expected, TT_COUNT(expected),
                      record->replaces > 0);
    else
        tt_db_job_add(job, TT_STR(SQL_END_CURRENT), &outcome, 1, -1);
    const struct tt_db_value row[] = {tt_db_int(record->number),
                                      tt_db_text(tt_str_from(record->bundle->hash)),
                                      tt_db_text(tt_str_from(now)),
                                      tt_db_text(tt_str_from(record->made_by)),
                                      record->restores ? tt_db_int(record->restores) : tt_db_null(),
                                      tt_db_text(record->changed)};
    tt_db_job_add(job, TT_STR(SQL_INSERT), row, TT_COUNT(row), 1);
    tt_history_add_bytes(job, record->bundle, record->before);
    add_files(job, record);
    tt_db_job_add(job, TT_STR(SQL_DELETE_OLD), &oldest, 1, -1);
    tt_db_job_add(job,
                  record->shared ? TT_STR(SQL_DELETE_UNUSED_SHARED) : TT_STR(SQL_DELETE_UNUSED),
                  NULL, 0, -1);
}
