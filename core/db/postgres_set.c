/* Sending many statements as one: their values as arrays, in PostgreSQL's binary form. */
#include "db/postgres.h"

#include <endian.h>
#include <stdlib.h>

/* Of pg_type.dat. */
#define BYTEA  17
#define INT8   20
#define TEXT   25
#define FLOAT8 701

#define COUNT_MAX 64 /* parameters of a statement that has such a form */

struct type {
    const char *name;
    uint32_t oid, array;
};

static const struct type types[] = {[TT_DB_INT] = {"bigint", INT8, 1016},
                                    [TT_DB_REAL] = {"double precision", FLOAT8, 1022},
                                    [TT_DB_TEXT] = {"text", TEXT, 1009},
                                    [TT_DB_BLOB] = {"bytea", BYTEA, 1001}};

static void put_u32(struct tt_buf *out, uint32_t number)
{
    uint32_t bytes = htobe32(number);
    tt_buf_append(out, (const char *)&bytes, sizeof(bytes));
}

static void put_u64(struct tt_buf *out, uint64_t number)
{
    uint64_t bytes = htobe64(number);
    put_u32(out, sizeof(bytes));
    tt_buf_append(out, (const char *)&bytes, sizeof(bytes));
}

static void put_element(struct tt_buf *out, const struct tt_db_value *value)
{
    uint64_t bits;

    switch (value->type) {
    case TT_DB_INT:
        put_u64(out, (uint64_t)value->integer);
        break;
    case TT_DB_REAL:
        memcpy(&bits, &value->real, sizeof(bits));
        put_u64(out, bits);
        break;
    case TT_DB_TEXT:
    case TT_DB_BLOB:
        put_u32(out, (uint32_t)value->text.len);
        tt_buf_append_str(out, value->text);
        break;
    default:
        put_u32(out, UINT32_MAX); /* NULL */
        break;
    }
}

/* One dimension, which begins with 1. */
static void put_array(struct tt_buf *out, const struct type *type,
                      const struct tt_db_value *const *values, size_t members, size_t parameter)
{
    put_u32(out, 1);
    put_u32(out, 1); /* there may be NULLs */
    put_u32(out, type->oid);
    put_u32(out, (uint32_t)members);
    put_u32(out, 1);
    for (size_t i = 0; i < members; i++)
        put_element(out, &values[i][parameter]);
}

/* Of all members alike: NULL if all of them are NULL. False: they differ. */
static bool find_type(const struct tt_db_value *const *values, size_t members, size_t parameter,
                      const struct type **out)
{
    enum tt_db_type found = TT_DB_NULL;
    for (size_t i = 0; i < members; i++) {
        enum tt_db_type own = values[i][parameter].type;
        if (own == TT_DB_NULL || own == found)
            continue;
        if (found != TT_DB_NULL || own == TT_DB_ID_OF)
            return false;
        found = own;
    }
    *out = found == TT_DB_NULL ? NULL : &types[found];
    return true;
}

int tt_pg_send_set(struct tt_pg *pg, struct tt_str sql, enum tt_pg_set set,
                   const struct tt_db_value *const *values, size_t members, size_t count,
                   struct tt_pg_statement **out, struct tt_err *err)
{
    const char *names[COUNT_MAX];
    Oid oids[COUNT_MAX];
    struct tt_buf arrays[COUNT_MAX] = {0}, text = {0};
    size_t sent = 0;
    bool alike = count > 0 && count <= COUNT_MAX;

    for (size_t i = 0; i < count && alike; i++) {
        const struct type *type = NULL;
        alike = find_type(values, members, i, &type);
        names[i] = type ? type->name : NULL;
        if (!alike || !type)
            continue;
        oids[sent] = type->array;
        put_array(&arrays[sent++], type, values, members, i);
    }
    int status = 0;
    if (alike && sent > 0) {
        tt_pg_set_text(sql, set, names, count, &text);
        status = tt_pg_send_binary(pg, tt_buf_str(&text), oids, arrays, sent, out, err);
    }
    for (size_t i = 0; i < sent; i++)
        tt_buf_free(&arrays[i]);
    tt_buf_free(&text);
    return status;
}
