/* The files of a migrations folder: NNNN_<name>.up.sql and .down.sql, without gaps. Private to db.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

struct tt_migration_file {
    int version; /* from 1 */
    char name[64];
    struct tt_buf sql;
    char sha256[TT_SHA256_SIZE * 2 + 1];
};

struct tt_migration_files {
    struct tt_migration_file *files; /* by version: files[i].version == i + 1 */
    size_t count;
};

/* Reads all .up.sql files. Owns: the caller, tt_migration_files_free, also after a failure. Fails:
 * "migration_missing" for a gap, "migration_failed" for a file that cannot be read or has a wrong
 * name. */
int tt_migration_files_read(struct tt_migration_files *set, const char *directory,
                            struct tt_err *err);
void tt_migration_files_free(struct tt_migration_files *set);

/* Appends the .down.sql of a version to *sql; "migration_missing" if there is none. */
int tt_migration_files_read_down(const char *directory, const struct tt_migration_file *file,
                                 struct tt_buf *sql, struct tt_err *err);
