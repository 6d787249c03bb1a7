/* Reads schedules and finds their times. Times are found on the local clock, where a schedule is
 * plain arithmetic, and then put into UTC; only near a change of the clocks one has to look at
 * several. */
#include "base/cron.h"

#include "base/calendar.h"
#include "base/mem.h"

#define YEARS 12 /* 29 February is at most 8 years away */

/* ---- reading ---- */

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                     "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

struct field {
    const char *what;
    int least, most;
    const char *const *names; /* the first one is `least`; NULL: none */
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
static const struct field fields[FIELDS] = {{"minute", 0, 59, NULL},
                                            {"hour", 0, 23, NULL},
                                            {"day of the month", 1, 31, NULL},
                                            {"month", 1, 12, months},
                                            {"day of the week", 0, 7, weekdays}};

static int wrong(const struct field *field, struct tt_str text, struct tt_err *err)
{
    return tt_err_set(err, 400, "invalid_schedule",
                      "'%.*s' is no %s: numbers from %d to %d%s, as in 1,5 or 1-5 or */5",
                      (int)(text.len > 32 ? 32 : text.len), text.data, field->what, field->least,
                      field->most, field->names ? ", or names as mon or jan" : "");
}

/* -1: none */
static int value_of(const struct field *field, struct tt_str text)
{
    uint64_t n;

    for (int i = 0; field->names && field->names[i]; i++)
        if (tt_str_eq_nocase(text, tt_str_from(field->names[i])))
            return field->least + i;
    if (text.len > 2 || tt_str_to_u64(text, &n) != 0 || n < (uint64_t)field->least ||
        n > (uint64_t)field->most)
        return -1;
    return (int)n;
}

/* "*", "5", "1-5", each with "/2" or not */
static int read_item(const struct field *field, struct tt_str item, uint64_t *bits)
{
    struct tt_str range = item, begin, step_text = {0};
    int from, to, step = 1;

    if (!tt_str_split(&range, '/', &begin))
        return -1;
    if (range.data && tt_str_split(&range, '/', &step_text)) {
        uint64_t n;
        if (range.data || step_text.len > 2 || tt_str_to_u64(step_text, &n) != 0 || n == 0)
            return -1;
        step = (int)n;
    }
    range = begin;
    if (tt_str_eq(range, TT_STR("*"))) {
        from = field->least;
        to = field == &fields[WEEKDAY] ? 6 : field->most;
    } else {
        tt_str_split(&range, '-', &begin);
        from = to = value_of(field, begin);
        if (range.data)
            to = value_of(field, range);
        else if (step_text.data)
            to = field->most;
        if (field == &fields[WEEKDAY] && to == 0 && from > 0)
            to = 7; /* fri-sun */
    }
    if (from < 0 || to < from)
        return -1;
    for (int n = from; n <= to; n += step)
        *bits |= (uint64_t)1 << n;
    return 0;
}

static int read_field(const struct field *field, struct tt_str text, uint64_t *bits,
                      struct tt_err *err)
{
    struct tt_str rest = text, item;

    while (tt_str_split(&rest, ',', &item))
        if (read_item(field, item, bits) != 0)
            return wrong(field, text, err);
    return 0;
}

static struct tt_str without_name(struct tt_str text)
{
    static const struct {
        const char *name, *fields;
    } named[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
                 {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
                 {"@hourly", "0 * * * *"}};
    for (size_t i = 0; i < TT_COUNT(named); i++)
        if (tt_str_eq_nocase(text, tt_str_from(named[i].name)))
            return tt_str_from(named[i].fields);
    return text;
}

/* Splits at blanks; the number of parts, at most FIELDS + 1. */
static int split(struct tt_str text, struct tt_str parts[FIELDS])
{
    int count = 0;

    for (size_t i = 0; i < text.len;) {
        size_t begin = i;
        while (i < text.len && text.data[i] != ' ' && text.data[i] != '\t')
            i++;
        if (i > begin) {
            if (count == FIELDS)
                return FIELDS + 1;
            parts[count++] = tt_str_of(text.data + begin, i - begin);
        } else {
            i++;
        }
    }
    return count;
}

static int64_t next_local(const struct tt_cron *cron, int64_t local_s);

int tt_cron_read(struct tt_str text, struct tt_cron *out, struct tt_err *err)
{
    struct tt_str parts[FIELDS];
    uint64_t bits[FIELDS] = {0};

    text = without_name(tt_str_trim(text));
    if (text.len > 0 && text.data[0] == '@')
        return tt_err_set(
            err, 400, "invalid_schedule",
            "'%.*s' is unknown; there are @yearly, @monthly, @weekly, @daily, @hourly",
            (int)(text.len > 32 ? 32 : text.len), text.data);
    int count = split(text, parts);
    if (count != FIELDS)
        return tt_err_set(err, 400, "invalid_schedule",
                          "a schedule has five fields (minute, hour, day, month, day of the week), "
                          "not %s",
                          count > FIELDS ? "more" : "fewer");
    for (int i = 0; i < FIELDS; i++)
        if (read_field(&fields[i], parts[i], &bits[i], err) != 0)
            return -1;
    *out = (struct tt_cron){
        .minutes = bits[MINUTE],
        .hours = (uint32_t)bits[HOUR],
        .days = (uint32_t)bits[DAY],
        .months = (uint32_t)bits[MONTH],
        .weekdays = (uint8_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f),
        .any_day = parts[DAY].data[0] == '*',
        .any_weekday = parts[WEEKDAY].data[0] == '*',
        .every_hour = tt_str_eq(parts[HOUR], TT_STR("*")),
    };
    if (next_local(out, 0) < 0)
        return tt_err_set(err, 400, "invalid_schedule", "there is no such day in any month");
    return 0;
}

/* ---- on the local clock ---- */

static bool is_day(const struct tt_cron *cron, int64_t days, int day, int month)
{
    bool of_month = cron->days >> day & 1;
    bool of_week = cron->weekdays >> tt_calendar_weekday(days) & 1;

    if (!(cron->months >> month & 1))
        return false;
    return cron->any_day || cron->any_weekday ? of_month && of_week : of_month || of_week;
}

/* The first bit that is set from `from` on, or -1. */
static int next_bit(uint64_t bits, int from)
{
    if (from > 63 || !(bits >> from))
        return -1;
    return from + __builtin_ctzll(bits >> from);
}

/* The first time of a day from this minute of it on, or -1. */
static int next_minute(const struct tt_cron *cron, int from)
{
    int hour = next_bit(cron->hours, from / 60);

    if (hour == from / 60) {
        int minute = next_bit(cron->minutes, from % 60);
        if (minute >= 0)
            return hour * 60 + minute;
        hour = next_bit(cron->hours, hour + 1);
    }
    return hour < 0 ? -1 : hour * 60 + next_bit(cron->minutes, 0);
}

/* The first reading of the local clock after `local_s`; -1: there is none for years. */
static int64_t next_local(const struct tt_cron *cron, int64_t local_s)
{
    int64_t minutes = local_s / 60 - (local_s % 60 < 0) + 1;
    int64_t day = minutes / 1440 - (minutes % 1440 < 0);
    int from = (int)(minutes - day * 1440);
    struct tt_calendar date;

    tt_calendar_read(day * TT_DAY_S, &date);
    for (int i = 0; i < YEARS * 366; i++, day++, from = 0) {
        int minute = is_day(cron, day, date.day, date.month) ? next_minute(cron, from) : -1;
        if (minute >= 0)
            return day * TT_DAY_S + (int64_t)minute * 60;
        if (++date.day > tt_calendar_month_days(date.year, date.month)) {
            date.day = 1;
            date.month = date.month % 12 + 1;
            date.year += date.month == 1;
        }
    }
    return -1;
}

/* ---- in UTC ---- */

static int32_t east_at(const struct tt_zone *zone, int64_t utc_s)
{
    struct tt_zone_offset offset;
    tt_zone_offset_at(zone, utc_s, &offset);
    return offset.east;
}

/* The first of the times that this reading of the local clock stands for and that are after
 * `utc_s`; or INT64_MAX. */
static int64_t time_of(const struct tt_cron *cron, const struct tt_zone *zone, int64_t local_s,
                       int64_t utc_s)
{
    int64_t first, second;
    enum tt_zone_times times = tt_zone_utc_of(zone, local_s, &first, &second);

    if (cron->every_hour && times == TT_ZONE_NEVER)
        return INT64_MAX;
    if (first > utc_s)
        return first;
    return cron->every_hour && second > utc_s ? second : INT64_MAX;
}

/* Clocks change soon: looks at all readings that can be next. */
static int64_t next_near_change(const struct tt_cron *cron, const struct tt_zone *zone,
                                int64_t utc_s, int32_t margin)
{
    int64_t best = INT64_MAX, best_local = 0;
    int64_t local = utc_s + east_at(zone, utc_s) - margin;

    while ((local = next_local(cron, local)) >= 0 &&
           (best == INT64_MAX || local <= best_local + margin)) {
        int64_t found = time_of(cron, zone, local, utc_s);
        if (found < best) {
            best = found;
            best_local = local;
        }
    }
    return best;
}

static int32_t distance(int32_t a, int32_t b)
{
    return a < b ? b - a : a - b;
}

int64_t tt_cron_next(const struct tt_cron *cron, const struct tt_zone *zone, int64_t utc_s)
{
    const int64_t soon = (int64_t)2 * TT_DAY_S;
    int32_t now = east_at(zone, utc_s);
    int32_t change = distance(now, east_at(zone, utc_s + soon));
    int32_t before = distance(now, east_at(zone, utc_s - soon));
    int64_t local = next_local(cron, utc_s + now);

    if (change == 0 && before == 0 && local <= utc_s + now + soon)
        return local - now;
    return next_near_change(cron, zone, utc_s, (change > before ? change : before) + 60);
}

uint64_t tt_cron_count(const struct tt_cron *cron, const struct tt_zone *zone, int64_t after_s,
                       int64_t until_s, uint64_t max, int64_t *last)
{
    uint64_t count = 0;

    for (int64_t at = after_s; count < max; count++) {
        at = tt_cron_next(cron, zone, at);
        if (at > until_s)
            break;
        *last = at;
    }
    return count;
}
