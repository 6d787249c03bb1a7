/* Clocks and the one text form of a time. gmtime_r takes libc's time zone lock and is slow, so the
 * date is computed by the usual arithmetic on 400-year eras (March first, so that the leap day is
 * last in its year). Knows nothing of time zones. */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#define DAY_US    86400000000LL
#define OLDEST_US (-62167219200000000LL) /* 0000-01-01 */
#define LATEST_US 253402300799999999LL   /* 9999-12-31, the last with four digits */

static int64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

uint64_t tt_clock_mono_ns(void)
{
    return (uint64_t)read_ns(CLOCK_MONOTONIC);
}

uint64_t tt_clock_mono_ms(void)
{
    return tt_clock_mono_ns() / 1000000;
}

static _Atomic int64_t shift_ns; /* of the wall clock */

void tt_clock_shift(int64_t ns)
{
    atomic_store(&shift_ns, ns);
}

int64_t tt_clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME) + atomic_load_explicit(&shift_ns, memory_order_relaxed);
}

int64_t tt_clock_wall_us(void)
{
    return tt_clock_wall_ns() / 1000;
}

uint64_t tt_clock_thread_cpu_ns(void)
{
    return (uint64_t)read_ns(CLOCK_THREAD_CPUTIME_ID);
}

static char *put_digits(char *out, unsigned n, int digits, char after)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + n % 10);
        n /= 10;
    }
    out[digits] = after;
    return out + digits + 1;
}

void tt_clock_format(int64_t wall_us, char out[TT_RFC3339_SIZE])
{
    if (wall_us < OLDEST_US)
        wall_us = OLDEST_US;
    if (wall_us > LATEST_US)
        wall_us = LATEST_US;
    /* Days since 0000-03-01, shifted by an era so that nothing is negative. */
    int64_t since = wall_us - OLDEST_US;
    unsigned days = (unsigned)(since / DAY_US) + 146097 - 60;
    int64_t rest = since % DAY_US;
    unsigned era = days / 146097, in_era = days % 146097;
    unsigned year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned march_month = (5 * in_year + 2) / 153;
    unsigned day = in_year - (153 * march_month + 2) / 5 + 1;
    unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;
    unsigned year = year_of_era + era * 400 + (month <= 2) - 400;
    unsigned seconds = (unsigned)(rest / 1000000);

    char *p = put_digits(out, year, 4, '-');
    p = put_digits(p, month, 2, '-');
    p = put_digits(p, day, 2, 'T');
    p = put_digits(p, seconds / 3600, 2, ':');
    p = put_digits(p, seconds / 60 % 60, 2, ':');
    p = put_digits(p, seconds % 60, 2, '.');
    p = put_digits(p, (unsigned)(rest % 1000000), 6, 'Z');
    *p = '\0';
}

/* ---- reading ---- */

struct scan {
    const char *at, *end;
    bool failed;
};

static unsigned digits(struct scan *scan, int count)
{
    unsigned n = 0;
    for (int i = 0; i < count && !scan->failed; i++) {
        if (scan->at == scan->end || *scan->at < '0' || *scan->at > '9')
            scan->failed = true;
        else
            n = n * 10 + (unsigned)(*scan->at++ - '0');
    }
    return n;
}

/* One character, of either case where it is a letter. */
static bool skip(struct scan *scan, char c)
{
    if (scan->at == scan->end || (*scan->at != c && *scan->at != c + ('a' - 'A')))
        return false;
    scan->at++;
    return true;
}

static void need(struct scan *scan, char c)
{
    if (!skip(scan, c))
        scan->failed = true;
}

static unsigned fraction(struct scan *scan)
{
    unsigned us = digits(scan, 1) * 100000;
    for (unsigned unit = 10000; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
         unit /= 10)
        us += (unsigned)(*scan->at++ - '0') * unit;
    return us;
}

/* Minutes east of Greenwich. */
static int offset(struct scan *scan)
{
    if (skip(scan, 'Z'))
        return 0;
    int sign = skip(scan, '-') ? -1 : 1;
    if (sign > 0)
        need(scan, '+');
    unsigned hours = digits(scan, 2);
    need(scan, ':');
    unsigned minutes = digits(scan, 2);
    if (hours > 23 || minutes > 59)
        scan->failed = true;
    return sign * (int)(hours * 60 + minutes);
}

static bool is_date(unsigned year, unsigned month, unsigned day)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month >= 1 && month <= 12 && day >= 1 &&
           day <= lengths[month - 1] + (unsigned)(month == 2 && leap);
}

/* Days since 0000-01-01; the other way round than in tt_clock_format. */
static int64_t days_until(unsigned year, unsigned month, unsigned day)
{
    unsigned march_year = year + 400 - (month <= 2);
    unsigned march_month = month > 2 ? month - 3 : month + 9;
    unsigned days = march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400 +
                    (153 * march_month + 2) / 5 + day - 1;
    return (int64_t)days - (146097 - 60);
}

int tt_clock_parse(const char *text, size_t len, int64_t *wall_us)
{
    struct scan scan = {text, text + len, false};
    unsigned year = digits(&scan, 4);
    need(&scan, '-');
    unsigned month = digits(&scan, 2);
    need(&scan, '-');
    unsigned day = digits(&scan, 2);
    need(&scan, 'T');
    unsigned hour = digits(&scan, 2);
    need(&scan, ':');
    unsigned minute = digits(&scan, 2);
    need(&scan, ':');
    unsigned second = digits(&scan, 2);
    unsigned us = skip(&scan, '.') ? fraction(&scan) : 0;
    int east = offset(&scan);
    if (scan.failed || scan.at != scan.end || !is_date(year, month, day) || hour > 23 ||
        minute > 59 || second > 60)
        return -1;
    int64_t seconds = (int64_t)hour * 3600 + minute * 60 + second - (int64_t)east * 60;
    *wall_us = OLDEST_US + days_until(year, month, day) * DAY_US + seconds * 1000000 + us;
    return *wall_us < OLDEST_US || *wall_us > LATEST_US ? -1 : 0;
}
