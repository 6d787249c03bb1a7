/* Search with lexemes of our own: the functions and tables are in migrations/postgres (0025), which
 * say what they hold. GIN finds the rows that have the lexemes, `tokens` shows which of these have
 * them side by side. */
#include "db/postgres.h"

/* ---- the index ---- */

/* The messages that the next job takes whole: at most 256, and no more than 32 KiB of text. ?1: of
 * this user; NULL: of all. One statement takes them off the queue and indexes them, so that none is
 * missed that comes in between. */
#define OWN "is_long = 0 AND (CAST(?1 AS BIGINT) IS NULL OR user_id = CAST(?1 AS BIGINT))"
static const char SQL_INDEX[] =
    "WITH first AS (SELECT id, size FROM message_search_queue WHERE " OWN " ORDER BY id LIMIT 256),"
    " fitting AS (SELECT id, size, sum(size) OVER (ORDER BY id) AS upto FROM first),"
    " taken AS (DELETE FROM message_search_queue WHERE id IN"
    " (SELECT id FROM fitting WHERE upto <= 32768 OR upto = size) RETURNING id)"
    " INSERT INTO message_parts (message_id, part, start, words, tokens)"
    " SELECT t.id, 0, 0, tidetalk_words(t.tokens, ARRAY['S', 'U' || t.user_id]), t.tokens"
    " FROM (SELECT id, user_id, tidetalk_tokens(coalesce(search_text, content)) AS tokens"
    " FROM chat_messages WHERE id IN (SELECT id FROM taken) OFFSET 0) AS t"
    " ON CONFLICT (message_id, part)"
    " DO UPDATE SET words = excluded.words, tokens = excluded.tokens";

/* One part in a job, if no message waits to be taken whole; of the message with the fewest parts.
 * It begins 1,024 characters before the end of the part before it, so that a phrase that is shorter
 * stands whole in one of them. */
static const char SQL_PART[] =
    "WITH q AS (SELECT * FROM message_search_queue WHERE is_long = 1 AND NOT EXISTS"
    " (SELECT 1 FROM message_search_queue WHERE is_long = 0) ORDER BY parts, id LIMIT 1),"
    " p AS MATERIALIZED (SELECT q.id, q.user_id, q.parts, q.next, length(m.content) AS size,"
    " tidetalk_part_end(m.content, q.next) AS ends, m.content FROM q JOIN"
    " (SELECT id, coalesce(search_text, content) AS content FROM chat_messages) AS m"
    " ON m.id = q.id),"
    " went_on AS (UPDATE message_search_queue AS u SET parts = u.parts + 1, next = p.ends"
    " FROM p WHERE u.id = p.id AND p.ends < p.size),"
    " ended AS (DELETE FROM message_search_queue AS u USING p WHERE u.id = p.id"
    " AND p.ends >= p.size)"
    " INSERT INTO message_parts (message_id, part, start, words, tokens)"
    " SELECT t.id, t.parts, t.start, tidetalk_words(t.tokens, ARRAY['L', 'U' || t.user_id]),"
    " t.tokens FROM (SELECT id, user_id, parts, greatest(next - 1024, 0) AS start,"
    " tidetalk_tokens(substr(content, greatest(next - 1024, 0)::int + 1,"
    " (ends - greatest(next - 1024, 0))::int)) AS tokens FROM p OFFSET 0) AS t"
    " ON CONFLICT (message_id, part) DO UPDATE SET start = excluded.start,"
    " words = excluded.words, tokens = excluded.tokens";

/* These change nothing; the number of rows that they "change" shows whether some are left. */
static const char SQL_LEFT[] =
    "UPDATE message_search_queue SET size = size WHERE id ="
    " (SELECT id FROM message_search_queue WHERE " OWN " ORDER BY id LIMIT 1)";
static const char SQL_ANY_LEFT[] = "UPDATE message_search_queue SET size = size WHERE id ="
                                   " (SELECT id FROM message_search_queue ORDER BY id LIMIT 1)";

/* ---- queries ---- */

#define OWNED " JOIN chat_sessions AS s ON s.id = m.session_row AND s.user_id = m.user_id"

/* ?1 the words, ?2 the user. Short messages that have all words; long ones of which each word is in
 * some part. No hit without a word. */
#define HITS                                                                                       \
    "w AS MATERIALIZED (SELECT * FROM tidetalk_phrases(?1)),"                                      \
    " everything AS MATERIALIZED (SELECT (string_agg('(' || query::text || ')', ' & ')"            \
    " || ' & S & U' || CAST(?2 AS BIGINT))::tsquery AS query FROM w),"                             \
    " hits AS (SELECT m.id, m.session_row, m.user_id FROM message_parts AS p"                      \
    " JOIN chat_messages AS m ON m.id = p.message_id AND m.user_id = ?2"                           \
    " WHERE p.words @@ (SELECT query FROM everything)"                                             \
    " AND NOT EXISTS (SELECT 1 FROM w WHERE p.tokens !~ w.pattern)"                                \
    " UNION ALL SELECT m.id, m.session_row, m.user_id FROM"                                        \
    " (SELECT p.message_id FROM w JOIN message_parts AS p"                                         \
    " ON p.words @@ ('(' || w.query::text || ') & L & U' || CAST(?2 AS BIGINT))::tsquery"          \
    " AND p.tokens ~ w.pattern GROUP BY p.message_id"                                              \
    " HAVING count(DISTINCT w.number) = (SELECT count(*) FROM w)) AS l"                            \
    " JOIN chat_messages AS m ON m.id = l.message_id AND m.user_id = ?2)"

/* ?3 limit, ?4 offset. */
static const char SQL_FIND[] =
    "WITH " HITS " SELECT m.id AS message_id, s.session_id, m.role, s.title, m.created_at,"
    " (SELECT tidetalk_snippet("
    "substr(coalesce(m.search_text, m.content), p.start::int + 1, 32768), ?1)"
    " FROM message_parts AS p WHERE p.message_id = m.id"
    " AND EXISTS (SELECT 1 FROM w WHERE p.tokens ~ w.pattern) ORDER BY p.part LIMIT 1) AS snippet"
    " FROM (SELECT m.id FROM hits AS m" OWNED " ORDER BY m.id DESC LIMIT ?3 OFFSET ?4) AS page"
    " JOIN chat_messages AS m ON m.id = page.id" OWNED " ORDER BY m.id DESC";
/* ?3 limit. */
static const char SQL_COUNT[] =
    "WITH " HITS " SELECT COUNT(*) FROM (SELECT 1 FROM hits AS m" OWNED " LIMIT ?3) AS found";

/* ---- the engine's functions ---- */

static void add_index(struct tt_db_job *job, const struct tt_db_value *user)
{
    struct tt_db_value value = user ? *user : tt_db_null();

    if (!user)
        tt_db_job_add(job, TT_STR(SQL_PART), NULL, 0, -1);
    tt_db_job_add(job, TT_STR(SQL_INDEX), &value, 1, -1);
    if (user)
        tt_db_job_add(job, TT_STR(SQL_LEFT), &value, 1, -1);
    else
        tt_db_job_add(job, TT_STR(SQL_ANY_LEFT), NULL, 0, -1);
}

/* Vacuum does that. */
static void add_merge(struct tt_db_job *job)
{
    (void)job;
}

static struct tt_db_query find(struct tt_arena *arena, const struct tt_search *search)
{
    struct tt_db_value values[] = {tt_db_text(search->words), tt_db_int(search->user_id),
                                   tt_db_int(search->limit), tt_db_int(search->offset)};
    struct tt_db_query query = {
        .sql = TT_STR(SQL_FIND), .values = values, .count = TT_COUNT(values)};
    return tt_query_copy(arena, &query);
}

static struct tt_db_query count(struct tt_arena *arena, const struct tt_search *search)
{
    struct tt_db_value values[] = {tt_db_text(search->words), tt_db_int(search->user_id),
                                   tt_db_int(search->limit)};
    struct tt_db_query query = {
        .sql = TT_STR(SQL_COUNT), .values = values, .count = TT_COUNT(values)};
    return tt_query_copy(arena, &query);
}

const struct tt_search_engine tt_pg_search = {
    .index = add_index, .merge = add_merge, .find = find, .count = count};
