/* Only as much SQL is read here as is needed to find words; PostgreSQL judges the rest. */
#include "db/postgres_script.h"

#include "base/mem.h"
#include "db/postgres_sql.h"

#include <ctype.h>

/* ---- statements ---- */

static void count_lines(struct tt_pg_script *script, size_t to)
{
    for (; script->at < to; script->at++)
        script->line += script->sql.data[script->at] == '\n';
}

bool tt_pg_script_next(struct tt_pg_script *script, struct tt_str *statement, int *line)
{
    count_lines(script, tt_pg_skip_blanks(script->sql, script->at, ";"));
    size_t start = script->at, end = start;
    *line = script->line;
    while (end < script->sql.len && script->sql.data[end] != ';') {
        size_t next = tt_pg_skip_quoted(script->sql, end);
        end = next > end ? next : end + 1;
    }
    *statement = tt_str_of(script->sql.data + start, end - start);
    count_lines(script, end);
    return end > start;
}

static bool is(struct tt_str word, const char *wanted)
{
    return tt_str_eq_nocase(word, tt_str_from(wanted));
}

static bool is_one_of(struct tt_str word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is(word, words[i]))
            return true;
    return false;
}

/* ---- what is allowed ---- */

const char *tt_pg_script_refusal(struct tt_str statement)
{
    static const char *const rows[] = {"select", "with",   "values", "insert",
                                       "update", "delete", "comment"};
    static const char *const between[] = {"or", "replace", "unique"};
    static const char *const created[] = {"table",   "index",    "view",
                                          "trigger", "function", "sequence"};
    static const char *const dropped[] = {"index", "trigger"};
    size_t at = 0;
    struct tt_str verb = tt_pg_take(statement, &at), what = tt_pg_take(statement, &at);

    if (is_one_of(verb, rows, TT_COUNT(rows)))
        return NULL;
    while (is(verb, "create") && is_one_of(what, between, TT_COUNT(between)))
        what = tt_pg_take(statement, &at);
    if ((is(verb, "create") && is_one_of(what, created, TT_COUNT(created))) ||
        (is(verb, "alter") && is(what, "table")) ||
        (is(verb, "drop") && is_one_of(what, dropped, TT_COUNT(dropped))))
        return NULL;
    if (is(verb, "drop"))
        return "only indexes and triggers may be dropped: migrations of a plugin only add, because "
               "older scripts may come back";
    return "BEGIN, COMMIT, SET, temporary tables and whatever else is no table, index, view, "
           "trigger, function or sequence are not for migrations";
}

/* ---- types ---- */

static const char *type_for(struct tt_str word)
{
    static const char *const types[][2] = {{"integer", "BIGINT"},
                                           {"int", "BIGINT"},
                                           {"text", "TEXT COLLATE \"C\""},
                                           {"real", "DOUBLE PRECISION"},
                                           {"blob", "BYTEA"}};
    for (size_t i = 0; i < TT_COUNT(types); i++)
        if (is(word, types[i][0]))
            return types[i][1];
    return NULL;
}

/* The end of PRIMARY KEY, and of AUTOINCREMENT behind it; `at` if they do not follow. */
static size_t skip_primary_key(struct tt_str sql, size_t at)
{
    size_t end = at;
    if (!is(tt_pg_take(sql, &end), "primary") || !is(tt_pg_take(sql, &end), "key"))
        return at;
    size_t more = end;
    return is(tt_pg_take(sql, &more), "autoincrement") ? more : end;
}

/* Where the definition of a column begins that ALTER TABLE adds; the end if it adds none. */
static size_t find_added(struct tt_str sql, size_t at)
{
    struct tt_str word;
    while ((word = tt_pg_take(sql, &at)).len && !is(word, "add"))
        ;
    size_t next = at;
    return is(tt_pg_take(sql, &next), "column") ? next : at;
}

/* Where the parenthesis of a table's columns opens; the end if it has none: CREATE TABLE … AS. */
static size_t find_columns(struct tt_str sql, size_t at)
{
    struct tt_str word;
    while ((word = tt_pg_take(sql, &at)).len && !is(word, "(") && !is(word, "as"))
        ;
    return is(word, "(") ? at : sql.len;
}

/* In definitions of columns the second word is the type. `depth` is that of the parentheses where
 * these stand: 1 in CREATE TABLE, 0 in ALTER TABLE. */
static void put_definitions(struct tt_str sql, size_t at, int depth, struct tt_buf *out)
{
    const int own = depth;
    size_t place = 0, done = 0;
    struct tt_str word;

    while ((word = tt_pg_take(sql, &at)).len) {
        size_t start = (size_t)(word.data - sql.data);
        const char *type = depth == own && place == 1 ? type_for(word) : NULL;
        bool drops = depth == 0 && own == 1 && is(word, "strict"); /* PostgreSQL always is */
        if (type || drops) {
            size_t end = is(word, "integer") ? skip_primary_key(sql, at) : at;
            tt_buf_append(out, sql.data + done, start - done);
            tt_buf_append_z(out, drops      ? ""
                                 : end > at ? "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
                                            : type);
            done = at = end;
        }
        depth += is(word, "(");
        depth -= is(word, ")");
        place = is(word, ",") && depth == own ? 0 : place + 1;
    }
    tt_buf_append(out, sql.data + done, sql.len - done);
}

void tt_pg_script_types(struct tt_str statement, struct tt_buf *out)
{
    size_t at = 0;
    bool creates = is(tt_pg_take(statement, &at), "create");
    size_t columns = statement.len;
    int depth = 0;
    if (is(tt_pg_take(statement, &at), "table")) {
        columns = creates ? find_columns(statement, at) : find_added(statement, at);
        depth = creates;
    }
    put_definitions(statement, columns, depth, out);
}
