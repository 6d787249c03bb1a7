-- No text holds U+0000 any more: it becomes U+FFFD where text enters, and here in the rows from
-- before. (PostgreSQL cannot hold it, and for most functions of SQLite a text ends there.)

-- An entry can be taken out of the search index only with the very text that was put in. So these
-- messages leave it first, and are queued again below: the longer text may need parts.
CREATE TEMP TABLE messages_with_nul AS
SELECT id FROM chat_messages WHERE status <> 'streaming' AND instr(content, char(0)) > 0;

INSERT INTO message_search (message_search, rowid, owner, content)
SELECT 'delete', id, owner, content FROM message_search_source
WHERE id IN (SELECT id FROM messages_with_nul)
  AND id NOT IN (SELECT id FROM message_search_queue);
INSERT INTO message_part_search (message_part_search, rowid, owner, content)
SELECT 'delete', id, owner, content FROM message_part_source
WHERE id / 65536 IN (SELECT id FROM messages_with_nul);
DELETE FROM message_parts WHERE id / 65536 IN (SELECT id FROM messages_with_nul);
DELETE FROM message_search_queue WHERE id IN (SELECT id FROM messages_with_nul);

-- The runs count bytes of the three texts; without them these are shown in the usual order.
UPDATE chat_messages SET content = tidetalk_without_nul(content),
    reasoning = tidetalk_without_nul(reasoning), tool_calls = tidetalk_without_nul(tool_calls),
    runs = ''
WHERE instr(content, char(0)) > 0 OR instr(reasoning, char(0)) > 0 OR instr(tool_calls, char(0)) > 0;
UPDATE chat_messages SET model_name = tidetalk_without_nul(model_name)
WHERE instr(model_name, char(0)) > 0;

INSERT INTO message_search_queue (id, user_id, size, is_long)
SELECT id, user_id, length(CAST(content AS BLOB)), length(CAST(content AS BLOB)) > 32768
FROM chat_messages WHERE id IN (SELECT id FROM messages_with_nul);
DROP TABLE messages_with_nul;

-- IGNORE: a name that the other text has already stays as it is.
UPDATE users SET email = tidetalk_without_nul(email) WHERE instr(email, char(0)) > 0;
UPDATE OR IGNORE user_apis SET api_name = tidetalk_without_nul(api_name)
WHERE instr(api_name, char(0)) > 0;
UPDATE user_apis SET model_name = tidetalk_without_nul(model_name)
WHERE instr(model_name, char(0)) > 0;
UPDATE OR IGNORE chat_sessions SET session_id = tidetalk_without_nul(session_id)
WHERE instr(session_id, char(0)) > 0;
UPDATE chat_sessions SET title = tidetalk_without_nul(title),
    model_name = tidetalk_without_nul(model_name), persona = tidetalk_without_nul(persona)
WHERE instr(title, char(0)) > 0 OR instr(model_name, char(0)) > 0 OR instr(persona, char(0)) > 0;
UPDATE uploaded_files SET file_name = tidetalk_without_nul(file_name),
    content = tidetalk_without_nul(content)
WHERE instr(file_name, char(0)) > 0 OR instr(content, char(0)) > 0;
UPDATE api_keys SET name = tidetalk_without_nul(name) WHERE instr(name, char(0)) > 0;
UPDATE OR IGNORE usage_days SET model_name = tidetalk_without_nul(model_name)
WHERE instr(model_name, char(0)) > 0;
