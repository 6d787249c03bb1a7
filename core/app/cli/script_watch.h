/* Changes of the scripts on the disk, for `tidetalk dev`: the folders of scripts and plugins with
 * everything below them, and the file of the personas. It reports only that something has changed.
 * The builder finds out what, so a duplicate or missing event for a single file does no harm. */
#pragma once
#include "base/err.h"
#include "script/sources.h"

struct tt_cli_watch;

/* Owns: the caller, tt_cli_watch_close. The sources are borrowed. Fails: NULL if the system has no
 * watches left. */
struct tt_cli_watch *tt_cli_watch_open(const struct tt_script_sources *sources, struct tt_err *err);
void tt_cli_watch_close(struct tt_cli_watch *watch);
int tt_cli_watch_fd(const struct tt_cli_watch *watch); /* readable: call tt_cli_watch_read */
/* Reads the events; true if a script may have changed. */
bool tt_cli_watch_read(struct tt_cli_watch *watch);
/* Watches new folders, also the main one if it was replaced. */
void tt_cli_watch_renew(struct tt_cli_watch *watch);
