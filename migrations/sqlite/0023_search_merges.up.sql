-- The search index is merged by jobs of its own, in small steps: not by whoever writes into it, who
-- may meet a merge of any size. Many segments before one is made in a hurry.
INSERT INTO message_search (message_search, rank) VALUES ('automerge', 0);
INSERT INTO message_search (message_search, rank) VALUES ('crisismerge', 256);
INSERT INTO message_part_search (message_part_search, rank) VALUES ('automerge', 0);
INSERT INTO message_part_search (message_part_search, rank) VALUES ('crisismerge', 256);
