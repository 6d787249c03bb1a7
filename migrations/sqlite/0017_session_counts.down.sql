-- Nothing is counted ahead, and what is left of deleted sessions goes at once.

DELETE FROM reply_chunks WHERE message_id IN (SELECT m.id FROM chat_messages AS m
    JOIN chat_sessions AS s ON s.id = m.session_row WHERE s.user_id IS NULL);
DELETE FROM chat_messages
WHERE session_row IN (SELECT id FROM chat_sessions WHERE user_id IS NULL);
DELETE FROM uploaded_files
WHERE session_row IN (SELECT id FROM chat_sessions WHERE user_id IS NULL);

CREATE TABLE chat_sessions_new (
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
INSERT INTO chat_sessions_new (id, session_id, user_id, title, model_name, persona, message_count,
    version, created_at, updated_at)
SELECT id, session_id, user_id, title, model_name, persona, message_count, version, created_at,
    updated_at
FROM chat_sessions WHERE user_id IS NOT NULL;
DROP TABLE chat_sessions;
ALTER TABLE chat_sessions_new RENAME TO chat_sessions;
CREATE INDEX chat_sessions_by_user ON chat_sessions (user_id, updated_at DESC, id DESC);

ALTER TABLE users DROP COLUMN file_bytes;
ALTER TABLE users DROP COLUMN session_count;
CREATE INDEX uploaded_files_by_user ON uploaded_files (user_id, file_size);
