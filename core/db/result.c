/* Rows in memory until somebody takes them: the answer of every read that comes later. Limited in
 * bytes, because many may wait at once. */
#include "base/mem.h"
#include "db/engine.h"

#include <stdlib.h>

/* ---- reading rows ---- */

static int next(struct tt_db_rows *rows, struct tt_err *err)
{
    struct tt_result *result = TT_CONTAINER_OF(rows, struct tt_result, rows);
    if (result->error.status) {
        if (err)
            *err = result->error;
        return TT_DB_FAILED;
    }
    if (result->at == result->count)
        return TT_DB_END;
    rows->values = result->all + result->at++ * (size_t)rows->columns;
    return TT_DB_ROW;
}

static void free_rows(struct tt_db_rows *rows)
{
    tt_result_free(TT_CONTAINER_OF(rows, struct tt_result, rows));
}

struct tt_result *tt_result_new(size_t rows_max)
{
    struct tt_result *result = TT_NEW(struct tt_result);
    result->rows.next = next;
    result->rows.free = free_rows;
    result->rows_max = rows_max ? rows_max : TT_RESULT_ROWS_MAX;
    return result;
}

void tt_result_free(struct tt_result *result)
{
    if (!result)
        return;
    tt_arena_destroy(&result->arena);
    free(result);
}

void tt_result_deliver(struct tt_result *result, tt_db_rows_fn *on_rows, void *arg)
{
    on_rows(&result->rows, arg);
    if (!result->rows.taken)
        tt_result_free(result);
}

void tt_db_rows_take(struct tt_db_rows *rows)
{
    rows->taken = true;
}

void tt_db_rows_free(struct tt_db_rows *rows)
{
    if (rows)
        rows->free(rows);
}

/* ---- storing rows ---- */

static void copy_names(struct tt_result *result, const struct tt_db_rows *from)
{
    struct tt_str *names =
        tt_arena_alloc(&result->arena, (size_t)from->columns * sizeof(struct tt_str));
    for (int i = 0; i < from->columns; i++)
        names[i] = tt_arena_str(&result->arena, from->names[i]);
    result->rows.columns = from->columns;
    result->rows.names = names;
}

static int copy_row(struct tt_result *result, const struct tt_db_rows *from,
                    struct tt_db_value *row, size_t *bytes)
{
    if (result->count >= result->rows_max)
        return tt_err_set(&result->error, 400, "too_many_rows", "more than %zu rows",
                          result->rows_max);
    *bytes += (size_t)from->columns * sizeof(struct tt_db_value);
    for (int i = 0; i < from->columns; i++) {
        row[i] = from->values[i];
        *bytes += row[i].text.len;
        if (*bytes > TT_RESULT_BYTES_MAX)
            return tt_err_set(&result->error, 400, "too_many_rows", "more than %u bytes",
                              TT_RESULT_BYTES_MAX);
        if (row[i].text.data)
            row[i].text = tt_arena_str(&result->arena, row[i].text);
    }
    result->count++;
    return TT_DB_ROW;
}

/* Collected in an array that doubles, then copied to the arena. */
bool tt_result_fill(struct tt_result *result, struct tt_db_rows *from)
{
    size_t capacity = 64, bytes = 0, size = (size_t)from->columns * sizeof(struct tt_db_value);
    struct tt_db_value *rows = tt_alloc(capacity * size);
    int more;

    copy_names(result, from);
    while ((more = tt_db_next(from, &result->error)) == TT_DB_ROW) {
        if (result->count == capacity) {
            capacity *= 2;
            rows = tt_realloc(rows, capacity * size);
        }
        more = copy_row(result, from, rows + result->count * (size_t)from->columns, &bytes);
        if (more != TT_DB_ROW)
            break;
    }
    if (more != TT_DB_END)
        result->count = 0;
    result->all = tt_arena_alloc(&result->arena, result->count * size);
    if (result->count > 0)
        memcpy(result->all, rows, result->count * size);
    free(rows);
    return more != TT_DB_AGAIN;
}

/* ---- queries that wait ---- */

struct tt_db_query tt_query_copy(struct tt_arena *arena, const struct tt_db_query *query)
{
    struct tt_db_query copy = *query;
    struct tt_db_value *values = tt_arena_alloc(arena, query->count * sizeof(struct tt_db_value));

    copy.sql = tt_arena_str(arena, query->sql);
    copy.values = values;
    for (size_t i = 0; i < query->count; i++) {
        values[i] = query->values[i];
        if (values[i].type == TT_DB_TEXT || values[i].type == TT_DB_BLOB)
            values[i].text = tt_arena_str(arena, values[i].text);
    }
    return copy;
}
