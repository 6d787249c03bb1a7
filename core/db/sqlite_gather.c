/* Only the log (the WAL) is ours, the database is opened by SQLite's VFS alone. Why late writes
 * are safe: other connections look into the log only as far as the shared index says, and SQLite
 * moves the index after the sync; this connection's own reads come through here and find the file
 * complete. All bytes that wait belong to one transaction. When they cannot be written, the call
 * that tried says so, which ends the transaction as a failed write would; should it go on all the
 * same, what it writes behind the hole is refused. */
#include "db/sqlite_gather.h"

#include "db/sqlite_memory_file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A transaction that is larger leaves in several writes. (unixWrite takes less than 128 KiB: it
 * masks the size, and calls what is left out of a larger one a full disk.) */
#define GATHER_MAX (120 << 10)
#define FIRST_ROOM (30 << 10) /* doubled as needed, up to GATHER_MAX */

struct gather_file {
    sqlite3_file base;
    char *bytes;
    int len, cap;
    sqlite3_int64 at;    /* where `bytes` belong */
    int failed;          /* result code of a write that failed; SQLITE_OK: none */
    sqlite3_int64 hole;  /* where that one began */
    sqlite3_file real[]; /* SQLite's, as large as it needs */
};

static struct gather_file *of(sqlite3_file *file)
{
    return (struct gather_file *)file;
}

static int flush(struct gather_file *file)
{
    int len = file->len;
    int rc = SQLITE_OK;

    file->len = 0;
    if (len > 0)
        rc = file->real->pMethods->xWrite(file->real, file->bytes, len, file->at);
    if (rc != SQLITE_OK) {
        file->failed = rc;
        file->hole = file->at;
    }
    return rc;
}

static bool make_room(struct gather_file *file, int size)
{
    int cap = file->cap ? file->cap : FIRST_ROOM;

    while (cap < file->len + size)
        cap *= 2;
    if (cap == file->cap)
        return true;
    char *grown = realloc(file->bytes, (size_t)cap);
    if (!grown)
        return false;
    file->bytes = grown;
    file->cap = cap;
    return true;
}

static int on_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 at)
{
    struct gather_file *file = of(base);

    if (at <= file->hole)
        file->failed = SQLITE_OK;
    if (file->failed != SQLITE_OK)
        return file->failed;
    if (file->len > 0 && (at != file->at + file->len || file->len + size > GATHER_MAX) &&
        flush(file) != SQLITE_OK)
        return file->failed;
    if (size > GATHER_MAX || !make_room(file, size)) {
        int rc = flush(file);
        return rc == SQLITE_OK ? file->real->pMethods->xWrite(file->real, data, size, at) : rc;
    }
    if (file->len == 0)
        file->at = at;
    memcpy(file->bytes + file->len, data, (size_t)size);
    file->len += size;
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *base, int flags)
{
    int rc = flush(of(base));
    return rc == SQLITE_OK ? of(base)->real->pMethods->xSync(of(base)->real, flags) : rc;
}

static int on_read(sqlite3_file *base, void *data, int size, sqlite3_int64 at)
{
    int rc = flush(of(base));
    return rc == SQLITE_OK ? of(base)->real->pMethods->xRead(of(base)->real, data, size, at) : rc;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    int rc = flush(of(base));
    return rc == SQLITE_OK ? of(base)->real->pMethods->xTruncate(of(base)->real, size) : rc;
}

static int on_size(sqlite3_file *base, sqlite3_int64 *size)
{
    int rc = flush(of(base));
    return rc == SQLITE_OK ? of(base)->real->pMethods->xFileSize(of(base)->real, size) : rc;
}

/* What was never synced belongs to no commit. */
static int on_close(sqlite3_file *base)
{
    free(of(base)->bytes);
    return of(base)->real->pMethods->xClose(of(base)->real);
}

/* SQLite locks the database's file, never its log. */
static int on_lock(sqlite3_file *base, int level)
{
    return of(base)->real->pMethods->xLock(of(base)->real, level);
}

static int on_unlock(sqlite3_file *base, int level)
{
    return of(base)->real->pMethods->xUnlock(of(base)->real, level);
}

static int on_check_lock(sqlite3_file *base, int *out)
{
    return of(base)->real->pMethods->xCheckReservedLock(of(base)->real, out);
}

static int on_control(sqlite3_file *base, int operation, void *arg)
{
    return of(base)->real->pMethods->xFileControl(of(base)->real, operation, arg);
}

static int on_sector_size(sqlite3_file *base)
{
    return of(base)->real->pMethods->xSectorSize(of(base)->real);
}

static int on_characteristics(sqlite3_file *base)
{
    return of(base)->real->pMethods->xDeviceCharacteristics(of(base)->real);
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
};

static sqlite3_vfs *original;

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out)
{
    struct gather_file *file = of(base);
    (void)vfs;
    if (!name) {
        tt_memory_file_open((struct tt_memory_file *)base);
        if (out)
            *out = flags;
        return SQLITE_OK;
    }
    if (!(flags & SQLITE_OPEN_WAL))
        return original->xOpen(original, name, base, flags, out);
    memset(file, 0, sizeof(*file));
    int rc = original->xOpen(original, name, file->real, flags, out);
    if (rc == SQLITE_OK)
        file->base.pMethods = &methods;
    return rc;
}

void tt_gather_setup(void)
{
    static sqlite3_vfs vfs;

    original = sqlite3_vfs_find(NULL);
    vfs = *original;
    vfs.pNext = NULL;
    vfs.zName = TT_GATHER_VFS;
    vfs.szOsFile += (int)sizeof(struct gather_file);
    vfs.xOpen = open_file;
    sqlite3_vfs_register(&vfs, 0);
}
