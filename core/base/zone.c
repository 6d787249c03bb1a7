/* TZif files: the 64-bit block of versions 2 and later, whose transitions are sorted, and the rule
 * in the footer for times after them. Everything in a file is checked before it is used. */
#include "base/zone.h"

#include "base/buf.h"
#include "base/calendar.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/zone_rule.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define FOLDER   "/usr/share/zoneinfo"
#define FILE_MAX 65536
#define NAME_LEN 64
#define HEAD     44

struct tt_zone {
    char name[NAME_LEN + 1];
    size_t count; /* of transitions */
    int64_t *at;  /* [count] sorted */
    unsigned char *type;
    struct tt_zone_offset *types; /* the first one holds before all transitions */
    struct tt_zone_rule rule;     /* holds after the last transition, if has_rule */
    bool has_rule;
};

/* ---- reading a file ---- */

static int64_t read_int(const char *at, int bytes)
{
    uint64_t n = (unsigned char)at[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < bytes; i++)
        n = n << 8 | (unsigned char)at[i];
    return (int64_t)n;
}

struct block {
    const char *begin;
    size_t standards, walls, leaps, times, types, chars;
    int time_bytes;
};

static size_t block_len(const struct block *block)
{
    return block->times * (size_t)block->time_bytes + block->times + block->types * 6 +
           block->chars + block->leaps * ((size_t)block->time_bytes + 4) + block->standards +
           block->walls;
}

/* Reads the header at `at`; the numbers are at most FILE_MAX, so that sums cannot overflow. */
static bool read_head(struct tt_str bytes, size_t at, int time_bytes, struct block *out)
{
    if (bytes.len < at + HEAD || memcmp(bytes.data + at, "TZif", 4) != 0)
        return false;
    size_t *counts[] = {&out->walls, &out->standards, &out->leaps,
                        &out->times, &out->types,     &out->chars};
    for (size_t i = 0; i < TT_COUNT(counts); i++) {
        int64_t n = read_int(bytes.data + at + 20 + i * 4, 4);
        if (n < 0 || n > FILE_MAX)
            return false;
        *counts[i] = (size_t)n;
    }
    out->begin = bytes.data + at + HEAD;
    out->time_bytes = time_bytes;
    return out->types > 0 && out->types <= 256 && bytes.len - at - HEAD >= block_len(out);
}

static bool read_types(struct tt_zone *zone, const struct block *block)
{
    const char *at = block->begin + block->times * ((size_t)block->time_bytes + 1);
    const char *chars = at + block->types * 6;

    zone->types = tt_alloc(block->types * sizeof(*zone->types));
    for (size_t i = 0; i < block->types; i++, at += 6) {
        struct tt_zone_offset *type = &zone->types[i];
        size_t name = (unsigned char)at[5], len = 0;
        type->east = (int32_t)read_int(at, 4);
        type->summer = at[4] != 0;
        if (name >= block->chars || type->east < -TT_DAY_S * 7 || type->east > TT_DAY_S * 7)
            return false;
        for (; len < 7 && name + len < block->chars && chars[name + len]; len++)
            type->abbreviation[len] = chars[name + len];
    }
    return true;
}

static bool read_block(struct tt_zone *zone, const struct block *block)
{
    const char *types = block->begin + block->times * (size_t)block->time_bytes;

    zone->count = block->times;
    zone->at = tt_alloc((block->times + 1) * sizeof(*zone->at));
    zone->type = tt_alloc(block->times + 1);
    for (size_t i = 0; i < block->times; i++) {
        zone->at[i] = read_int(block->begin + i * (size_t)block->time_bytes, block->time_bytes);
        zone->type[i] = (unsigned char)types[i];
        if (zone->type[i] >= block->types || (i > 0 && zone->at[i] <= zone->at[i - 1]))
            return false;
    }
    return read_types(zone, block);
}

/* The rule stands between two line feeds after the second block; it may be empty. */
static bool read_footer(struct tt_zone *zone, struct tt_str rest)
{
    if (rest.len < 2 || rest.data[0] != '\n')
        return false;
    ptrdiff_t end = tt_str_find(tt_str_of(rest.data + 1, rest.len - 1), '\n');
    if (end < 0)
        return false;
    zone->has_rule = end > 0;
    return end == 0 || tt_zone_rule_read(tt_str_of(rest.data + 1, (size_t)end), &zone->rule) == 0;
}

static bool read_all(struct tt_zone *zone, struct tt_str bytes)
{
    struct block block;

    if (!read_head(bytes, 0, 4, &block))
        return false;
    if (bytes.data[4] < '2')
        return read_block(zone, &block);
    size_t second = HEAD + block_len(&block);
    if (!read_head(bytes, second, 8, &block) || !read_block(zone, &block))
        return false;
    size_t end = second + HEAD + block_len(&block);
    return read_footer(zone, tt_str_of(bytes.data + end, bytes.len - end));
}

struct tt_zone *tt_zone_read(struct tt_str bytes, struct tt_err *err)
{
    struct tt_zone *zone = TT_NEW(struct tt_zone);
    if (read_all(zone, bytes))
        return zone;
    tt_err_set(err, 400, "unknown_zone", "the file is no TZif file");
    tt_zone_free(zone);
    return NULL;
}

void tt_zone_free(struct tt_zone *zone)
{
    if (!zone)
        return;
    free(zone->at);
    free(zone->type);
    free(zone->types);
    free(zone);
}

/* ---- zones by name ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tt_map *zones; /* for the life of the process */

/* Letters, digits and "+-_" between slashes: no dot, so no way out of the folder. */
static bool is_name(struct tt_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool slash = c == '/' && i > 0 && i + 1 < name.len && name.data[i - 1] != '/';
        if (!slash && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
            !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '_')
            return false;
    }
    return name.len >= 1 && name.len <= NAME_LEN;
}

static const char *folder(void)
{
    const char *set = getenv("TZDIR"); /* as libc does */
    return set && set[0] == '/' ? set : FOLDER;
}

static struct tt_zone *read_file(struct tt_str name, struct tt_err *err)
{
    char path[512];
    struct tt_buf bytes = {.max = FILE_MAX};
    struct tt_zone *zone = NULL;

    snprintf(path, sizeof(path), "%s/%.*s", folder(), TT_STR_ARG(name));
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(path, sizeof(path), "%s/Etc/UTC", folder());
        FILE *any = fopen(path, "re");
        tt_err_set(err, 400, "unknown_zone",
                   any ? "there is no time zone '%.*s' in %s"
                       : "'%.*s': no time zones are in %s; install tzdata, or use UTC",
                   TT_STR_ARG(name), folder());
        if (any)
            fclose(any);
        return NULL;
    }
    char *to = tt_buf_reserve(&bytes, FILE_MAX);
    size_t len = to ? fread(to, 1, FILE_MAX, file) : 0;
    if (len > 0)
        zone = tt_zone_read(tt_str_of(to, len), err);
    else
        tt_err_set(err, 400, "unknown_zone", "%s cannot be read", path);
    fclose(file);
    tt_buf_free(&bytes);
    return zone;
}

static struct tt_zone *make(struct tt_str name, struct tt_err *err)
{
    struct tt_zone *zone;

    if (tt_str_eq(name, TT_STR("UTC"))) {
        zone = TT_NEW(struct tt_zone);
        tt_zone_rule_read(TT_STR("UTC0"), &zone->rule);
        zone->has_rule = true;
    } else {
        zone = read_file(name, err);
    }
    if (zone)
        memcpy(zone->name, name.data, name.len);
    return zone;
}

const struct tt_zone *tt_zone_get(struct tt_str name, struct tt_err *err)
{
    struct tt_zone *zone;

    if (!is_name(name)) {
        tt_err_set(err, 400, "unknown_zone", "'%.*s' is not the name of a time zone",
                   (int)(name.len > NAME_LEN ? NAME_LEN : name.len), name.data);
        return NULL;
    }
    pthread_mutex_lock(&lock);
    if (!zones)
        zones = tt_map_new();
    zone = tt_map_get(zones, name);
    if (!zone && (zone = make(name, err)))
        tt_map_put(zones, name, zone);
    pthread_mutex_unlock(&lock);
    return zone;
}

const char *tt_zone_name(const struct tt_zone *zone)
{
    return zone->name;
}

/* ---- offsets ---- */

void tt_zone_offset_at(const struct tt_zone *zone, int64_t utc_s, struct tt_zone_offset *out)
{
    size_t from = 0, to = zone->count; /* the first transition after the time is in [from, to] */

    if (zone->has_rule && (zone->count == 0 || utc_s >= zone->at[zone->count - 1])) {
        tt_zone_rule_at(&zone->rule, utc_s, out);
        return;
    }
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (zone->at[middle] <= utc_s)
            from = middle + 1;
        else
            to = middle;
    }
    *out = zone->types[from == 0 ? 0 : zone->type[from - 1]];
}

static int32_t east_at(const struct tt_zone *zone, int64_t utc_s)
{
    struct tt_zone_offset offset;
    tt_zone_offset_at(zone, utc_s, &offset);
    return offset.east;
}

/* Between two times with different offsets: the first second of the later one. */
static int64_t find_change(const struct tt_zone *zone, int64_t from, int64_t to, int32_t east)
{
    while (to - from > 1) {
        int64_t middle = from + (to - from) / 2;
        if (east_at(zone, middle) == east)
            from = middle;
        else
            to = middle;
    }
    return to;
}

enum tt_zone_times tt_zone_utc_of(const struct tt_zone *zone, int64_t local_s, int64_t *first,
                                  int64_t *second)
{
    int32_t before = east_at(zone, local_s - TT_DAY_S - TT_DAY_S / 2);
    int32_t after = east_at(zone, local_s + TT_DAY_S + TT_DAY_S / 2);
    int64_t early = local_s - before, late = local_s - after;
    bool early_fits = east_at(zone, early) == before, late_fits = east_at(zone, late) == after;

    *first = early_fits ? early : late;
    *second = late_fits ? late : early;
    if (early_fits && late_fits && early != late)
        return TT_ZONE_TWICE;
    if (early_fits || late_fits) {
        *second = *first;
        return TT_ZONE_ONCE;
    }
    *first = *second = find_change(zone, late, early, before);
    return TT_ZONE_NEVER;
}
