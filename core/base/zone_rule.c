/* Reads and applies a TZ string. Both changes of a year are computed in UTC: the begin of summer
 * time is given in standard time, its end in summer time. */
#include "base/zone_rule.h"

#include "base/calendar.h"

/* ---- reading ---- */

struct scan {
    const char *at, *end;
    bool failed;
};

static bool skip(struct scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

static int number(struct scan *scan, int least, int most)
{
    int n = 0;
    const char *begin = scan->at;

    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9' && n <= most)
        n = n * 10 + (*scan->at++ - '0');
    if (scan->at == begin || n < least || n > most)
        scan->failed = true;
    return scan->failed ? least : n;
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* "CET", or "<+0330>" */
static void abbreviation(struct scan *scan, char out[static 8])
{
    size_t len = 0;
    bool quoted = skip(scan, '<');

    while (scan->at < scan->end && (quoted ? *scan->at != '>' : is_letter(*scan->at))) {
        if (len < 7)
            out[len++] = *scan->at;
        scan->at++;
    }
    out[len] = '\0';
    if (len < 3 || (quoted && !skip(scan, '>')))
        scan->failed = true;
}

/* "-1:30", "25": seconds */
static int32_t duration(struct scan *scan, int hours_max)
{
    int sign = skip(scan, '-') ? -1 : 1;
    if (sign > 0)
        skip(scan, '+');
    int seconds = number(scan, 0, hours_max) * 3600;
    if (skip(scan, ':'))
        seconds += number(scan, 0, 59) * 60;
    if (skip(scan, ':'))
        seconds += number(scan, 0, 59);
    return sign * seconds;
}

static void change(struct scan *scan, struct tt_zone_day *out)
{
    if (!skip(scan, ','))
        scan->failed = true;
    if (skip(scan, 'M')) {
        out->kind = TT_ZONE_DAY_MONTH;
        out->month = number(scan, 1, 12);
        scan->failed = scan->failed || !skip(scan, '.');
        out->week = number(scan, 1, 5);
        scan->failed = scan->failed || !skip(scan, '.');
        out->day = number(scan, 0, 6);
    } else if (skip(scan, 'J')) {
        out->kind = TT_ZONE_DAY_JULIAN;
        out->day = number(scan, 1, 365);
    } else {
        out->kind = TT_ZONE_DAY_NUMBER;
        out->day = number(scan, 0, 365);
    }
    out->second = skip(scan, '/') ? duration(scan, 167) : 2 * 3600;
}

int tt_zone_rule_read(struct tt_str text, struct tt_zone_rule *out)
{
    struct scan scan = {text.data, text.data + text.len, false};

    *out = (struct tt_zone_rule){0};
    abbreviation(&scan, out->standard.abbreviation);
    out->standard.east = -duration(&scan, 24); /* it counts west of Greenwich */
    if (scan.at < scan.end) {
        out->has_summer = out->summer.summer = true;
        abbreviation(&scan, out->summer.abbreviation);
        out->summer.east = out->standard.east + 3600;
        if (scan.at < scan.end && *scan.at != ',')
            out->summer.east = -duration(&scan, 24);
        change(&scan, &out->begin);
        change(&scan, &out->end);
    }
    return scan.failed || scan.at != scan.end ? -1 : 0;
}

/* ---- applying ---- */

static int64_t day_of(const struct tt_zone_day *day, int year)
{
    int64_t first = tt_calendar_days(year, 1, 1);

    if (day->kind == TT_ZONE_DAY_NUMBER)
        return first + day->day;
    if (day->kind == TT_ZONE_DAY_JULIAN) /* never counts the leap day */
        return first + day->day - 1 + (day->day >= 60 && tt_calendar_month_days(year, 2) == 29);
    int length = tt_calendar_month_days(year, day->month);
    first = tt_calendar_days(year, day->month, 1);
    int at = (day->day - tt_calendar_weekday(first) + 7) % 7 + (day->week - 1) * 7;
    return first + (at >= length ? at - 7 : at); /* week 5 is the last one */
}

void tt_zone_rule_at(const struct tt_zone_rule *rule, int64_t utc_s, struct tt_zone_offset *out)
{
    struct tt_calendar reading;

    *out = rule->standard;
    if (!rule->has_summer)
        return;
    tt_calendar_read(utc_s + rule->standard.east, &reading);
    int64_t begin =
        day_of(&rule->begin, reading.year) * TT_DAY_S + rule->begin.second - rule->standard.east;
    int64_t end =
        day_of(&rule->end, reading.year) * TT_DAY_S + rule->end.second - rule->summer.east;
    bool summer = begin < end ? utc_s >= begin && utc_s < end : utc_s >= begin || utc_s < end;
    if (summer)
        *out = rule->summer;
}
