-- The same table with its conditions written out: for `x IN (a, b, c)` SQLite builds a temporary
-- b-tree each time a row is checked, five in every turn. Made anew and renamed, since a table's
-- conditions cannot be changed (https://www.sqlite.org/lang_altertable.html, 7).

DROP TRIGGER message_search_insert;
DROP TRIGGER message_search_finish;
DROP TRIGGER message_search_delete;
DROP VIEW message_search_source;

CREATE TABLE chat_messages_new (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id       INTEGER NOT NULL, -- the session's owner again: part of every key path
    session_row   INTEGER NOT NULL REFERENCES chat_sessions (id) ON DELETE CASCADE,
    parent_id     INTEGER REFERENCES chat_messages (id) ON DELETE SET NULL, -- CASCADE recurses a level a message
    role          TEXT    NOT NULL CHECK (role = 'user' OR role = 'assistant' OR role = 'system'),
    content       TEXT    NOT NULL,
    reasoning     TEXT    NOT NULL DEFAULT '',
    tool_calls    TEXT    NOT NULL DEFAULT '', -- lines of JSON, see 0006
    runs          TEXT    NOT NULL DEFAULT '', -- in which order the three came, see 0009
    status        TEXT    NOT NULL DEFAULT 'complete'
                  CHECK (status = 'complete' OR status = 'streaming' OR status = 'interrupted'
                         OR status = 'stopped' OR status = 'error'),
    model_name    TEXT    NOT NULL DEFAULT '',
    finish_reason TEXT,
    error_code    TEXT,
    usage         TEXT,                          -- JSON object
    file_ids      TEXT    NOT NULL DEFAULT '[]', -- JSON array of numbers
    delivered     INTEGER NOT NULL DEFAULT 1,    -- a client listened when it ended
    created_at    TEXT    NOT NULL,
    updated_at    TEXT    NOT NULL
) STRICT;
INSERT INTO chat_messages_new (id, user_id, session_row, parent_id, role, content, reasoning, tool_calls, runs,
    status, model_name, finish_reason, error_code, usage, file_ids, delivered, created_at, updated_at)
SELECT id, user_id, session_row, parent_id, role, content, reasoning, tool_calls, runs,
    status, model_name, finish_reason, error_code, usage, file_ids, delivered, created_at, updated_at
FROM chat_messages;
-- Ids of deleted messages are in tokens of streams: none is given out again.
DELETE FROM sqlite_sequence WHERE name = 'chat_messages_new';
UPDATE sqlite_sequence SET name = 'chat_messages_new' WHERE name = 'chat_messages';
DROP TABLE chat_messages;
ALTER TABLE chat_messages_new RENAME TO chat_messages;
CREATE INDEX chat_messages_by_session ON chat_messages (session_row, user_id, id);
CREATE INDEX chat_messages_by_parent ON chat_messages (parent_id);
CREATE INDEX chat_messages_running ON chat_messages (id) WHERE status = 'streaming';

CREATE VIEW message_search_source AS
SELECT id, 'u' || user_id AS owner, content FROM chat_messages WHERE status <> 'streaming';

CREATE TRIGGER message_search_insert AFTER INSERT ON chat_messages
WHEN new.status <> 'streaming'
BEGIN
    INSERT INTO message_search_queue (id, user_id) VALUES (new.id, new.user_id);
END;

CREATE TRIGGER message_search_finish AFTER UPDATE OF status ON chat_messages
WHEN old.status = 'streaming' AND new.status <> 'streaming'
BEGIN
    INSERT INTO message_search_queue (id, user_id) VALUES (new.id, new.user_id);
END;

-- Taking out what is not in would damage the index.
CREATE TRIGGER message_search_delete AFTER DELETE ON chat_messages
WHEN old.status <> 'streaming'
BEGIN
    INSERT INTO message_search (message_search, rowid, owner, content)
    SELECT 'delete', old.id, 'u' || old.user_id, old.content
    WHERE NOT EXISTS (SELECT 1 FROM message_search_queue WHERE id = old.id);
    DELETE FROM message_search_queue WHERE id = old.id;
END;
