CREATE TRIGGER sqlsync_7_insert AFTER INSERT ON "users" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 1, julianday('now'), NEW."id");
END;

CREATE TRIGGER sqlsync_7_update AFTER UPDATE ON "users" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 2, julianday('now'), NEW."id");
END;

CREATE TRIGGER sqlsync_7_rekey AFTER UPDATE ON "users" WHEN OLD."id" IS NOT NEW."id" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 3, julianday('now'), OLD."id");
END;

CREATE TRIGGER sqlsync_7_delete AFTER DELETE ON "users" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) VALUES (7, 3, julianday('now'), OLD."id");
END;

CREATE TRIGGER sqlsync_7_displace_insert BEFORE INSERT ON "users" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) SELECT 7, 4, julianday('now'), (SELECT "id" FROM "users" AS sqlsync_row WHERE "mail" = NEW."mail" COLLATE NOCASE) FROM (SELECT NULL AS "mail") AS NEW WHERE EXISTS (SELECT 1 FROM "users" AS sqlsync_row WHERE "mail" = NEW."mail" COLLATE NOCASE);
END;

CREATE TRIGGER sqlsync_7_displace_update BEFORE UPDATE ON "users" WHEN (SELECT (SELECT (SELECT OLD."mail" IS NOT NEW."mail" COLLATE BINARY) FROM (SELECT NULL AS "mail") AS NEW) FROM (SELECT NULL AS "mail") AS OLD) BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) SELECT 7, 4, julianday('now'), (SELECT "id" FROM "users" AS sqlsync_row WHERE "mail" = NEW."mail" COLLATE NOCASE) FROM (SELECT NULL AS "mail") AS NEW WHERE EXISTS (SELECT 1 FROM "users" AS sqlsync_row WHERE "mail" = NEW."mail" COLLATE NOCASE);
END;

