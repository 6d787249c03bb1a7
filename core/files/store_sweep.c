/* The sweep at start: compares the disk with the database. Only names that the store itself creates
 * are ever removed; anything else in the folder belongs to somebody and is reported. A crash cannot
 * cause a row without its file (the file is created first and removed last), so such a row is
 * logged as lost by somebody else. The count of files that a sweep could remove is here too. */
#include "base/clock.h"
#include "base/log.h"
#include "files/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOGGED_MAX 10 /* of each kind; the counts tell the rest */

struct sweep {
    struct tt_store *store;
    struct tt_map *known; /* key -> itself; what is found is taken out */
    struct tt_store_swept *swept;
};

enum name_kind { NAME_FILE, NAME_TEMPORARY, NAME_FOREIGN };

/* A name in the folder of `shard`; the key's digits begin at *key. */
static enum name_kind judge(const char *shard, struct tt_str name, struct tt_str *key)
{
    enum name_kind kind = NAME_FILE;
    if (tt_str_starts(name, TT_STR(".")) && tt_str_ends(name, TT_STR(".tmp")) && name.len > 5) {
        kind = NAME_TEMPORARY;
        name = tt_str_of(name.data + 1, name.len - 5);
    }
    *key = name;
    if (!tt_store_key_valid(name) || memcmp(name.data, shard, 2) != 0)
        return NAME_FOREIGN;
    return kind;
}

static bool is_young(struct tt_store *store, struct tt_str key)
{
    pthread_mutex_lock(&store->lock);
    bool young = tt_map_get(store->young, key) != NULL;
    pthread_mutex_unlock(&store->lock);
    return young;
}

static void report(struct tt_str name, size_t *count, const char *what)
{
    if ((*count)++ < LOGGED_MAX)
        tt_log(TT_LOG_WARN, what, TT_F_STR("name", name));
}

static int remove_one(int dir, const char *name, size_t *count, struct tt_err *err)
{
    if (unlinkat(dir, name, 0) != 0 && errno != ENOENT)
        return tt_store_fail(err, "sweeping the store", errno);
    (*count)++;
    tt_store_step("sweep");
    return 0;
}

/* Another server that shares the folder may be writing it. */
static bool is_new(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (int64_t)st.st_mtime * 1000000 > tt_clock_wall_us() - TT_STORE_YOUNG_US;
}

static int sweep_name(void *arg, int dir, const char *shard, const char *name, struct tt_err *err)
{
    struct sweep *sweep = arg;
    struct tt_store_swept *swept = sweep->swept;
    struct tt_str key;
    enum name_kind kind = judge(shard, tt_str_from(name), &key);
    if (sweep->store->s3 && kind == NAME_FILE)
        kind = NAME_FOREIGN; /* from before there was a bucket */
    if (kind == NAME_FOREIGN) {
        report(tt_str_from(name), &swept->foreign, "the file store holds a file that is not its");
        return 0;
    }
    if (kind == NAME_FILE && tt_map_remove(sweep->known, key)) {
        swept->kept++;
        return 0;
    }
    if (is_young(sweep->store, key) || (sweep->store->shared && is_new(dir, name)))
        return 0;
    return remove_one(dir, name, kind == NAME_FILE ? &swept->orphans : &swept->unfinished, err);
}

/* Calls `visit` for each name in the folder of `shard`, if there is one, until it fails. */
static int walk_shard(int store, const char *shard,
                      int (*visit)(void *arg, int dir, const char *shard, const char *name,
                                   struct tt_err *err),
                      void *arg, struct tt_err *err)
{
    int rc = 0;
    struct dirent *entry;
    int fd = openat(store, shard, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        tt_store_fail(err, "opening a folder of the store", errno);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    errno = 0;
    while (rc == 0 && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = visit(arg, dirfd(dir), shard, entry->d_name, err);
        errno = 0;
    }
    if (rc == 0 && errno != 0)
        rc = tt_store_fail(err, "reading a folder of the store", errno);
    closedir(dir);
    return rc;
}

static void report_missing(struct sweep *sweep)
{
    size_t position = 0;
    struct tt_str key;
    void *value;
    while (tt_map_next(sweep->known, &position, &key, &value))
        if (!is_young(sweep->store, key))
            report(key, &sweep->swept->missing, "a file of the database is not in the store");
}

int tt_store_sweep(struct tt_store *store, bool (*next)(void *arg, struct tt_str *key), void *arg,
                   struct tt_store_swept *swept, struct tt_err *err)
{
    struct tt_store_swept nobody;
    struct sweep sweep = {store, NULL, swept ? swept : &nobody};
    struct tt_str key;
    int rc = 0;
    *sweep.swept = (struct tt_store_swept){0};
    if (!store->young)
        return tt_err_set(err, 500, "store_failed", "the store was swept already");
    sweep.known = tt_map_new();
    while (next(arg, &key))
        if (tt_store_key_valid(key))
            tt_map_put(sweep.known, key, store);
        else
            report(key, &sweep.swept->missing, "a row of the database holds no storage key");
    for (int i = 0; rc == 0 && i < TT_STORE_SHARDS; i++) {
        char shard[4];
        snprintf(shard, sizeof(shard), "%02x", (unsigned)i);
        rc = walk_shard(store->dir, shard, sweep_name, &sweep, err);
    }
    if (rc == 0 && store->s3)
        rc = tt_store_bucket_sweep(store, sweep.known, sweep.swept, err);
    if (rc == 0) {
        report_missing(&sweep);
        pthread_mutex_lock(&store->lock);
        tt_map_free(store->young);
        store->young = NULL;
        pthread_mutex_unlock(&store->lock);
    }
    tt_map_free(sweep.known);
    return rc;
}

/* ---- comparing and counting ---- */

struct comparison {
    struct tt_map *known; /* key -> itself; what is found is taken out */
    void (*found)(void *arg, enum tt_store_odd odd, struct tt_str name);
    void *arg;
};

static int compare_name(void *arg, int dir, const char *shard, const char *name, struct tt_err *err)
{
    static const enum tt_store_odd odds[] = {[NAME_FILE] = TT_STORE_ORPHAN,
                                             [NAME_TEMPORARY] = TT_STORE_UNFINISHED,
                                             [NAME_FOREIGN] = TT_STORE_FOREIGN};
    struct comparison *comparison = arg;
    char shown[300];
    struct tt_str key;
    enum name_kind kind = judge(shard, tt_str_from(name), &key);
    (void)dir, (void)err;

    if (kind == NAME_FILE && tt_map_remove(comparison->known, key))
        return 0;
    snprintf(shown, sizeof(shown), "%s/%.290s", shard, name);
    comparison->found(comparison->arg, odds[kind], tt_str_from(shown));
    return 0;
}

static int walk_store(const char *folder,
                      int (*visit)(void *arg, int dir, const char *shard, const char *name,
                                   struct tt_err *err),
                      void *arg, struct tt_err *err)
{
    int rc = 0;
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return errno == ENOENT ? 0 : tt_store_fail(err, folder, errno);
    for (int i = 0; rc == 0 && i < TT_STORE_SHARDS; i++) {
        char shard[4];
        snprintf(shard, sizeof(shard), "%02x", (unsigned)i);
        rc = walk_shard(dir, shard, visit, arg, err);
    }
    close(dir);
    return rc;
}

int tt_store_compare(const struct tt_store_place *place,
                     bool (*next)(void *arg, struct tt_str *key),
                     void (*found)(void *arg, enum tt_store_odd odd, struct tt_str name), void *arg,
                     struct tt_err *err)
{
    struct comparison comparison = {tt_map_new(), found, arg};
    size_t position = 0;
    struct tt_str key;
    void *value;

    while (next(arg, &key))
        tt_map_put(comparison.known, key, &comparison);
    int rc = place->s3 ? tt_store_bucket_compare(place->s3, comparison.known, found, arg, err)
                       : walk_store(place->folder, compare_name, &comparison, err);
    while (rc == 0 && tt_map_next(comparison.known, &position, &key, &value))
        found(arg, TT_STORE_MISSING, key);
    tt_map_free(comparison.known);
    return rc;
}

static int count_name(void *arg, int dir, const char *shard, const char *name, struct tt_err *err)
{
    struct tt_store_count *count = arg;
    struct tt_str key;
    struct stat st;
    (void)err;
    if (judge(shard, tt_str_from(name), &key) != NAME_FILE)
        return 0;
    count->files++;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        count->bytes += (uint64_t)st.st_size;
    return 0;
}

int tt_store_count(const struct tt_store_place *place, struct tt_store_count *count,
                   struct tt_err *err)
{
    *count = (struct tt_store_count){0};
    return place->s3 ? tt_store_bucket_count(place->s3, count, err)
                     : walk_store(place->folder, count_name, count, err);
}
