DROP TABLE script_generation_files;
DROP TABLE script_generations;
DROP TABLE script_files;
