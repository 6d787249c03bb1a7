CREATE OR REPLACE FUNCTION message_search_put() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message_search_queue (id, user_id, size, is_long)
    VALUES (new.id, new.user_id, octet_length(new.content), (octet_length(new.content) > 32768)::int);
    RETURN NULL;
END $$;

-- Messages with steps are indexed again with what they say alone.
DELETE FROM message_parts WHERE message_id IN (SELECT id FROM chat_messages WHERE search_text IS NOT NULL);
DELETE FROM message_search_queue WHERE id IN (SELECT id FROM chat_messages WHERE search_text IS NOT NULL);
INSERT INTO message_search_queue (id, user_id, size, is_long)
SELECT id, user_id, octet_length(content), (octet_length(content) > 32768)::int
FROM chat_messages WHERE search_text IS NOT NULL AND status <> 'streaming' AND status <> 'waiting';
ALTER TABLE chat_messages DROP COLUMN search_text;
DROP FUNCTION tidetalk_search_text;
DROP FUNCTION tidetalk_step_text;
DROP FUNCTION tidetalk_json_texts;
