/* Timers with a calendar. What happened is in the table timer_ticks, so that times which passed
 * while the server was down are told to the next tick, and a tick that a crash ended counts as
 * missed. A tick begins only after its claim is committed: when several servers share a database,
 * the one whose claim changes the row has the tick. Without a database nothing is remembered. */
#include "base/clock.h"
#include "base/log.h"
#include "db/db.h"
#include "script/timers_internal.h"

#define RETRY_MS 5000

static const char SQL_READ[] =
    "SELECT schedule, begun_at, done_at, number FROM timer_ticks WHERE name = ?1";
static const char SQL_REMEMBER[] =
    "INSERT INTO timer_ticks (name, schedule, begun_at, done_at, number) VALUES (?1, ?2, ?3, ?4, "
    "?5) ON CONFLICT (name) DO UPDATE SET schedule = excluded.schedule, done_at = excluded.done_at";
static const char SQL_CLAIM[] =
    "UPDATE timer_ticks SET begun_at = ?1, number = ?2 WHERE name = ?3 AND begun_at = ?4";
static const char SQL_DONE[] = "UPDATE timer_ticks SET done_at = ?1 WHERE name = ?2";

static int64_t wall_s(const struct tt_named_timer *named)
{
    return named->runtime->timers.wall_us() / 1000000;
}

static void retry(struct tt_named_timer *named, const struct tt_err *err)
{
    tt_log(TT_LOG_WARN, "a timer waits for the database", TT_F_Z("timer", named->name),
           TT_F_Z("error", err->message));
    named->calendar.known = false;
    named->calendar.retry_ms = RETRY_MS;
}

/* Writes one statement; `on_done` gets the record. */
static int write(struct tt_named_timer *named, const char *sql, const struct tt_db_value *values,
                 size_t count, int64_t expect, void (*on_done)(struct tt_db_job *job, void *arg),
                 struct tt_err *err)
{
    struct tt_db_job *job = tt_db_job_new();

    tt_db_job_add(job, tt_str_from(sql), values, count, expect);
    if (tt_db_submit(named->runtime->db, named->runtime->loop, job, on_done, named, err) == 0)
        return 0;
    tt_db_job_free(job);
    return -1;
}

/* ---- what is remembered ---- */

static void plan_first(struct tt_named_timer *named)
{
    struct tt_timers_calendar *calendar = &named->calendar;
    int64_t now = wall_s(named), last;
    uint64_t missed =
        tt_cron_count(&calendar->cron, calendar->zone, calendar->done_s, now, 1, &last);
    bool at_once = calendar->first == TT_TIMER_FIRST_START ||
                   (calendar->first == TT_TIMER_FIRST_MISSED && missed > 0);

    calendar->first = TT_TIMER_FIRST_DUE;
    calendar->due_s = at_once ? now : tt_cron_next(&calendar->cron, calendar->zone, now);
}

static void on_remembered(struct tt_db_job *job, void *arg)
{
    struct tt_named_timer *named = arg;
    const struct tt_err *err = tt_db_job_error(job);

    if (err)
        retry(named, err);
    tt_named_timer_free_again(named);
}

/* Notes that nothing was missed up to now: a new timer, or another schedule. */
static void remember(struct tt_named_timer *named)
{
    struct tt_timers_calendar *calendar = &named->calendar;
    struct tt_err err = {0};

    calendar->done_s = wall_s(named);
    const struct tt_db_value values[] = {tt_db_text(tt_str_from(named->name)),
                                         tt_db_text(tt_str_from(calendar->schedule)),
                                         tt_db_int(calendar->begun_s), tt_db_int(calendar->done_s),
                                         tt_db_int((int64_t)named->number)};
    if (write(named, SQL_REMEMBER, values, TT_COUNT(values), -1, on_remembered, &err) != 0) {
        retry(named, &err);
        tt_named_timer_free_again(named);
    }
}

static void on_row(struct tt_db_rows *rows, void *arg)
{
    struct tt_named_timer *named = arg;
    struct tt_timers_calendar *calendar = &named->calendar;
    struct tt_err err = {0};
    int found = tt_db_next(rows, &err);

    if (found == TT_DB_AGAIN)
        return;
    calendar->reading = NULL;
    if (found == TT_DB_FAILED)
        retry(named, &err);
    if (found == TT_DB_FAILED || !calendar->zone) { /* it has an interval now */
        tt_named_timer_free_again(named);
        return;
    }
    bool same =
        found == TT_DB_ROW && tt_str_eq(rows->values[0].text, tt_str_from(calendar->schedule));
    calendar->known = true;
    calendar->retry_ms = 0;
    if (found == TT_DB_ROW) {
        calendar->begun_s = rows->values[1].integer;
        calendar->done_s = rows->values[2].integer;
        named->number = (uint64_t)rows->values[3].integer;
    }
    if (!same)
        calendar->done_s = wall_s(named);
    if (calendar->first != TT_TIMER_FIRST_DUE || calendar->due_s == 0)
        plan_first(named);
    else
        calendar->due_s = tt_cron_next(&calendar->cron, calendar->zone,
                                       calendar->begun_s > calendar->done_s ? calendar->begun_s
                                                                            : calendar->done_s);
    if (same)
        tt_named_timer_free_again(named);
    else
        remember(named);
}

static void recall(struct tt_named_timer *named)
{
    struct tt_timers_calendar *calendar = &named->calendar;
    struct tt_err err = {0};
    const struct tt_db_value values[] = {tt_db_text(tt_str_from(named->name))};
    struct tt_db_query query = {.sql = TT_STR(SQL_READ), .values = values, .count = 1};

    named->busy = true;
    if (!named->runtime->db) {
        calendar->known = true;
        calendar->done_s = wall_s(named);
        plan_first(named);
        tt_named_timer_free_again(named);
    } else if (tt_db_read(named->runtime->db, named->runtime->loop, &query, on_row, named,
                          &calendar->reading, &err) != 0) {
        retry(named, &err);
        tt_named_timer_free_again(named);
    }
}

/* ---- ticks ---- */

static void on_claimed(struct tt_db_job *job, void *arg)
{
    struct tt_named_timer *named = arg;
    const struct tt_err *err = tt_db_job_error(job);
    bool taken = err && strcmp(err->code, "unexpected_changes") == 0;

    if (!err && named->vm && !named->runtime->timers.stopped) {
        tt_named_timer_tick(named);
        return;
    }
    named->calendar.known = false; /* what another server did is read */
    if (err && !taken)
        retry(named, err);
    tt_named_timer_free_again(named);
}

static void claim(struct tt_named_timer *named)
{
    struct tt_timers_calendar *calendar = &named->calendar;
    struct tt_err err = {0};
    int64_t now = wall_s(named), before = calendar->begun_s, last = now;
    uint64_t passed = tt_cron_count(&calendar->cron, calendar->zone, calendar->done_s, now,
                                    TT_TIMER_MISSED_MAX + 1, &last);

    named->missed = passed > 0 ? passed - 1 : 0;
    named->number += 1 + named->missed;
    calendar->at_s = passed > TT_TIMER_MISSED_MAX ? now : last;
    calendar->begun_s = now > before ? now : before + 1;
    named->busy = true;
    if (!named->runtime->db) {
        tt_named_timer_tick(named);
        return;
    }
    const struct tt_db_value values[] = {tt_db_int(calendar->begun_s),
                                         tt_db_int((int64_t)named->number),
                                         tt_db_text(tt_str_from(named->name)), tt_db_int(before)};
    if (write(named, SQL_CLAIM, values, TT_COUNT(values), 1, on_claimed, &err) != 0) {
        retry(named, &err);
        tt_named_timer_free_again(named);
    }
}

static void on_done(struct tt_db_job *job, void *arg)
{
    const struct tt_err *err = tt_db_job_error(job);
    (void)arg;
    if (err)
        tt_log(TT_LOG_WARN, "the end of a timer's tick was not written",
               TT_F_Z("error", err->message));
}

void tt_timers_calendar_done(struct tt_named_timer *named)
{
    struct tt_timers_calendar *calendar = &named->calendar;
    struct tt_err err = {0};

    calendar->done_s = calendar->at_s;
    calendar->due_s = tt_cron_next(&calendar->cron, calendar->zone, calendar->done_s);
    if (!named->runtime->db)
        return;
    const struct tt_db_value values[] = {tt_db_int(calendar->done_s),
                                         tt_db_text(tt_str_from(named->name))};
    if (write(named, SQL_DONE, values, TT_COUNT(values), -1, on_done, &err) != 0)
        tt_log(TT_LOG_WARN, "the end of a timer's tick was not written",
               TT_F_Z("timer", named->name), TT_F_Z("error", err.message));
}

/* ---- waiting ---- */

void tt_timers_calendar_set(struct tt_named_timer *named, const struct tt_timers_declared *declared)
{
    struct tt_timers_calendar *calendar = &named->calendar;

    if (!calendar->zone)
        *calendar = (struct tt_timers_calendar){.first = declared->first};
    else if (strcmp(calendar->schedule, declared->schedule) != 0)
        calendar->known = false;
    calendar->zone = declared->zone;
    calendar->cron = declared->cron;
    memcpy(calendar->schedule, declared->schedule, sizeof(calendar->schedule));
    named->ms = 0;
}

uint64_t tt_timers_calendar_wait(const struct tt_named_timer *named)
{
    const struct tt_timers *timers = &named->runtime->timers;
    int64_t left_us = named->calendar.due_s * 1000000 - timers->wall_us();

    if (!named->calendar.known)
        return named->calendar.retry_ms;
    if (left_us <= 0)
        return 0;
    uint64_t left_ms = (uint64_t)left_us / 1000 + 1;
    return left_ms < timers->look_ms ? left_ms : timers->look_ms;
}

void tt_timers_calendar_due(struct tt_named_timer *named)
{
    if (!named->calendar.known)
        recall(named);
    else if (wall_s(named) < named->calendar.due_s)
        tt_named_timer_arm(named);
    else
        claim(named);
}

void tt_timers_calendar_stop(struct tt_named_timer *named)
{
    if (named->calendar.reading)
        tt_db_pending_cancel(named->calendar.reading);
    named->calendar.reading = NULL;
}
