/* `help` of the repl: what the annotations in types/ say about a module, a function or a type. */
#pragma once
#include "app/settings/settings.h"
#include "base/buf.h"

/* Whether the line asks for help: `help`, `help db.query`, `help("db.query")`; *name is what it
 * asks about, "" for all. */
bool tt_repl_help_asked(struct tt_str line, struct tt_str *name);

/* Appends the text about a name: "" (what there is), "db", "db.query", "tide.Route". */
void tt_repl_help(const struct tt_settings *settings, struct tt_str name, struct tt_buf *out);
