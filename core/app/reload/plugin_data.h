/* The own data of plugins: the migrations that a bundle brings. */
#pragma once
#include "app/settings/settings.h"
#include "base/arena.h"
#include "db/migrate.h"
#include "script/bundle.h"

/* Its migrations, those of a plugin side by side. Owns: the caller, free(); their texts are the
 * bundle's and the arena's. */
struct tt_db_plugin_file *tt_app_plugin_migrations(const struct tt_bundle *bundle,
                                                   struct tt_arena *arena, size_t *count);

/* Applies to the database what is missing; with dry_run tries it. hold_ms as in db/migrate.h; 0 =
 * no limit. The report may be NULL, otherwise the caller frees its text. Fails: -1, "path:line:
 * message". Thread: builder or main, blocking. */
int tt_app_migrate_plugins(const char *database_url, const struct tt_bundle *bundle,
                           uint64_t hold_ms, bool dry_run, struct tt_migrate_report *report,
                           struct tt_err *err);
