/* Days to dates and back by the usual arithmetic on 400-year eras (March first, so that the leap
 * day is last in its year). */
#include "base/calendar.h"

#define ERA_DAYS   146097
#define UNTIL_1970 719468 /* days from 0000-03-01 */

int tt_calendar_month_days(int year, int month)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return lengths[month - 1] + (month == 2 && leap);
}

bool tt_calendar_is_date(int year, int month, int day)
{
    return year >= 0 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 &&
           day <= tt_calendar_month_days(year, month);
}

int64_t tt_calendar_days(int year, int month, int day)
{
    int march_year = year + 400 - (month <= 2);
    int march_month = month > 2 ? month - 3 : month + 9;
    int64_t days = (int64_t)march_year * 365 + march_year / 4 - march_year / 100 +
                   march_year / 400 + (153 * march_month + 2) / 5 + day - 1;
    return days - ERA_DAYS - UNTIL_1970;
}

int tt_calendar_weekday(int64_t days)
{
    int64_t day = (days + 4) % 7; /* 1970 began on a Thursday */
    return (int)(day < 0 ? day + 7 : day);
}

int64_t tt_calendar_seconds(const struct tt_calendar *reading)
{
    return tt_calendar_days(reading->year, reading->month, reading->day) * TT_DAY_S +
           reading->hour * 3600 + reading->minute * 60 + reading->second;
}

void tt_calendar_read(int64_t seconds, struct tt_calendar *out)
{
    int64_t days = seconds / TT_DAY_S - (seconds % TT_DAY_S < 0);
    int rest = (int)(seconds - days * TT_DAY_S);
    days += UNTIL_1970;
    int64_t era = days / ERA_DAYS - (days % ERA_DAYS < 0);
    int in_era = (int)(days - era * ERA_DAYS);
    int year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int march_month = (5 * in_year + 2) / 153;

    out->day = in_year - (153 * march_month + 2) / 5 + 1;
    out->month = march_month < 10 ? march_month + 3 : march_month - 9;
    out->year = (int)(year_of_era + era * 400) + (out->month <= 2);
    out->hour = rest / 3600;
    out->minute = rest / 60 % 60;
    out->second = rest % 60;
}
