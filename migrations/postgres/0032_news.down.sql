DROP FUNCTION tidetalk_oldest_tx();
DROP TABLE changes;
