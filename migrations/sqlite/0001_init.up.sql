-- The tables of the mission. Times are RFC 3339 UTC text with six fraction digits, so text order is
-- time order. `version` is raised in the transaction of any change: cached copies are used only
-- when it is equal. AUTOINCREMENT where an id outlives its row in tokens, sealed keys or streams.

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    username      TEXT    NOT NULL UNIQUE,
    email         TEXT    NOT NULL DEFAULT '',
    password_hash TEXT    NOT NULL,
    role          TEXT    NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    disabled      INTEGER NOT NULL DEFAULT 0,
    token_version INTEGER NOT NULL DEFAULT 1,
    version       INTEGER NOT NULL DEFAULT 1,
    created_at    TEXT    NOT NULL,
    updated_at    TEXT    NOT NULL
) STRICT;

CREATE TABLE revoked_tokens (
    jti        TEXT    NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL -- seconds since 1970: the token's own exp, rows older are swept
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);
CREATE INDEX revoked_tokens_by_user ON revoked_tokens (user_id);

CREATE TABLE user_apis (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id        INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    api_name       TEXT    NOT NULL,
    provider       TEXT    NOT NULL DEFAULT 'openai',
    model_name     TEXT    NOT NULL,
    base_url       TEXT    NOT NULL DEFAULT '',
    api_key_sealed TEXT    NOT NULL,            -- bound to user and seal_salt, never in clear
    api_key_mask   TEXT    NOT NULL DEFAULT '', -- what answers show: sk-…wxyz
    seal_salt      TEXT    NOT NULL,            -- random: names the row before it has an id
    version        INTEGER NOT NULL DEFAULT 1,
    created_at     TEXT    NOT NULL,
    updated_at     TEXT    NOT NULL,
    UNIQUE (user_id, api_name)
) STRICT;
CREATE INDEX user_apis_by_model ON user_apis (user_id, model_name, id);

CREATE TABLE chat_sessions (
    id            INTEGER PRIMARY KEY,
    session_id    TEXT    NOT NULL UNIQUE,
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title         TEXT    NOT NULL,
    model_name    TEXT    NOT NULL,
    persona       TEXT    NOT NULL DEFAULT '',
    message_count INTEGER NOT NULL DEFAULT 0,
    version       INTEGER NOT NULL DEFAULT 1,
    created_at    TEXT    NOT NULL,
    updated_at    TEXT    NOT NULL
) STRICT;
CREATE INDEX chat_sessions_by_user ON chat_sessions (user_id, updated_at DESC, id DESC);

CREATE TABLE chat_messages (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id       INTEGER NOT NULL, -- the session's owner again: part of every key path
    session_row   INTEGER NOT NULL REFERENCES chat_sessions (id) ON DELETE CASCADE,
    parent_id     INTEGER REFERENCES chat_messages (id) ON DELETE SET NULL, -- CASCADE recurses a level a message
    role          TEXT    NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
    content       TEXT    NOT NULL,
    reasoning     TEXT    NOT NULL DEFAULT '',
    status        TEXT    NOT NULL DEFAULT 'complete'
                  CHECK (status IN ('complete', 'streaming', 'interrupted', 'stopped', 'error')),
    model_name    TEXT    NOT NULL DEFAULT '',
    finish_reason TEXT,
    error_code    TEXT,
    usage         TEXT,                       -- JSON object
    file_ids      TEXT    NOT NULL DEFAULT '[]', -- JSON array of numbers
    created_at    TEXT    NOT NULL,
    updated_at    TEXT    NOT NULL
) STRICT;
CREATE INDEX chat_messages_by_session ON chat_messages (session_row, user_id, id);
CREATE INDEX chat_messages_by_parent ON chat_messages (parent_id);
CREATE INDEX chat_messages_running ON chat_messages (id) WHERE status = 'streaming';

-- Text of running replies, appended each second, folded into the row at the end.
CREATE TABLE reply_chunks (
    message_id INTEGER NOT NULL REFERENCES chat_messages (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL, -- in the reply's log
    kind       INTEGER NOT NULL, -- 0 content, 1 reasoning
    bytes      BLOB    NOT NULL,
    PRIMARY KEY (message_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE uploaded_files (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      INTEGER NOT NULL, -- the session's owner again: part of every key path
    session_row  INTEGER NOT NULL REFERENCES chat_sessions (id) ON DELETE CASCADE,
    file_name    TEXT    NOT NULL,
    file_key     TEXT    NOT NULL UNIQUE, -- opaque storage key
    file_size    INTEGER NOT NULL,
    file_type    TEXT    NOT NULL,
    content      TEXT    NOT NULL DEFAULT '',
    is_processed INTEGER NOT NULL DEFAULT 0,
    created_at   TEXT    NOT NULL,
    updated_at   TEXT    NOT NULL
) STRICT;
CREATE INDEX uploaded_files_by_session ON uploaded_files (session_row, user_id, id);
