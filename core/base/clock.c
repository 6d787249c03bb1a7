/* Clocks and the one text form of a time. gmtime_r takes libc's time zone lock and is slow, so
 * dates come from base/calendar. Knows nothing of time zones (base/zone). */
#include "base/clock.h"

#include "base/calendar.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

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
    int64_t seconds = wall_us / 1000000 - (wall_us % 1000000 < 0);
    struct tt_calendar read;
    tt_calendar_read(seconds, &read);

    char *p = put_digits(out, (unsigned)read.year, 4, '-');
    p = put_digits(p, (unsigned)read.month, 2, '-');
    p = put_digits(p, (unsigned)read.day, 2, 'T');
    p = put_digits(p, (unsigned)read.hour, 2, ':');
    p = put_digits(p, (unsigned)read.minute, 2, ':');
    p = put_digits(p, (unsigned)read.second, 2, '.');
    p = put_digits(p, (unsigned)(wall_us - seconds * 1000000), 6, 'Z');
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

int tt_clock_parse(const char *text, size_t len, int64_t *wall_us)
{
    struct scan scan = {text, text + len, false};
    struct tt_calendar read;
    read.year = (int)digits(&scan, 4);
    need(&scan, '-');
    read.month = (int)digits(&scan, 2);
    need(&scan, '-');
    read.day = (int)digits(&scan, 2);
    need(&scan, 'T');
    read.hour = (int)digits(&scan, 2);
    need(&scan, ':');
    read.minute = (int)digits(&scan, 2);
    need(&scan, ':');
    read.second = (int)digits(&scan, 2);
    unsigned us = skip(&scan, '.') ? fraction(&scan) : 0;
    int east = offset(&scan);
    if (scan.failed || scan.at != scan.end ||
        !tt_calendar_is_date(read.year, read.month, read.day) || read.hour > 23 ||
        read.minute > 59 || read.second > 60)
        return -1;
    *wall_us = (tt_calendar_seconds(&read) - (int64_t)east * 60) * 1000000 + us;
    return *wall_us < OLDEST_US || *wall_us > LATEST_US ? -1 : 0;
}
