/* See usage_store.h. Its own file beside reply_store.c: not every reply is stored, all are counted.
 */
#include "chat/usage_store.h"

#include "base/clock.h"

#define DAY_LENGTH 10 /* of an RFC 3339 time */

/* From the user's row instead of VALUES: a foreign key error would fail the whole job. */
const char tt_usage_store_sql[] =
    "INSERT INTO usage_days (user_id, day, model_name, requests, input_tokens, output_tokens,"
    " estimated, charged_twice)"
    " SELECT id, ?2, ?3, 1, ?4, ?5, ?6, ?7 FROM users WHERE id = ?1"
    " ON CONFLICT (user_id, day, model_name) DO UPDATE SET"
    " requests = usage_days.requests + 1,"
    " input_tokens = usage_days.input_tokens + excluded.input_tokens,"
    " output_tokens = usage_days.output_tokens + excluded.output_tokens,"
    " estimated = usage_days.estimated + excluded.estimated,"
    " charged_twice = usage_days.charged_twice + excluded.charged_twice";

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
    struct tt_db_value values[TT_USAGE_STORE_VALUES];
    char day[TT_RFC3339_SIZE];

    tt_usage_store_values(entry, day, values);
    tt_db_job_add(job, tt_str_from(tt_usage_store_sql), values, TT_COUNT(values), -1);
}
