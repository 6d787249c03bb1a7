/* See inspect.h. The engine looks at the files and tables. */
#include "db/inspect.h"

#include "base/clock.h"
#include "db/engine.h"

static const char SQL_ACCEPT[] =
    "INSERT INTO settings (key, value, updated_at) VALUES ('accepted_seal_key', ?1, ?2)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";

int tt_db_inspect(const char *url, const char *seal_id, struct tt_db_contents *contents,
                  struct tt_err *err)
{
    const char *place;
    const struct tt_db_engine *engine = tt_db_engine_of(url, &place, err);
    *contents = (struct tt_db_contents){0};
    return engine ? engine->inspect(place, seal_id, contents, err) : -1;
}

int tt_db_accept_seal_key(struct tt_db *db, struct tt_loop *loop, const char *seal_id,
                          struct tt_err *err)
{
    struct tt_db_job *job = tt_db_job_new();
    char now[TT_RFC3339_SIZE];
    tt_clock_format(tt_clock_wall_us(), now);
    struct tt_db_value values[] = {tt_db_text(tt_str_from(seal_id)), tt_db_text(tt_str_from(now))};

    tt_db_job_add(job, TT_STR(SQL_ACCEPT), values, TT_COUNT(values), 1);
    return tt_db_submit_wait(db, loop, job, err);
}
