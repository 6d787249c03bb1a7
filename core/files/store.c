/* Writing, reading and removing. The order of the system calls is the whole point: bytes, fsync,
 * rename, fsync of the folder, and only then is the commit answered; the row comes after that. Each
 * of the 256 folders is made when it gets its first file, and the first commit in it syncs the
 * folder above, too. After a failed fsync nothing is tried again: the kernel may have dropped the
 * pages, and a second fsync would report a false success. */
#include "base/disk_reserve.h"
#include "base/mem.h"
#include "base/secret.h"
#include "files/s3.h"
#include "files/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void (*tt_store_after_step)(const char *step);

struct tt_store_file {
    struct tt_store *store;
    int fd;
    uint64_t size, max;
    bool failed;
    char key[TT_STORE_KEY_SIZE];
};

/* ---- names and errors ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool tt_store_key_valid(struct tt_str key)
{
    if (key.len != TT_STORE_KEY_SIZE - 1)
        return false;
    for (size_t i = 0; i < key.len; i++)
        if (!is_hex(key.data[i]))
            return false;
    return true;
}

/* "ab/abcd…", or its temporary name "ab/.abcd….tmp". `key` is valid. */
static void store_path(char out[TT_STORE_PATH], const char *key, bool temporary)
{
    snprintf(out, TT_STORE_PATH, "%.2s/%s%.32s%s", key, temporary ? "." : "", key,
             temporary ? ".tmp" : "");
}

int tt_store_fail(struct tt_err *err, const char *what, int reason)
{
    if (reason == ENOSPC || reason == EDQUOT)
        return tt_err_set(err, 507, "disk_full", "%s: %s", what, strerror(reason));
    return tt_err_set(err, 500, "store_failed", "%s: %s", what, strerror(reason));
}

static int missing(struct tt_err *err)
{
    return tt_err_set(err, 404, "file_missing", "no such file in the store");
}

/* False: it is no key. */
static bool key_path(char out[TT_STORE_PATH], struct tt_str key)
{
    char copy[TT_STORE_KEY_SIZE] = {0};
    if (!tt_store_key_valid(key))
        return false;
    memcpy(copy, key.data, key.len);
    store_path(out, copy, false);
    return true;
}

/* fsync of a folder below the store's ("." = itself). 0, or -1 with errno. */
static int sync_dir(const struct tt_store *store, const char *name)
{
    int fd = openat(store->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    int reason = errno;
    close(fd);
    errno = reason;
    return rc;
}

/* ---- the store ---- */

struct tt_store *tt_store_open(const struct tt_store_place *place, struct tt_err *err)
{
    struct tt_store *store = TT_NEW(struct tt_store);
    const char *folder = place->folder;
    store->s3 = place->s3;
    store->shared = place->shared;
    store->dir = -1;
    store->young = tt_map_new();
    pthread_mutex_init(&store->lock, NULL);
    bool made = mkdir(folder, 0700) == 0;
    if (made || errno == EEXIST)
        store->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->dir < 0) {
        tt_store_fail(err, folder, errno);
        goto fail;
    }
    /* A new folder's name is in its parent. */
    if (made && sync_dir(store, "..") != 0) {
        tt_store_fail(err, "fsync of the folder above the store", errno);
        goto fail;
    }
    return store;

fail:
    tt_store_close(store);
    return NULL;
}

void tt_store_close(struct tt_store *store)
{
    if (!store)
        return;
    if (store->dir >= 0)
        close(store->dir);
    tt_map_free(store->young);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

/* ---- writing ---- */

/* Before the file is there, so that a sweep that runs now leaves it alone. */
static void remember(struct tt_store *store, const char *key)
{
    pthread_mutex_lock(&store->lock);
    if (store->young)
        tt_map_put(store->young, tt_str_from(key), store);
    pthread_mutex_unlock(&store->lock);
}

/* In a folder that may not be there yet. */
static int open_new(const struct tt_store *store, const char *path)
{
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const char shard[3] = {path[0], path[1]};
    int fd = openat(store->dir, path, flags, 0600);

    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (mkdirat(store->dir, shard, 0700) != 0 && errno != EEXIST)
        return -1;
    return openat(store->dir, path, flags, 0600);
}

/* Makes sure of a new name in the shard, and of the shard's own name: whoever made it may not have
 * done so yet. 0, or -1 with errno. */
static int sync_shard(struct tt_store *store, const char shard[3])
{
    size_t number = strtoul(shard, NULL, 16);

    pthread_mutex_lock(&store->lock);
    bool named = store->named[number];
    pthread_mutex_unlock(&store->lock);
    if (sync_dir(store, shard) != 0 || (!named && sync_dir(store, ".") != 0))
        return -1;
    pthread_mutex_lock(&store->lock);
    store->named[number] = true;
    pthread_mutex_unlock(&store->lock);
    return 0;
}

struct tt_store_file *tt_store_create(struct tt_store *store, uint64_t max, struct tt_err *err)
{
    char path[TT_STORE_PATH];
    struct tt_store_file *file = TT_NEW(struct tt_store_file);
    file->store = store;
    file->max = max;
    tt_random_hex(file->key, TT_STORE_KEY_SIZE - 1);
    if (tt_disk_is_full()) {
        tt_store_fail(err, "making a file in the store", ENOSPC);
        free(file);
        return NULL;
    }
    remember(store, file->key);
    store_path(path, file->key, true);
    file->fd = open_new(store, path);
    if (file->fd < 0) {
        tt_store_fail(err, "making a file in the store", errno);
        free(file);
        return NULL;
    }
    tt_store_step("create");
    return file;
}

const char *tt_store_file_key(const struct tt_store_file *file)
{
    return file->key;
}

int tt_store_append(struct tt_store_file *file, struct tt_str bytes, struct tt_err *err)
{
    if (file->failed)
        return tt_err_set(err, 500, "store_failed", "an earlier write failed");
    file->failed = true; /* until all of it is written */
    if (bytes.len > file->max - file->size)
        return tt_err_set(err, 413, "file_too_large", "the file is longer than %llu bytes",
                          (unsigned long long)file->max);
    while (bytes.len > 0) {
        ssize_t n = write(file->fd, bytes.data, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tt_store_fail(err, "writing a file of the store", errno);
        bytes.data += n;
        bytes.len -= (size_t)n;
        file->size += (uint64_t)n;
    }
    tt_store_step("write");
    file->failed = false;
    return 0;
}

/* Closes, frees and, unless it was committed, removes. */
static void end_file(struct tt_store_file *file, const char *leftover)
{
    if (file->fd >= 0)
        close(file->fd);
    if (leftover)
        unlinkat(file->store->dir, leftover, 0);
    free(file);
}

int tt_store_commit(struct tt_store_file *file, struct tt_err *err)
{
    char temporary[TT_STORE_PATH], path[TT_STORE_PATH], shard[3] = {file->key[0], file->key[1]};
    const char *leftover = temporary;
    int rc = -1;
    store_path(temporary, file->key, true);
    store_path(path, file->key, false);
    if (file->failed) {
        tt_err_set(err, 500, "store_failed", "an earlier write failed");
        goto out;
    }
    if (file->store->s3) {
        rc = tt_store_bucket_put(file->store, path, file->fd, file->size, err);
        end_file(file, temporary);
        return rc;
    }
    if (fsync(file->fd) != 0) {
        tt_store_fail(err, "fsync of a file of the store", errno);
        goto out;
    }
    tt_store_step("sync");
    /* Some file systems report a full disk only here. */
    rc = close(file->fd);
    file->fd = -1;
    if (rc != 0 && errno != EINTR) {
        tt_store_fail(err, "closing a file of the store", errno);
        goto out;
    }
    rc = renameat(file->store->dir, temporary, file->store->dir, path);
    if (rc != 0) {
        tt_store_fail(err, "naming a file of the store", errno);
        goto out;
    }
    leftover = path;
    tt_store_step("rename");
    rc = sync_shard(file->store, shard);
    if (rc != 0) {
        tt_store_fail(err, "fsync of a folder of the store", errno);
        goto out;
    }
    tt_store_step("sync folder");
    leftover = NULL;
out:
    end_file(file, leftover);
    return leftover ? -1 : 0;
}

void tt_store_discard(struct tt_store_file *file)
{
    char temporary[TT_STORE_PATH];
    if (!file)
        return;
    store_path(temporary, file->key, true);
    end_file(file, temporary);
    tt_store_step("discard");
}

/* ---- committed files ---- */

int tt_store_open_file(struct tt_store *store, struct tt_str key, uint64_t *size,
                       struct tt_err *err)
{
    char path[TT_STORE_PATH];
    struct stat st;
    if (!key_path(path, key))
        return missing(err);
    if (store->s3)
        return tt_store_bucket_open(store, path, size, err);
    int fd = openat(store->dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? missing(err)
                               : tt_store_fail(err, "opening a file of the store", errno);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return tt_err_set(err, 500, "store_failed", "%s is no regular file", path);
    }
    if (size)
        *size = (uint64_t)st.st_size;
    return fd;
}

/* Appends the bytes from `offset` to `offset + length`, which the file has. */
static int read_bytes(int fd, uint64_t offset, uint64_t length, struct tt_buf *out,
                      struct tt_err *err)
{
    char *to = length < SIZE_MAX ? tt_buf_reserve(out, (size_t)length) : NULL;
    if (!to)
        return tt_err_set(err, 413, "file_too_large", "%llu bytes of a file",
                          (unsigned long long)length);
    for (size_t done = 0; done < length;) {
        ssize_t n = pread(fd, to + done, (size_t)length - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tt_store_fail(err, "reading a file of the store", errno);
        if (n == 0)
            return tt_err_set(err, 500, "store_failed", "a file of the store became shorter");
        done += (size_t)n;
    }
    out->len += (size_t)length;
    out->data[out->len] = '\0';
    return 0;
}

int tt_store_read(struct tt_store *store, struct tt_str key, struct tt_buf *out, struct tt_err *err)
{
    char path[TT_STORE_PATH];
    uint64_t size = 0;
    if (store->s3)
        return key_path(path, key) ? tt_s3_read(store->s3, path, 0, UINT64_MAX, out, NULL, err)
                                   : missing(err);
    int fd = tt_store_open_file(store, key, &size, err);
    if (fd < 0)
        return -1;
    int rc = read_bytes(fd, 0, size, out, err);
    close(fd);
    return rc;
}

int tt_store_read_part(struct tt_store *store, struct tt_str key, uint64_t offset, size_t length,
                       struct tt_buf *out, uint64_t *size, struct tt_err *err)
{
    char path[TT_STORE_PATH];
    uint64_t whole = 0;
    if (store->s3)
        return key_path(path, key) ? tt_s3_read(store->s3, path, offset, length, out, size, err)
                                   : missing(err);
    int fd = tt_store_open_file(store, key, &whole, err);
    if (fd < 0)
        return -1;
    if (size)
        *size = whole;
    uint64_t left = offset < whole ? whole - offset : 0;
    int rc = read_bytes(fd, offset, left < length ? left : length, out, err);
    close(fd);
    return rc;
}

int tt_store_remove(struct tt_store *store, struct tt_str key, struct tt_err *err)
{
    char path[TT_STORE_PATH];
    if (!key_path(path, key))
        return missing(err);
    if (store->s3)
        return tt_s3_remove(store->s3, path, err);
    if (unlinkat(store->dir, path, 0) != 0) {
        if (errno == ENOENT)
            return 0;
        return tt_store_fail(err, "removing a file of the store", errno);
    }
    tt_store_step("remove");
    /* Not synced: the row went before it, so a file that comes back is swept. */
    return 0;
}
