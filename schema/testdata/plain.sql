CREATE TRIGGER sqlsync_7_insert AFTER INSERT ON "items" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 1, julianday('now'), NEW."id");
END;

CREATE TRIGGER sqlsync_7_update AFTER UPDATE ON "items" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 2, julianday('now'), NEW."id");
END;

CREATE TRIGGER sqlsync_7_rekey AFTER UPDATE ON "items" WHEN OLD."id" IS NOT NEW."id" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 3, julianday('now'), OLD."id");
END;

CREATE TRIGGER sqlsync_7_delete AFTER DELETE ON "items" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 3, julianday('now'), OLD."id");
END;

