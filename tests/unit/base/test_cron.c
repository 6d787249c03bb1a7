/* Schedules: their times (tests/data/cron/next.txt), also where clocks change, and what is wrong
 * with them. */
#include "base/cases.h"
#include "base/clock.h"
#include "base/cron.h"

static int64_t read_time(struct tt_str line)
{
    int64_t us;
    if (tt_clock_parse(line.data, line.len, &us) != 0)
        fail_msg("no time: %.*s", TT_STR_ARG(line));
    return us / 1000000;
}

/* A block: the zone, the schedule, a time, the times that follow. */
static void check_block(const struct tt_str *lines, int count, int line)
{
    struct tt_err err = {0};
    struct tt_cron cron;
    const struct tt_zone *zone = tt_zone_get(lines[0], &err);

    if (!zone && strstr(err.message, "install tzdata"))
        skip();
    if (!zone || tt_cron_read(lines[1], &cron, &err) != 0)
        fail_msg("before line %d: %s", line, err.message);
    int64_t begin = read_time(lines[2]), at = begin, last = 0;
    for (int i = 3; i < count; i++) {
        int64_t want = read_time(lines[i]), got = tt_cron_next(&cron, zone, at);
        char text[TT_RFC3339_SIZE];
        tt_clock_format(got * 1000000, text);
        if (got != want)
            fail_msg("before line %d: got %s, not %.*s", line, text, TT_STR_ARG(lines[i]));
        assert_int_equal(tt_cron_next(&cron, zone, want - 1), want); /* from just before, too */
        at = want;
    }
    assert_int_equal(tt_cron_count(&cron, zone, begin, at, 100, &last), count - 3);
    assert_int_equal(last, at);
    assert_int_equal(tt_cron_count(&cron, zone, begin, at - 1, 100, &last), count - 4);
}

static void times_follow(void **state)
{
    struct cases cases;
    struct tt_str lines[16];
    int count;
    (void)state;

    cases_open(&cases, "cron/next.txt");
    while ((count = cases_block(&cases, lines, 16)) > 0)
        check_block(lines, count, cases.line);
    cases_close(&cases);
}

/* Each minute of two years, found from the one before: none is missing, none comes twice. */
static void every_minute_passes(void **state)
{
    struct tt_err err = {0};
    struct tt_cron cron;
    const struct tt_zone *zone = tt_zone_get(TT_STR("America/New_York"), &err);
    (void)state;
    if (!zone)
        skip();
    assert_int_equal(tt_cron_read(TT_STR("* * * * *"), &cron, &err), 0);
    for (int64_t at = 1767225600; at < 1767225600 + 730 * 86400; at += 60)
        assert_int_equal(tt_cron_next(&cron, zone, at), at + 60);
}

static void mistakes_are_told(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "five fields"},
        {"* * * *", "fewer"},
        {"* * * * * *", "more"},
        {"60 * * * *", "'60' is no minute: numbers from 0 to 59"},
        {"* 24 * * *", "no hour"},
        {"* * 0 * *", "no day of the month"},
        {"* * * 13 *", "no month"},
        {"* * * * 8", "no day of the week"},
        {"* * * * mo", "or names as mon"},
        {"jan * * * *", "no minute"},
        {"*/0 * * * *", "no minute"},
        {"*/ * * * *", "no minute"},
        {"1- * * * *", "no minute"},
        {"5-1 * * * *", "no minute"},
        {"1,,2 * * * *", "no minute"},
        {", * * * *", "no minute"},
        {"1/2/3 * * * *", "no minute"},
        {"-1 * * * *", "no minute"},
        {"+1 * * * *", "no minute"},
        {"0 0 30 2 *", "no such day"},
        {"0 0 31 4,6 *", "no such day"},
        {"@reboot", "'@reboot' is unknown"},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_err err = {0};
        struct tt_cron cron;
        if (tt_cron_read(tt_str_from(cases[i].text), &cron, &err) == 0)
            fail_msg("'%s' was read", cases[i].text);
        assert_string_equal(err.code, "invalid_schedule");
        if (!strstr(err.message, cases[i].message))
            fail_msg("'%s': %s", cases[i].text, err.message);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_follow),
        cmocka_unit_test(every_minute_passes),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
