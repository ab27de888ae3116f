// Package shell is the SQL shell behind `sqlsync shell`.
//
// It behaves as users of the sqlite3 program expect: statements end at a
// semicolon, lines that begin with a dot are commands to the shell, and list,
// csv, json, line and column output look the same. Run reads statements from a
// terminal or a script; Exec runs the text it is given. sqlsync's own tables
// stay out of sight until `.all on`.
package shell
