-- Messages with steps leave the search index, and are queued again with what they say alone. All parts that
-- wait to go do so now: version 27 makes new ones of a message without waiting for them.

DROP TRIGGER message_search_insert;
DROP TRIGGER message_search_finish;
DROP TRIGGER message_search_delete;
DROP TRIGGER message_search_reopen;

CREATE TEMP TABLE messages_with_steps AS
SELECT id FROM chat_messages
WHERE search_text IS NOT NULL AND status <> 'streaming' AND status <> 'waiting';

INSERT INTO message_search (message_search, rowid, owner, content)
SELECT 'delete', id, owner, content FROM message_search_source
WHERE id IN (SELECT id FROM messages_with_steps)
  AND id NOT IN (SELECT id FROM message_search_queue);
INSERT INTO message_part_search (message_part_search, rowid, owner, content)
SELECT 'delete', id, owner, content FROM message_part_source
WHERE id / 65536 IN (SELECT id FROM messages_with_steps UNION ALL SELECT message_id FROM message_parts_gone);
DELETE FROM message_parts
WHERE id / 65536 IN (SELECT id FROM messages_with_steps UNION ALL SELECT message_id FROM message_parts_gone);
DELETE FROM message_parts_gone;
DELETE FROM message_search_queue WHERE id IN (SELECT id FROM messages_with_steps);

DROP VIEW message_search_source;
DROP VIEW message_search_out;
ALTER TABLE chat_messages DROP COLUMN search_text;
CREATE VIEW message_search_source AS
SELECT id, 'u' || user_id AS owner, content FROM chat_messages
WHERE status <> 'streaming' AND status <> 'waiting' AND length(CAST(content AS BLOB)) <= 32768;

INSERT INTO message_search_queue (id, user_id, size, is_long)
SELECT id, user_id, length(CAST(content AS BLOB)), length(CAST(content AS BLOB)) > 32768
FROM chat_messages WHERE id IN (SELECT id FROM messages_with_steps);
DROP TABLE messages_with_steps;

CREATE TRIGGER message_search_insert AFTER INSERT ON chat_messages
WHEN new.status <> 'streaming' AND new.status <> 'waiting'
BEGIN
    INSERT INTO message_search_queue (id, user_id, size, is_long)
    VALUES (new.id, new.user_id, length(CAST(new.content AS BLOB)), length(CAST(new.content AS BLOB)) > 32768);
END;

CREATE TRIGGER message_search_finish AFTER UPDATE OF status ON chat_messages
WHEN (old.status = 'streaming' OR old.status = 'waiting') AND new.status <> 'streaming' AND new.status <> 'waiting'
BEGIN
    INSERT INTO message_search_queue (id, user_id, size, is_long)
    VALUES (new.id, new.user_id, length(CAST(new.content AS BLOB)), length(CAST(new.content AS BLOB)) > 32768);
END;

-- Taking out what is not in, or another text than the one that was put in, would damage the index.
CREATE TRIGGER message_search_delete AFTER DELETE ON chat_messages
WHEN old.status <> 'streaming' AND old.status <> 'waiting'
BEGIN
    INSERT INTO message_search (message_search, rowid, owner, content)
    SELECT 'delete', old.id, 'u' || old.user_id, old.content
    WHERE length(CAST(old.content AS BLOB)) <= 32768
      AND NOT EXISTS (SELECT 1 FROM message_search_queue WHERE id = old.id);
    INSERT INTO message_parts_gone (message_id)
    SELECT old.id WHERE length(CAST(old.content AS BLOB)) > 32768;
    DELETE FROM message_search_queue WHERE id = old.id;
END;

-- A reply that goes on is searched again when it has ended. Long ones do not go on (lua/chat/tool_loop.lua).
CREATE TRIGGER message_search_reopen AFTER UPDATE OF status ON chat_messages
WHEN old.status <> 'streaming' AND old.status <> 'waiting' AND new.status = 'streaming'
BEGIN
    INSERT INTO message_search (message_search, rowid, owner, content)
    SELECT 'delete', old.id, 'u' || old.user_id, old.content
    WHERE NOT EXISTS (SELECT 1 FROM message_search_queue WHERE id = old.id);
    DELETE FROM message_search_queue WHERE id = old.id;
END;
