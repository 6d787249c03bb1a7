/* Schedules in cron's five fields: minute, hour, day of the month, month, day of the week. Lists,
 * ranges, steps, names of months and days, "@daily" and the like. When both days are restricted,
 * one of them is enough, as everywhere in cron.
 *
 * Where clocks change: a schedule with fixed hours ticks once for each of its times. A time that
 * clocks are put forward over ticks at that moment; one that exists twice ticks the first time. A
 * schedule for every hour ("*") follows the time that passes: it ticks in both of two hours of the
 * same name, and not in one that does not exist. Thread: any. */
#pragma once
#include "base/zone.h"

struct tt_cron {
    uint64_t minutes;
    uint32_t hours, days, months; /* a bit each, counted as people do */
    uint8_t weekdays;             /* bit 0 = Sunday */
    bool any_day, any_weekday;    /* these begin with "*" */
    bool every_hour;
};

/* Fails: -1 with "invalid_schedule" (400), which says what is wrong; also when the schedule never
 * comes ("0 0 30 2 *"). */
int tt_cron_read(struct tt_str text, struct tt_cron *out, struct tt_err *err);

/* The first time after `utc_s` (both are seconds since 1970). */
int64_t tt_cron_next(const struct tt_cron *cron, const struct tt_zone *zone, int64_t utc_s);

/* How many times are after `after_s` and not after `until_s`; at most `max`. The last one of those
 * counted is in *last, unless there is none. */
uint64_t tt_cron_count(const struct tt_cron *cron, const struct tt_zone *zone, int64_t after_s,
                       int64_t until_s, uint64_t max, int64_t *last);
