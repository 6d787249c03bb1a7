/* The text of a time against libc's calendar, day by day over 800 years, and the clocks' direction.
 */
#include "base/cases.h"
#include "base/clock.h"

#include <time.h>

static void check_against_libc(int64_t us)
{
    int64_t seconds = us / 1000000 - (us % 1000000 < 0);
    time_t t = (time_t)seconds;
    struct tm tm;
    char want[64], date[32], got[TT_RFC3339_SIZE];
    gmtime_r(&t, &tm);
    strftime(date, sizeof(date), "%m-%dT%H:%M:%S", &tm);
    snprintf(want, sizeof(want), "%04d-%s.%06dZ", tm.tm_year + 1900, date,
             (int)(us - seconds * 1000000));
    tt_clock_format(us, got);
    assert_string_equal(got, want);
}

static void formats_as_libc_does(void **state)
{
    (void)state;
    /* Every day from 1601 to 2401 at a time of day that moves, and the last microsecond of each. */
    for (int64_t day = -134775; day < 157500; day++) {
        check_against_libc(day * 86400000000 + (day & 1023) * 84375001);
        check_against_libc(day * 86400000000 - 1);
    }
    check_against_libc(0);
    check_against_libc(-1);
    check_against_libc(253402300799999999);
    check_against_libc(-62167219200000000);
}

static void never_leaves_its_form(void **state)
{
    (void)state;
    char text[TT_RFC3339_SIZE];
    tt_clock_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
    tt_clock_format(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00.000000Z");
}

static void reads_what_it_writes(void **state)
{
    char text[TT_RFC3339_SIZE];
    int64_t us;
    (void)state;
    for (int64_t day = -719528; day < 2932896; day++) {
        int64_t want = day * 86400000000 + (day & 1023) * 84375001;
        tt_clock_format(want, text);
        assert_int_equal(tt_clock_parse(text, strlen(text), &us), 0);
        assert_int_equal(us, want);
    }
}

static void reads_all_forms(void **state)
{
    static const struct {
        const char *text, *utc; /* NULL = refused */
    } cases[] = {
        {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"},
        {"2026-01-02t03:04:05z", "2026-01-02T03:04:05.000000Z"},
        {"2026-01-02T03:04:05+08:00", "2026-01-01T19:04:05.000000Z"},
        {"2026-12-31T23:30:00-01:30", "2027-01-01T01:00:00.000000Z"},
        {"2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.100000Z"},
        {"2026-01-02T03:04:05.1234567891Z", "2026-01-02T03:04:05.123456Z"},
        {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"},
        {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"},
        {"0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z"},
        {"0000-01-01T00:00:00+00:01", NULL},
        {"9999-12-31T23:59:60Z", NULL},
        {"2025-02-29T00:00:00Z", NULL},
        {"1900-02-29T00:00:00Z", NULL},
        {"2026-13-01T00:00:00Z", NULL},
        {"2026-00-01T00:00:00Z", NULL},
        {"2026-04-31T00:00:00Z", NULL},
        {"2026-01-00T00:00:00Z", NULL},
        {"2026-01-02T24:00:00Z", NULL},
        {"2026-01-02T00:60:00Z", NULL},
        {"2026-01-02T00:00:61Z", NULL},
        {"2026-01-02T03:04:05", NULL},
        {"2026-01-02T03:04:05.Z", NULL},
        {"2026-01-02T03:04:05,1Z", NULL},
        {"2026-01-02 03:04:05Z", NULL},
        {"2026-01-02T03:04:05+0800", NULL},
        {"2026-01-02T03:04:05+24:00", NULL},
        {"2026-01-02T03:04:05Zx", NULL},
        {"2026-1-2T03:04:05Z", NULL},
        {"+026-01-02T03:04:05Z", NULL},
        {"", NULL},
        {"2026", NULL},
    };
    char text[TT_RFC3339_SIZE];
    int64_t us;
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        int failed = tt_clock_parse(cases[i].text, strlen(cases[i].text), &us);
        if ((failed != 0) != !cases[i].utc)
            fail_msg("%s", cases[i].text);
        if (failed)
            continue;
        tt_clock_format(us, text);
        assert_string_equal(text, cases[i].utc);
    }
}

static void clocks_run(void **state)
{
    (void)state;
    uint64_t mono = tt_clock_mono_ns(), cpu = tt_clock_thread_cpu_ns();
    struct timespec nap = {0, 20000000};
    nanosleep(&nap, NULL);
    uint64_t slept = tt_clock_mono_ns() - mono;
    assert_true(slept >= 20000000);
    /* Sleeping costs no CPU time: this tells the two clocks apart. */
    assert_true(tt_clock_thread_cpu_ns() - cpu < slept / 2);
    assert_true(tt_clock_mono_ms() - tt_clock_mono_ns() / 1000000 < 1000);
    int64_t wall = tt_clock_wall_us();
    assert_true(wall / 1000000 - time(NULL) <= 1 && time(NULL) - wall / 1000000 <= 1);
    assert_true(tt_clock_wall_ns() / 1000 >= wall);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_as_libc_does), cmocka_unit_test(never_leaves_its_form),
        cmocka_unit_test(reads_what_it_writes), cmocka_unit_test(reads_all_forms),
        cmocka_unit_test(clocks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
