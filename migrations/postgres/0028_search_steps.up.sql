-- What tools did within a reply (its steps) can be found like what it says: migrations/sqlite/0028.
ALTER TABLE chat_messages ADD COLUMN search_text TEXT COLLATE "C";

-- The texts and numbers within a value, in their order.
CREATE FUNCTION tidetalk_json_texts(value JSON) RETURNS SETOF TEXT LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    CASE json_typeof(value)
    WHEN 'object' THEN
        RETURN QUERY SELECT t FROM json_each(value) WITH ORDINALITY AS m (key, item, at),
            LATERAL tidetalk_json_texts(m.item) WITH ORDINALITY AS s (t, part) ORDER BY at, part;
    WHEN 'array' THEN
        RETURN QUERY SELECT t FROM json_array_elements(value) WITH ORDINALITY AS m (item, at),
            LATERAL tidetalk_json_texts(m.item) WITH ORDINALITY AS s (t, part) ORDER BY at, part;
    WHEN 'string', 'number' THEN
        RETURN NEXT value #>> '{}';
    ELSE NULL;
    END CASE;
END $$;

-- A step without its id, as a line of text. \u0000 cannot be in a text here. What is no JSON is taken as it
-- is: a reply must be able to end.
CREATE FUNCTION tidetalk_step_text(step TEXT) RETURNS TEXT LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT string_agg(t, ' ' ORDER BY m.at, part)
        FROM json_each(regexp_replace(step, '(?<!\\)((\\\\)*)\\u0000', '\1\\ufffd', 'g')::json) AS kind,
        LATERAL json_each(kind.value) WITH ORDINALITY AS m (key, item, at),
        LATERAL tidetalk_json_texts(m.item) WITH ORDINALITY AS s (t, part)
        WHERE m.key <> 'id');
EXCEPTION WHEN OTHERS THEN
    RETURN step;
END $$;

-- NULL without steps.
CREATE FUNCTION tidetalk_search_text(content TEXT, steps TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT concat_ws(E'\n', nullif(content, ''), string_agg(tidetalk_step_text(step), E'\n' ORDER BY at))
    FROM string_to_table(steps, E'\n') WITH ORDINALITY AS s (step, at) WHERE step <> '' HAVING steps <> ''
$$;

CREATE OR REPLACE FUNCTION message_search_put() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    size BIGINT := octet_length(coalesce(new.search_text, new.content));
BEGIN
    INSERT INTO message_search_queue (id, user_id, size, is_long)
    VALUES (new.id, new.user_id, size, (size > 32768)::int);
    RETURN NULL;
END $$;

UPDATE chat_messages SET search_text = tidetalk_search_text(content, steps) WHERE steps <> '';
DELETE FROM message_parts WHERE message_id IN (SELECT id FROM chat_messages WHERE search_text IS NOT NULL);
DELETE FROM message_search_queue WHERE id IN (SELECT id FROM chat_messages WHERE search_text IS NOT NULL);
INSERT INTO message_search_queue (id, user_id, size, is_long)
SELECT id, user_id, octet_length(search_text), (octet_length(search_text) > 32768)::int
FROM chat_messages WHERE search_text IS NOT NULL AND status <> 'streaming' AND status <> 'waiting';
