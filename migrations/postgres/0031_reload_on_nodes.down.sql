ALTER TABLE chat_sessions DROP COLUMN turn_generation;
DROP TABLE node_probation_counts, node_probations, node_proposal_refusals, node_proposal_votes, node_proposal_files, node_proposals;
ALTER TABLE nodes DROP COLUMN script_generation;
DROP INDEX script_generations_current;
