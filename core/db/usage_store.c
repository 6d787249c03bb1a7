/* See usage_store.h. Its own file beside reply_store.c: not every reply is stored, all are counted.
 */
#include "db/usage_store.h"

#include "base/clock.h"

#define DAY_LENGTH 10 /* of an RFC 3339 time */

void tt_usage_store_add(struct tt_db_job *job, const struct tt_usage_entry *entry)
{
    /* From the user's row instead of VALUES: a foreign key error would fail the whole job. */
    static const char sql[] =
        "INSERT INTO usage_days (user_id, day, model_name, requests, input_tokens, output_tokens,"
        " estimated, charged_twice)"
        " SELECT id, ?2, ?3, 1, ?4, ?5, ?6, ?7 FROM users WHERE id = ?1"
        " ON CONFLICT (user_id, day, model_name) DO UPDATE SET requests = requests + 1,"
        " input_tokens = input_tokens + excluded.input_tokens,"
        " output_tokens = output_tokens + excluded.output_tokens,"
        " estimated = estimated + excluded.estimated,"
        " charged_twice = charged_twice + excluded.charged_twice";
    char now[TT_RFC3339_SIZE];

    tt_clock_format(tt_clock_wall_us(), now);
    struct tt_db_value values[] = {
        tt_db_int(entry->user_id),       tt_db_text(tt_str_of(now, DAY_LENGTH)),
        tt_db_text(entry->model_name),   tt_db_int(entry->input_tokens),
        tt_db_int(entry->output_tokens), tt_db_int(entry->estimated),
        tt_db_int(entry->charged_twice)};
    tt_db_job_add(job, TT_STR(sql), values, TT_COUNT(values), -1);
}
