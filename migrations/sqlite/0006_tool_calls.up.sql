-- Tool calls of a reply, as its log has them: lines of JSON, each an array of OpenAI's deltas. Kept as
-- they were told, so that a reply can be told again from any position.
ALTER TABLE chat_messages ADD COLUMN tool_calls TEXT NOT NULL DEFAULT '';
