-- Stored responses stay, as sessions like others.
DROP TABLE responses;
DROP INDEX chat_sessions_by_age;
DROP INDEX chat_sessions_by_user;
UPDATE users SET session_count = session_count
    + (SELECT count(*) FROM chat_sessions AS s WHERE s.user_id = users.id AND s.source <> 'chat');
ALTER TABLE chat_sessions DROP COLUMN source;
CREATE INDEX chat_sessions_by_user ON chat_sessions (user_id, updated_at DESC, id DESC);
