/* A sample is taken by a count hook that a signal sets (see watchdog.h): so at an instruction of
 * Lua, which is that behind the C function if one was interrupted. All threads write into one table
 * under one lock; a sample holds it for some microseconds. */
#include "script/profile.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "script/watchdog.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define INTERVAL_MS 2
#define LEVELS_MAX  48  /* of the stack that are looked at */
#define SHOWN_MAX   100 /* functions, and lines */

struct entry { /* a function, or a line of one */
    char file[LUA_IDSIZE], name[48];
    int line;
    uint64_t self, total; /* samples in it; and in what it has called */
    uint64_t seen;        /* number of the sample that counted it last: recursion counts once */
};

static struct {
    pthread_mutex_t mutex; /* guards everything below */
    bool running, stop;
    pthread_t thread;
    bool joinable;
    int seconds;
    uint64_t samples;
    struct tt_map *functions, *lines;
} profile = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- taking samples, in the thread that runs scripts ---- */

static struct entry *entry_at(struct tt_map *map, const char *file, int line)
{
    char key[LUA_IDSIZE + 16];
    int len = snprintf(key, sizeof(key), "%s:%d", file, line);
    struct entry *entry = tt_map_get(map, tt_str_of(key, (size_t)len));

    if (entry)
        return entry;
    entry = TT_NEW(struct entry);
    snprintf(entry->file, sizeof(entry->file), "%s", file);
    entry->line = line;
    tt_map_put(map, tt_str_of(key, (size_t)len), entry);
    return entry;
}

/* With the lock held. */
static void count(lua_State *L)
{
    lua_Debug frame;
    bool first = true;

    profile.samples++;
    for (int level = 0; level < LEVELS_MAX && lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "nSl", &frame);
        if (*frame.what == 'C')
            continue;
        struct entry *function = entry_at(profile.functions, frame.short_src, frame.linedefined);
        if (!function->name[0] && frame.name)
            snprintf(function->name, sizeof(function->name), "%s", frame.name);
        function->self += first;
        function->total += function->seen != profile.samples;
        function->seen = profile.samples;
        if (first)
            entry_at(profile.lines, frame.short_src, frame.currentline)->self++;
        first = false;
    }
}

static void take_sample(lua_State *L, lua_Debug *where)
{
    (void)where;
    pthread_mutex_lock(&profile.mutex);
    if (profile.running)
        count(L);
    pthread_mutex_unlock(&profile.mutex);
    tt_watchdog_end_sample(L);
}

/* ---- the profile's thread ---- */

static bool goes_on(uint64_t end_ms)
{
    pthread_mutex_lock(&profile.mutex);
    bool on = !profile.stop && tt_clock_mono_ms() < end_ms;
    profile.running = on;
    pthread_mutex_unlock(&profile.mutex);
    return on;
}

static void *run(void *arg)
{
    const struct timespec interval = {.tv_nsec = INTERVAL_MS * 1000000};
    uint64_t end_ms = tt_clock_mono_ms() + (uint64_t)(intptr_t)arg * 1000;

    pthread_setname_np(pthread_self(), "tt-profile");
    tt_watchdog_set_sampler(take_sample);
    while (goes_on(end_ms)) {
        tt_watchdog_sample();
        nanosleep(&interval, NULL);
    }
    tt_watchdog_set_sampler(NULL);
    return NULL;
}

static void free_map(struct tt_map **map)
{
    size_t position = 0;
    struct tt_str key;
    void *entry;

    while (*map && tt_map_next(*map, &position, &key, &entry))
        free(entry);
    tt_map_free(*map);
    *map = NULL;
}

/* The thread of the last one has ended, or is about to. */
static void join_last(void)
{
    pthread_mutex_lock(&profile.mutex);
    bool joinable = profile.joinable;
    pthread_t thread = profile.thread;
    profile.joinable = false;
    pthread_mutex_unlock(&profile.mutex);
    if (joinable)
        pthread_join(thread, NULL);
}

int tt_profile_start(int seconds, struct tt_err *err)
{
    int failed = 0;

    pthread_mutex_lock(&profile.mutex);
    bool busy = profile.running;
    profile.running = true;
    pthread_mutex_unlock(&profile.mutex);
    if (busy)
        return tt_err_set(err, 503, "busy", "a profile is being made already");
    join_last();
    pthread_mutex_lock(&profile.mutex);
    free_map(&profile.functions);
    free_map(&profile.lines);
    profile.functions = tt_map_new();
    profile.lines = tt_map_new();
    profile.samples = 0;
    profile.seconds = seconds;
    profile.stop = false;
    failed = pthread_create(&profile.thread, NULL, run, (void *)(intptr_t)seconds);
    profile.joinable = failed == 0;
    profile.running = failed == 0;
    pthread_mutex_unlock(&profile.mutex);
    return failed == 0 ? 0 : tt_err_set(err, 503, "busy", "no thread for a profile");
}

void tt_profile_stop(void)
{
    pthread_mutex_lock(&profile.mutex);
    profile.stop = true;
    pthread_mutex_unlock(&profile.mutex);
    join_last();
    free_map(&profile.functions);
    free_map(&profile.lines);
}

/* ---- telling ---- */

/* Most first; of as many, by place. */
static int by_time(const void *a, const void *b)
{
    const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;

    if (x->self != y->self)
        return x->self < y->self ? 1 : -1;
    if (x->total != y->total)
        return x->total < y->total ? 1 : -1;
    int files = strcmp(x->file, y->file);
    return files ? files : x->line - y->line;
}

static void put_entry(struct tt_json_writer *w, const struct entry *entry, bool function)
{
    tt_json_begin_object(w);
    tt_json_key(w, TT_STR("file"));
    tt_json_str(w, tt_str_from(entry->file));
    tt_json_key(w, TT_STR("line"));
    tt_json_int(w, entry->line);
    if (function) {
        tt_json_key(w, TT_STR("name"));
        tt_json_str(w, tt_str_from(entry->name));
    }
    tt_json_key(w, TT_STR("self"));
    tt_json_int(w, (int64_t)entry->self);
    if (function) {
        tt_json_key(w, TT_STR("total"));
        tt_json_int(w, (int64_t)entry->total);
    }
    tt_json_end_object(w);
}

static void put_map(struct tt_json_writer *w, const char *key, const struct tt_map *map,
                    bool functions)
{
    size_t count = map ? tt_map_count(map) : 0, position = 0, n = 0;
    struct entry **entries = tt_alloc((count + 1) * sizeof(struct entry *));
    struct tt_str name;
    void *entry;

    while (map && n < count && tt_map_next(map, &position, &name, &entry))
        entries[n++] = entry;
    qsort(entries, n, sizeof(struct entry *), by_time);
    tt_json_key(w, tt_str_from(key));
    tt_json_begin_array(w);
    for (size_t i = 0; i < n && i < SHOWN_MAX; i++)
        put_entry(w, entries[i], functions);
    tt_json_end_array(w);
    free(entries);
}

void tt_profile_put(struct tt_json_writer *w)
{
    pthread_mutex_lock(&profile.mutex);
    tt_json_key(w, TT_STR("running"));
    tt_json_bool(w, profile.running);
    tt_json_key(w, TT_STR("seconds"));
    tt_json_int(w, profile.seconds);
    tt_json_key(w, TT_STR("interval_ms"));
    tt_json_int(w, INTERVAL_MS);
    tt_json_key(w, TT_STR("samples"));
    tt_json_int(w, (int64_t)profile.samples);
    put_map(w, "functions", profile.functions, true);
    put_map(w, "lines", profile.lines, false);
    pthread_mutex_unlock(&profile.mutex);
}
