package fleet_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// What journals have, of before and of now, is what it was when it was written.
func TestDecodeWhatJournalsHave(t *testing.T) {
	removal := fleet.Order{ID: 7, Kind: fleet.RemoveContent}
	for text, want := range map[string]any{
		`{"host":"a","order":"remove_content"}`:                             fleet.Tell{Host: "a", Order: fleet.Order{Kind: fleet.RemoveContent}},
		`{"host":"a","id":7,"order":"remove_content"}`:                      fleet.Tell{Host: "a", Order: removal},
		`{"host":"a","id":8,"order":"restore","args":{"from":"yesterday"}}`: fleet.Tell{Host: "a", Order: fleet.Order{ID: 8, Kind: "restore", Args: map[string]string{"from": "yesterday"}}},
		`{"order":"remove_content"}`:                                        fleet.OrderDone{Order: fleet.RemoveContent},
		`{"id":7,"order":"remove_content","error":"no"}`:                    fleet.OrderDone{ID: 7, Order: fleet.RemoveContent, Error: "no"},
	} {
		var got any
		var err error
		switch want := want.(type) {
		case fleet.Action:
			got, err = fleet.DecodeAction(want.Kind(), []byte(text))
		case fleet.Happening:
			got, err = fleet.DecodeHappening(want.Kind(), []byte(text))
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v, want %+v", text, got, err, want)
		}
		if again, err := json.Marshal(got); err != nil || string(again) != text {
			t.Errorf("%s is written as %s, %v", text, again, err)
		}
	}
}

// FuzzDecode: what a journal holds is an error, or comes back as it was read.
func FuzzDecode(f *testing.F) {
	for _, kind := range fleet.ActionKinds() {
		f.Add(kind, []byte(`{"host":"a","mode":"safe","version":2,"id":1,"order":"remove_content","args":{"a":"b"}}`))
	}
	f.Add("order_done", []byte(`{"id":1,"order":"remove_content","error":"x"}`))
	f.Add("hello", []byte(`{"boot_id":"x","uptime_ns":3}`))
	f.Add("tell", []byte(`{"host":1}`))
	f.Add("unknown", []byte(`null`))
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		action, err := fleet.DecodeAction(kind, data)
		if err == nil {
			again, err := json.Marshal(action)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := fleet.DecodeAction(action.Kind(), again); err != nil || action.Kind() != kind || told(got) != told(action) {
				t.Errorf("%s %s was read as %+v, and then as %+v, %v", kind, data, action, got, err)
			}
		}
		happening, err := fleet.DecodeHappening(kind, data)
		if err == nil {
			again, err := json.Marshal(happening)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := fleet.DecodeHappening(happening.Kind(), again); err != nil || happening.Kind() != kind || told(got) != told(happening) {
				t.Errorf("%s %s was read as %+v, and then as %+v, %v", kind, data, happening, got, err)
			}
		}
	})
}

func told(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}
