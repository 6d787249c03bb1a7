/* Grows by doubling; as large as what a transaction changes, which the writer's jobs bound. */
#include "db/sqlite_memory_file.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM (256 << 10)

static struct tt_memory_file *of(sqlite3_file *file)
{
    return (struct tt_memory_file *)file;
}

static int on_close(sqlite3_file *base)
{
    free(of(base)->bytes);
    return SQLITE_OK;
}

static int on_read(sqlite3_file *base, void *data, int size, sqlite3_int64 at)
{
    const struct tt_memory_file *file = of(base);
    sqlite3_int64 there = file->len > at ? file->len - at : 0;

    if (there >= size) {
        memcpy(data, file->bytes + at, (size_t)size);
        return SQLITE_OK;
    }
    if (there > 0)
        memcpy(data, file->bytes + at, (size_t)there);
    memset((char *)data + there, 0, (size_t)(size - there));
    return SQLITE_IOERR_SHORT_READ;
}

static int on_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 at)
{
    struct tt_memory_file *file = of(base);
    sqlite3_int64 cap = file->cap ? file->cap : FIRST_ROOM;

    while (cap < at + size)
        cap *= 2;
    if (cap > file->cap) {
        char *grown = realloc(file->bytes, (size_t)cap);
        if (!grown)
            return SQLITE_IOERR_NOMEM;
        file->bytes = grown;
        file->cap = cap;
    }
    if (at > file->len)
        memset(file->bytes + file->len, 0, (size_t)(at - file->len));
    memcpy(file->bytes + at, data, (size_t)size);
    if (at + size > file->len)
        file->len = at + size;
    return SQLITE_OK;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    if (size < of(base)->len)
        of(base)->len = size;
    return SQLITE_OK;
}

static int on_size(sqlite3_file *base, sqlite3_int64 *size)
{
    *size = of(base)->len;
    return SQLITE_OK;
}

static int on_number(sqlite3_file *base, int number) /* sync, lock, unlock */
{
    (void)base, (void)number;
    return SQLITE_OK;
}

static int on_check_lock(sqlite3_file *base, int *out)
{
    (void)base;
    *out = 0;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *base, int operation, void *arg)
{
    (void)base, (void)operation, (void)arg;
    return SQLITE_NOTFOUND;
}

static int on_zero(sqlite3_file *base) /* sector size, device characteristics: the defaults */
{
    (void)base;
    return 0;
}

void tt_memory_file_open(struct tt_memory_file *file)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 1,
        .xClose = on_close,
        .xRead = on_read,
        .xWrite = on_write,
        .xTruncate = on_truncate,
        .xSync = on_number,
        .xFileSize = on_size,
        .xLock = on_number,
        .xUnlock = on_number,
        .xCheckReservedLock = on_check_lock,
        .xFileControl = on_control,
        .xSectorSize = on_zero,
        .xDeviceCharacteristics = on_zero,
    };
    *file = (struct tt_memory_file){.base.pMethods = &methods};
}
