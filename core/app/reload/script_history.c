/* The SQL of the history; what it means is decided in builder.c. */
#include "app/reload/script_history.h"

#include "base/clock.h"
#include "base/json.h"
#include "serve/answer.h"

#include <stdio.h>

#define KEEP 50

/* ---- reading ---- */

/* Runs a query for one (number, hash). */
static int read_entry(struct tt_db_reader *reader, struct tt_str sql,
                      const struct tt_db_value *values, size_t count, struct tt_history_entry *out,
                      struct tt_err *err)
{
    *out = (struct tt_history_entry){0};
    if (tt_db_query(reader, sql, values, count, err) != 0)
        return -1;
    int found = tt_db_step(reader, err);
    if (found == 1) {
        struct tt_str hash = tt_db_column(reader, 1).text;
        out->number = (int)tt_db_column(reader, 0).integer;
        snprintf(out->hash, sizeof(out->hash), "%.*s", TT_STR_ARG(hash));
    }
    tt_db_query_end(reader);
    return found < 0 ? -1 : 0;
}

int tt_history_newest(struct tt_db_reader *reader, struct tt_history_entry *out, struct tt_err *err)
{
    return read_entry(
        reader, TT_STR("SELECT number, hash FROM script_generations ORDER BY number DESC LIMIT 1"),
        NULL, 0, out, err);
}

int tt_history_current(struct tt_db_reader *reader, struct tt_history_entry *out,
                       struct tt_err *err)
{
    return read_entry(reader,
                      TT_STR("SELECT number, hash FROM script_generations"
                             " WHERE outcome = 'current' ORDER BY number DESC LIMIT 1"),
                      NULL, 0, out, err);
}

int tt_history_before(struct tt_db_reader *reader, int number, const char *hash,
                      struct tt_history_entry *out, struct tt_err *err)
{
    static const char sql[] =
        "SELECT number, hash FROM script_generations AS g"
        " WHERE number < ?1 AND outcome = 'replaced' AND hash <> ?2 AND NOT EXISTS"
        " (SELECT 1 FROM script_generations AS later WHERE later.hash = g.hash"
        "  AND later.number > g.number AND later.outcome = 'rolled_back')"
        " ORDER BY number DESC LIMIT 1";
    const struct tt_db_value values[] = {tt_db_int(number), tt_db_text(tt_str_from(hash))};
    return read_entry(reader, TT_STR(sql), values, TT_COUNT(values), out, err);
}

int tt_history_rolled_back(struct tt_db_reader *reader, const char *hash, struct tt_err *err)
{
    static const char sql[] =
        "SELECT number, hash FROM"
        " (SELECT number, hash, outcome FROM script_generations WHERE hash = ?1"
        "  ORDER BY number DESC LIMIT 1) WHERE outcome = 'rolled_back'";
    const struct tt_db_value value = tt_db_text(tt_str_from(hash));
    struct tt_history_entry entry;

    if (read_entry(reader, TT_STR(sql), &value, 1, &entry, err) != 0)
        return -1;
    return entry.number > 0;
}

struct tt_bundle *tt_history_bundle(struct tt_db_reader *reader, int number, struct tt_err *err)
{
    static const char sql[] =
        "SELECT g.path, f.bytes FROM script_generation_files AS g"
        " JOIN script_files AS f ON f.hash = g.file_hash WHERE g.generation = ?1 ORDER BY g.path";
    const struct tt_db_value value = tt_db_int(number);
    struct tt_bundle *bundle = tt_bundle_new();
    int more = -1;

    if (tt_db_query(reader, TT_STR(sql), &value, 1, err) == 0)
        while ((more = tt_db_step(reader, err)) == 1)
            tt_bundle_add(bundle, tt_db_column(reader, 0).text, tt_db_column(reader, 1).text);
    tt_db_query_end(reader);
    if (more == 0 && tt_bundle_seal(bundle, err) == 0)
        return bundle;
    tt_bundle_free(bundle);
    return NULL;
}

static void put_entry(struct tt_json_writer *w, struct tt_db_reader *reader)
{
    static const char *const names[] = {"number",  "hash",     "created_at", "made_by",
                                        "outcome", "restores", "files"};
    const int count = (int)TT_COUNT(names);

    tt_json_begin_object(w);
    tt_answer_put_columns(w, reader, names, count);
    tt_json_key(w, TT_STR("changed"));
    tt_json_raw(w, tt_db_column(reader, count).text);
    tt_json_end_object(w);
}

int tt_history_list(struct tt_db_reader *reader, struct tt_buf *out, struct tt_err *err)
{
    static const char sql[] =
        "SELECT number, hash, created_at, made_by, outcome, restores,"
        " (SELECT COUNT(*) FROM script_generation_files WHERE generation = number), changed"
        " FROM script_generations ORDER BY number DESC LIMIT 50";
    return tt_answer_rows(reader, TT_STR(sql), put_entry, out, err);
}

/* ---- writing ---- */

/* Paths with the hashes of their bytes, as JSON, so that all go in with one statement. */
static void put_files(const struct tt_bundle *bundle, struct tt_buf *out)
{
    struct tt_json_writer w = {.buf = out};

    tt_json_begin_array(&w);
    for (size_t i = 0; i < bundle->file_count; i++) {
        tt_json_begin_array(&w);
        tt_json_str(&w, bundle->files[i].path);
        tt_json_str(&w, tt_str_from(bundle->files[i].hash));
        tt_json_end_array(&w);
    }
    tt_json_end_array(&w);
}

/* What the generation before has under the same path is stored already. */
static void add_bytes(struct tt_db_job *job, const struct tt_history_record *record)
{
    for (size_t i = 0; i < record->bundle->file_count; i++) {
        const struct tt_bundle_file *file = &record->bundle->files[i];
        const struct tt_bundle_file *old =
            record->before ? tt_bundle_find(record->before, file->path) : NULL;
        if (old && strcmp(old->hash, file->hash) == 0)
            continue;
        const struct tt_db_value values[] = {tt_db_text(tt_str_from(file->hash)),
                                             {.type = TT_DB_BLOB, .text = file->bytes}};
        tt_db_job_add(job,
                      TT_STR("INSERT OR IGNORE INTO script_files (hash, bytes) VALUES (?1, ?2)"),
                      values, TT_COUNT(values), -1);
    }
}

void tt_history_add(struct tt_db_job *job, const struct tt_history_record *record)
{
    static const char insert[] =
        "INSERT INTO script_generations (number, hash, created_at, made_by, restores, changed,"
        " outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'current')";
    static const char files[] =
        "INSERT INTO script_generation_files (generation, path, file_hash)"
        " SELECT ?1, json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?2)";
    static const char unused[] =
        "DELETE FROM script_files WHERE NOT EXISTS"
        " (SELECT 1 FROM script_generation_files WHERE file_hash = script_files.hash)";
    char now[TT_RFC3339_SIZE];
    struct tt_buf list = {0};
    struct tt_db_value number = tt_db_int(record->number);
    struct tt_db_value outcome =
        tt_db_text(record->before_rolled_back ? TT_STR("rolled_back") : TT_STR("replaced"));
    struct tt_db_value oldest = tt_db_int(record->number - KEEP);

    tt_clock_format(tt_clock_wall_us(), now);
    put_files(record->bundle, &list);
    tt_db_job_add(job,
                  TT_STR("UPDATE script_generations SET outcome = ?1 WHERE outcome = 'current'"),
                  &outcome, 1, -1);
    const struct tt_db_value row[] = {number,
                                      tt_db_text(tt_str_from(record->bundle->hash)),
                                      tt_db_text(tt_str_from(now)),
                                      tt_db_text(tt_str_from(record->made_by)),
                                      record->restores ? tt_db_int(record->restores) : tt_db_null(),
                                      tt_db_text(record->changed)};
    tt_db_job_add(job, TT_STR(insert), row, TT_COUNT(row), 1);
    add_bytes(job, record);
    tt_db_job_add(job, TT_STR(files), (struct tt_db_value[]){number, tt_db_text(tt_buf_str(&list))},
                  2, -1);
    tt_db_job_add(job, TT_STR("DELETE FROM script_generations WHERE number <= ?1"), &oldest, 1, -1);
    tt_db_job_add(job, TT_STR(unused), NULL, 0, -1);
    tt_buf_free(&list);
}
