/* Records a statement by SQLite's session extension, or applies what was
** recorded, and prints how long encoding took, in seconds:
**
**     session record DATABASE CHANGES STATEMENT
**     session apply  DATABASE CHANGES
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_session sqlite3_session;
typedef struct sqlite3_changeset_iter sqlite3_changeset_iter;
int sqlite3_open(const char *, sqlite3 **);
int sqlite3_exec(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);
int sqlite3_close(sqlite3 *);
int sqlite3session_create(sqlite3 *, const char *, sqlite3_session **);
int sqlite3session_attach(sqlite3_session *, const char *);
int sqlite3session_changeset(sqlite3_session *, int *, void **);
void sqlite3session_delete(sqlite3_session *);
int sqlite3changeset_apply(sqlite3 *, int, void *, int (*)(void *, const char *),
                           int (*)(void *, int, sqlite3_changeset_iter *), void *);

static void check(int code, const char *what) {
  if (code != 0) {
    fprintf(stderr, "%s: error %d\n", what, code);
    exit(1);
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static int abort_on(void *context, int kind, sqlite3_changeset_iter *iter) {
  (void)context, (void)kind, (void)iter;
  return 2; /* SQLITE_CHANGESET_ABORT */
}

static void record(sqlite3 *db, const char *path, const char *statement) {
  sqlite3_session *session;
  int size;
  void *changes;
  check(sqlite3session_create(db, "main", &session), "create");
  check(sqlite3session_attach(session, 0), "attach");
  check(sqlite3_exec(db, statement, 0, 0, 0), "statement");
  double begun = now();
  check(sqlite3session_changeset(session, &size, &changes), "changeset");
  double encoded = now() - begun;
  sqlite3session_delete(session);
  FILE *f = fopen(path, "wb");
  check(f == 0 || fwrite(changes, 1, size, f) != (size_t)size || fclose(f) != 0, path);
  printf("%f\n", encoded);
}

static void apply(sqlite3 *db, const char *path) {
  FILE *f = fopen(path, "rb");
  check(f == 0 || fseek(f, 0, SEEK_END) != 0, path);
  long size = ftell(f);
  void *changes = malloc(size);
  rewind(f);
  check(fread(changes, 1, size, f) != (size_t)size, path);
  check(sqlite3changeset_apply(db, size, changes, 0, abort_on, 0), "apply");
  printf("0\n");
}

int main(int argc, char **argv) {
  sqlite3 *db;
  if (argc < 4) return 2;
  check(sqlite3_open(argv[2], &db), argv[2]);
  if (argc == 5 && strcmp(argv[1], "record") == 0) record(db, argv[3], argv[4]);
  else if (argc == 4 && strcmp(argv[1], "apply") == 0) apply(db, argv[3]);
  else return 2;
  check(sqlite3_close(db), "close");
  return 0;
}
