/* The numbers that are kept beside rows (migrations/0017: sessions and bytes of files of a user,
 * files of a session) are counted again at start and put right where they are wrong: after SQL by
 * hand, or by scripts that write these tables without counting. */
#pragma once
#include "db/db.h"

/* Begins the check on an aux thread, beside whatever runs; what it corrects is logged. Fails: -1
 * ("busy"). Thread: main. */
int tt_app_check_counts(struct tt_db *db, struct tt_aux *aux, struct tt_err *err);
