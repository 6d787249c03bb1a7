-- Messages are indexed whole again: those that were cut leave the index and are queued.

DROP TRIGGER message_search_insert;
DROP TRIGGER message_search_finish;
DROP TRIGGER message_search_delete;

CREATE TEMP TABLE message_search_cut AS
SELECT id, user_id FROM chat_messages
WHERE status <> 'streaming' AND substr(content, 1, 65536) <> content
  AND id NOT IN (SELECT id FROM message_search_queue);

INSERT INTO message_search (message_search, rowid, owner, content)
SELECT 'delete', id, owner, content FROM message_search_source
WHERE id IN (SELECT id FROM message_search_cut);

DROP VIEW message_search_source;
CREATE VIEW message_search_source AS
SELECT id, 'u' || user_id AS owner, content FROM chat_messages WHERE status <> 'streaming';

ALTER TABLE message_search_queue DROP COLUMN size;
INSERT INTO message_search_queue (id, user_id) SELECT id, user_id FROM message_search_cut;
DROP TABLE message_search_cut;

CREATE TRIGGER message_search_insert AFTER INSERT ON chat_messages
WHEN new.status <> 'streaming'
BEGIN
    INSERT INTO message_search_queue (id, user_id) VALUES (new.id, new.user_id);
END;

CREATE TRIGGER message_search_finish AFTER UPDATE OF status ON chat_messages
WHEN old.status = 'streaming' AND new.status <> 'streaming'
BEGIN
    INSERT INTO message_search_queue (id, user_id) VALUES (new.id, new.user_id);
END;

-- Taking out what is not in would damage the index.
CREATE TRIGGER message_search_delete AFTER DELETE ON chat_messages
WHEN old.status <> 'streaming'
BEGIN
    INSERT INTO message_search (message_search, rowid, owner, content)
    SELECT 'delete', old.id, 'u' || old.user_id, old.content
    WHERE NOT EXISTS (SELECT 1 FROM message_search_queue WHERE id = old.id);
    DELETE FROM message_search_queue WHERE id = old.id;
END;
