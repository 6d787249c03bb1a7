/* Rows of a result of libpq, whose values are text: numbers are read here, bytes are decoded in
 * place, texts are borrowed from the result. Booleans are numbers, as in SQLite, and so is what
 * PostgreSQL adds up as NUMERIC. */
#include "base/mem.h"
#include "db/postgres.h"

#include <stdlib.h>

/* Types of pg_type.dat. */
#define BOOL    16
#define BYTEA   17
#define INT8    20
#define INT2    21
#define INT4    23
#define OID     26
#define FLOAT4  700
#define FLOAT8  701
#define NUMERIC 1700

struct pg_rows {
    struct tt_db_rows rows;
    PGresult *result;
    struct tt_err error;
    int count, at; /* rows, and the index of the next one */
    struct tt_str *names;
    struct tt_db_value *values;
};

static unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* "\x0a1b…", written over itself. */
static struct tt_str decode_bytes(char *hex, size_t len)
{
    size_t size = len >= 2 ? (len - 2) / 2 : 0;
    for (size_t i = 0; i < size; i++)
        hex[i] = (char)(hex_digit(hex[2 + 2 * i]) << 4 | hex_digit(hex[3 + 2 * i]));
    return tt_str_of(hex, size);
}

static struct tt_db_value read_number(struct tt_str text)
{
    int64_t n;
    if (tt_str_to_i64(text, &n) == 0)
        return tt_db_int(n);
    return (struct tt_db_value){.type = TT_DB_REAL, .real = strtod(text.data, NULL)};
}

static struct tt_db_value read_value(PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column))
        return tt_db_null();
    char *data = PQgetvalue(result, row, column);
    struct tt_str text = tt_str_of(data, (size_t)PQgetlength(result, row, column));
    switch (PQftype(result, column)) {
    case BOOL:
        return tt_db_int(data[0] == 't');
    case INT2:
    case INT4:
    case INT8:
    case OID:
    case NUMERIC:
        return read_number(text);
    case FLOAT4:
    case FLOAT8:
        return (struct tt_db_value){.type = TT_DB_REAL, .real = strtod(data, NULL)};
    case BYTEA:
        return tt_db_blob(decode_bytes(data, text.len));
    default:
        return tt_db_text(text);
    }
}

static int next(struct tt_db_rows *base, struct tt_err *err)
{
    struct pg_rows *rows = TT_CONTAINER_OF(base, struct pg_rows, rows);
    if (rows->error.status) {
        if (err)
            *err = rows->error;
        return TT_DB_FAILED;
    }
    if (rows->at == rows->count)
        return TT_DB_END;
    for (int i = 0; i < base->columns; i++)
        rows->values[i] = read_value(rows->result, rows->at, i);
    rows->at++;
    return TT_DB_ROW;
}

static void free_rows(struct tt_db_rows *base)
{
    struct pg_rows *rows = TT_CONTAINER_OF(base, struct pg_rows, rows);
    PQclear(rows->result);
    free(rows->names);
    free(rows->values);
    free(rows);
}

static void check_size(struct pg_rows *rows, size_t rows_max)
{
    size_t max = rows_max ? rows_max : TT_RESULT_ROWS_MAX;
    if ((size_t)rows->count > max)
        tt_err_set(&rows->error, 400, "too_many_rows", "more than %zu rows", max);
    else if (PQresultMemorySize(rows->result) > TT_RESULT_BYTES_MAX)
        tt_err_set(&rows->error, 400, "too_many_rows", "more than %u bytes", TT_RESULT_BYTES_MAX);
}

struct tt_db_rows *tt_pg_rows_new(PGresult *result, size_t rows_max, const struct tt_err *err)
{
    struct pg_rows *rows = TT_NEW(struct pg_rows);
    rows->rows.next = next;
    rows->rows.free = free_rows;
    rows->result = result;
    if (err && err->status) {
        rows->error = *err;
        return &rows->rows;
    }
    int columns = PQnfields(result);
    rows->count = PQntuples(result);
    rows->names = tt_alloc(((size_t)columns + 1) * sizeof(*rows->names));
    rows->values = tt_alloc(((size_t)columns + 1) * sizeof(*rows->values));
    for (int i = 0; i < columns; i++)
        rows->names[i] = tt_str_from(PQfname(result, i));
    rows->rows.columns = columns;
    rows->rows.names = rows->names;
    rows->rows.values = rows->values;
    check_size(rows, rows_max);
    return &rows->rows;
}
