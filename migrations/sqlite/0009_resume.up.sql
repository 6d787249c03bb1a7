-- What a client needs that comes back to a reply that has ended. `runs`: in which order content,
-- reasoning and tool calls came, a letter and a length in bytes each ("r3c120r5c80"); '' = once
-- reasoning, content, tool calls. `delivered`: a client listened when it ended; rows from before
-- count as such.
ALTER TABLE chat_messages ADD COLUMN runs TEXT NOT NULL DEFAULT '';
ALTER TABLE chat_messages ADD COLUMN delivered INTEGER NOT NULL DEFAULT 1;
