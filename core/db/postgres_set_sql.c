/* A statement whose values come from a query: one for many rows, where its parameters become the
 * columns of unnest, and one that takes ids from sequences. */
#include "db/postgres_sql.h"

#include <ctype.h>
#include <stdlib.h>

#define SET "tidetalk_set"

/* Where the word stands outside of parentheses, from `at` on; the end if it does not. */
static size_t find_word(struct tt_str sql, size_t at, struct tt_str wanted)
{
    struct tt_str token;
    int depth = 0;
    while ((token = tt_pg_take(sql, &at)).len) {
        if (depth == 0 && tt_str_eq_nocase(token, wanted))
            return (size_t)(token.data - sql.data);
        depth += tt_str_eq(token, TT_STR("("));
        depth -= tt_str_eq(token, TT_STR(")"));
    }
    return sql.len;
}

static bool has_word(struct tt_str sql, struct tt_str wanted)
{
    return find_word(sql, 0, wanted) < sql.len;
}

enum tt_pg_set tt_pg_set_of(struct tt_str sql)
{
    struct tt_str columns;
    size_t at = 0;
    struct tt_str verb = tt_pg_take(sql, &at);

    if (tt_pg_inserts_one(sql, &columns))
        return TT_PG_SET_ROWS;
    if (!has_word(sql, TT_STR("where")) || has_word(sql, TT_STR("returning")))
        return TT_PG_SET_NONE;
    if (tt_str_eq_nocase(verb, TT_STR("update")) && !has_word(sql, TT_STR("from")))
        return TT_PG_SET_CHANGES;
    bool selects = tt_str_eq_nocase(verb, TT_STR("insert")) && has_word(sql, TT_STR("select")) &&
                   has_word(sql, TT_STR("from")) && !has_word(sql, TT_STR("group")) &&
                   !has_word(sql, TT_STR("order")) && !has_word(sql, TT_STR("limit")) &&
                   !has_word(sql, TT_STR("union"));
    return selects ? TT_PG_SET_COUNT : TT_PG_SET_NONE;
}

/* Of the parameters behind WHERE; returns how many there are. */
static size_t note_keys(struct tt_str sql, bool in_parentheses, bool *keys, size_t count)
{
    size_t found = 0;

    for (size_t at = find_word(sql, 0, TT_STR("where")), next; at < sql.len; at = next) {
        next = tt_pg_skip_quoted(sql, at);
        if (next != at)
            continue;
        next = at + 1;
        if (sql.data[at] == '(' && !in_parentheses)
            next = tt_pg_skip_parentheses(sql, at);
        if (sql.data[at] != '$')
            continue;
        size_t number = (size_t)strtoul(sql.data + at + 1, NULL, 10);
        if (number >= 1 && number <= count) {
            keys[number - 1] = true;
            found++;
        }
    }
    return found;
}

void tt_pg_set_keys(struct tt_str sql, bool *keys, size_t count)
{
    if (note_keys(sql, false, keys, count) == 0)
        note_keys(sql, true, keys, count);
}

/* Appends a piece in which put_parameter writes what stands for a parameter, from 1. */
static void put_piece(struct tt_buf *out, struct tt_str sql,
                      void (*put_parameter)(struct tt_buf *out, size_t number,
                                            const char *const *of),
                      const char *const *of)
{
    for (size_t at = 0, next; at < sql.len; at = next) {
        next = tt_pg_skip_quoted(sql, at);
        if (next == at && sql.data[at] == '$') {
            char *end;
            size_t number = strtoul(sql.data + at + 1, &end, 10);
            next = (size_t)(end - sql.data);
            put_parameter(out, number, of);
            continue;
        }
        next += next == at;
        tt_buf_append(out, sql.data + at, next - at);
    }
}

/* A column; what is NULL in all rows stays that. */
static void put_column(struct tt_buf *out, size_t number, const char *const *types)
{
    if (types[number - 1])
        tt_buf_printf(out, "p%zu", number);
    else
        tt_buf_append_z(out, "NULL");
}

/* unnest($1::bigint[], …) WITH ORDINALITY AS tidetalk_set (p1, …, place) */
static void put_unnest(struct tt_buf *out, const char *const *types, size_t count)
{
    size_t sent = 0;
    tt_buf_append_z(out, "unnest(");
    for (size_t i = 0; i < count; i++)
        if (types[i]) {
            sent++;
            tt_buf_printf(out, "%s$%zu::%s[]", sent > 1 ? ", " : "", sent, types[i]);
        }
    tt_buf_append_z(out, ") WITH ORDINALITY AS " SET " (");
    for (size_t i = 0; i < count; i++)
        if (types[i])
            tt_buf_printf(out, "p%zu, ", i + 1);
    tt_buf_append_z(out, "place)");
}

static struct tt_str from_to(struct tt_str sql, size_t from, size_t to)
{
    return tt_str_of(sql.data + from, to - from);
}

/* INSERT … VALUES (…) as INSERT … SELECT … FROM. */
static void put_query(struct tt_buf *out, struct tt_str sql,
                      void (*put_parameter)(struct tt_buf *out, size_t number,
                                            const char *const *of),
                      const char *const *of)
{
    size_t values = find_word(sql, 0, TT_STR("values"));
    size_t open = tt_pg_skip_blanks(sql, values + sizeof("values") - 1, "");
    size_t close = tt_pg_skip_parentheses(sql, open) - 1;

    tt_buf_append(out, sql.data, values);
    tt_buf_append_z(out, "SELECT ");
    put_piece(out, from_to(sql, open + 1, close), put_parameter, of);
    tt_buf_append_z(out, " FROM ");
}

/* ---- ids from sequences ---- */

static void put_id(struct tt_buf *out, size_t number, const char *const *sequences)
{
    tt_buf_printf(out, sequences[number - 1] ? "id%zu" : "$%zu", number);
}

/* From a query of its own, because VALUES would be asked after the row has got its own number,
 * which may be of the same sequence. */
void tt_pg_use_sequences(struct tt_buf *sql, const char *const *sequences, size_t count)
{
    struct tt_buf out = {0};
    size_t used = 0;

    put_query(&out, tt_buf_str(sql), put_id, sequences);
    tt_buf_append_z(&out, "(SELECT ");
    for (size_t i = 0; i < count; i++)
        if (sequences[i])
            tt_buf_printf(&out, "%scoalesce(CAST($%zu AS BIGINT), currval('%s')) AS id%zu",
                          used++ ? ", " : "", i + 1, sequences[i], i + 1);
    tt_buf_append_z(&out, " OFFSET 0) AS tidetalk_ids");
    tt_buf_free(sql);
    *sql = out;
}

/* ---- sets ---- */

void tt_pg_set_text(struct tt_str sql, enum tt_pg_set set, const char *const *types, size_t count,
                    struct tt_buf *out)
{
    size_t where = find_word(sql, 0, TT_STR("where"));

    if (set == TT_PG_SET_ROWS) {
        put_query(out, sql, put_column, types);
        put_unnest(out, types, count);
        tt_buf_append_z(out, " ORDER BY place");
        return;
    }
    put_piece(out, from_to(sql, 0, where), put_column, types);
    tt_buf_append_z(out, set == TT_PG_SET_CHANGES ? " FROM " : " CROSS JOIN ");
    put_unnest(out, types, count);
    tt_buf_putc(out, ' ');
    put_piece(out, from_to(sql, where, sql.len), put_column, types);
    if (set == TT_PG_SET_CHANGES)
        tt_buf_append_z(out, " RETURNING place");
}
