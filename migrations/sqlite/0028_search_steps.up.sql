-- What tools did within a reply (its steps) can be found like what it says. search_text is both, written
-- with the steps; NULL where there are none, and content is all that is searched.

DROP TRIGGER message_search_insert;
DROP TRIGGER message_search_finish;
DROP TRIGGER message_search_delete;
DROP TRIGGER message_search_reopen;

-- An entry can be taken out of the search index only with the very text that was put in. So these
-- messages leave it first (their parts one a job), and are queued again below.
CREATE TEMP TABLE messages_with_steps AS
SELECT id FROM chat_messages WHERE steps <> '' AND status <> 'streaming' AND status <> 'waiting';

INSERT INTO message_search (message_search, rowid, owner, content)
SELECT 'delete', id, owner, content FROM message_search_source
WHERE id IN (SELECT id FROM messages_with_steps)
  AND id NOT IN (SELECT id FROM message_search_queue);
INSERT OR IGNORE INTO message_parts_gone (message_id)
SELECT DISTINCT id / 65536 FROM message_parts WHERE id / 65536 IN (SELECT id FROM messages_with_steps);
DELETE FROM message_search_queue WHERE id IN (SELECT id FROM messages_with_steps);

DROP VIEW message_search_source;
ALTER TABLE chat_messages ADD COLUMN search_text TEXT;
UPDATE chat_messages SET search_text = tidetalk_search_text(content, steps) WHERE steps <> '';
CREATE VIEW message_search_source AS
SELECT id, 'u' || user_id AS owner, coalesce(search_text, content) AS content FROM chat_messages
WHERE status <> 'streaming' AND status <> 'waiting' AND length(CAST(coalesce(search_text, content) AS BLOB)) <= 32768;

INSERT INTO message_search_queue (id, user_id, size, is_long)
SELECT id, user_id, length(CAST(search_text AS BLOB)), length(CAST(search_text AS BLOB)) > 32768
FROM chat_messages WHERE id IN (SELECT id FROM messages_with_steps);
DROP TABLE messages_with_steps;

CREATE TRIGGER message_search_insert AFTER INSERT ON chat_messages
WHEN new.status <> 'streaming' AND new.status <> 'waiting'
BEGIN
    INSERT INTO message_search_queue (id, user_id, size, is_long)
    VALUES (new.id, new.user_id, length(CAST(coalesce(new.search_text, new.content) AS BLOB)),
        length(CAST(coalesce(new.search_text, new.content) AS BLOB)) > 32768);
END;

CREATE TRIGGER message_search_finish AFTER UPDATE OF status ON chat_messages
WHEN (old.status = 'streaming' OR old.status = 'waiting') AND new.status <> 'streaming' AND new.status <> 'waiting'
BEGIN
    INSERT INTO message_search_queue (id, user_id, size, is_long)
    VALUES (new.id, new.user_id, length(CAST(coalesce(new.search_text, new.content) AS BLOB)),
        length(CAST(coalesce(new.search_text, new.content) AS BLOB)) > 32768);
END;

-- What leaves the index is written here. Apart from the triggers that do so, because one of them runs at every
-- reply's end, where it has nothing to do, and costs as much as its statements are long.
-- Taking out what is not in, or another text than the one that was put in, would damage the index.
CREATE VIEW message_search_out AS
SELECT id, user_id, coalesce(search_text, content) AS content FROM chat_messages;
CREATE TRIGGER message_search_take_out INSTEAD OF INSERT ON message_search_out
BEGIN
    INSERT INTO message_search (message_search, rowid, owner, content)
    SELECT 'delete', new.id, 'u' || new.user_id, new.content
    WHERE length(CAST(new.content AS BLOB)) <= 32768
      AND NOT EXISTS (SELECT 1 FROM message_search_queue WHERE id = new.id);
    INSERT OR IGNORE INTO message_parts_gone (message_id)
    SELECT new.id WHERE length(CAST(new.content AS BLOB)) > 32768;
    DELETE FROM message_search_queue WHERE id = new.id;
END;

CREATE TRIGGER message_search_delete AFTER DELETE ON chat_messages
WHEN old.status <> 'streaming' AND old.status <> 'waiting'
BEGIN
    INSERT INTO message_search_out (id, user_id, content)
    VALUES (old.id, old.user_id, coalesce(old.search_text, old.content));
END;

-- A reply that goes on is searched again when it has ended. The parts of a long one go before its new ones are made.
CREATE TRIGGER message_search_reopen AFTER UPDATE OF status ON chat_messages
WHEN old.status <> 'streaming' AND old.status <> 'waiting' AND new.status = 'streaming'
BEGIN
    INSERT INTO message_search_out (id, user_id, content)
    VALUES (old.id, old.user_id, coalesce(old.search_text, old.content));
END;
