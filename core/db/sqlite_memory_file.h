/* A file without a name, in memory: SQLite's VFS makes its temporary files in a folder that has to
 * be there, and writes less than 128 KiB per call to them. Private to db. */
#pragma once
#include <sqlite3.h>

struct tt_memory_file {
    sqlite3_file base;
    char *bytes;
    sqlite3_int64 len, cap;
};

/* Owns: SQLite, which closes it. */
void tt_memory_file_open(struct tt_memory_file *file);
