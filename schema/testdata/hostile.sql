CREATE TRIGGER sqlsync_7_insert AFTER INSERT ON "odd ""table""; DROP TABLE x; --" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) VALUES (7, 1, julianday('now'), NEW."se lect", NEW."a.b");
END;

CREATE TRIGGER sqlsync_7_update AFTER UPDATE ON "odd ""table""; DROP TABLE x; --" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) VALUES (7, 2, julianday('now'), NEW."se lect", NEW."a.b");
END;

CREATE TRIGGER sqlsync_7_rekey AFTER UPDATE ON "odd ""table""; DROP TABLE x; --" WHEN OLD."se lect" IS NOT NEW."se lect" OR OLD."a.b" IS NOT NEW."a.b" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) VALUES (7, 3, julianday('now'), OLD."se lect", OLD."a.b");
END;

CREATE TRIGGER sqlsync_7_delete AFTER DELETE ON "odd ""table""; DROP TABLE x; --" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) VALUES (7, 3, julianday('now'), OLD."se lect", OLD."a.b");
END;

CREATE TRIGGER sqlsync_7_displace_insert BEFORE INSERT ON "odd ""table""; DROP TABLE x; --" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) SELECT 7, 4, julianday('now'), "se lect", "a.b" FROM "odd ""table""; DROP TABLE x; --" AS sqlsync_row WHERE "é'""" = NEW."é'""" COLLATE BINARY;
END;

CREATE TRIGGER sqlsync_7_displace_update BEFORE UPDATE ON "odd ""table""; DROP TABLE x; --" WHEN OLD."é'""" IS NOT NEW."é'""" COLLATE BINARY BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) SELECT 7, 4, julianday('now'), "se lect", "a.b" FROM "odd ""table""; DROP TABLE x; --" AS sqlsync_row WHERE "é'""" = NEW."é'""" COLLATE BINARY;
END;

CREATE TRIGGER sqlsync_7_displace_rowid_insert BEFORE INSERT ON "odd ""table""; DROP TABLE x; --" WHEN NEW.rowid <> -1 BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) SELECT 7, 4, julianday('now'), "se lect", "a.b" FROM "odd ""table""; DROP TABLE x; --" AS sqlsync_row WHERE rowid = NEW.rowid;
END;

CREATE TRIGGER sqlsync_7_displace_rowid_update BEFORE UPDATE OF rowid, oid, _rowid_ ON "odd ""table""; DROP TABLE x; --" WHEN OLD.rowid <> NEW.rowid BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0, k1) SELECT 7, 4, julianday('now'), "se lect", "a.b" FROM "odd ""table""; DROP TABLE x; --" AS sqlsync_row WHERE rowid = NEW.rowid;
END;

