DROP TABLE node_counts;
ALTER TABLE nodes DROP COLUMN replies;
