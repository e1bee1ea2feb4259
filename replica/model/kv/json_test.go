package kv_test

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/kv"
)

func TestMarshalJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, model := kv.Detached(keys.NodeID{}, 1)
		defer m.Close()
		expect := func(want string) {
			t.Helper()
			if got, err := m.MarshalJSON(); err != nil || string(got) != want {
				t.Errorf("got %s, %v\nwant %s", got, err, want)
			}
		}
		expect("{}")
		for i, change := range [][]byte{
			kv.MustSet("b", `"<&>"`), kv.MustSet("a", "ä\n\x00"), kv.MustSet("\U0010ffff", ""), kv.MustSet("B\u2028\x7f\"\\", "{}"),
			kv.MustSet("bytes", "v\xff"), kv.MustSet("surrogate", "\xed\xa0\x80"),
			kv.MustSet("deleted", "v"), kv.MustDelete("deleted"),
			kv.MustSetUntil("expires", "v", in(time.Second)), kv.MustSetUntil("expired", "v", in(0)),
			kv.MustSet("__proto__", "v"), kv.MustSet("constructor", "v"),
		} {
			apply(t, model, update("a", uint64(i+1), uint64(i+1), change))
		}
		before := `{"B\u2028` + "\x7f" + `\"\\":"{}","__proto__":"v","a":"ä\n\u0000","b":"\"<&>\"","bytes":{"value_base64":"dv8="},"constructor":"v",`
		after := `"surrogate":{"value_base64":"7aCA"},"` + "\U0010ffff" + `":""}`
		expect(before + `"expires":"v",` + after)
		time.Sleep(time.Second)
		synctest.Wait()
		expect(before + after)
		var back map[string]any
		b, err := json.Marshal(m)
		if err := errors.Join(err, json.Unmarshal(b, &back)); err != nil || len(back) != m.Len() || back["a"] != "ä\n\x00" {
			t.Errorf("it reads back as %v, %v", back, err)
		}
	})
}
