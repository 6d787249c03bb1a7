-- Responses of OpenAI's clients that are stored (doors/responses.lua): each is a session of its own,
-- with what its client asked in a row beside it. `source` says where a session comes from; only
-- those of source 'chat' are in a user's list and in users.session_count.
ALTER TABLE chat_sessions ADD COLUMN source TEXT NOT NULL DEFAULT 'chat';
DROP INDEX chat_sessions_by_user;
CREATE INDEX chat_sessions_by_user ON chat_sessions (user_id, source, updated_at DESC, id DESC);
CREATE INDEX chat_sessions_by_age ON chat_sessions (source, created_at);

CREATE TABLE responses (
    session_row INTEGER NOT NULL PRIMARY KEY REFERENCES chat_sessions (id) ON DELETE CASCADE,
    user_id     INTEGER NOT NULL, -- the session's owner again
    message_id  INTEGER NOT NULL, -- the reply
    previous_id TEXT,             -- session_id of the response that it continues
    input       TEXT    NOT NULL, -- JSON: the items that it was asked with
    head        TEXT    NOT NULL  -- JSON: the members of its object that never change
) STRICT;
