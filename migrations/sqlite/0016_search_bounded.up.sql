-- Of a message its first 65,536 characters can be found: one message must not hold the writer. The
-- queue knows how many bytes that is, so that a job can take as many messages as it may.

DROP TRIGGER message_search_insert;
DROP TRIGGER message_search_finish;
DROP TRIGGER message_search_delete;

-- An entry can be taken out only with the very text that was put in. So longer messages leave the
-- index with all of their text, and are queued again below. (The texts are compared, not their
-- lengths: for SQLite's functions a text ends at a NUL.)
CREATE TEMP TABLE message_search_cut AS
SELECT id FROM chat_messages
WHERE status <> 'streaming' AND substr(content, 1, 65536) <> content
  AND id NOT IN (SELECT id FROM message_search_queue);

INSERT INTO message_search (message_search, rowid, owner, content)
SELECT 'delete', id, owner, content FROM message_search_source
WHERE id IN (SELECT id FROM message_search_cut);

DROP VIEW message_search_source;
CREATE VIEW message_search_source AS
SELECT id, 'u' || user_id AS owner, substr(content, 1, 65536) AS content
FROM chat_messages WHERE status <> 'streaming';

CREATE TABLE message_search_queue_new (
    id      INTEGER NOT NULL PRIMARY KEY, -- of the message; without a reference: the trigger below
    user_id INTEGER NOT NULL,
    size    INTEGER NOT NULL              -- bytes to index
) STRICT;
INSERT INTO message_search_queue_new (id, user_id, size)
SELECT m.id, m.user_id, length(CAST(s.content AS BLOB))
FROM chat_messages AS m JOIN message_search_source AS s ON s.id = m.id
WHERE m.id IN (SELECT id FROM message_search_queue UNION ALL SELECT id FROM message_search_cut);
DROP TABLE message_search_queue;
ALTER TABLE message_search_queue_new RENAME TO message_search_queue;
DROP TABLE message_search_cut;

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

-- Taking out what is not in, or another text than the one that was put in, would damage the index.
CREATE TRIGGER message_search_delete AFTER DELETE ON chat_messages
WHEN old.status <> 'streaming'
BEGIN
    INSERT INTO message_search (message_search, rowid, owner, content)
    SELECT 'delete', old.id, 'u' || old.user_id, substr(old.content, 1, 65536)
    WHERE NOT EXISTS (SELECT 1 FROM message_search_queue WHERE id = old.id);
    DELETE FROM message_search_queue WHERE id = old.id;
END;
