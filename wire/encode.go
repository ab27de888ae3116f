package wire

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"sqlsync/merge"
)

// Types of messages.
const (
	kindHello         = 1
	kindBatches       = 2
	kindAck           = 3
	kindSealRequest   = 4
	kindSealDone      = 5
	kindSchemaRequest = 6
	kindSchema        = 7
	kindPing          = 8
	kindPong          = 9
	kindBye           = 10
	kindOffers        = 11
	kindDigestRequest = 12
	kindDigests       = 13
	kindBehind        = 14
	kindSnapshotAsk   = 15
	kindSnapshotPart  = 16
	kindContentsAsk   = 17
	kindContents      = 18
	kindPrintsAsk     = 19
	kindPrints        = 20
	kindStatesAsk     = 21
	kindStates        = 22
	kindRangesAsk     = 23
	kindRanges        = 24
	kindKnown         = 32
	kindAddresses     = 33
)

// Numbers of the fields that follow a Hello, ascending: see reader.fields.
const (
	fieldWants     = 1
	fieldHeld      = 2
	fieldProof     = 3
	fieldMoved     = 8
	fieldExchanges = 9
	fieldArrivals  = 10
	fieldRenamed   = 11
)

// Numbers of the fields that follow Offers.
const (
	fieldOffersArrivals = 1
	fieldOffersRenamed  = 2
)

func known(kind byte) bool {
	return kind >= kindHello && kind <= kindRanges || kind == kindKnown || kind == kindAddresses
}

// appendMessage appends the body of a message and returns its type.
func appendMessage(b []byte, m Message) (kind byte, body []byte, err error) {
	switch m := m.(type) {
	case *Hello:
		return kindHello, appendHello(b, m), nil
	case *Offers:
		return kindOffers, appendRenamed(appendArrivals(appendOffers(b, m.Tables), fieldOffersArrivals, m.Tables), fieldOffersRenamed, m.Tables), nil
	case *Behind:
		return kindBehind, b, nil
	case *SnapshotRequest:
		return kindSnapshotAsk, appendBytes(b, m.Cursor), nil
	case *SnapshotPart:
		return kindSnapshotPart, appendSnapshotPart(b, m), nil
	case *ContentsRequest:
		return kindContentsAsk, b, nil
	case *Contents:
		return kindContents, appendContents(b, m), nil
	case *FingerprintsRequest:
		return kindPrintsAsk, appendFingerprintsRequest(b, m), nil
	case *Fingerprints:
		return kindPrints, appendFingerprints(b, m), nil
	case *StatesRequest:
		return kindStatesAsk, appendStatesRequest(b, m), nil
	case *States:
		return kindStates, appendStates(b, m), nil
	case *RangesRequest:
		return kindRangesAsk, appendKeyRanges(appendBytes(b, m.Table), m.Ranges), nil
	case *Ranges:
		return kindRanges, appendRanges(b, m), nil
	case *Batches:
		return kindBatches, appendSealedList(b, m.Sealed), nil
	case *Ack:
		return kindAck, appendVector(b, m.Vector), nil
	case *SealRequest:
		return kindSealRequest, binary.AppendUvarint(b, m.ID), nil
	case *SealDone:
		return kindSealDone, appendVector(binary.AppendUvarint(b, m.ID), m.Vector), nil
	case *SchemaRequest:
		return kindSchemaRequest, b, nil
	case *Schema:
		return kindSchema, appendSchema(b, m), nil
	case *DigestRequest:
		return kindDigestRequest, b, nil
	case *Digests:
		return kindDigests, appendDigests(b, m), nil
	case *Ping:
		return kindPing, binary.AppendUvarint(b, m.ID), nil
	case *Pong:
		return kindPong, binary.AppendUvarint(b, m.ID), nil
	case *Known:
		return kindKnown, appendKnown(b, m), nil
	case *Addresses:
		return kindAddresses, appendAddresses(b, m), nil
	case *Bye:
		return kindBye, appendBytes(appendBytes(b, m.Code), m.Text), nil
	}
	return 0, nil, fmt.Errorf("write message: unknown type %T", m)
}

func appendHello(b []byte, m *Hello) []byte {
	b = binary.AppendUvarint(b, uint64(m.MinProtocol))
	b = binary.AppendUvarint(b, uint64(m.MaxProtocol))
	b = appendBytes(b, m.Software)
	b = appendBytes(b, m.Dataset)
	b = appendBool(b, m.Pull)
	b = appendBool(b, m.Push)
	b = appendVector(b, m.Vector)
	b = appendOffers(b, m.Tables)
	b = binary.AppendUvarint(b, uint64(m.Now))
	if m.Wants != nil {
		b = appendBytes(binary.AppendUvarint(b, fieldWants), appendStrings(nil, m.Wants))
	}
	if len(m.Held) > 0 {
		b = appendBytes(binary.AppendUvarint(b, fieldHeld), appendVector(nil, m.Held))
	}
	if m.Proof != nil {
		b = appendBytes(binary.AppendUvarint(b, fieldProof), m.Proof[:])
	}
	if len(m.Moved) > 0 {
		b = appendBytes(binary.AppendUvarint(b, fieldMoved), appendMoved(m.Moved))
	}
	if m.Exchanges {
		b = appendBytes(binary.AppendUvarint(b, fieldExchanges), "")
	}
	return appendRenamed(appendArrivals(b, fieldArrivals, m.Tables), fieldRenamed, m.Tables)
}

// appendArrivals appends the arrivals of the tables as a field, if there are any.
func appendArrivals(b []byte, field uint64, tables []TableOffer) []byte {
	return appendOfTables(b, field, tables, func(list []byte, t *TableOffer) (int, []byte) {
		for _, author := range slices.SortedFunc(maps.Keys(t.Arrivals), merge.NodeID.Compare) {
			list = binary.AppendUvarint(append(list, author[:]...), uint64(t.Arrivals[author]))
		}
		return len(t.Arrivals), list
	})
}

// appendRenamed appends what columns were called as a field, if any was.
func appendRenamed(b []byte, field uint64, tables []TableOffer) []byte {
	return appendOfTables(b, field, tables, func(list []byte, t *TableOffer) (int, []byte) {
		for _, c := range t.Renamed {
			list = appendBytes(appendBytes(list, c.Was), c.Is)
		}
		return len(t.Renamed), list
	})
}

// appendOfTables appends a field that has lists of those tables of which there is
// something to list; body appends a list and returns its length.
func appendOfTables(b []byte, field uint64, tables []TableOffer, body func(list []byte, t *TableOffer) (n int, _ []byte)) []byte {
	var all []byte
	for i := range tables {
		if n, list := body(nil, &tables[i]); n > 0 {
			all = binary.AppendUvarint(binary.AppendUvarint(all, uint64(i)), uint64(n))
			all = append(all, list...)
		}
	}
	if len(all) == 0 {
		return b
	}
	return appendBytes(binary.AppendUvarint(b, field), all)
}

func appendMoved(list []MovedTable) []byte {
	b := binary.AppendUvarint(nil, uint64(len(list)))
	for _, t := range list {
		b = appendBytes(appendBytes(b, t.Name), t.Dataset)
	}
	return b
}

func appendSnapshotPart(b []byte, m *SnapshotPart) []byte {
	b = appendHeads(b, m.Heads)
	b = appendBool(appendBytes(appendBytes(appendBytes(b, m.Table), m.From), m.To), m.Complete)
	return appendSealedList(appendBytes(b, m.Cursor), m.Parts)
}

func appendSealedList(b []byte, list []*Sealed) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = s.Append(b)
	}
	return b
}

func appendOffers(b []byte, tables []TableOffer) []byte {
	b = binary.AppendUvarint(b, uint64(len(tables)))
	for _, t := range tables {
		b = appendBytes(appendBytes(appendBytes(appendBytes(b, t.Name), t.Policy), t.Fingerprint), t.Shape)
	}
	return b
}

func appendDigests(b []byte, m *Digests) []byte {
	b = appendBool(appendVector(b, m.Vector), m.Pending)
	b = binary.AppendUvarint(b, uint64(len(m.Tables)))
	for _, t := range m.Tables {
		b = binary.AppendUvarint(appendBytes(b, t.Name), t.Rows)
		b = appendBytes(b, t.Sum)
	}
	return b
}

func appendVector(b []byte, v merge.Vector) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	for _, origin := range v.Origins() {
		b = append(b, origin[:]...)
		b = binary.AppendUvarint(b, v[origin].Seq)
		b = binary.AppendUvarint(b, uint64(v[origin].HLC))
	}
	return b
}

func appendSchema(b []byte, m *Schema) []byte {
	b = binary.AppendUvarint(b, uint64(len(m.Tables)))
	for i := range m.Tables {
		t := &m.Tables[i]
		b = appendBytes(b, t.Name)
		b = appendStrings(b, t.Create)
		b = appendStrings(b, t.Triggers)
		b = appendStrings(b, t.Key)
		b = appendBytes(b, t.Policy)
		b = appendMap(b, t.Options)
	}
	return appendStrings(appendMap(b, m.Settings), m.Datasets)
}

func appendMap(b []byte, m map[string]string) []byte {
	b = binary.AppendUvarint(b, uint64(len(m)))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = appendBytes(appendBytes(b, k), m[k])
	}
	return b
}
