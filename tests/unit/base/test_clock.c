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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_as_libc_does),
        cmocka_unit_test(never_leaves_its_form),
        cmocka_unit_test(clocks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
