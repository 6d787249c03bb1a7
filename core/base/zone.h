/* Time zones by their IANA names, from the system's files (TZif, RFC 9636). libc is not used for
 * them: it knows one zone per process, in the environment. Zones live as long as the process, so a
 * pointer never becomes invalid; new files are read after a restart. Thread: any. */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct tt_zone;

/* "Europe/Berlin"; "UTC" is always there. The first use of a zone reads a small file. Fails: NULL
 * with "unknown_zone" (400). */
const struct tt_zone *tt_zone_get(struct tt_str name, struct tt_err *err);

/* A zone that reads this TZif file; for tests. Owns: the caller, tt_zone_free. */
struct tt_zone *tt_zone_read(struct tt_str bytes, struct tt_err *err);
void tt_zone_free(struct tt_zone *zone);

const char *tt_zone_name(const struct tt_zone *zone);

struct tt_zone_offset {
    int32_t east; /* seconds to add to UTC */
    bool summer;  /* daylight saving time */
    char abbreviation[8];
};

/* What holds at a time, in seconds since 1970, UTC. */
void tt_zone_offset_at(const struct tt_zone *zone, int64_t utc_s, struct tt_zone_offset *out);

enum tt_zone_times {
    TT_ZONE_ONCE,
    TT_ZONE_NEVER, /* clocks were put forward over it */
    TT_ZONE_TWICE  /* clocks were put back over it */
};

/* When a local clock shows `local_s` (tt_calendar_seconds): *first is that time in UTC, the earlier
 * one of two, or the moment at which clocks are put forward; *second is the later one of two,
 * otherwise the same. */
enum tt_zone_times tt_zone_utc_of(const struct tt_zone *zone, int64_t local_s, int64_t *first,
                                  int64_t *second);
