CREATE TRIGGER sqlsync_7_insert AFTER INSERT ON "stock" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) VALUES (7, 1, julianday('now'), NEW."sku", NEW."place");
END;

CREATE TRIGGER sqlsync_7_update AFTER UPDATE ON "stock" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) VALUES (7, 2, julianday('now'), NEW."sku", NEW."place");
END;

CREATE TRIGGER sqlsync_7_rekey AFTER UPDATE ON "stock" WHEN OLD."sku" IS NOT NEW."sku" OR OLD."place" IS NOT NEW."place" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) VALUES (7, 3, julianday('now'), OLD."sku", OLD."place");
END;

CREATE TRIGGER sqlsync_7_delete AFTER DELETE ON "stock" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) VALUES (7, 3, julianday('now'), OLD."sku", OLD."place");
END;

