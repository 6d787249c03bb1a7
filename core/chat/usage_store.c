/* See usage_store.h. Separate from reply_store.c: not every reply is stored, but all are counted.
 */
#include "chat/usage_store.h"

#include "base/clock.h"

#define DAY_LENGTH 10 /* of an RFC 3339 time */

/* Sums stop at 2^53, the last integer that is exact in JSON, also where a row is over it already: a
 * sum that left the integers would fail the whole job, today and with every later request. */
#define MOST         "9007199254740992"
#define OLD(column)  "usage_days." column
#define NEW(column)  "excluded." column
#define ROOM(column) MOST " - " OLD(column)
#define SUM(column)                                                                                \
    column " = " OLD(column) " + CASE WHEN " NEW(column) " < 0 OR " OLD(                           \
        column) " > " MOST                                                                         \
                " THEN 0 WHEN " NEW(column) " > " ROOM(column) " THEN " ROOM(column) " ELSE " NEW( \
                    column) " END"

/* From the user's row instead of VALUES: a foreign key error would fail the whole job. */
#define INSERT                                                                                     \
    "INSERT INTO usage_days (user_id, day, model_name, requests, input_tokens, output_tokens,"     \
    " estimated, charged_twice)"                                                                   \
    " SELECT id, ?2, ?3, 1, ?4, ?5, ?6, ?7 FROM users WHERE id = ?1"
#define ADD                                                                                        \
    " ON CONFLICT (user_id, day, model_name) DO UPDATE SET " SUM("requests") ", " SUM(             \
        "input_tokens") ", " SUM("output_tokens") ", " SUM("estimated") ", " SUM("charged_twice")

const char tt_usage_store_sql[] = INSERT ADD;

/* Nothing of a reply that was lost to another node. One whose message is deleted counts. */
static const char SQL_OF_TURN[] =
    INSERT " AND NOT EXISTS (SELECT 1 FROM chat_messages WHERE id = ?8"
           " AND (turn_epoch IS NULL OR turn_epoch <> ?9))" ADD;

void tt_usage_store_values(const struct tt_usage_entry *entry, char day[TT_RFC3339_SIZE],
                           struct tt_db_value values[TT_USAGE_STORE_VALUES])
{
    tt_clock_format(tt_clock_wall_us(), day);
    values[0] = tt_db_int(entry->user_id);
    values[1] = tt_db_text(tt_str_of(day, DAY_LENGTH));
    values[2] = tt_db_text(entry->model_name);
    values[3] = tt_db_int(entry->input_tokens);
    values[4] = tt_db_int(entry->output_tokens);
    values[5] = tt_db_int(entry->estimated);
    values[6] = tt_db_int(entry->charged_twice);
}

void tt_usage_store_add(struct tt_db_job *job, const struct tt_usage_entry *entry)
{
    struct tt_db_value values[TT_USAGE_STORE_VALUES + 2];
    char day[TT_RFC3339_SIZE];
    bool of_turn = entry->turn_epoch != 0;

    tt_db_job_lock(job, entry->user_id);
    tt_usage_store_values(entry, day, values);
    values[TT_USAGE_STORE_VALUES] = tt_db_int(entry->message_id);
    values[TT_USAGE_STORE_VALUES + 1] = tt_db_int(entry->turn_epoch);
    tt_db_job_add(job, of_turn ? TT_STR(SQL_OF_TURN) : tt_str_from(tt_usage_store_sql), values,
                  of_turn ? TT_COUNT(values) : TT_USAGE_STORE_VALUES, -1);
}

static int64_t at_least_none(int64_t tokens)
{
    return tokens < 0 ? 0 : tokens;
}

void tt_usage_store_add_reply(struct tt_db_job *job, const struct tt_usage_entry *whose,
                              const struct tt_reply_outcome *outcome,
                              const struct tt_reply_usage *counted)
{
    int64_t input = outcome->usage.input_tokens - at_least_none(counted->input_tokens);
    int64_t output = outcome->usage.output_tokens - at_least_none(counted->output_tokens);
    struct tt_usage_entry entry = *whose;

    if (input < 0 && output < 0)
        return;
    entry.input_tokens = at_least_none(input);
    entry.output_tokens = at_least_none(output);
    entry.estimated = outcome->usage_estimated;
    entry.charged_twice = outcome->charged_twice;
    tt_usage_store_add(job, &entry);
}
