/* Search with FTS5: the statements, and the query in FTS5's language. The tokenizer (words, and
 * characters and pairs of Chinese, Japanese and Korean) and the function for extracts are in
 * sqlite_fts5*.c, the tables in migrations/0002 and later. */
#include "base/utf8.h"
#include "db/sqlite_internal.h"

/* The minimum length of a last word that also matches longer words; shorter ones would match nearly
 * every message. */
#define PREFIX_MIN 3

/* ---- SQL ---- */

/* The messages that the next job takes: at most 64, and at most 64 KiB of text unless the first one
 * alone is larger (the schema limits what is indexed of one). ?1: of this user; NULL: of all. */
#define QUEUED                                                                                     \
    "SELECT id, size FROM message_search_queue WHERE ?1 IS NULL OR user_id = ?1 ORDER BY id"
#define RUNNING "SELECT id, size, sum(size) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS upto"
#define NEXT                                                                                       \
    "SELECT id FROM (" RUNNING " FROM (" QUEUED " LIMIT 64)) WHERE upto <= 65536 OR upto = size"

static const char SQL_INDEX[] = "INSERT INTO message_search (rowid, owner, content)"
                                " SELECT id, owner, content FROM message_search_source"
                                " WHERE id IN (" NEXT ")";
static const char SQL_TAKE_OFF[] = "DELETE FROM message_search_queue WHERE id IN (" NEXT ")";
/* Changes nothing; the number of rows that it "changes" shows whether some are left. */
static const char SQL_LEFT[] = "UPDATE message_search_queue SET size = size"
                               " WHERE id = (SELECT id FROM (" QUEUED " LIMIT 1))";

static const char SQL_FIND[] =
    "SELECT m.id AS message_id, s.session_id, m.role, s.title, m.created_at,"
    " tidetalk_snippet(message_search, 1) AS snippet"
    " FROM message_search"
    " JOIN chat_messages AS m ON m.id = message_search.rowid"
    " JOIN chat_sessions AS s ON s.id = m.session_row AND s.user_id = m.user_id"
    " WHERE message_search MATCH ?1 AND m.user_id = ?2"
    " ORDER BY message_search.rowid DESC LIMIT ?3 OFFSET ?4";
/* The index alone gives the number, unless it has messages of deleted sessions. */
static const char SQL_COUNT[] =
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM chat_sessions WHERE user_id IS NULL)"
    " THEN (SELECT COUNT(*) FROM (SELECT 1 FROM message_search"
    " JOIN chat_messages AS m ON m.id = message_search.rowid"
    " JOIN chat_sessions AS s ON s.id = m.session_row AND s.user_id = m.user_id"
    " WHERE message_search MATCH ?1 LIMIT ?2))"
    " ELSE (SELECT COUNT(*) FROM (SELECT 1 FROM message_search WHERE message_search MATCH ?1"
    " LIMIT ?2)) END";

/* ---- the query in FTS5's language ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool has_ideograph(struct tt_str s)
{
    uint32_t c;
    while (s.len > 0) {
        size_t n = tt_utf8_decode(s, &c);
        if (n > 0 && tt_utf8_is_ideograph(c))
            return true;
        n = n ? n : 1;
        s = tt_str_of(s.data + n, s.len - n);
    }
    return false;
}

/* Quotes make FTS5's own operators plain text (https://www.sqlite.org/fts5.html, 3). */
static void put_quoted(struct tt_buf *out, struct tt_str part)
{
    tt_buf_putc(out, '"');
    for (size_t i = 0; i < part.len; i++) {
        if (part.data[i] == '"')
            tt_buf_putc(out, '"');
        tt_buf_putc(out, part.data[i]);
    }
    tt_buf_putc(out, '"');
}

/* Cuts off the next part; empty at the end. */
static struct tt_str take_part(struct tt_str *words)
{
    while (words->len > 0 && is_blank(words->data[0]))
        *words = tt_str_of(words->data + 1, words->len - 1);
    struct tt_str part = tt_str_of(words->data, 0);
    while (part.len < words->len && !is_blank(words->data[part.len]))
        part.len++;
    *words = tt_str_of(words->data + part.len, words->len - part.len);
    return part;
}

/* Every part between blanks must occur as it is; the last word may be a prefix. AND is not written:
 * FTS5 then drops parts without a letter or digit. */
void tt_sqlite_search_expression(struct tt_buf *out, const struct tt_search *search)
{
    struct tt_str words = search->words, last = TT_STR("");

    tt_buf_printf(out, "owner : \"u%lld\" AND content : (", (long long)search->user_id);
    for (struct tt_str part; (part = take_part(&words)).len > 0; last = part) {
        if (last.len > 0)
            tt_buf_putc(out, ' ');
        put_quoted(out, part);
    }
    if (!has_ideograph(last) && tt_utf8_count(last) >= PREFIX_MIN)
        tt_buf_putc(out, '*');
    tt_buf_putc(out, ')');
}

/* ---- the engine's functions ---- */

static void add_index(struct tt_db_job *job, const struct tt_db_value *user)
{
    struct tt_db_value value = user ? *user : tt_db_null();
    tt_db_job_add(job, TT_STR(SQL_INDEX), &value, 1, -1);
    tt_db_job_add(job, TT_STR(SQL_TAKE_OFF), &value, 1, -1);
    tt_db_job_add(job, TT_STR(SQL_LEFT), &value, 1, -1);
}

static struct tt_db_value expression_value(struct tt_arena *arena, const struct tt_search *search)
{
    struct tt_buf text = {0};
    tt_sqlite_search_expression(&text, search);
    struct tt_db_value value = tt_db_text(tt_arena_str(arena, tt_buf_str(&text)));
    tt_buf_free(&text);
    return value;
}

static struct tt_db_query find(struct tt_arena *arena, const struct tt_search *search)
{
    struct tt_db_value values[] = {expression_value(arena, search), tt_db_int(search->user_id),
                                   tt_db_int(search->limit), tt_db_int(search->offset)};
    struct tt_db_query query = {
        .sql = TT_STR(SQL_FIND), .values = values, .count = TT_COUNT(values)};
    return tt_query_copy(arena, &query);
}

static struct tt_db_query count(struct tt_arena *arena, const struct tt_search *search)
{
    struct tt_db_value values[] = {expression_value(arena, search), tt_db_int(search->limit)};
    struct tt_db_query query = {
        .sql = TT_STR(SQL_COUNT), .values = values, .count = TT_COUNT(values)};
    return tt_query_copy(arena, &query);
}

const struct tt_search_engine tt_sqlite_search = {.index = add_index, .find = find, .count = count};
