/* At start, the counts that are stored beside rows (migrations/sqlite/0017: a user's sessions and
 * bytes of files, a session's files) are counted again and corrected: they are wrong after SQL by
 * hand, or after scripts that write these tables without counting. */
#pragma once
#include "db/db.h"

/* Begins the check on an aux thread, beside everything else; corrections are logged. Fails: -1
 * ("busy"). Thread: main. */
int tt_app_check_counts(struct tt_db *db, struct tt_aux *aux, struct tt_err *err);
