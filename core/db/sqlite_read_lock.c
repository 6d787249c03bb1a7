/* SQLite asks its VFS for a shared lock on one of five "read marks" when a read begins, and gives
 * it back when the read ends; each is a system call. A mark's lock keeps others from copying newer
 * pages of the log over what its reader still needs, and from beginning the log anew. Holding one
 * longer than needed is therefore always safe, and changes nothing of what a read sees: that is
 * decided by the log's index, which each read looks at afresh. What the VFS says about a lock that
 * is only kept must be true all the same: it is dropped before anything that it would stand in the
 * way of. */
#include "db/sqlite_read_lock.h"

#include <string.h>

#define MARK_FIRST 3 /* WAL_READ_LOCK(0) in SQLite's wal.c */
#define MARK_LAST  7
#define NONE       (-1)

/* Behind SQLite's own struct of an open database file. */
struct kept {
    sqlite3_io_methods methods; /* those of the file, with two functions replaced */
    const sqlite3_io_methods *real;
    bool enabled;
    int mark; /* whose shared lock is kept; NONE */
};

static sqlite3_vfs *original;
static int file_size; /* of SQLite's struct, rounded up */

static struct kept *kept_of(sqlite3_file *file)
{
    return (struct kept *)(void *)((char *)file + file_size);
}

static int release(sqlite3_file *file)
{
    struct kept *kept = kept_of(file);
    int mark = kept->mark;

    kept->mark = NONE;
    return mark == NONE
               ? SQLITE_OK
               : kept->real->xShmLock(file, mark, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
}

static int on_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct kept *kept = kept_of(file);
    bool read =
        count == 1 && first >= MARK_FIRST && first <= MARK_LAST && (flags & SQLITE_SHM_SHARED);

    if (read && (flags & SQLITE_SHM_UNLOCK) && kept->enabled && kept->mark == NONE) {
        kept->mark = first;
        return SQLITE_OK;
    }
    if (read && (flags & SQLITE_SHM_LOCK) && kept->mark == first) {
        kept->mark = NONE; /* it is the reader's again */
        return SQLITE_OK;
    }
    if (kept->mark != NONE) {
        int rc = release(file);
        if (rc != SQLITE_OK)
            return rc;
    }
    return kept->real->xShmLock(file, first, count, flags);
}

static int on_unmap(sqlite3_file *file, int delete_it)
{
    release(file);
    return kept_of(file)->real->xShmUnmap(file, delete_it);
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    int rc = original->xOpen(original, name, file, flags, out);
    if (rc != SQLITE_OK || !(flags & SQLITE_OPEN_MAIN_DB) || file->pMethods->iVersion < 2)
        return rc;
    struct kept *kept = kept_of(file);
    *kept = (struct kept){.methods = *file->pMethods, .real = file->pMethods, .mark = NONE};
    kept->methods.xShmLock = on_lock;
    kept->methods.xShmUnmap = on_unmap;
    file->pMethods = &kept->methods;
    return rc;
}

void tt_read_lock_setup(void)
{
    static sqlite3_vfs vfs;

    original = sqlite3_vfs_find(NULL);
    file_size = (original->szOsFile + 15) / 16 * 16;
    vfs = *original;
    vfs.pNext = NULL;
    vfs.zName = TT_READ_LOCK_VFS;
    vfs.szOsFile = file_size + (int)sizeof(struct kept);
    vfs.xOpen = open_file;
    sqlite3_vfs_register(&vfs, 0);
}

sqlite3_file *tt_read_lock_keep(sqlite3 *handle)
{
    sqlite3_file *file = NULL;

    sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (!file || !file->pMethods || file->pMethods->xShmLock != on_lock)
        return NULL;
    kept_of(file)->enabled = true;
    return file;
}

void tt_read_lock_release(sqlite3_file *file)
{
    if (file)
        release(file);
}
