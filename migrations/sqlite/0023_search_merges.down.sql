INSERT INTO message_search (message_search, rank) VALUES ('automerge', 4);
INSERT INTO message_search (message_search, rank) VALUES ('crisismerge', 16);
INSERT INTO message_part_search (message_part_search, rank) VALUES ('automerge', 4);
INSERT INTO message_part_search (message_part_search, rank) VALUES ('crisismerge', 16);
