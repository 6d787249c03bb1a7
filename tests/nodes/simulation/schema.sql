-- What leases and replies need of the tables of migrations/postgres, for the database of a simulation.
CREATE TABLE users (id INTEGER PRIMARY KEY, session_count INTEGER NOT NULL DEFAULT 0);
CREATE TABLE nodes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, address TEXT, version TEXT, files_place TEXT,
    generation TEXT NOT NULL DEFAULT '', load INTEGER NOT NULL DEFAULT 0, replies TEXT NOT NULL DEFAULT '',
    draining INTEGER NOT NULL DEFAULT 0, started_at INTEGER, heartbeat_at INTEGER, alive_until INTEGER NOT NULL
);
CREATE TABLE node_leases (name TEXT PRIMARY KEY, node INTEGER NOT NULL, until INTEGER NOT NULL);
CREATE TABLE chat_sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT UNIQUE, user_id INTEGER, title TEXT, model_name TEXT,
    persona TEXT, message_count INTEGER, options TEXT, source TEXT, version INTEGER NOT NULL, created_at TEXT,
    updated_at TEXT, turn_node INTEGER, turn_epoch INTEGER
);
CREATE TABLE chat_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL, session_row INTEGER NOT NULL, parent_id INTEGER,
    role TEXT NOT NULL, content TEXT NOT NULL, reasoning TEXT NOT NULL DEFAULT '', tool_calls TEXT NOT NULL DEFAULT '',
    steps TEXT NOT NULL DEFAULT '', runs TEXT NOT NULL DEFAULT '', status TEXT NOT NULL, model_name TEXT,
    finish_reason TEXT, error_code TEXT, usage TEXT, file_ids TEXT, delivered INTEGER NOT NULL DEFAULT 1,
    search_text TEXT, created_at TEXT, updated_at TEXT, turn_epoch INTEGER
);
CREATE TABLE reply_chunks (
    message_id INTEGER NOT NULL, position INTEGER NOT NULL, kind INTEGER NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (message_id, position)
);
