/* tide.time in zones: the parts of a time on a local clock, and back; steps of days and months. A
 * time is a number of microseconds everywhere, so the usual operators compare and subtract it. */
#include "base/calendar.h"
#include "base/clock.h"
#include "base/zone.h"
#include "script/value.h"
#include "tide/modules.h"

#include <stdio.h>

#define SECOND_US ((int64_t)1000000)
#define YEAR_MAX  9999
#define STEP_MAX  ((int64_t)4000000000000) /* more than 100,000 years of seconds */

/* A time apart: whole seconds and the rest. */
struct moment {
    int64_t seconds;
    int64_t microseconds;
};

static struct moment split(int64_t us)
{
    int64_t seconds = us / SECOND_US - (us % SECOND_US < 0);
    return (struct moment){seconds, us - seconds * SECOND_US};
}

static int64_t check_time(lua_State *L, int index)
{
    int64_t us = luaL_checkinteger(L, index);
    /* With a day left for the zone. */
    luaL_argcheck(L, us >= -62167132800 * SECOND_US && us < 253402214400 * SECOND_US, index,
                  "microseconds since 1970, of the years 0 to 9999");
    return us;
}

/* The zone at index; absent: UTC. */
static const struct tt_zone *read_zone(lua_State *L, int index, struct tt_err *err)
{
    size_t len;
    const char *name = luaL_optlstring(L, index, "UTC", &len);
    return tt_zone_get(tt_str_of(name, len), err);
}

static int push_invalid(lua_State *L, const char *why)
{
    struct tt_err err = {0};
    tt_err_set(&err, 400, "invalid_time", "%s", why);
    return tt_value_push_error(L, &err);
}

/* ---- to the local clock ---- */

int tt_tide_time_format(lua_State *L)
{
    struct tt_zone_offset offset;
    struct tt_err err = {0};
    char text[TT_RFC3339_SIZE];

    if (lua_isnoneornil(L, 2)) {
        tt_clock_format(luaL_checkinteger(L, 1), text);
        lua_pushstring(L, text);
        return 1;
    }
    int64_t us = check_time(L, 1);
    const struct tt_zone *zone = read_zone(L, 2, &err);
    if (!zone)
        return tt_value_push_error(L, &err);
    tt_zone_offset_at(zone, split(us).seconds, &offset);
    /* The text has no seconds in an offset: those of before 1900 are cut. */
    int east = offset.east / 60;
    tt_clock_format(us + (int64_t)east * 60 * SECOND_US, text);
    text[TT_RFC3339_SIZE - 2] = '\0'; /* "Z" */
    lua_pushfstring(L, "%s%s", text, east < 0 ? "-" : "+");
    east = east < 0 ? -east : east;
    snprintf(text, sizeof(text), "%02d:%02d", east / 60, east % 60);
    lua_pushstring(L, text);
    lua_concat(L, 2);
    return 1;
}

static void set_int(lua_State *L, const char *key, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

static int time_parts(lua_State *L)
{
    struct tt_err err = {0};
    struct tt_zone_offset offset;
    struct tt_calendar reading;
    struct moment at = split(check_time(L, 1));
    const struct tt_zone *zone = read_zone(L, 2, &err);

    if (!zone)
        return tt_value_push_error(L, &err);
    tt_zone_offset_at(zone, at.seconds, &offset);
    tt_calendar_read(at.seconds + offset.east, &reading);
    int64_t days = tt_calendar_days(reading.year, reading.month, reading.day);
    int weekday = tt_calendar_weekday(days);
    lua_createtable(L, 0, 12);
    set_int(L, "year", reading.year);
    set_int(L, "month", reading.month);
    set_int(L, "day", reading.day);
    set_int(L, "hour", reading.hour);
    set_int(L, "minute", reading.minute);
    set_int(L, "second", reading.second);
    set_int(L, "microsecond", at.microseconds);
    set_int(L, "weekday", weekday == 0 ? 7 : weekday);
    set_int(L, "yearday", days - tt_calendar_days(reading.year, 1, 1) + 1);
    set_int(L, "offset", offset.east);
    lua_pushboolean(L, offset.summer);
    lua_setfield(L, -2, "summer");
    lua_pushstring(L, offset.abbreviation);
    lua_setfield(L, -2, "zone");
    return 1;
}

/* ---- from the local clock ---- */

static bool in_range(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

static int time_at(lua_State *L)
{
    struct tt_err err = {0};

    luaL_checktype(L, 1, LUA_TTABLE);
    int64_t year = tt_value_field_int(L, 1, "year", -1);
    int64_t month = tt_value_field_int(L, 1, "month", 1), day = tt_value_field_int(L, 1, "day", 1);
    int64_t hour = tt_value_field_int(L, 1, "hour", 0);
    int64_t minute = tt_value_field_int(L, 1, "minute", 0);
    int64_t second = tt_value_field_int(L, 1, "second", 0);
    int64_t microsecond = tt_value_field_int(L, 1, "microsecond", 0);
    lua_getfield(L, 1, "later");
    bool later = lua_toboolean(L, -1);
    const struct tt_zone *zone = read_zone(L, 2, &err);
    if (!zone)
        return tt_value_push_error(L, &err);
    if (!in_range(year, 1, YEAR_MAX - 1) || !in_range(month, 1, 12) || !in_range(day, 1, 31) ||
        !tt_calendar_is_date((int)year, (int)month, (int)day))
        return push_invalid(L, "there is no such day");
    if (!in_range(hour, 0, 23) || !in_range(minute, 0, 59) || !in_range(second, 0, 59) ||
        !in_range(microsecond, 0, 999999))
        return push_invalid(L, "there is no such time of day");
    struct tt_calendar reading = {(int)year, (int)month,  (int)day,
                                  (int)hour, (int)minute, (int)second};
    int64_t first, last;
    tt_zone_utc_of(zone, tt_calendar_seconds(&reading), &first, &last);
    lua_pushinteger(L, (later ? last : first) * SECOND_US + microsecond);
    return 1;
}

/* ---- steps ---- */

/* Field `key` of the steps at 2. A misspelt one would silently do nothing. */
static int64_t step(lua_State *L, const char *key)
{
    int64_t value = tt_value_field_int(L, 2, key, 0);
    if (!in_range(value, -STEP_MAX, STEP_MAX))
        luaL_error(L, "time.add: '%s' is too large", key);
    return value;
}

static void check_steps(lua_State *L)
{
    static const char *const known[] = {"years", "months",  "weeks",   "days",
                                        "hours", "minutes", "seconds", "microseconds"};
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        bool found = false;
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        for (size_t i = 0; i < TT_COUNT(known); i++)
            found = found || strcmp(key, known[i]) == 0;
        if (!found)
            luaL_error(L,
                       "time.add: there is no step '%s'; there are years, months, weeks, days, "
                       "hours, minutes, seconds, microseconds",
                       key);
        lua_pop(L, 1);
    }
}

/* Moves a reading by months and days; false when it leaves the years that there are. A day that the
 * month does not have becomes its last one. */
static bool move(struct tt_calendar *reading, int64_t months, int64_t days)
{
    int64_t month = (int64_t)reading->year * 12 + reading->month - 1 + months;

    if (!in_range(month, 12, (int64_t)YEAR_MAX * 12 - 1))
        return false;
    reading->year = (int)(month / 12);
    reading->month = (int)(month % 12) + 1;
    int last = tt_calendar_month_days(reading->year, reading->month);
    reading->day = reading->day > last ? last : reading->day;
    int64_t day = tt_calendar_days(reading->year, reading->month, reading->day) + days;
    if (!in_range(day, tt_calendar_days(1, 1, 1), tt_calendar_days(YEAR_MAX - 1, 12, 31)))
        return false;
    struct tt_calendar date;
    tt_calendar_read(day * TT_DAY_S, &date);
    reading->year = date.year;
    reading->month = date.month;
    reading->day = date.day;
    return true;
}

/* Years to days are steps on the local clock, and come first; the others are durations. */
static int time_add(lua_State *L)
{
    struct tt_err err = {0};
    struct tt_zone_offset offset;
    struct tt_calendar reading;
    struct moment at = split(check_time(L, 1));

    check_steps(L);
    const struct tt_zone *zone = read_zone(L, 3, &err);
    if (!zone)
        return tt_value_push_error(L, &err);
    int64_t months = step(L, "years") * 12 + step(L, "months");
    int64_t days = step(L, "weeks") * 7 + step(L, "days");
    int64_t seconds = step(L, "hours") * 3600 + step(L, "minutes") * 60 + step(L, "seconds");
    int64_t us = step(L, "microseconds");
    if (months != 0 || days != 0) {
        tt_zone_offset_at(zone, at.seconds, &offset);
        tt_calendar_read(at.seconds + offset.east, &reading);
        if (!move(&reading, months, days))
            return push_invalid(L, "not a time of the years 1 to 9998");
        int64_t first, second;
        tt_zone_utc_of(zone, tt_calendar_seconds(&reading), &first, &second);
        /* The second of two, if the time before was one. */
        at.seconds = second + offset.east == tt_calendar_seconds(&reading) ? second : first;
    }
    at.seconds += seconds;
    if (!in_range(at.seconds, -62135596800, 253370764799))
        return push_invalid(L, "not a time of the years 1 to 9998");
    lua_pushinteger(L, at.seconds * SECOND_US + at.microseconds + us);
    return 1;
}

void tt_tide_time_zone(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"parts", time_parts}, {"at", time_at}, {"add", time_add}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
