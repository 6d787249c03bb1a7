/* What the tests of the file layer share: a folder of their own, counting and writing of files. */
#pragma once
#include "base/cases.h"
#include "base/log.h"
#include "base/secret.h"
#include "files/store_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static inline int make_folder(void **state)
{
    (void)state;
    alarm(100);
    tt_secret_setup();
    strcpy(folder, "/tmp/tt_files_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int remove_folder(void **state)
{
    (void)state;
    alarm(0);
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct tt_store *open_store(void)
{
    struct tt_err err = {0};
    char path[128];
    snprintf(path, sizeof(path), "%s/files", folder);
    struct tt_store *store = tt_store_open(&(struct tt_store_place){.folder = path}, &err);
    if (!store)
        fail_msg("%s", err.message);
    return store;
}

static size_t files_seen;

static inline int count_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path;
    (void)st;
    (void)ftw;
    files_seen += type != FTW_D && type != FTW_DP;
    return 0;
}

/* Everything below the folder that is no folder, under whatever name. */
static inline size_t count_files(void)
{
    files_seen = 0;
    nftw(folder, count_entry, 16, FTW_PHYS);
    return files_seen;
}

/* A file of the folder with these bytes, open for reading. */
static inline int file_of(struct tt_str bytes)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/input", folder);
    unlink(path); /* cheaper than O_TRUNC, which some file systems follow with a flush */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.data, bytes.len), (ssize_t)bytes.len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* A sweep whose rows are an array of keys. */
struct rows {
    const char *const *keys;
    size_t count, at;
};

static inline bool next_row(void *arg, struct tt_str *key)
{
    struct rows *rows = arg;
    if (rows->at == rows->count)
        return false;
    *key = tt_str_from(rows->keys[rows->at++]);
    return true;
}

static inline struct tt_store_swept sweep(struct tt_store *store, const char *const *keys,
                                          size_t count)
{
    struct rows rows = {keys, count, 0};
    struct tt_store_swept swept;
    struct tt_err err = {0};
    if (tt_store_sweep(store, next_row, &rows, &swept, &err) != 0)
        fail_msg("%s", err.message);
    return swept;
}
