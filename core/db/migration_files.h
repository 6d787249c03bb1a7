/* The files of a migrations folder: NNNN_<name>.up.sql and .down.sql, from 1 on without gaps. An
 * engine that came later begins with a NNNN_baseline, which has all before it. Private to db. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

struct tt_migration_file {
    int version;
    char name[64];
    struct tt_buf sql;
    char sha256[TT_SHA256_SIZE * 2 + 1];
};

struct tt_migration_files {
    struct tt_migration_file *files; /* by version, without gaps */
    size_t count;
};

/* Reads all .up.sql files. Owns: the caller, tt_migration_files_free, also after a failure. Fails:
 * "migration_missing" for a gap, "migration_failed" for a file that cannot be read or has a wrong
 * name. */
int tt_migration_files_read(struct tt_migration_files *set, const char *directory,
                            struct tt_err *err);
void tt_migration_files_free(struct tt_migration_files *set);

/* The file of a version, and the first file after it (0: the first of all); NULL if there is none.
 */
const struct tt_migration_file *tt_migration_files_get(const struct tt_migration_files *set,
                                                       int version);
const struct tt_migration_file *tt_migration_files_after(const struct tt_migration_files *set,
                                                         int version);

/* Compares a row of schema_migrations with its file; rows come by version, *newest is that of the
 * last one, 0 before the first. Fails: "migration_missing", "migration_changed". */
int tt_migration_files_compare(const struct tt_migration_files *set, int version,
                               struct tt_str name, struct tt_str sha256, int *newest,
                               struct tt_err *err);

/* Appends the .down.sql of a version to *sql; "migration_missing" if there is none. */
int tt_migration_files_read_down(const char *directory, const struct tt_migration_file *file,
                                 struct tt_buf *sql, struct tt_err *err);
