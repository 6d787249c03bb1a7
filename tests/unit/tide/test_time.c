/* tide.time in zones, as scripts call it; the rules of zones are tested in base/test_zone.c. */
#include "base/zone.h"
#include "script/support.h"

static int setup(void **state)
{
    struct tt_err err = {0};
    rig_setup(state);
    if (!tt_zone_get(TT_STR("Europe/Berlin"), &err)) {
        rig_teardown(state);
        fail_msg("%s", err.message);
    }
    return 0;
}

#define AT "local function at(text) return (time.parse(text)) end "

static void parts_on_a_local_clock(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               AT "local p = time.parts(at('2026-07-05T22:30:01.5Z'), 'Europe/Berlin')"
                  "return {p.year, p.month, p.day, p.hour, p.minute, p.second, p.microsecond,"
                  "p.weekday, p.yearday, p.offset, p.summer, p.zone}",
               "[2026,7,6,0,30,1,500000,1,187,7200,true,\"CEST\"]");
    rig_expect(rig,
               AT "local p = time.parts(at('1969-12-28T23:59:59.25Z'))"
                  "return {p.year, p.day, p.second, p.microsecond, p.weekday, p.zone}",
               "[1969,28,59,250000,7,\"UTC\"]");
    rig_expect(rig, "local p, e = time.parts(0, 'Nowhere/City') return {p == nil, e.code}",
               "[true,\"unknown_zone\"]");
    rig_expect_in(rig, "time.parts(1 << 62)", "of the years 0 to 9999");
}

static void texts_with_an_offset(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               AT "local t = at('2026-01-01T19:04:05Z')"
                  "return {time.format(t, 'Asia/Kathmandu'), time.format(t, 'America/St_Johns'),"
                  "time.format(t, 'UTC'), time.parse(time.format(t, 'Asia/Kathmandu')) == t}",
               "[\"2026-01-02T00:49:05.000000+05:45\",\"2026-01-01T15:34:05.000000-03:30\","
               "\"2026-01-01T19:04:05.000000+00:00\",true]");
    rig_expect(rig, "local p, e = time.format(0, '../UTC') return {p == nil, e.code}",
               "[true,\"unknown_zone\"]");
}

static void times_from_a_local_clock(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               AT
               "local function utc(parts) return time.format(time.at(parts, 'Europe/Berlin')) end "
               "local summer = {year = 2026, month = 10, day = 25, hour = 2, minute = 30}"
               "local first = utc(summer) summer.later = true "
               "return {first, utc(summer), utc({year = 2026}),"
               "utc({year = 2026, month = 3, day = 29, hour = 2, minute = 30})}",
               "[\"2026-10-25T00:30:00.000000Z\",\"2026-10-25T01:30:00.000000Z\","
               "\"2025-12-31T23:00:00.000000Z\",\"2026-03-29T01:00:00.000000Z\"]");
    rig_expect(rig,
               "local t = time.unix_us() return time.at(time.parts(t, 'Asia/Tokyo'), 'Asia/Tokyo')"
               " == t",
               "true");
    rig_expect(rig,
               "local out = {} for i, p in ipairs({{year = 2026, month = 2, day = 29}, {},"
               "{year = 2026, month = 13}, {year = 2026, hour = 24}, {year = 2026, day = 0},"
               "{year = 9999}}) do out[i] = select(2, time.at(p)).code end return out",
               "[\"invalid_time\",\"invalid_time\",\"invalid_time\",\"invalid_time\","
               "\"invalid_time\",\"invalid_time\"]");
}

static void steps_in_the_calendar(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               AT "local function add(text, steps, zone)"
                  " return time.format(time.add(at(text), steps, zone), zone):sub(1, 19) end "
                  "return {add('2026-01-31T10:00:00Z', {months = 1}),"
                  "add('2024-02-29T10:00:00Z', {years = 1}),"
                  "add('2026-03-31T10:00:00Z', {months = -13}),"
                  "add('2026-01-01T00:00:00Z', {days = -1, seconds = 1}),"
                  "add('2026-03-28T03:00:00+01:00', {days = 1}, 'Europe/Berlin'),"
                  "add('2026-03-28T03:00:00+01:00', {hours = 24}, 'Europe/Berlin'),"
                  "add('2026-10-25T02:30:00+01:00', {weeks = 1, days = -7}, 'Europe/Berlin')}",
               "[\"2026-02-28T10:00:00\",\"2025-02-28T10:00:00\",\"2025-02-28T10:00:00\","
               "\"2025-12-31T00:00:01\",\"2026-03-29T03:00:00\",\"2026-03-29T04:00:00\","
               "\"2026-10-25T02:30:00\"]");
    /* The second of two times is still the second one after a step there. */
    rig_expect(rig,
               AT "local t = at('2026-10-25T02:30:00+01:00')"
                  "local week = time.add(t, {days = -7}, 'Europe/Berlin')"
                  "return {time.add(t, {days = 7, weeks = -1, microseconds = 7}, 'Europe/Berlin') "
                  "- t, t - time.add(week, {weeks = 1}, 'Europe/Berlin')}",
               "[7,3600000000]");
    rig_expect(rig,
               AT "return {time.add(at('9000-01-01T00:00:00Z'), {years = 2000}) == nil,"
                  "time.add(0, {seconds = -4000000000000}) == nil}",
               "[true,true]");
    rig_expect_in(rig, "time.add(0, {day = 1})", "there is no step 'day'");
    rig_expect_in(rig, "time.add(0, {days = 1 << 60})", "'days' is too large");
}

#define TIME_TEST(function) cmocka_unit_test_setup_teardown(function, setup, rig_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TIME_TEST(parts_on_a_local_clock),
        TIME_TEST(texts_with_an_offset),
        TIME_TEST(times_from_a_local_clock),
        TIME_TEST(steps_in_the_calendar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
