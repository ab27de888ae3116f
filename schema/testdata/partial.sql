CREATE TRIGGER sqlsync_7_insert AFTER INSERT ON "jobs" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 1, julianday('now'), NEW."id");
END;

CREATE TRIGGER sqlsync_7_update AFTER UPDATE ON "jobs" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 2, julianday('now'), NEW."id");
END;

CREATE TRIGGER sqlsync_7_rekey AFTER UPDATE ON "jobs" WHEN OLD."id" IS NOT NEW."id" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 3, julianday('now'), OLD."id");
END;

CREATE TRIGGER sqlsync_7_delete AFTER DELETE ON "jobs" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 3, julianday('now'), OLD."id");
END;

CREATE TRIGGER sqlsync_7_displace_insert BEFORE INSERT ON "jobs" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) SELECT 7, 4, julianday('now'), (SELECT "id" FROM "jobs" AS sqlsync_row WHERE "slot" = NEW."slot" COLLATE BINARY AND (done = 0)) FROM (SELECT NULL AS "slot", NULL AS "done") AS NEW WHERE EXISTS (SELECT 1 FROM "jobs" AS sqlsync_row WHERE "slot" = NEW."slot" COLLATE BINARY AND (done = 0));
END;

CREATE TRIGGER sqlsync_7_displace_update BEFORE UPDATE ON "jobs" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) SELECT 7, 4, julianday('now'), (SELECT "id" FROM "jobs" AS sqlsync_row WHERE "slot" = NEW."slot" COLLATE BINARY AND (done = 0)) FROM (SELECT NULL AS "slot", NULL AS "done") AS NEW WHERE EXISTS (SELECT 1 FROM "jobs" AS sqlsync_row WHERE "slot" = NEW."slot" COLLATE BINARY AND (done = 0));
END;

