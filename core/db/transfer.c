/* See transfer.h. Rows are read by the page, in the order of their primary key, through the same
 * interface as everybody's, so that one form of a statement does for all databases. */
#include "db/transfer.h"

#include "base/mem.h"
#include "base/secret.h"
#include "db/engine.h"
#include "db/transfer_tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE_MAX  200
#define JOB_BYTES (4u << 20)

struct side {
    struct tt_db *db;
    struct tt_loop *loop;
    struct tt_aux *aux;
    const struct tt_db_engine *engine;
    const char *place;
    struct tt_tables tables;
};

/* The sum of the hashes of all rows: the order of rows does not matter. */
struct sum {
    uint64_t parts[4];
    int64_t rows;
};

/* ---- open and close ---- */

static int open_side(struct side *side, const char *url, struct tt_err *err)
{
    struct tt_db_settings settings = {.url = url, .use = TT_DB_USE_ALONE};

    side->engine = tt_db_engine_of(url, &side->place, err);
    if (!side->engine || side->engine->tables(side->place, &side->tables, err) != 0)
        return -1;
    side->loop = tt_loop_new(err);
    side->aux = side->loop ? tt_aux_new("tt-transfer", 2, 8, err) : NULL;
    side->db = side->aux ? tt_db_open(&settings, side->aux, err) : NULL;
    return side->db ? tt_db_attach(side->db, side->loop, err) : -1;
}

static void close_side(struct side *side)
{
    if (side->db)
        tt_db_detach(side->db, side->loop);
    tt_db_close(side->db);
    if (side->aux)
        tt_aux_free(side->aux);
    if (side->loop) {
        tt_loop_tick(side->loop, 0);
        tt_loop_free(side->loop);
    }
    tt_tables_free(&side->tables);
}

/* ---- hashes ---- */

static void put_value(struct tt_buf *out, const struct tt_db_value *value)
{
    switch (value->type) {
    case TT_DB_INT:
        tt_buf_printf(out, "i%" PRId64 ";", value->integer);
        break;
    case TT_DB_REAL:
        tt_buf_printf(out, "r%.17g;", value->real);
        break;
    case TT_DB_TEXT:
    case TT_DB_BLOB:
        tt_buf_printf(out, "%c%zu:", value->type == TT_DB_TEXT ? 't' : 'b', value->text.len);
        tt_buf_append_str(out, value->text);
        break;
    case TT_DB_NULL:
    case TT_DB_ID_OF:
        tt_buf_append_z(out, "n;");
        break;
    }
}

static void add_row(struct sum *sum, const struct tt_db_rows *rows)
{
    struct tt_buf text = {0};
    unsigned char hash[TT_SHA256_SIZE];
    uint64_t parts[4];

    for (int i = 0; i < rows->columns; i++)
        put_value(&text, &rows->values[i]);
    tt_sha256(tt_buf_str(&text), hash);
    memcpy(parts, hash, sizeof(parts));
    for (size_t i = 0; i < TT_COUNT(parts); i++)
        sum->parts[i] += parts[i];
    sum->rows++;
    tt_buf_free(&text);
}

/* ---- statements ---- */

static void put_names(struct tt_buf *out, const struct tt_str *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tt_buf_printf(out, "%s\"%.*s\"", i ? ", " : "", TT_STR_ARG(names[i]));
}

static void put_marks(struct tt_buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tt_buf_append_z(out, i ? ", ?" : "?");
}

static void put_select(struct tt_buf *out, const struct tt_table *table, bool first)
{
    tt_buf_append_z(out, "SELECT ");
    put_names(out, table->columns, table->column_count);
    tt_buf_printf(out, " FROM \"%.*s\"", TT_STR_ARG(table->name));
    if (!first) {
        tt_buf_append_z(out, " WHERE (");
        put_names(out, table->keys, table->key_count);
        tt_buf_append_z(out, ") > (");
        put_marks(out, table->key_count);
        tt_buf_putc(out, ')');
    }
    tt_buf_append_z(out, " ORDER BY ");
    put_names(out, table->keys, table->key_count);
    tt_buf_append_z(out, " LIMIT ?");
}

/* A row that is there, made by a trigger, becomes the one that is copied. */
static void put_insert(struct tt_buf *out, const struct tt_table *table)
{
    tt_buf_printf(out, "INSERT INTO \"%.*s\" (", TT_STR_ARG(table->name));
    put_names(out, table->columns, table->column_count);
    tt_buf_append_z(out, ") VALUES (");
    put_marks(out, table->column_count);
    tt_buf_append_z(out, ") ON CONFLICT (");
    put_names(out, table->keys, table->key_count);
    tt_buf_append_z(out, ") DO UPDATE SET ");
    for (size_t i = 0; i < table->column_count; i++)
        tt_buf_printf(out, "%s\"%.*s\" = excluded.\"%.*s\"", i ? ", " : "",
                      TT_STR_ARG(table->columns[i]), TT_STR_ARG(table->columns[i]));
}

/* ---- pages ---- */

struct cursor {
    struct side *side;
    const struct tt_table *table;
    struct tt_arena arena; /* of `after` */
    struct tt_db_value after[TT_TABLE_KEYS_MAX];
    bool begun;
    int64_t page; /* rows at a time: fewer when they are large */
};

static size_t column_of(const struct tt_table *table, struct tt_str name)
{
    size_t i = 0;
    while (i < table->column_count && !tt_str_eq(table->columns[i], name))
        i++;
    return i;
}

static void move_on(struct cursor *cursor, const struct tt_db_rows *rows)
{
    struct tt_arena arena = {0};
    for (size_t i = 0; i < cursor->table->key_count; i++) {
        struct tt_db_value value = rows->values[column_of(cursor->table, cursor->table->keys[i])];
        if (value.type == TT_DB_TEXT || value.type == TT_DB_BLOB)
            value.text = tt_arena_str(&arena, value.text);
        cursor->after[i] = value;
    }
    tt_arena_destroy(&cursor->arena);
    cursor->arena = arena;
    cursor->begun = true;
}

static struct tt_db_rows *read_page(struct cursor *cursor, struct tt_err *err)
{
    struct tt_db_value values[TT_TABLE_KEYS_MAX + 1];
    struct tt_buf sql = {0};
    struct tt_db_rows *rows;
    size_t count = cursor->begun ? cursor->table->key_count : 0;

    put_select(&sql, cursor->table, !cursor->begun);
    memcpy(values, cursor->after, count * sizeof(*values));
    for (;;) {
        values[count] = tt_db_int(cursor->page);
        struct tt_db_query query = {
            .sql = tt_buf_str(&sql), .values = values, .count = count + 1, .in_background = true};
        rows = tt_db_read_wait(cursor->side->db, cursor->side->loop, &query, err);
        if (rows || cursor->page == 1 || strcmp(err->code, "too_many_rows") != 0)
            break;
        cursor->page = cursor->page / 4 + 1;
    }
    tt_buf_free(&sql);
    return rows;
}

/* Reads all rows; writes them to `to`, if there is one. */
static int each_row(struct cursor *cursor, struct side *to, struct sum *sum, struct tt_err *err)
{
    struct tt_buf insert = {0};
    int failed = 0, got;

    put_insert(&insert, cursor->table);
    do {
        struct tt_db_rows *rows = read_page(cursor, err);
        struct tt_db_job *job = tt_db_job_new();
        size_t bytes = 0;
        got = 0;
        while (rows && !failed && tt_db_next(rows, NULL) == TT_DB_ROW) {
            add_row(sum, rows);
            move_on(cursor, rows);
            got++;
            if (!to)
                continue;
            tt_db_job_add(job, tt_buf_str(&insert), rows->values, (size_t)rows->columns, -1);
            for (int i = 0; i < rows->columns; i++)
                bytes += rows->values[i].text.len;
            if (bytes > JOB_BYTES) {
                failed = tt_db_submit_wait(to->db, to->loop, job, err);
                job = tt_db_job_new();
                bytes = 0;
            }
        }
        failed = failed || !rows ? -1 : 0;
        tt_db_rows_free(rows);
        if (!failed && tt_db_job_count(job) > 0)
            failed = tt_db_submit_wait(to->db, to->loop, job, err);
        else
            tt_db_job_free(job);
    } while (!failed && got > 0);
    tt_buf_free(&insert);
    tt_arena_destroy(&cursor->arena);
    return failed;
}

/* ---- tables ---- */

static void put_hash(const struct sum *sum, char out[TT_TRANSFER_HASH])
{
    for (size_t i = 0; i < TT_COUNT(sum->parts); i++)
        snprintf(out + 16 * i, 17, "%016" PRIx64, sum->parts[i]);
}

/* With the columns in the order of `from` on both sides. */
static int copy_table(struct side *from, struct side *to, const struct tt_table *table,
                      struct tt_transferred *out, struct tt_err *err)
{
    struct sum read = {0}, written = {0};
    struct cursor source = {.side = from, .table = table, .page = PAGE_MAX};
    struct cursor target = {.side = to, .table = table, .page = PAGE_MAX};

    if (each_row(&source, to, &read, err) != 0 || each_row(&target, NULL, &written, err) != 0) {
        tt_err_wrap(err, "%.*s", TT_STR_ARG(table->name));
        return -1;
    }
    *out = (struct tt_transferred){.table = table->name, .rows = written.rows};
    put_hash(&written, out->hash);
    if (memcmp(&read, &written, sizeof(read)) != 0)
        return tt_err_set(err, 500, "transfer_failed",
                          "%.*s: %lld rows were read, and %lld others are there now",
                          TT_STR_ARG(table->name), (long long)read.rows, (long long)written.rows);
    return 0;
}

static int check_tables(const struct side *from, const struct side *to, struct tt_err *err)
{
    for (size_t i = 0; i < from->tables.count; i++) {
        const struct tt_table *table = &from->tables.items[i];
        const struct tt_table *target = tt_tables_find(&to->tables, table->name);
        if (!target)
            return tt_err_set(err, 0, "transfer_failed",
                              "the target has no table %.*s; if it is a plugin's, put the plugin "
                              "back into plugins_dir, or delete its data with \"tidetalk plugin "
                              "remove NAME --data\"",
                              TT_STR_ARG(table->name));
        if (table->key_count == 0)
            return tt_err_set(err, 0, "transfer_failed", "the table %.*s has no primary key",
                              TT_STR_ARG(table->name));
        for (size_t k = 0; k < table->column_count; k++)
            if (column_of(target, table->columns[k]) == target->column_count)
                return tt_err_set(err, 0, "transfer_failed", "the target has no column %.*s.%.*s",
                                  TT_STR_ARG(table->name), TT_STR_ARG(table->columns[k]));
    }
    return 0;
}

static int check_empty(struct side *to, struct tt_err *err)
{
    struct tt_db_query query = {.sql = TT_STR("SELECT id FROM users LIMIT 1")};
    struct tt_db_rows *rows = tt_db_read_wait(to->db, to->loop, &query, err);
    bool empty = rows && tt_db_next(rows, NULL) == TT_DB_END;
    tt_db_rows_free(rows);
    if (rows && !empty)
        return tt_err_set(err, 0, "transfer_failed", "the target has users already");
    return rows ? 0 : -1;
}

/* What migrations have put there: the source may have deleted it since. */
static int empty_tables(struct side *to, const struct tt_tables *sorted, struct tt_err *err)
{
    struct tt_db_job *job = tt_db_job_new();
    for (size_t i = sorted->count; i > 0; i--) {
        struct tt_buf sql = {0};
        tt_buf_printf(&sql, "DELETE FROM \"%.*s\"", TT_STR_ARG(sorted->items[i - 1].name));
        tt_db_job_add(job, tt_buf_str(&sql), NULL, 0, -1);
        tt_buf_free(&sql);
    }
    return tt_db_submit_wait(to->db, to->loop, job, err);
}

int tt_db_transfer(const char *from_url, const char *to_url,
                   void (*on_table)(void *arg, const struct tt_transferred *table), void *arg,
                   struct tt_err *err)
{
    struct side from = {0}, to = {0};
    int failed = open_side(&from, from_url, err) != 0 || open_side(&to, to_url, err) != 0 ||
                 check_tables(&from, &to, err) != 0 || check_empty(&to, err) != 0;

    tt_tables_sort(&from.tables);
    if (!failed)
        failed = empty_tables(&to, &from.tables, err) != 0;
    for (size_t i = 0; i < from.tables.count && !failed; i++) {
        struct tt_transferred table;
        failed = copy_table(&from, &to, &from.tables.items[i], &table, err) != 0;
        if (!failed)
            on_table(arg, &table);
    }
    const struct tt_db_engine *engine = to.engine;
    const char *place = to.place;
    struct tt_tables tables = from.tables;
    from.tables = (struct tt_tables){0};
    close_side(&from);
    close_side(&to);
    if (!failed)
        failed = engine->set_last_ids(place, &tables, err) != 0;
    tt_tables_free(&tables);
    return failed ? -1 : 0;
}
