DROP TABLE uploaded_files;
DROP TABLE reply_chunks;
DROP TABLE chat_messages;
DROP TABLE chat_sessions;
DROP TABLE user_apis;
DROP TABLE revoked_tokens;
DROP TABLE users;
