package replicate

import (
	"time"

	"sqlsync/wire"
)

// traces are the scenes whose messages testdata/traces records.
var traces = map[string]func(*duo){
	"hello": func(d *duo) {
		d.start()
		d.pass(3 * time.Second)
	},
	"protocol": func(d *duo) {
		d.start()
		d.log.Reset()
		d.sides[1].session = newSession(d.sides[1].config)
		d.step(1, received{&wire.Hello{MinProtocol: 7, MaxProtocol: 9, Dataset: "primary"}})
	},
	"unnamed-dataset": func(d *duo) {
		d.start()
		d.log.Reset()
		for _, dataset := range []string{"", "logs"} {
			d.sides[1].session = newSession(d.sides[1].config)
			d.step(1, received{&wire.Hello{MinProtocol: 1, MaxProtocol: 5, Dataset: dataset, Push: true, Pull: true}})
		}
	},
	"no-dataset": func(d *duo) {
		d.sides[1].config.dataset = "stock"
		d.start()
	},
	"early": func(d *duo) {
		d.sides[0].session = newSession(d.sides[0].config)
		d.sides[1].session = newSession(d.sides[1].config)
		d.step(1, received{&wire.Ack{}})
		d.settle()
	},
	"catch-up": func(d *duo) {
		d.sides[0].config.limits.message = 500
		d.sides[0].config.limits.window = 900
		d.commit(0, 5)
		d.commit(1, 2)
		d.start()
	},
	"live": func(d *duo) {
		d.start()
		d.commit(0, 1)
		d.settle()
		d.commit(1, 1)
		d.settle()
	},
	"crossing": func(d *duo) {
		d.start()
		d.commit(0, 1)
		d.commit(1, 1)
		d.settle()
	},
	"offers": func(d *duo) {
		d.start()
		d.commit(1, 1)
		d.post(1, offered{tables: []wire.TableOffer{{Name: "orders", Policy: "row"}}})
		d.post(1, offered{tables: []wire.TableOffer{{Name: "orders", Policy: "row"}}})
		d.settle()
	},
	"adopt": func(d *duo) {
		d.sides[0].store.follows = true
		d.commit(1, 1)
		d.start()
	},
	"sync-adopting": func(d *duo) {
		d.sides[0].store.follows = true
		d.sides[1].store.follows = true
		d.commit(1, 1)
		d.start()
		d.post(0, syncWanted{})
		d.settle()
	},
	"sync": func(d *duo) {
		d.sides[0].store.write(2)
		d.sides[1].store.write(3)
		d.start()
		d.post(0, syncWanted{})
		d.settle()
	},
	"sync-crossing": func(d *duo) {
		d.sides[0].store.write(1)
		d.sides[1].store.write(1)
		d.start()
		d.post(0, syncWanted{})
		d.post(1, syncWanted{})
		d.settle()
	},
	"pull-only": func(d *duo) {
		d.sides[0].config.push = false
		d.commit(0, 1)
		d.commit(1, 1)
		d.start()
		d.post(0, syncWanted{})
		d.settle()
		d.say("-- b pushes on, a sends against the agreement")
		d.post(1, received{&wire.Batches{Sealed: []*wire.Sealed{d.sides[0].store.held[0].Sealed}}})
		d.settle()
	},
	"schema": func(d *duo) {
		d.sides[0].config.pull, d.sides[0].config.push = false, false
		d.start()
		d.post(0, schemaWanted{})
		d.settle()
		d.post(1, schemaWanted{})
		d.settle()
	},
	"digests": func(d *duo) {
		d.sides[0].config.pull, d.sides[0].config.push = false, false
		d.commit(1, 2)
		d.start()
		d.post(0, digestsWanted{})
		d.settle()
		d.say("-- b asks a, which gives nothing")
		d.post(1, digestsWanted{})
		d.settle()
	},
	"comparison": func(d *duo) {
		d.sides[0].config.pull, d.sides[0].config.push = false, false
		d.commit(1, 2)
		d.start()
		d.post(0, comparisonWanted{&wire.ContentsRequest{}})
		d.settle()
		d.say("-- an answer that was not asked for")
		d.post(1, received{&wire.Ranges{}})
		d.settle()
	},
	"by-ranges": func(d *duo) {
		d.commit(0, 5)
		d.sides[0].store.held = d.sides[0].store.held[3:]
		d.start()
		d.say("-- b asks, and takes what a answers")
		d.post(1, snapshotTaken{&wire.ContentsRequest{}})
		d.settle()
		d.post(1, snapshotTaken{&wire.RangesRequest{}})
		d.settle()
		d.post(1, snapshotTaken{})
		d.settle()
	},
	"behind-again": func(d *duo) {
		d.commit(0, 5)
		d.sides[0].store.held = d.sides[0].store.held[3:]
		d.start()
		d.say("-- a says so once more while b takes a snapshot, which brings nothing")
		d.post(1, snapshotTaken{&wire.ContentsRequest{}})
		d.settle()
		d.step(1, received{&wire.Behind{}})
		d.settle()
		d.post(1, snapshotTaken{})
		d.settle()
		d.say("-- the next one is the last")
		d.post(1, snapshotTaken{})
		d.settle()
	},
	"ranges-too-early": func(d *duo) {
		d.start()
		d.log.Reset()
		for _, e := range []event{received{&wire.Behind{}}, comparisonWanted{&wire.ContentsRequest{}}} {
			d.sides[0].session = newSession(d.sides[0].config)
			d.step(0, received{&wire.Hello{MinProtocol: 1, MaxProtocol: 3, Dataset: "primary", Push: true, Pull: true}})
			d.step(0, e)
		}
	},
	"digests-too-early": func(d *duo) {
		d.start()
		d.log.Reset()
		d.sides[0].session = newSession(d.sides[0].config)
		d.step(0, received{&wire.Hello{MinProtocol: 1, MaxProtocol: 1, Dataset: "primary", Push: true, Pull: true}})
		d.step(0, digestsWanted{})
	},
	"relay": func(d *duo) {
		d.start()
		d.merge(0, 1)
		d.settle()
		d.pass(50 * time.Millisecond)
		d.say("-- from now on at once")
		d.merge(0, 3)
		d.settle()
	},
	"fed": func(d *duo) {
		d.start()
		d.merge(0, 2)
		d.settle()
		d.merge(1, 2)
		d.settle()
		d.pass(time.Second)
	},
	"pruned": func(d *duo) {
		d.commit(0, 5)
		d.commit(1, 2)
		d.sides[0].store.held = d.sides[0].store.held[3:]
		d.start()
		d.say("-- what b has still flows")
		d.commit(1, 1)
		d.settle()
		d.post(1, syncWanted{})
		d.settle()
	},
	"all-pruned": func(d *duo) {
		d.commit(0, 5)
		d.sides[0].store.held = nil
		d.start()
		d.post(0, syncWanted{})
		d.settle()
	},
	"silence": func(d *duo) {
		d.start()
		d.say("-- the wire is cut")
		for range 5 {
			d.now = d.sides[0].session.deadline()
			d.step(0, ticked{})
			d.step(0, written{})
			d.todo = nil
		}
	},
	"probe": func(d *duo) {
		d.start()
		d.post(0, probed{})
		d.settle()
		d.say("-- the wire is cut")
		d.step(0, probed{})
		d.todo = nil
		d.step(0, written{})
		for !d.sides[0].session.isEnded {
			d.now = d.sides[0].session.deadline()
			d.step(0, ticked{})
			d.todo = nil
		}
	},
}
