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
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) SELECT 7, 4, julianday('now'), (SELECT "id" FROM "users" AS sqlsync_row WHERE lower(mail) = (SELECT lower(mail) FROM (SELECT "mail" AS "mail" FROM "users" AS sqlsync_row WHERE 0 UNION ALL SELECT NEW."mail" LIMIT 1)) AND "site" = NEW."site" COLLATE BINARY AND substr(mail, 1, 3) = (SELECT substr(mail, 1, 3) FROM (SELECT "mail" AS "mail" FROM "users" AS sqlsync_row WHERE 0 UNION ALL SELECT NEW."mail" LIMIT 1))) FROM (SELECT NULL AS "mail", NULL AS "site") AS NEW WHERE EXISTS (SELECT 1 FROM "users" AS sqlsync_row WHERE lower(mail) = (SELECT lower(mail) FROM (SELECT "mail" AS "mail" FROM "users" AS sqlsync_row WHERE 0 UNION ALL SELECT NEW."mail" LIMIT 1)) AND "site" = NEW."site" COLLATE BINARY AND substr(mail, 1, 3) = (SELECT substr(mail, 1, 3) FROM (SELECT "mail" AS "mail" FROM "users" AS sqlsync_row WHERE 0 UNION ALL SELECT NEW."mail" LIMIT 1)));
END;

CREATE TRIGGER sqlsync_7_displace_update BEFORE UPDATE ON "users" BEGIN
  INSERT INTO sqlsync_oplog_1 (table_id, op, at, k0) SELECT 7, 4, julianday('now'), (SELECT "id" FROM "users" AS sqlsync_row WHERE lower(mail) = (SELECT lower(mail) FROM (SELECT "mail" AS "mail" FROM "users" AS sqlsync_row WHERE 0 UNION ALL SELECT NEW."mail" LIMIT 1)) AND "site" = NEW."site" COLLATE BINARY AND substr(mail, 1, 3) = (SELECT substr(mail, 1, 3) FROM (SELECT "mail" AS "mail" FROM "users" AS sqlsync_row WHERE 0 UNION ALL SELECT NEW."mail" LIMIT 1))) FROM (SELECT NULL AS "mail", NULL AS "site") AS NEW WHERE EXISTS (SELECT 1 FROM "users" AS sqlsync_row WHERE lower(mail) = (SELECT lower(mail) FROM (SELECT "mail" AS "mail" FROM "users" AS sqlsync_row WHERE 0 UNION ALL SELECT NEW."mail" LIMIT 1)) AND "site" = NEW."site" COLLATE BINARY AND substr(mail, 1, 3) = (SELECT substr(mail, 1, 3) FROM (SELECT "mail" AS "mail" FROM "users" AS sqlsync_row WHERE 0 UNION ALL SELECT NEW."mail" LIMIT 1)));
END;

