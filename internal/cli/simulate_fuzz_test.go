package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
)

// FuzzReadStock: a file is refused, naming it, or is an inventory that says the same when it is written and read again.
func FuzzReadStock(f *testing.F) {
	dir := f.TempDir()
	from, to := filepath.Join(dir, "stock.json"), filepath.Join(dir, "again.json")
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	scope := cloud.Scope{Account: "web", Region: "us-east-1", Kind: cloud.KindInstance}
	seed := stock{at, inventory.World{
		Accounts:  map[string]inventory.Account{"web": {Name: "web", Traits: cloud.Traits{Cloud: "aws"}}},
		Looks:     map[cloud.Scope]inventory.Look{scope: {SeenAt: at}},
		Instances: []cloud.Instance{{Ref: cloud.Ref{Account: "web", Region: "us-east-1", Kind: cloud.KindInstance, ID: "i-1"}, Name: "web-1", Power: cloud.PowerRunning, Tags: cloud.TagsOf(map[string]string{"a": "b"})}},
	}}
	if err := writeStock(from, seed); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(from)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	for _, text := range []string{"", "{}", `{"format":1}`, `{"format":1,"taken-at":"2026-11-20T00:00:00Z"}`, `{"format":1,"taken-at":"0001-01-01T00:00:00Z"}`, `{"format":1,"taken-at":"2026-11-20T00:00:00Z","looks":[{}]}`, `{"format":1,"taken-at":"2026-11-20T00:00:00Z","instances":[{}]}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		written(t, from, data)
		s, err := readStock(from)
		if err != nil {
			refusedFile(t, data, from, err)
			return
		}
		if err := writeStock(to, s); err != nil {
			t.Fatalf("writeStock of %q: %v", data, err)
		}
		first, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		again, err := readStock(to)
		if err != nil {
			t.Fatalf("readStock(%q), written as %q: %v", data, first, err)
		}
		if err := writeStock(to, again); err != nil {
			t.Fatal(err)
		}
		if second, _ := os.ReadFile(to); !bytes.Equal(first, second) {
			t.Errorf("readStock(%q) writes\n%s\nand read again\n%s", data, first, second)
		}
	})
}
