DROP INDEX chat_messages_by_parent;
CREATE INDEX chat_messages_by_parent ON chat_messages (parent_id);
DROP INDEX chat_sessions_by_age;
CREATE INDEX chat_sessions_by_age ON chat_sessions (source, created_at);
