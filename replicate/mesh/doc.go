// Package mesh makes a database file a member of its mesh: what an application
// embeds to replicate its own file, and what the sqlsync command is made of.
//
// [Open] returns a [Member]. Its Store watches tables, adds remotes and reads
// the log and the conflicts; the application writes through a *sql.DB of its
// own, to the same file, by whatever driver. [Member.Serve] captures, dials and
// accepts until its context ends; [Member.Sync] exchanges once.
//
// A [Port] is an address at which members are reached, one or many.
//
//	m, err := mesh.Open(ctx, "shop.db", mesh.Options{Exclusive: true})
//	…
//	_, err = m.Store.Watch(ctx, []string{"orders"}, cdc.WatchOptions{})
//	err = m.AddRemote(ctx, "office", "sqlsync1…", "office.lan:7117")
//	err = m.Serve(ctx, mesh.ServeOptions{})
package mesh
