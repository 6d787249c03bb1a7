/* The own data of plugins: the migrations that a bundle brings. */
#pragma once
#include "app/settings/settings.h"
#include "db/migrate.h"
#include "script/bundle.h"

/* Applies what is missing; with dry_run tries it. hold_ms as in db/migrate.h; 0 = no limit. The
 * report may be NULL, otherwise the caller frees its text. Fails: -1, "path:line: message". Thread:
 * builder or main, blocking. */
int tt_app_migrate_plugins(const struct tt_settings *settings, const struct tt_bundle *bundle,
                           uint64_t hold_ms, bool dry_run, struct tt_migrate_report *report,
                           struct tt_err *err);
