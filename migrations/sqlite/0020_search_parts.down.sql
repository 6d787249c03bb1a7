-- Of long messages their first 65,536 characters are indexed again.

DROP TRIGGER message_search_insert;
DROP TRIGGER message_search_finish;
DROP TRIGGER message_search_delete;
DROP TABLE message_part_search;
DROP VIEW message_part_source;
DROP TABLE message_parts;
DROP TABLE message_parts_gone;

DROP VIEW message_search_source;
CREATE VIEW message_search_source AS
SELECT id, 'u' || user_id AS owner, substr(content, 1, 65536) AS content
FROM chat_messages WHERE status <> 'streaming';

CREATE TABLE message_search_queue_old (
    id      INTEGER NOT NULL PRIMARY KEY, -- of the message; without a reference: the trigger below
    user_id INTEGER NOT NULL,
    size    INTEGER NOT NULL              -- bytes to index
) STRICT;
INSERT INTO message_search_queue_old (id, user_id, size)
SELECT m.id, m.user_id, length(CAST(s.content AS BLOB))
FROM chat_messages AS m JOIN message_search_source AS s ON s.id = m.id
WHERE length(CAST(m.content AS BLOB)) > 32768
   OR m.id IN (SELECT id FROM message_search_queue);
DROP TABLE message_search_queue;
ALTER TABLE message_search_queue_old RENAME TO message_search_queue;

CREATE TRIGGER message_search_insert AFTER INSERT ON chat_messages
WHEN new.status <> 'streaming'
BEGIN
    INSERT INTO message_search_queue (id, user_id, size)
    VALUES (new.id, new.user_id, length(CAST(substr(new.content, 1, 65536) AS BLOB)));
END;

CREATE TRIGGER message_search_finish AFTER UPDATE OF status ON chat_messages
WHEN old.status = 'streaming' AND new.status <> 'streaming'
BEGIN
    INSERT INTO message_search_queue (id, user_id, size)
    VALUES (new.id, new.user_id, length(CAST(substr(new.content, 1, 65536) AS BLOB)));
END;

CREATE TRIGGER message_search_delete AFTER DELETE ON chat_messages
WHEN old.status <> 'streaming'
BEGIN
    INSERT INTO message_search (message_search, rowid, owner, content)
    SELECT 'delete', old.id, 'u' || old.user_id, substr(old.content, 1, 65536)
    WHERE NOT EXISTS (SELECT 1 FROM message_search_queue WHERE id = old.id);
    DELETE FROM message_search_queue WHERE id = old.id;
END;
