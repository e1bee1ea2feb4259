package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
)

func testRecords(t *testing.T, s store.Store) {
	authors := wiretest.NewAuthors("author", 200)
	put := func(topic, kind string, a *wiretest.Author, body string) {
		t.Helper()
		b := []byte(body)
		if err := s.PutRecords(t.Context(), topic, kind, store.Record{Author: a.ID(), Body: b}); err != nil {
			t.Fatal(err)
		}
		clear(b) // the store has its own
	}
	for i, a := range authors {
		put(topic, "head", a, "old")
		put(topic, "head", a, fmt.Sprint("head ", i))
	}
	put(topic, "he", authors[0], "he")
	put("topi", "head", authors[0], "")
	bodies := make(map[keys.NodeID]string)
	var last keys.NodeID
	for r, err := range s.Records(topic, "head") {
		if err != nil {
			t.Fatal(err)
		}
		if r.Author.Compare(last) <= 0 {
			t.Errorf("Records: %v after %v", r.Author, last)
		}
		last = r.Author
		bodies[r.Author] = string(r.Body)
		clear(r.Body)
	}
	if len(bodies) != len(authors) {
		t.Errorf("%d records, want %d", len(bodies), len(authors))
	}
	for i, a := range authors {
		want := fmt.Sprint("head ", i)
		body, err := s.Record(topic, "head", a.ID())
		if err != nil || string(body) != want || bodies[a.ID()] != want {
			t.Errorf("Record = %q, %v, Records has %q, want %q", body, err, bodies[a.ID()], want)
		}
	}
	if body, err := s.Record("topi", "head", authors[0].ID()); err != nil || len(body) > 0 {
		t.Errorf("empty record = %q, %v", body, err)
	}
	for range 2 {
		if err := s.DeleteRecord(t.Context(), topic, "head", authors[0].ID()); err != nil {
			t.Errorf("DeleteRecord: %v", err)
		}
	}
	if _, err := s.Record(topic, "head", authors[0].ID()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Record: %v, want ErrNotFound", err)
	}
	if body, err := s.Record(topic, "he", authors[0].ID()); err != nil || string(body) != "he" {
		t.Errorf("Record = %q, %v", body, err)
	}
}

// testRecordsTogether checks that a call stores all its records or none, and of two of
// one author the later.
func testRecordsTogether(t *testing.T, s store.Store) {
	authors := wiretest.NewAuthors("author", 1000)
	for _, round := range []string{"first", "second"} {
		var all []store.Record
		for i, a := range authors {
			all = append(all, store.Record{Author: a.ID(), Body: fmt.Append(nil, round, i)})
		}
		if err := s.PutRecords(t.Context(), topic, "head", all...); err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			clear(r.Body) // the store has its own
		}
		wantRecords(t, s, "head", authors, round)
	}

	a, b := authors[0].ID(), authors[1].ID()
	small, large := []byte("third"), make([]byte, store.MaxRecord+1)
	for _, records := range [][]store.Record{{{Author: a, Body: small}, {Author: b, Body: large}}, {{Author: b, Body: large}, {Author: a, Body: small}}} {
		if err := s.PutRecords(t.Context(), topic, "head", records...); err == nil {
			t.Error("a call with a record too large was taken")
		}
	}
	wantRecords(t, s, "head", authors, "second")
	if err := s.PutRecords(t.Context(), topic, "none"); err != nil {
		t.Errorf("PutRecords of none: %v", err)
	}
	wantRecords(t, s, "none", nil, "")

	twice := []store.Record{{Author: a, Body: []byte("earlier")}, {Author: b, Body: small}, {Author: a, Body: []byte("later")}}
	if err := s.PutRecords(t.Context(), topic, "twice", twice...); err != nil {
		t.Fatal(err)
	}
	if body, err := s.Record(topic, "twice", a); err != nil || string(body) != "later" {
		t.Errorf("of two records of one author %q stays, %v", body, err)
	}
}

// wantRecords checks that a kind holds one record of each author: round and its number.
func wantRecords(t *testing.T, s store.Store, kind string, authors []*wiretest.Author, round string) {
	t.Helper()
	got := make(map[keys.NodeID]string)
	for r, err := range s.Records(topic, kind) {
		if err != nil {
			t.Fatal(err)
		}
		got[r.Author] = string(r.Body)
	}
	if len(got) != len(authors) {
		t.Errorf("%d records of kind %q, want %d", len(got), kind, len(authors))
	}
	for i, a := range authors {
		if want := fmt.Sprint(round, i); got[a.ID()] != want {
			t.Fatalf("record %d is %q, want %q", i, got[a.ID()], want)
		}
	}
}

func testRecordBounds(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a").ID()
	longest := strings.Repeat("k", store.MaxRecordKind)
	most := bytes.Repeat([]byte("x"), store.MaxRecord)
	if err := s.PutRecords(t.Context(), topic, longest, store.Record{Author: a, Body: most}); err != nil {
		t.Errorf("the largest record: %v", err)
	}
	if body, err := s.Record(topic, longest, a); err != nil || !bytes.Equal(body, most) {
		t.Errorf("the largest record comes back as %d bytes, %v", len(body), err)
	}
	for _, bad := range []struct {
		topic, kind string
		body        []byte
	}{
		{"", "head", nil},
		{strings.Repeat("t", 256), "head", nil},
		{topic, "", nil},
		{topic, longest + "k", nil},
		{topic, "head", append(most, 'x')},
	} {
		if err := s.PutRecords(t.Context(), bad.topic, bad.kind, store.Record{Author: a, Body: bad.body}); err == nil {
			t.Errorf("a record of topic %.9q, kind %.9q, %d bytes was taken", bad.topic, bad.kind, len(bad.body))
		}
	}
}
