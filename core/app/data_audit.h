/* The data as it is: whether the database is sound, whether stored API keys open, whether files and
 * rows agree, names that are easily confused. Changes nothing, and may run beside a server; an
 * upload in progress is then a file without a row. */
#pragma once
#include "app/settings/settings.h"

struct tt_data_finding {
    bool error;       /* something is lost; otherwise only odd */
    const char *code; /* "database_damaged", "secret_unreadable", "file_missing", … */
    struct tt_str at; /* a path */
    struct tt_str what;
};

struct tt_data_audited {
    size_t api_keys, files, users; /* that were looked at */
};

/* Calls `found` for each finding; at most 20 of a kind, then one that says how many more. Thread:
 * main, blocking. */
void tt_data_audit(const struct tt_settings *settings, struct tt_data_audited *audited,
                   void (*found)(void *arg, const struct tt_data_finding *finding), void *arg);
