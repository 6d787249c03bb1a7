/* tidetalk_search_text(content, steps): what the search index has of a reply with steps (lines of
 * JSON, lua/chat/tool_steps.lua), which is its text and theirs; NULL without steps. Of a step it
 * takes every text and number but its id. migrations/postgres/0028 has the same function. */
#pragma once
#include <sqlite3.h>

/* Fails: an SQLite code. */
int tt_sqlite_search_text_register(sqlite3 *handle);
