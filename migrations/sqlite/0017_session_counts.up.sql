-- What a list or a limit would have to count is kept as a number, changed in the transaction that
-- changes the rows: a user's sessions and bytes of files, a session's files. Start checks them
-- (core/app/count_check.h).
--
-- A session that is deleted loses its owner and its id in one statement and is nobody's from then
-- on. Its rows go in small steps (core/chat/deleted_sessions.h), and its row last, so that its
-- number is not given out again before. Made anew and renamed, since NOT NULL cannot be taken off a
-- column (https://www.sqlite.org/lang_altertable.html, 7).

ALTER TABLE users ADD COLUMN session_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN file_bytes INTEGER NOT NULL DEFAULT 0;

CREATE TABLE chat_sessions_new (
    id            INTEGER PRIMARY KEY,
    session_id    TEXT    UNIQUE,                                   -- NULL: deleted
    user_id       INTEGER REFERENCES users (id) ON DELETE CASCADE, -- NULL: deleted
    title         TEXT    NOT NULL,
    model_name    TEXT    NOT NULL,
    persona       TEXT    NOT NULL DEFAULT '',
    message_count INTEGER NOT NULL DEFAULT 0,
    file_count    INTEGER NOT NULL DEFAULT 0,
    version       INTEGER NOT NULL DEFAULT 1,
    created_at    TEXT    NOT NULL,
    updated_at    TEXT    NOT NULL,
    CHECK ((session_id IS NULL) = (user_id IS NULL))
) STRICT;
INSERT INTO chat_sessions_new (id, session_id, user_id, title, model_name, persona, message_count,
    file_count, version, created_at, updated_at)
SELECT id, session_id, user_id, title, model_name, persona, message_count,
    (SELECT count(*) FROM uploaded_files WHERE session_row = s.id), version, created_at, updated_at
FROM chat_sessions AS s;
DROP TABLE chat_sessions;
ALTER TABLE chat_sessions_new RENAME TO chat_sessions;
CREATE INDEX chat_sessions_by_user ON chat_sessions (user_id, updated_at DESC, id DESC);

-- Each table is gone through once, also with many users of few rows.
UPDATE users SET session_count = s.sessions
FROM (SELECT user_id, count(*) AS sessions FROM chat_sessions GROUP BY user_id) AS s
WHERE s.user_id = users.id;
UPDATE users SET file_bytes = f.bytes
FROM (SELECT user_id, sum(file_size) AS bytes FROM uploaded_files GROUP BY user_id) AS f
WHERE f.user_id = users.id;
DROP INDEX uploaded_files_by_user;
