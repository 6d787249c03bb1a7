-- Indexes have only the rows that are looked for by them: a new session's turn writes two pages less.
DROP INDEX chat_messages_by_parent;
CREATE INDEX chat_messages_by_parent ON chat_messages (parent_id) WHERE parent_id IS NOT NULL;
DROP INDEX chat_sessions_by_age;
CREATE INDEX chat_sessions_by_age ON chat_sessions (source, created_at) WHERE source <> 'chat';
