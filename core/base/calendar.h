/* The Gregorian calendar as arithmetic, without libc: its functions take a lock for the time zone.
 * Thread: any. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define TT_DAY_S 86400

/* A wall clock's reading, in no zone; not checked. */
struct tt_calendar {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
};

bool tt_calendar_is_date(int year, int month, int day); /* of the years 0 to 9999 */
int tt_calendar_month_days(int year, int month);

/* Days since 1970-01-01. The year is at least -400. */
int64_t tt_calendar_days(int year, int month, int day);
int tt_calendar_weekday(int64_t days); /* 0 = Sunday */

/* Between a reading and the seconds since 1970-01-01T00:00:00 on the same clock. */
int64_t tt_calendar_seconds(const struct tt_calendar *reading);
void tt_calendar_read(int64_t seconds, struct tt_calendar *out);
