/* Zones against libc, which reads the same files; local times that exist never or twice; files that
 * are damaged. */
#include "base/calendar.h"
#include "base/cases.h"
#include "base/zone.h"
#include "base/zone_rule.h"

#include <time.h>
#include <unistd.h>

static const struct tt_zone *zone_of(const char *name)
{
    struct tt_err err = {0};
    const struct tt_zone *zone = tt_zone_get(tt_str_from(name), &err);
    if (!zone && strstr(err.message, "install tzdata"))
        skip();
    if (!zone)
        fail_msg("%s: %s", name, err.message);
    return zone;
}

/* Every 19 hours over a century, at seconds that move, and around each change of those years. */
static void offsets_are_libcs(void **state)
{
    static const char *const names[] = {
        "Europe/Berlin",    "America/New_York",  "Australia/Lord_Howe", "Asia/Shanghai",
        "Africa/Cairo",     "America/Sao_Paulo", "Europe/Dublin",       "Asia/Kathmandu",
        "Pacific/Apia",     "America/Nuuk",      "Africa/Casablanca",   "Asia/Tehran",
        "Pacific/Auckland", "Etc/GMT+5"};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(names); i++) {
        const struct tt_zone *zone = zone_of(names[i]);
        assert_string_equal(tt_zone_name(zone), names[i]);
        setenv("TZ", names[i], 1); /* this process runs nothing else */
        tzset();
        for (int64_t at = -2500000000; at < 3500000000; at += 68399) {
            struct tt_zone_offset offset;
            time_t t = (time_t)at;
            struct tm tm;
            localtime_r(&t, &tm);
            tt_zone_offset_at(zone, at, &offset);
            if (offset.east != tm.tm_gmtoff || offset.summer != (tm.tm_isdst > 0) ||
                strcmp(offset.abbreviation, tm.tm_zone) != 0)
                fail_msg("%s at %ld: %d %s, libc has %ld %s", names[i], (long)at, offset.east,
                         offset.abbreviation, tm.tm_gmtoff, tm.tm_zone);
        }
    }
    unsetenv("TZ");
}

static int64_t seconds(int year, int month, int day, int hour, int minute)
{
    return tt_calendar_seconds(&(struct tt_calendar){year, month, day, hour, minute, 0});
}

static void local_times_once_never_and_twice(void **state)
{
    const struct tt_zone *berlin = zone_of("Europe/Berlin"), *apia = zone_of("Pacific/Apia");
    int64_t first, second;
    (void)state;

    assert_int_equal(tt_zone_utc_of(berlin, seconds(2026, 1, 10, 12, 0), &first, &second),
                     TT_ZONE_ONCE);
    assert_int_equal(first, seconds(2026, 1, 10, 11, 0));
    assert_int_equal(second, first);
    /* 02:00 becomes 03:00 on 29 March, 03:00 becomes 02:00 on 25 October. */
    assert_int_equal(tt_zone_utc_of(berlin, seconds(2026, 3, 29, 2, 30), &first, &second),
                     TT_ZONE_NEVER);
    assert_int_equal(first, seconds(2026, 3, 29, 1, 0));
    assert_int_equal(tt_zone_utc_of(berlin, seconds(2026, 3, 29, 3, 0), &first, &second),
                     TT_ZONE_ONCE);
    assert_int_equal(first, seconds(2026, 3, 29, 1, 0));
    assert_int_equal(tt_zone_utc_of(berlin, seconds(2026, 10, 25, 2, 30), &first, &second),
                     TT_ZONE_TWICE);
    assert_int_equal(first, seconds(2026, 10, 25, 0, 30));
    assert_int_equal(second, seconds(2026, 10, 25, 1, 30));
    /* A whole day that did not exist. */
    assert_int_equal(tt_zone_utc_of(apia, seconds(2011, 12, 30, 12, 0), &first, &second),
                     TT_ZONE_NEVER);
    assert_int_equal(first, seconds(2011, 12, 30, 10, 0));
}

static void rules_of_posix(void **state)
{
    struct tt_zone_rule rule;
    struct tt_zone_offset offset;
    (void)state;

    assert_int_equal(tt_zone_rule_read(TT_STR("NZST-12NZDT,M9.5.0,M4.1.0/3"), &rule), 0);
    tt_zone_rule_at(&rule, seconds(2026, 1, 1, 0, 0), &offset);
    assert_int_equal(offset.east, 13 * 3600);
    tt_zone_rule_at(&rule, seconds(2026, 7, 1, 0, 0), &offset);
    assert_string_equal(offset.abbreviation, "NZST");
    assert_int_equal(tt_zone_rule_read(TT_STR("<-03>3<-02>,J60/-1:30,365/25"), &rule), 0);
    assert_int_equal(rule.begin.second, -5400);
    tt_zone_rule_at(&rule, seconds(2028, 3, 1, 1, 29), &offset); /* a leap year: J60 is 1 March */
    assert_int_equal(offset.east, -3 * 3600);
    tt_zone_rule_at(&rule, seconds(2028, 3, 1, 1, 31), &offset);
    assert_int_equal(offset.east, -2 * 3600);
    static const char *const bad[] = {"",
                                      "C0",
                                      "CET",
                                      "CET-1CEST",
                                      "CET-1CEST,M3.5.0",
                                      "CET-1x",
                                      "CET-1CEST,M13.5.0,M10.5.0",
                                      "CET-1CEST,M3.6.0,M10.5.0",
                                      "CET-1CEST,J0,J9",
                                      "<CET-1",
                                      "CET-25"};
    for (size_t i = 0; i < TT_COUNT(bad); i++)
        if (tt_zone_rule_read(tt_str_from(bad[i]), &rule) == 0)
            fail_msg("'%s' was read", bad[i]);
}

static void names_stay_in_their_folder(void **state)
{
    static const char *const bad[] = {"",      "/etc/passwd", "../zoneinfo/UTC", "Europe/../UTC",
                                      "a//b",  "Europe/",     "Europe/Berlin.",  "No/Where",
                                      "Europe"};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(bad); i++) {
        struct tt_err err = {0};
        assert_null(tt_zone_get(tt_str_from(bad[i]), &err));
        assert_string_equal(err.code, "unknown_zone");
    }
}

/* Without the system's files there is still UTC, and the error says what to install. */
static void without_files(void **state)
{
    struct tt_err err = {0};
    struct tt_zone_offset offset;
    (void)state;
    setenv("TZDIR", "/nowhere", 1);
    assert_null(tt_zone_get(TT_STR("Asia/Tokyo"), &err));
    assert_non_null(strstr(err.message, "install tzdata"));
    tt_zone_offset_at(tt_zone_get(TT_STR("UTC"), &err), 1000000000, &offset);
    assert_int_equal(offset.east, 0);
    unsetenv("TZDIR");
}

/* A file cut at every byte, and with every byte changed, is read or refused; nothing else. */
static void damaged_files(void **state)
{
    (void)state;
    FILE *file = fopen("/usr/share/zoneinfo/Africa/Algiers", "re");
    if (!file)
        skip();
    char bytes[4096];
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    for (size_t i = 0; i < len; i++) {
        char *copy = malloc(i + 1); /* of just this size, so that the sanitizer sees */
        memcpy(copy, bytes, i + 1);
        struct tt_zone *zone = tt_zone_read(tt_str_of(copy, i + 1), NULL);
        assert_true(zone == NULL || i + 1 == len);
        tt_zone_free(zone);
        free(copy);
        for (int change = 1; change < 256; change += 63) {
            copy = malloc(len);
            memcpy(copy, bytes, len);
            copy[i] = (char)(copy[i] ^ change);
            zone = tt_zone_read(tt_str_of(copy, len), NULL);
            struct tt_zone_offset offset;
            for (int64_t at = -3000000000; zone && at < 3000000000; at += 300000000)
                tt_zone_offset_at(zone, at, &offset);
            tt_zone_free(zone);
            free(copy);
        }
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_files),
        cmocka_unit_test(offsets_are_libcs),
        cmocka_unit_test(local_times_once_never_and_twice),
        cmocka_unit_test(rules_of_posix),
        cmocka_unit_test(names_stay_in_their_folder),
        cmocka_unit_test(damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
