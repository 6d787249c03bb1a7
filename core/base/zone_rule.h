/* The rule that holds after the last transition that a zone's file lists: a TZ string of POSIX with
 * the extensions of RFC 9636, "CET-1CEST,M3.5.0,M10.5.0/3". Nothing outside core/base/zone*.c
 * includes this. Thread: any. */
#pragma once
#include "base/zone.h"

struct tt_zone_day { /* when clocks change in a year */
    enum { TT_ZONE_DAY_MONTH, TT_ZONE_DAY_JULIAN, TT_ZONE_DAY_NUMBER } kind;
    int month, week, day; /* day: of the week, or of the year */
    int32_t second;       /* of that day, may be negative or over a day */
};

struct tt_zone_rule {
    struct tt_zone_offset standard, summer;
    struct tt_zone_day begin, end; /* of summer time */
    bool has_summer;
};

/* Fails: -1, the text is no such string. */
int tt_zone_rule_read(struct tt_str text, struct tt_zone_rule *out);
void tt_zone_rule_at(const struct tt_zone_rule *rule, int64_t utc_s, struct tt_zone_offset *out);
