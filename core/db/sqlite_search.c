/* Search with FTS5: the statements, and the query in FTS5's language. The tokenizer (words, and
 * characters and pairs of Chinese, Japanese and Korean) and the function for extracts are in
 * sqlite_fts5*.c, the tables in migrations/sqlite/0002 and later. */
#include "base/json.h"
#include "base/utf8.h"
#include "db/sqlite_internal.h"

/* The minimum length of a last word that also matches longer words; shorter ones would match nearly
 * every message. */
#define PREFIX_MIN 3

/* ---- SQL: the index ---- */

/* The messages that the next job takes whole: at most 256, and no more than 32 KiB of text. ?1: of
 * this user; NULL: of all. A running sum costs more than the indexing of a short message, so it is
 * only made when all 256 would be too much. */
#define OWN     "is_long = 0 AND (?1 IS NULL OR user_id = ?1)"
#define QUEUED  "SELECT id, size FROM message_search_queue WHERE " OWN " ORDER BY id"
#define FIRST   "(" QUEUED " LIMIT 256)"
#define RUNNING "SELECT id, size, sum(size) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS upto"
#define FITTING                                                                                    \
    "(SELECT max(id) FROM (" RUNNING " FROM " FIRST ") WHERE upto <= 32768 OR upto = size)"
#define LAST                                                                                       \
    "(SELECT CASE WHEN sum(size) <= 32768 THEN max(id) ELSE " FITTING " END FROM " FIRST ")"
#define NEXT OWN " AND id <= " LAST

static const char SQL_INDEX[] = "INSERT INTO message_search (rowid, owner, content)"
                                " SELECT id, owner, content FROM message_search_source"
                                " WHERE id IN (SELECT id FROM message_search_queue WHERE " NEXT ")";
static const char SQL_TAKE_OFF[] = "DELETE FROM message_search_queue WHERE " NEXT;
/* These change nothing; the number of rows that they "change" shows whether some are left. */
static const char SQL_LEFT[] = "UPDATE message_search_queue SET size = size"
                               " WHERE id = (SELECT id FROM (" QUEUED " LIMIT 1))";
static const char SQL_ANY_LEFT[] = "UPDATE message_search_queue SET size = size"
                                   " WHERE id = (SELECT id FROM message_search_queue LIMIT 1)";
static const char SQL_GONE_LEFT[] =
    "UPDATE message_parts_gone SET message_id = message_id"
    " WHERE message_id = (SELECT message_id FROM message_parts_gone LIMIT 1)";

/* One part in a job, if no message waits to be taken whole; of the message with the fewest parts,
 * so that no message waits for the end of another. A reply that went on waits until its old parts
 * are gone. The other three use the id of the part. */
#define SEARCHED "CASE typeof(m.search_text) WHEN 'null' THEN 'content' ELSE 'search_text' END"
static const char SQL_PART[] =
    "INSERT INTO message_parts (id, user_id, ends, content)"
    " SELECT q.id * 65536 + q.parts, q.user_id, tidetalk_part_end(m.id, q.next, " SEARCHED
    "), tidetalk_part(m.id, q.next, " SEARCHED
    ") FROM (SELECT * FROM message_search_queue AS l WHERE is_long = 1"
    " AND NOT EXISTS (SELECT 1 FROM message_parts_gone WHERE message_id = l.id)"
    " ORDER BY parts, id LIMIT 1) AS q"
    " JOIN chat_messages AS m ON m.id = q.id"
    " WHERE NOT EXISTS (SELECT 1 FROM message_search_queue WHERE is_long = 0)";
static const char SQL_INDEX_PART[] =
    "INSERT INTO message_part_search (rowid, owner, content)"
    " SELECT id, owner, content FROM message_part_source WHERE id = ?1";
static const char SQL_NEXT_PART[] =
    "UPDATE message_search_queue SET parts = parts + 1,"
    " next = (SELECT ends FROM message_parts WHERE id = ?1) WHERE id = ?1 / 65536";
static const char SQL_LAST_PART[] =
    "DELETE FROM message_search_queue WHERE id = ?1 / 65536 AND next >= size";

/* One part of a deleted message in a job, if nothing waits to be indexed but what waits for it. */
#define GONE              "(SELECT message_id FROM message_parts_gone ORDER BY message_id LIMIT 1)"
#define PARTS_OF(message) " BETWEEN " message " * 65536 AND " message " * 65536 + 65535"
#define PART_GONE                                                                                  \
    "(SELECT id FROM message_parts WHERE id" PARTS_OF(                                             \
        GONE) " ORDER BY id LIMIT 1)"                                                              \
              " AND NOT EXISTS (SELECT 1 FROM message_search_queue AS q WHERE NOT EXISTS"          \
              " (SELECT 1 FROM message_parts_gone WHERE message_id = q.id))"
static const char SQL_TAKE_OUT[] =
    "INSERT INTO message_part_search (message_part_search, rowid, owner, content)"
    " SELECT 'delete', id, owner, content FROM message_part_source WHERE id = " PART_GONE;
static const char SQL_DELETE_PART[] = "DELETE FROM message_parts WHERE id = " PART_GONE;
static const char SQL_FORGET[] =
    "DELETE FROM message_parts_gone WHERE message_id = " GONE
    " AND NOT EXISTS (SELECT 1 FROM message_parts WHERE id" PARTS_OF(GONE) ")";

/* At most so many pages of 4 KB are written, in steps of a few ms; nothing if no level of the index
 * has four segments. */
static const char SQL_MERGE[] =
    "INSERT INTO message_search (message_search, rank) VALUES ('merge', 64)";
static const char SQL_MERGE_PARTS[] =
    "INSERT INTO message_part_search (message_part_search, rank) VALUES ('merge', 64)";

/* ---- SQL: queries ---- */

#define OWNED " JOIN chat_sessions AS s ON s.id = m.session_row AND s.user_id = m.user_id"

/* Long messages in which each word occurs in some part. `words`: a JSON array of queries. */
#define LONG_HITS(words)                                                                           \
    "(SELECT message_id AS id FROM"                                                                \
    " (SELECT DISTINCT w.key, message_part_search.rowid / 65536 AS message_id"                     \
    " FROM json_each(" words ") AS w CROSS JOIN message_part_search"                               \
    " WHERE message_part_search MATCH w.value)"                                                    \
    " GROUP BY message_id HAVING count(*) = json_array_length(" words "))"

/* ?1 the query, ?2 user, ?3 limit, ?4 offset, ?5 its words, ?6 any of its words. The index has
 * short messages in the order that is wanted, so it is left as soon as there are enough. */
static const char SQL_FIND[] =
    "WITH hits AS MATERIALIZED (SELECT * FROM (SELECT m.id FROM message_search"
    " JOIN chat_messages AS m ON m.id = message_search.rowid" OWNED
    " WHERE message_search MATCH ?1 AND m.user_id = ?2"
    " ORDER BY message_search.rowid DESC LIMIT ?3 + ?4)"
    " UNION ALL SELECT m.id FROM " LONG_HITS(
        "?5") " AS l JOIN chat_messages AS m ON m.id = l.id" OWNED
              " WHERE m.user_id = ?2 ORDER BY 1 DESC LIMIT ?3 OFFSET ?4),"
              /* One search for all extracts: one for each would read the lists of all words that
               * begin like the last one again and again. No index for IN, for the same reason. */
              " short AS MATERIALIZED (SELECT rowid AS id, tidetalk_snippet(message_search, 1)"
              " AS snippet FROM message_search WHERE message_search MATCH ?1"
              " AND rowid BETWEEN (SELECT min(id) FROM hits) AND (SELECT max(id) FROM hits)"
              " AND +rowid IN (SELECT id FROM hits))"
              " SELECT m.id AS message_id, s.session_id, m.role, s.title, m.created_at, coalesce("
              " (SELECT snippet FROM short WHERE short.id = hits.id),"
              " (SELECT tidetalk_snippet(message_part_search, 1) FROM message_part_search"
              " WHERE message_part_search MATCH ?6 AND rowid" PARTS_OF(
                  "hits.id") " ORDER BY rowid LIMIT 1)) AS snippet"
                             " FROM hits JOIN chat_messages AS m ON m.id = hits.id" OWNED
                             " ORDER BY m.id DESC";
/* The index alone gives the number of short ones, unless it has messages of deleted sessions. ?1
 * the query, ?2 limit, ?3 its words, ?4 user. */
static const char SQL_COUNT[] =
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM chat_sessions WHERE user_id IS NULL)"
    " THEN (SELECT COUNT(*) FROM (SELECT 1 FROM message_search"
    " JOIN chat_messages AS m ON m.id = message_search.rowid" OWNED
    " WHERE message_search MATCH ?1 LIMIT ?2))"
    " ELSE (SELECT COUNT(*) FROM (SELECT 1 FROM message_search WHERE message_search MATCH ?1"
    " LIMIT ?2)) END"
    " + (SELECT COUNT(*) FROM (SELECT 1 FROM " LONG_HITS(
        "?3") " AS l JOIN chat_messages AS m ON m.id = l.id" OWNED
              " WHERE m.user_id = ?4 LIMIT ?2))";

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

static void begin_expression(struct tt_buf *out, const struct tt_search *search)
{
    tt_buf_printf(out, "owner : \"u%lld\" AND content : (", (long long)search->user_id);
}

/* The last word may be a prefix. */
static void put_word(struct tt_buf *out, struct tt_str part, bool last)
{
    put_quoted(out, part);
    if (last && !has_ideograph(part) && tt_utf8_count(part) >= PREFIX_MIN)
        tt_buf_putc(out, '*');
}

static void put_words(struct tt_buf *out, const struct tt_search *search, const char *between)
{
    struct tt_str words = search->words, part = take_part(&words);

    begin_expression(out, search);
    while (part.len > 0) {
        struct tt_str next = take_part(&words);
        put_word(out, part, next.len == 0);
        if (next.len > 0)
            tt_buf_append_z(out, between);
        part = next;
    }
    tt_buf_putc(out, ')');
}

/* Every part between blanks must occur as it is. AND is not written: FTS5 then drops parts without
 * a letter or number. */
void tt_sqlite_search_expression(struct tt_buf *out, const struct tt_search *search)
{
    put_words(out, search, " ");
}

/* Each part between blanks as an expression of its own, in a JSON array. */
static void put_each_word(struct tt_buf *out, const struct tt_search *search)
{
    struct tt_json_writer w = {.buf = out};
    struct tt_str words = search->words, part = take_part(&words);
    struct tt_buf one = {0};

    tt_json_begin_array(&w);
    while (part.len > 0) {
        struct tt_str next = take_part(&words);
        tt_buf_clear(&one);
        begin_expression(&one, search);
        put_word(&one, part, next.len == 0);
        tt_buf_putc(&one, ')');
        tt_json_str(&w, tt_buf_str(&one));
        part = next;
    }
    tt_json_end_array(&w);
    tt_buf_free(&one);
}

/* ---- the engine's functions ---- */

static void add(struct tt_db_job *job, struct tt_str sql, const struct tt_db_value *value)
{
    tt_db_job_add(job, sql, value, value ? 1 : 0, -1);
}

static void add_index(struct tt_db_job *job, const struct tt_db_value *user)
{
    struct tt_db_value value = user ? *user : tt_db_null();

    if (!user) {
        add(job, TT_STR(SQL_TAKE_OUT), NULL);
        add(job, TT_STR(SQL_DELETE_PART), NULL);
        add(job, TT_STR(SQL_FORGET), NULL);
        struct tt_db_value part = tt_db_id_of(tt_db_job_count(job));
        add(job, TT_STR(SQL_PART), NULL);
        add(job, TT_STR(SQL_INDEX_PART), &part);
        add(job, TT_STR(SQL_NEXT_PART), &part);
        add(job, TT_STR(SQL_LAST_PART), &part);
    }
    add(job, TT_STR(SQL_INDEX), &value);
    add(job, TT_STR(SQL_TAKE_OFF), &value);
    if (!user)
        add(job, TT_STR(SQL_GONE_LEFT), NULL);
    add(job, user ? TT_STR(SQL_LEFT) : TT_STR(SQL_ANY_LEFT), user);
}

static void add_merge(struct tt_db_job *job)
{
    add(job, TT_STR(SQL_MERGE), NULL);
    add(job, TT_STR(SQL_MERGE_PARTS), NULL);
}

static struct tt_db_value text_value(struct tt_arena *arena, struct tt_buf *text)
{
    struct tt_db_value value = tt_db_text(tt_arena_str(arena, tt_buf_str(text)));
    tt_buf_free(text);
    return value;
}

static struct tt_db_query find(struct tt_arena *arena, const struct tt_search *search)
{
    struct tt_buf all = {0}, each = {0}, any = {0};
    tt_sqlite_search_expression(&all, search);
    put_each_word(&each, search);
    put_words(&any, search, " OR ");
    struct tt_db_value values[] = {text_value(arena, &all),  tt_db_int(search->user_id),
                                   tt_db_int(search->limit), tt_db_int(search->offset),
                                   text_value(arena, &each), text_value(arena, &any)};
    struct tt_db_query query = {
        .sql = TT_STR(SQL_FIND), .values = values, .count = TT_COUNT(values)};
    return tt_query_copy(arena, &query);
}

static struct tt_db_query count(struct tt_arena *arena, const struct tt_search *search)
{
    struct tt_buf all = {0}, each = {0};
    tt_sqlite_search_expression(&all, search);
    put_each_word(&each, search);
    struct tt_db_value values[] = {text_value(arena, &all), tt_db_int(search->limit),
                                   text_value(arena, &each), tt_db_int(search->user_id)};
    struct tt_db_query query = {
        .sql = TT_STR(SQL_COUNT), .values = values, .count = TT_COUNT(values)};
    return tt_query_copy(arena, &query);
}

const struct tt_search_engine tt_sqlite_search = {
    .index = add_index, .merge = add_merge, .find = find, .count = count};
