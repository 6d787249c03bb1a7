/* The store in a bucket: objects of the names that the files have on a disk. Several servers may
 * use it, so what is young is never taken for a leftover. */
#include "base/clock.h"
#include "base/log.h"
#include "files/s3.h"
#include "files/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define COUNT_MAX 1000

/* The key of an object's name, "ab/abcd…"; false: it is none of ours. */
static bool key_of(struct tt_str name, struct tt_str *key)
{
    if (name.len != TT_STORE_KEY_SIZE + 2 || name.data[2] != '/')
        return false;
    *key = tt_str_of(name.data + 3, name.len - 3);
    return tt_store_key_valid(*key) && memcmp(name.data, key->data, 2) == 0;
}

int tt_store_bucket_put(struct tt_store *store, const char *path, int fd, uint64_t size,
                        struct tt_err *err)
{
    return tt_s3_put(store->s3, path, fd, size, err);
}

int tt_store_bucket_open(struct tt_store *store, const char *path, uint64_t *size,
                         struct tt_err *err)
{
    uint64_t whole = 0;
    int fd = openat(store->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return tt_store_fail(err, "making a copy of a file of the bucket", errno);
    if (tt_s3_read_to(store->s3, path, fd, &whole, err) != 0) {
        close(fd);
        return -1;
    }
    if (size)
        *size = whole;
    return fd;
}

/* ---- what is there ---- */

struct sweep {
    struct tt_map *known, *orphans; /* what is found is taken out; what is to go */
    struct tt_store_swept *swept;
    int64_t before_us; /* an orphan is older */
};

static bool on_swept(void *arg, const struct tt_s3_object *object)
{
    struct sweep *sweep = arg;
    struct tt_str key;

    if (!key_of(object->name, &key))
        sweep->swept->foreign++;
    else if (tt_map_remove(sweep->known, key))
        sweep->swept->kept++;
    else if (object->modified_us > 0 && object->modified_us < sweep->before_us)
        tt_map_put(sweep->orphans, object->name, sweep);
    return true;
}

int tt_store_bucket_sweep(struct tt_store *store, struct tt_map *known,
                          struct tt_store_swept *swept, struct tt_err *err)
{
    struct sweep sweep = {known, tt_map_new(), swept, tt_clock_wall_us() - TT_STORE_YOUNG_US};
    size_t position = 0;
    struct tt_str name;
    void *value;

    int rc = tt_s3_list(store->s3, on_swept, &sweep, err);
    while (rc == 0 && tt_map_next(sweep.orphans, &position, &name, &value)) {
        char path[TT_STORE_PATH];
        snprintf(path, sizeof(path), "%.*s", TT_STR_ARG(name));
        rc = tt_s3_remove(store->s3, path, err);
        swept->orphans += rc == 0;
    }
    tt_map_free(sweep.orphans);
    return rc;
}

struct comparison {
    struct tt_map *known;
    void (*found)(void *arg, enum tt_store_odd odd, struct tt_str name);
    void *arg;
};

static bool on_compared(void *arg, const struct tt_s3_object *object)
{
    struct comparison *comparison = arg;
    struct tt_str key;
    bool ours = key_of(object->name, &key);

    if (!ours || !tt_map_remove(comparison->known, key))
        comparison->found(comparison->arg, ours ? TT_STORE_ORPHAN : TT_STORE_FOREIGN, object->name);
    return true;
}

int tt_store_bucket_compare(struct tt_s3 *s3, struct tt_map *known,
                            void (*found)(void *arg, enum tt_store_odd odd, struct tt_str name),
                            void *arg, struct tt_err *err)
{
    struct comparison comparison = {known, found, arg};
    return tt_s3_list(s3, on_compared, &comparison, err);
}

static bool on_counted(void *arg, const struct tt_s3_object *object)
{
    struct tt_store_count *count = arg;
    struct tt_str key;

    if (key_of(object->name, &key)) {
        count->files++;
        count->bytes += object->size;
    }
    return count->files < COUNT_MAX;
}

int tt_store_bucket_count(struct tt_s3 *s3, struct tt_store_count *count, struct tt_err *err)
{
    return tt_s3_list(s3, on_counted, count, err);
}
